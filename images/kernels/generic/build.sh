#!/bin/sh
# Builds the kernel generic-6.12: Debian's linux-source with fragment.config, no modules, to be started as an ELF file.
#
#   images/kernels/generic/build.sh OUT [VERSION]
#
# OUT      made by this script: vmlinux, config, manifest.json (the store's: src/kernel/store.ts)
# VERSION  of Debian's package; the newest that the mirror has without it
#
# The same version and the same compiler give the same bytes, wherever and whenever they are built. Needs 3 GB beside OUT
# for as long as it runs, and of Debian 12: bc bison build-essential flex libelf-dev xz-utils.
set -eu
export LC_ALL=C TZ=UTC
umask 022

series=6.12
suite=bookworm
name=generic-$series

fail() {
  echo "build.sh: $*" >&2
  exit 1
}

[ $# -eq 1 ] || [ $# -eq 2 ] || fail "usage: build.sh OUT [VERSION]"
[ ! -e "$1" ] || fail "$1 is already there"
for tool in apt-get bc bison flex gcc make objcopy readelf sha256sum xz; do
  command -v "$tool" > /dev/null || fail "$tool is not installed"
done
echo '#include <libelf.h>' | gcc -E - > /dev/null 2>&1 || fail "libelf's headers are not installed"
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$(dirname "$1")"
out=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
# The source is unpacked beside it.
case $out in *[[:space:]:]*) fail "the kernel's makefiles take no path with a space or a colon in it: $out" ;; esac
version=${2-}
work=$(mktemp -d "$out.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# --- The source, by an apt whose every directory is a private one: only what the archive's keyring vouches for.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || fail "the keyring that signs Debian's packages is not installed"
# apt's own placeholder.
# shellcheck disable=SC2016
mirrors=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u)
mirror() { printf '%s\n' "$mirrors" | grep -m 1 "/$1/*\$" || fail "this machine's apt sources name no mirror of $1"; }
archive=$(mirror debian)
security=$(mirror debian-security)
mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/package"
: > "$work/apt/status"
for source in "$archive $suite" "$security $suite-security"; do
  echo "deb [arch=amd64 signed-by=$keyring] $source main"
done > "$work/apt/sources.list"
cat > "$work/apt/apt.conf" << END
Dir::State "$work/apt";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt";
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "";
Acquire::Languages "none";
END
export APT_CONFIG="$work/apt/apt.conf"
apt-get -q update
(cd "$work/package" && apt-get -q download "linux-source-$series${version:+=$version}")
dpkg-deb -x "$work"/package/*.deb "$work/package"
version=$(dpkg-deb -f "$work"/package/*.deb Version)
tree=$work/tree
mkdir "$tree"
tar -xJf "$work/package/usr/src/linux-source-$series.tar.xz" -C "$tree" --strip-components=1

# --- Nothing of this machine, this directory and this day gets in.
changelog=$work/package/usr/share/doc/linux-source-$series/changelog.Debian.gz
SOURCE_DATE_EPOCH=$(date -d "$(gzip -dc "$changelog" | sed -n 's/^ -- .*>  //p;T;q')" +%s)
KBUILD_BUILD_TIMESTAMP=$(date -d "@$SOURCE_DATE_EPOCH")
export SOURCE_DATE_EPOCH KBUILD_BUILD_TIMESTAMP KBUILD_BUILD_USER=banger KBUILD_BUILD_HOST=banger KBUILD_BUILD_VERSION=1
# Set, and empty: else kbuild looks for a git repository around it.
export LOCALVERSION=
unset KCONFIG_CONFIG KCFLAGS KCPPFLAGS KBUILD_OUTPUT O MAKEFLAGS
# The configuration, which is in the kernel, would name the versions of tools that are not used.
build() { make -C "$tree" -s ARCH=x86_64 RUSTC=none PAHOLE=none "$@"; }

cp "$here/fragment.config" "$tree/.config"
build olddefconfig
# Kconfig drops what it does not know or cannot have, without a word.
grep '^CONFIG_' "$here/fragment.config" | while IFS= read -r wanted; do
  symbol=${wanted%%=*}
  case $wanted in
    *=n) ! grep -q "^$symbol=" "$tree/.config" || echo "$symbol is set" ;;
    *) grep -qxF "$wanted" "$tree/.config" || echo "no $wanted" ;;
  esac
done > "$work/lost"
[ ! -s "$work/lost" ] || fail "the configuration is not what fragment.config asks for:
$(cat "$work/lost")"

build -j "$(nproc)" vmlinux

# --- What QEMU and Firecracker start; the kernel has its own table of symbols inside.
mkdir "$work/out"
objcopy --strip-all --remove-section=.comment "$tree/vmlinux" "$work/out/vmlinux"
# XEN_ELFNOTE_PHYS32_ENTRY: without it QEMU cannot start the file.
readelf -n "$work/out/vmlinux" | grep -q '^  Xen  .*0x00000012' || fail "vmlinux has no PVH entry"
cp "$tree/.config" "$work/out/config"
digest=$(sha256sum "$work/out/vmlinux" | cut -d ' ' -f 1)
cat > "$work/out/manifest.json" << END
{
  "id": "sha256:$digest",
  "name": "$name",
  "arch": "amd64",
  "release": "$(build kernelrelease)",
  "source": "linux-source-$series $version, $(gcc --version | head -n 1)",
  "createdAt": "$(date -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%S.000Z)"
}
END
mv "$work/out" "$out"
echo "$out: $name $version, $digest"
