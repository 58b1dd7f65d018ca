#!/usr/bin/env bash
# Installs a release of banger.
#
#   curl -fsSL URL/install.sh | bash                    # or download it, read it, run it
#   curl -fsSL URL/install.sh | bash -s -- --user       # options after --
#
# What is downloaded is neither run nor unpacked before its signature and checksum are right; then you are shown what will
# be done, and asked. Needs bash 4, curl or wget, openssl, tar with gzip, and coreutils. Options: --help.
#
# SC2015: in `A && B || die`, die is for either. SC2317: cleanup is called, by a trap.
# shellcheck disable=SC2015,SC2317
[ -n "${BASH_VERSION-}" ] || { echo "install.sh: this needs bash: pipe it into bash, not sh" >&2 && exit 1; }
# In one pair of braces: bash runs nothing of it before it has all of it, wherever a download is cut.
{
set -uo pipefail
set +o posix

# The build of a release puts both in: who has the key's other half can sign releases for this file.
base='@BASE_URL@'
public_key='@PUBLIC_KEY@'

# In KiB. A try that brings less than `slowest` a second is given up.
readonly most_manifest=1024 most_sums=16 most_signature=1 most_tarball=262144 most_program=1048576 slowest=4
readonly tries=4

usage() {
  cat <<'END'
Installs banger: verified, and after a question.

Usage: install.sh [options]

  --user             into ~/.local/bin, for you alone, without sudo
  --prefix DIR       the same, into DIR/bin
                     (without either: as system services, by sudo banger system install)
  --owner USER       whose the services' VMs will be (default: you)
  --version vX.Y.Z   another release than the latest; also one older than what is installed
  --yes              do not ask
  --base-url URL     where releases are (or BANGER_RELEASES in the environment)
  --timeout SECONDS  how long to wait for a server that sends nothing (default: 30)
  --help             this
END
}

say() { printf '%s\n' "$*" >&2; }

# What others have said, fit for a terminal.
plain() { printf '%s' "$*" | tr -cd '[:print:]' | cut -c 1-200; }

# die WHAT [NEXT]
die() {
  say "install.sh: $1"
  [ $# -lt 2 ] || say "  hint: $2"
  exit 1
}

misused() {
  say "install.sh: $1"
  say "  hint: install.sh --help lists the options"
  exit 2
}

has() { command -v "$1" > /dev/null 2>&1; }

read_options() {
  mode=system prefix='' owner='' version='' yes=no timeout=30
  base=${BANGER_RELEASES:-$base}
  while [ $# -gt 0 ]; do
    case $1 in
      --user) mode=user ;;
      --yes | -y) yes=yes ;;
      --help | -h) usage && exit 0 ;;
      --prefix | --owner | --version | --base-url | --timeout)
        [ -n "${2-}" ] || misused "$1 needs a value"
        case $1 in
          --prefix) mode=prefix prefix=$2 ;;
          --owner) owner=$2 ;;
          --version) version=${2#v} ;;
          --base-url) base=$2 ;;
          --timeout) timeout=$2 ;;
        esac
        shift
        ;;
      *) misused "there is no option $(plain "$1")" ;;
    esac
    shift
  done
  [ -z "$version" ] || is_version "$version" || misused "--version is none, as v1.2.3 is: $(plain "$version")"
  [[ $timeout =~ ^[1-9][0-9]{0,3}$ ]] || misused "--timeout is no number of seconds: $(plain "$timeout")"
  [ -z "$owner" ] || [ "$mode" = system ] || misused "--owner is for the services, which --user and --prefix do without"
  base=${base%/}
}

# As semver.org says, without build metadata; its numbers are small enough for bash.
is_version() {
  local number='(0|[1-9][0-9]{0,8})'
  [[ $1 =~ ^$number\.$number\.$number(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$ ]]
}

# older A B: whether A comes before B.
older() {
  local -a a b
  local i
  IFS=. read -r -a a <<< "${1%%-*}"
  IFS=. read -r -a b <<< "${2%%-*}"
  for i in 0 1 2; do
    [ "${a[i]}" -eq "${b[i]}" ] || { [ "${a[i]}" -lt "${b[i]}" ]; return; }
  done
  # A release has no more, and comes after all that have.
  case "$1,$2" in
    *-*,*-*) ;;
    *-*,*) return 0 ;;
    *) return 1 ;;
  esac
  IFS=. read -r -a a <<< "${1#*-}"
  IFS=. read -r -a b <<< "${2#*-}"
  for ((i = 0; i < ${#a[@]} && i < ${#b[@]}; i++)); do
    [ "${a[i]}" = "${b[i]}" ] || { before "${a[i]}" "${b[i]}"; return; }
  done
  [ ${#a[@]} -lt ${#b[@]} ]
}

# before A B, which differ: numbers by their value, words by their letters, and numbers before words.
before() {
  case "$1,$2" in
    *[!0-9]*,*[!0-9]*) [[ $1 < $2 ]] ;;
    *[!0-9]*,*) return 1 ;;
    *,*[!0-9]*) return 0 ;;
    *) [ ${#1} -lt ${#2} ] || { [ ${#1} -eq ${#2} ] && [[ $1 < $2 ]]; } ;;
  esac
}

# Nothing in it that a shell, curl or a terminal would take for something else; plain http for this machine alone.
is_url() {
  local rest='(:[0-9]{1,5})?(/[A-Za-z0-9_~+%-][A-Za-z0-9._~+%-]*)*$'
  [[ $1 =~ ^https://[A-Za-z0-9][A-Za-z0-9.-]*$rest || $1 =~ ^http://(127\.0\.0\.1|localhost)$rest ]]
}

check_host() {
  local machine tool
  [ "${BASH_VERSINFO[0]}" -ge 4 ] || die "this bash is of version $BASH_VERSION, and 4 is needed"
  machine="$(uname -s) on $(uname -m)"
  [ "$machine" = "Linux on x86_64" ] || die "banger runs on Linux on x86_64, and this is $machine"
  for tool in awk cut df find grep gzip mktemp mv openssl sha256sum tar timeout tr wc; do
    has "$tool" || die "$tool is not installed" "install it by your system's packages, then run this again"
  done
  has curl || has wget || die "neither curl nor wget is installed" "install one of them, then run this again"
  [[ $base == *://* ]] || die "this copy of install.sh does not know where releases are" "say it: --base-url https://..."
  is_url "$base" || die "this is no https:// URL to have releases from: $(plain "$base")" "http:// is for localhost alone"
  [[ $public_key == "-----BEGIN PUBLIC KEY-----"* ]] ||
    die "this copy of install.sh has no key to verify releases with" "it is the source's: take the one that is beside the releases"
}

# Who this is, and whether that can be meant.
check_user() {
  uid=$(id -u)
  if [ "$uid" -eq 0 ] && [ "${SUDO_UID:-0}" != 0 ] && [ -z "$owner" ] && [ "$mode" != prefix ]; then
    die "this runs as root, by a sudo that it does not need" "run it without: it calls sudo itself, after a question (or say --owner USER)"
  fi
  if [ "$mode" = user ]; then
    [[ ${HOME-} == /* ]] || die "HOME does not say where your home is" "say --prefix DIR"
    prefix=$HOME/.local
  elif [ "$mode" = system ]; then
    [ -n "$owner" ] || [ "$uid" -ne 0 ] || die "whose will the VMs be? They cannot be root's" "say --owner USER; or --prefix DIR, without services"
    [ -n "$owner" ] || owner=$(id -un)
    [[ $owner =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] && id -u "$owner" > /dev/null 2>&1 || die "there is no user $(plain "$owner")"
    [ "$(id -u "$owner")" -ne 0 ] || die "VMs cannot be root's" "say --owner USER"
    [ "$uid" -eq 0 ] || has sudo || die "sudo is not installed" "say --user, which needs none; or run this as root with --owner $owner"
  fi
  terminal=no
  if (: < /dev/tty) 2> /dev/null; then terminal=yes; fi
  [ "$yes$terminal" != nono ] || die "there is no terminal to ask on" "--yes goes on without a question"
}

# --- Files: all of them in one directory, which is locked for as long as this lives, or a child of it.

cleanup() {
  local status=$? dir
  trap '' HUP INT TERM
  [ -z "${child-}" ] || { kill "$child" && wait "$child"; } 2> /dev/null
  [ -z "${work-}" ] || rm -rf -- "$work"
  [ -z "${aside-}" ] || rm -f -- "$aside"
  # Those that this has made, if nothing has come into them.
  for dir in ${made[@]+"${made[@]}"}; do rmdir -- "$dir" 2> /dev/null; done
  exit "$status"
}

# On the file system of what it will be, where that is ours to write: the last act is a rename.
make_work() {
  local place dir new
  trap cleanup EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [ "$mode" = system ]; then
    place=${TMPDIR:-/tmp} target=/usr/local/bin/banger elsewhere="TMPDIR says where"
  else
    [[ $prefix == /* ]] || prefix=$PWD/$prefix
    target=$prefix/bin/banger elsewhere="--prefix says where"
    for place in "$prefix/bin" "$prefix/lib/banger"; do
      dir=$place new=()
      while [ ! -e "$dir" ] && [ ! -L "$dir" ]; do new+=("$dir") dir=$(dirname -- "$dir"); done
      mkdir -p -- "$place" 2> /dev/null || die "$(plain "$place") cannot be made" "$elsewhere else"
      made=(${new[@]+"${new[@]}"} ${made[@]+"${made[@]}"})
    done
    [ ! -d "$target" ] || die "$(plain "$target") is a directory" "move it away, then run this again"
  fi
  place=$(cd -- "$place" 2> /dev/null && pwd -P) || die "$(plain "$place") is no directory of yours" "$elsewhere else"
  for dir in "$place"/.banger-install.??????????; do remove_left "$dir"; done
  work=$(mktemp -d -- "$place/.banger-install.XXXXXXXXXX" 2> /dev/null) ||
    die "no file can be made in $(plain "$place")" "is its disk full, or not yours to write? $elsewhere else"
  { exec 9< "$work"; } 2> /dev/null && { ! has flock || flock -n 9; } || die "$(plain "$work") was removed" "run this again"
}

# Of an earlier run that was killed, so that nobody holds its lock. A new one may be about to be locked.
remove_left() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && has flock && [ -n "$(find "$1" -maxdepth 0 -mmin +1)" ] || return 0
  (exec 8< "$1" && flock -n 8 && rm -rf -- "$1") 2> /dev/null
}

# if_full WHAT: dies when it is the disk that is the matter.
if_full() {
  local free
  free=$(df -Pk -- "$work" 2> /dev/null | awk 'NR == 2 { print $4 }')
  [ "${free:-0}" -ge 1024 ] || die "the disk of $(plain "${work%/*}") is full: $1 does not fit" "make room, then run this again; $elsewhere else"
}

# cannot_write WHAT: after a write that has failed.
cannot_write() {
  if_full "$1"
  die "$1 cannot be written in $(plain "${work%/*}")" "$elsewhere else"
}

# --- Downloads

size_of() { wc -c < "$1"; }

# fetch URL FILE KIB: goes on with what is in FILE. In the background, so that a signal is heard at once; 124 when too slow.
fetch() {
  local since=$SECONDS before now status
  (
    # A file that grows beyond it ends whoever writes it. What curl says must fit, too.
    ulimit -c 0 -f $(($3 < 16 ? 16 : $3))
    if has curl; then
      # A redirect leads to https or nowhere. (wget has no such option: what comes is verified, wherever it is from.)
      exec curl -gfsSL --proto '=http,https' --proto-redir '=https' --max-redirs 5 --connect-timeout "$timeout" -C - -o "$2" "$1"
    elif wget --version 2> /dev/null | grep -q 'GNU Wget'; then
      exec wget -nv --tries=1 --timeout="$timeout" --max-redirect=5 -c -O "$2" "$1"
    fi
    # Busybox's.
    exec wget -c -O "$2" "$1"
  ) > /dev/null 2> "$work/said" < /dev/null &
  child=$! before=$(size_of "$2")
  while kill -0 "$child" 2> /dev/null; do
    sleep 0.05
    [ "$3" -ne "$most_tarball" ] || progress "$(size_of "$2")"
    [ $((SECONDS - since)) -ge "$timeout" ] || continue
    now=$(size_of "$2")
    if [ $((now - before)) -lt $((slowest * 1024 * timeout)) ]; then
      { kill "$child" && wait "$child"; } 2> /dev/null
      child=''
      echo "less than $slowest KiB a second for $timeout s" > "$work/said"
      return 124
    fi
    since=$SECONDS before=$now
  done
  wait "$child" 2> /dev/null
  status=$? child=''
  return "$status"
}

# progress BYTES, on a terminal; without BYTES it goes away.
progress() {
  [ -t 2 ] || return 0
  printf '\r%20s\r' '' >&2
  [ $# -eq 0 ] || printf '  %s MiB ' $(($1 / 1048576)) >&2
}

# download WHAT URL FILE KIB
download() {
  local what=$1 url=$2 file=$3 kib=$4 try=1 before=0 size status reason
  while :; do
    : >> "$file" || cannot_write "$what"
    fetch "$url" "$file" "$kib"
    status=$?
    progress
    size=$(size_of "$file")
    # The kernel has stopped it there, when it was stopped.
    [ "$size" -lt $((kib * 1024 + (status == 0))) ] || die "$what is larger than $kib KiB, the most it may be: $url"
    [ "$status" -ne 0 ] || return 0
    # What follows it is advice, of another kind than ours.
    reason=$(plain "$(grep -aEm 1 '^curl: |^ERROR: |ERROR [0-9]' "$work/said" || tail -n 1 "$work/said")")
    case $status,$reason in
      23,* | 3,*) cannot_write "$what" ;;
      # Not there, not now, and not for such a part of it: another try may help.
      *' 408'* | *' 429'* | *' 416'*) ;;
      *ertificate*)
        die "$what is not to be had: $url" "the server does not prove who it is: $reason (is the clock right? are ca-certificates installed?)"
        ;;
      *'error: 4'[0-9][0-9]* | *'ERROR 4'[0-9][0-9]* | *'HTTP/1.'[01]' 4'[0-9][0-9]*)
        die "$what is not to be had: $url" "the server says: $reason"
        ;;
    esac
    [ $((size - before)) -lt 1048576 ] || try=1
    [ "$try" -lt "$tries" ] || die "$what cannot be downloaded: $url" "${reason:-status $status}; is the network, or its proxy, in order? Run this again"
    say "  it broke off after $size bytes (${reason:-status $status}): once more"
    # Only the tarball is worth going on with, and only where the server goes along.
    case $kib,$status in
      "$most_tarball,22" | "$most_tarball,33" | "$most_tarball,36" | "$most_tarball,8") rm -f -- "$file" ;;
      "$most_tarball,"*) ;;
      *) rm -f -- "$file" ;;
    esac
    before=0
    [ ! -e "$file" ] || before=$size
    sleep "$try"
    try=$((try + 1))
  done
}

# --- What is downloaded. The manifest is not signed: it is only asked which release there is, and where.

# flatten FILE: JSON as lines of PATH and VALUE with a tab between, strings in their quotes. Strict, and a little more than
# JSON is: ASCII alone, no name twice, names without escapes. Needs neither jq nor python.
flatten() {
  ! grep -qa $'[^ -~\t\r]' "$1" || return 1
  grep -oaE '"([^"\\[:cntrl:]]|\\["\\/bfnrtu])*"|[][{}:,]|[^][{}:,"[:space:]]+|"' "$1" | awk '
    function open(kind) { kinds[++depth] = kind; bases[depth] = here; counts[depth] = 0; expect = kind == "{" ? "first-name" : "first-value" }
    function closed() { here = bases[depth--]; expect = depth == 0 ? "end" : "comma" }
    BEGIN { expect = "value" }
    depth > 8 { exit bad = 1 }
    expect ~ /name$/ && /^"[A-Za-z0-9._+-]+"$/ {
      here = bases[depth] "/" substr($0, 2, length($0) - 2)
      if (here in seen) exit bad = 1
      seen[here] = 1; expect = "colon"; next
    }
    expect == "colon" && $0 == ":" { expect = "value"; next }
    expect == "comma" && $0 == "," {
      if (kinds[depth] == "{") expect = "name"
      else { here = bases[depth] "/" (++counts[depth]); expect = "value" }
      next
    }
    (expect == "first-name" || (expect == "comma" && kinds[depth] == "{")) && $0 == "}" { closed(); next }
    (expect == "first-value" || (expect == "comma" && kinds[depth] == "[")) && $0 == "]" { closed(); next }
    expect ~ /value$/ {
      if (expect == "first-value") here = bases[depth] "/0"
      if ($0 == "{" || $0 == "[") { open($0); next }
      if ($0 !~ /^(".*"|true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)$/ || $0 == "\"") exit bad = 1
      print here "\t" $0
      expect = depth == 0 ? "end" : "comma"; next
    }
    { exit bad = 1 }
    END { exit bad || expect != "end" }'
}

# field PATH: the text of a string in the manifest; nothing when there is none.
field() { awk -F '\t' -v path="$1" '$1 == path && $2 ~ /^"[^\\]+"$/ { print substr($2, 2, length($2) - 2) }' "$work/fields"; }

read_manifest() {
  local latest
  download "the list of releases" "$base/manifest.json" "$work/manifest" "$most_manifest"
  flatten "$work/manifest" > "$work/fields" || die "the list of releases is damaged: $base/manifest.json" "try again later"
  grep -qx $'/schema_version\t1' "$work/fields" ||
    die "the list of releases is not for this install.sh, which is of another age" "download install.sh again"
  latest=$(field /latest_stable)
  asked=$version
  version=${version:-${latest#v}}
  is_version "$version" || die "the list of releases names no latest one" "say which: --version vX.Y.Z"
  # The list is not signed, and what comes before a release is signed, too.
  [[ -n $asked || $version != *-* ]] || die "the list of releases names v$version as the latest, which comes before a release" "if you want it, say so: --version v$version"
  # As it is written there, in file names and in what is signed, too.
  for release in "$version" "v$version"; do
    tarball_url=$(field "/releases/$release/tarball")
    [ -z "$tarball_url" ] || break
  done
  [ -n "$tarball_url" ] || die "there is no release v$version at $base" "the latest one is $(plain "${latest:-not said}")"
  tarball_url=$(resolve "$tarball_url") && sums_url=$(resolve "$(field "/releases/$release/sums")") || exit 1
  signature_url=$(field "/releases/$release/sig")
  [ -n "$signature_url" ] || die "release v$version is not signed, and is not installed"
  signature_url=$(resolve "$signature_url") || exit 1
}

# resolve URL: of the manifest, absolute or from where it is.
resolve() {
  local url=$1
  [[ $url == *:* ]] || url=$base/$url
  is_url "$url" && [[ $url == https://* || $base == http://* ]] || die "the list of releases leads to no https:// URL: $(plain "$1")"
  printf '%s' "$url"
}

# The signature is one line of base64, to the bit: openssl alone would read others, too. It holds DER to its one form, but
# reads no more than 72 bytes of it, which is the longest that there is.
check_signature() {
  local text
  { text=$(< "$work/sums.sig"); } 2> /dev/null
  [[ $text =~ ^([A-Za-z0-9+/]{4})+([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$ ]] && [ "$(size_of "$work/sums.sig")" -eq $((${#text} + 1)) ] &&
    printf '%s' "$text" | openssl base64 -d -A -out "$work/der" 2> /dev/null && [ "$(openssl base64 -A -in "$work/der")" = "$text" ] &&
    [ "$(size_of "$work/der")" -le 72 ] ||
    die "the signature of v$version is malformed: nothing was installed" "$(distrust)"
  printf '%s\n' "$public_key" > "$work/key"
  openssl dgst -sha256 -verify "$work/key" -signature "$work/der" "$work/sums" > /dev/null 2>&1 ||
    die "the signature of v$version is not right: nothing was installed" "$(distrust)"
}

distrust() { echo "this is not what was released, or install.sh is too old: download that again; if it stays so, tell the project"; }

# What was signed: for which release, when, and the checksum of its tarball.
read_sums() {
  local line named='' found=0
  sum='' date=''
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      '# banger '*) named+=${named:+ }${line#\# banger } ;;
      '# date '*) date=${line#\# date } ;;
      '' | '#'*) ;;
      *)
        [[ $line =~ ^([0-9A-Fa-f]{64})\ [\ *]([A-Za-z0-9._+-]+)$ ]] || die "the checksums of v$version are malformed" "$(distrust)"
        [ "${BASH_REMATCH[2]}" = "banger-$release-linux-amd64.tar.gz" ] || continue
        sum=${BASH_REMATCH[1],,} found=$((found + 1))
        ;;
    esac
  done < "$work/sums"
  [ "$named" = "$release" ] || die "the server gave what was signed for ${named:+banger }$(plain "${named:-nothing}"), not for $release" "$(distrust)"
  [ "$found" -eq 1 ] || die "the checksums of v$version name its tarball $found times, not once" "$(distrust)"
  [[ $date =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+Z)?$ ]] || die "the checksums of v$version do not say when they were made" "$(distrust)"
}

download_verified() {
  say "banger v$version, from $base"
  download "the checksums of v$version" "$sums_url" "$work/sums" "$most_sums"
  download "the signature of v$version" "$signature_url" "$work/sums.sig" "$most_signature"
  check_signature
  read_sums
  download "the tarball of v$version" "$tarball_url" "$work/tarball" "$most_tarball"
  [ "$(sha256sum < "$work/tarball")" = "$sum  -" ] || die "the tarball of v$version is not the one that was signed: nothing was installed" "$(distrust)"
  say "  its signature and its checksum are right"
}

# --- From here on it is what was released.

unpack() {
  local names listed answer other="the tarball of v$version has something else in it than one program: nothing was installed"
  # Once: it is 120 MB.
  (ulimit -c 0 -f "$most_program" && exec gzip -dc) < "$work/tarball" > "$work/tar" 2> /dev/null ||
    { if_full "the program"; die "$other"; }
  rm -f -- "$work/tarball"
  names=$(tar -tf "$work/tar" 2> /dev/null | head -c 4096)
  listed=$(tar -tvf "$work/tar" 2> /dev/null | head -c 4096)
  [ "$names" = banger ] && [[ $listed == -* ]] || die "$other"
  tar -xOf "$work/tar" banger > "$work/banger" 2> /dev/null || cannot_write "the program"
  rm -f -- "$work/tar"
  chmod 755 -- "$work/banger"
  answer=$(timeout -k 5 60 "$work/banger" --version 2> "$work/said" < /dev/null | head -c 200)
  case $? in
    0) ;;
    126) die "programs may not be run from $(plain "${work%/*}")" "$elsewhere else" ;;
    132) die "the program of v$version uses instructions that this CPU has not" "it needs x86-64-v2 (SSE4.2 and POPCNT): Intel's since 2008, AMD's since 2011" ;;
    *) die "the program of v$version does not run on this machine: $(plain "$(tail -n 1 "$work/said")")" "it needs the C library of a usual distribution (glibc)" ;;
  esac
  [[ $answer == "banger v$version "* && $answer =~ \(commit\ ([0-9A-Za-z][0-9A-Za-z.+]*), ]] ||
    die "the program of v$version says that it is another: $(plain "$answer")"
  name=$version-${BASH_REMATCH[1]}
}

# The version of what is installed; nothing when there is none, or none that works.
installed_version() {
  local answer
  [ -x "$target" ] && answer=$(timeout -k 5 20 "$target" --version 2> /dev/null < /dev/null | head -c 200) || return 0
  answer=${answer#banger v}
  is_version "${answer%% *}" && echo "${answer%% *}"
}

refuse_older() {
  installed=$(installed_version)
  [ -n "$installed" ] && [ -z "$asked" ] && older "$version" "$installed" || return 0
  die "v$installed is installed, which is newer than the latest release at $base, v$version" "if you want the older one, say so: --version v$version"
}

# What is about to happen, to be read before it is agreed to.
summarize() {
  local now="" as_root="with sudo, as root"
  if [ -n "$installed" ]; then
    now=", in place of v$installed"
  elif [ -e "$target" ] || [ -L "$target" ]; then
    now=", in place of what is there"
  fi
  [ "$uid" -ne 0 ] || as_root="as root"
  say ""
  say "banger v$version (signed ${date%T*}) is verified. To be done${now}:"
  if [ "$mode" != system ]; then
    say "  $(plain "$prefix/lib/banger")    the program; nothing else, and nothing as root"
    say "  $(plain "$target")    a link to it"
    return
  fi
  say "  $as_root: banger system install --owner $owner"
  say "    /usr/local/bin/banger                the program"
  say "    /usr/local/lib/banger, /etc/banger   its other names, who the owner is"
  say "    bangerd.service                      runs as $owner: VMs, images"
  say "    bangerd-root.service                 runs as root: network, disks and jails of VMs"
  say "    bangerd-build.socket                 builds images, as $owner, when asked"
  say "    /var/lib/banger, /var/cache/banger   ${owner}'s: what is there is kept"
  say "  All of it is taken back by: sudo banger system uninstall"
}

confirm() {
  local answer=''
  [ "$yes" = no ] || return 0
  printf 'Go on? [y/N] ' > /dev/tty
  IFS= read -r answer < /dev/tty || echo > /dev/tty
  [[ $answer =~ ^[Yy]([Ee][Ss])?$ ]] || die "nothing was installed, as you did not say yes"
}

# Each version has a directory of its own, and a link says which is meant: `banger update` goes on from there. Whoever looks
# finds the old one or the new one, also after a power cut.
put_version() {
  local versions=${work%/*}/versions updates=${work%/*}/updates
  # `banger update` has it as long as it works: either would remove what the other is about to put.
  mkdir -p -- "$updates" 2> /dev/null || cannot_write "the program"
  if has flock; then
    exec 8>> "$updates/lock" || cannot_write "the program"
    flock -w 60 8 || die "a banger update is under way: nothing was installed" "run this again when it has ended"
  fi
  mkdir -p -- "$versions/$name" 2> /dev/null || cannot_write "the program"
  sync -- "$work/banger" 2> /dev/null
  mv -f -- "$work/banger" "$versions/$name/banger" || die "$(plain "$versions/$name/banger") cannot be replaced"
  sync -- "$versions/$name" "$versions" 2> /dev/null
  # Each run's own, and one that was killed may have left its.
  find "${target%/*}" -maxdepth 1 -name 'banger.banger-new.*' -type l -mmin +1 -delete
  aside=$target.banger-new.${work##*.}
  ln -sfn -- "$versions/$name/banger" "$aside" && mv -fT -- "$aside" "$target" || die "$(plain "$target") cannot be replaced"
  sync -- "${target%/*}" 2> /dev/null
  # Who runs another one goes on with it; one that is quite new may be just what another run is about to put.
  find "$versions" -mindepth 1 -maxdepth 1 ! -name "$name" -mmin +1 -exec rm -rf -- '{}' +
}

put() {
  local -a sudo=()
  if [ "$mode" != system ]; then
    put_version
    return 0
  fi
  # Without a terminal a password cannot be asked for: sudo says so instead of waiting.
  [ "$uid" -eq 0 ] || sudo=(sudo)
  [ "$uid" -eq 0 ] || [ "$terminal" = yes ] || sudo=(sudo -n)
  ${sudo[@]+"${sudo[@]}"} "$work/banger" system install --owner "$owner" >&2 ||
    die "banger system install has failed, for the reason above; it takes back what it has done" "run this again when that is mended; or --user, without services"
}

say_next() {
  local found
  say ""
  say "banger v$version is installed: $(plain "$target")"
  hash -r
  found=$(command -v banger)
  if [[ ":$PATH:" != *":${target%/*}:"* ]]; then
    say "  ${target%/*} is not in your PATH. Put it there, in ~/.profile or the like:"
    say "    export PATH=\"${target%/*}:\$PATH\""
  elif [ -n "$found" ] && ! [ "$found" -ef "$target" ]; then
    say "  Your shell finds another one first: $(plain "$found")"
  fi
  say "  next: banger doctor    what works on this machine"
  say "        banger vm run    a shell in a fresh VM"
}

main() {
  umask 022
  export LC_ALL=C
  # They could have tar, gzip and grep do something else.
  unset TAR_OPTIONS GZIP GREP_OPTIONS CDPATH POSIXLY_CORRECT
  made=() child='' work='' aside=''
  read_options "$@"
  check_host
  check_user
  make_work
  read_manifest
  refuse_older
  download_verified
  unpack
  summarize
  confirm
  put
  say_next
}

main "$@" < /dev/null; exit; }
