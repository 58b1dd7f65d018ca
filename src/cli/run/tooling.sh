#!/bin/sh
# Has mise install what the repository in $1 asks for: in the background, in the foreground, or quietly ($3). What is said goes
# to the log $2; in the foreground to our output, too. What follows are tools that it pins without mise, as TOOL@VERSION: they become
# the guest's own. Runs in a guest.
install_tools() {
  cd "$1" || return
  shift
  export MISE_YES=1
  if [ $# -eq 0 ]; then
    mise trust --all
    mise install
    return
  fi
  # One that cannot be had leaves the others.
  status=0
  for tool; do mise use --global "$tool" || status=$?; done
  return "$status"
}

repo=$1 log=$2 how=$3
shift 3
mkdir -p "${log%/*}" || exit
if ! command -v mise > /dev/null; then
  echo "this image has no mise" | tee "$log"
  exit 127
fi
case $how in
background)
  install_tools "$repo" "$@" < /dev/null > "$log" 2>&1 &
  ;;
quiet)
  install_tools "$repo" "$@" < /dev/null > "$log" 2>&1
  ;;
*)
  { install_tools "$repo" "$@" < /dev/null 2>&1; echo $? > "$log.status"; } | tee "$log"
  read -r status < "$log.status"
  rm -f "$log.status"
  exit "$status"
  ;;
esac
