#!/bin/sh
# Has mise install what the repository in $1 asks for: in the background, in the foreground, or quietly ($3). What is said goes
# to the log $2; in the foreground to our output, too. Runs in a guest.
install_tools() {
  cd "$1" || return
  export MISE_YES=1
  mise trust --all
  mise install
}

mkdir -p "${2%/*}" || exit
if ! command -v mise > /dev/null; then
  echo "this image has no mise" | tee "$2"
  exit 127
fi
case $3 in
background)
  install_tools "$1" < /dev/null > "$2" 2>&1 &
  ;;
quiet)
  install_tools "$1" < /dev/null > "$2" 2>&1
  ;;
*)
  { install_tools "$1" < /dev/null 2>&1; echo $? > "$2.status"; } | tee "$2"
  read -r status < "$2.status"
  rm -f "$2.status"
  exit "$status"
  ;;
esac
