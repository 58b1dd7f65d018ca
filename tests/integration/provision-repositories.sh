#!/bin/sh
# Makes packages of what is in /payload, and signed repositories of them in /repo, as distributions have them. The tests of
# provisioning run it (provision-managers.ts), as root of a tree that has the package managers.
#
# /repo/rpm, /repo/pacman   signed; what systemd and ssh servers are, and what only the careless install
# /repo/*-unsigned          the same, by nobody
# /repo/*-lacking           without an ssh server
# /repo/pacman-old          what an image of some time ago has
# /repo/key.asc             who signed
set -eu
work=/var/tmp/repositories
export GNUPGHOME=/repo/gnupg
mkdir /repo
mkdir -m 0700 "$GNUPGHOME"
gpg -q --batch --passphrase '' --quick-generate-key 'Packages <packages@example.org>' rsa2048 sign never
gpg --export --armor > /repo/key.asc

# --- Red Hat's and SUSE's packages.
# rpm_of NAME [LINE ...]: /payload/NAME, with lines for the head of its spec. `$post` is what it runs when it is installed.
rpm_of() {
  name=$1
  shift
  mkdir -p "/payload/$name" "$work/specs"
  {
    printf '%s\n' "Name: $name" 'Version: 1' 'Release: 1' 'Summary: for tests' 'License: none' 'BuildArch: noarch' 'AutoReqProv: no' "$@"
    printf '%s\n' '%description' 'For tests.' '%install' "cp -a /payload/$name/. %{buildroot}/"
    [ -z "${post-}" ] || printf '%s\n' '%post' "$post"
    echo '%files'
    (cd "/payload/$name" && find . ! -type d | sed 's/^\.//')
  } > "$work/specs/$name.spec"
  rpmbuild --quiet -bb --define "_topdir $work/rpmbuild" --define "_rpmdir /repo/rpm-unsigned" --define '__os_install_post %{nil}' \
    --define '_binaries_in_noarch_packages_terminate_build 0' --define '_binary_payload w1.zstdio' "$work/specs/$name.spec"
}
post='exit 1' rpm_of systemd 'Recommends: weak' 'Provides: installhint(reboot-suggested)'
rpm_of systemd-sysvcompat 'Requires: systemd'
post='' rpm_of openssh-server 'Requires: common' 'Recommends: weak'
rpm_of openssh 'Requires: openssh-server'
rpm_of common 'Provides: /bin/sh'
rpm_of weak

cp -r /repo/rpm-unsigned /repo/rpm
rpmsign --define '_gpg_name Packages' --addsign /repo/rpm/*/*.rpm > /dev/null
cp -r /repo/rpm /repo/rpm-lacking
rm /repo/rpm-lacking/*/openssh*
for repository in /repo/rpm*; do
  createrepo_c --quiet "$repository"
done
for repository in /repo/rpm /repo/rpm-lacking; do
  gpg -q --batch --detach-sign --armor "$repository/repodata/repomd.xml"
  cp /repo/key.asc "$repository/repodata/repomd.xml.key"
done

# --- Arch's packages.
# arch_of DIRECTORY NAME VERSION [LINE ...]: /payload/NAME into a repository, with lines for its .PKGINFO.
arch_of() {
  into=$1 name=$2 version=$3
  shift 3
  rm -rf "$work/arch"
  mkdir -p "$into" "$work/arch"
  [ ! -d "/payload/$name" ] || cp -a "/payload/$name/." "$work/arch/"
  printf '%s\n' "pkgname = $name" "pkgver = $version" 'pkgdesc = for tests' 'arch = any' 'size = 1' "$@" > "$work/arch/.PKGINFO"
  [ -z "${post-}" ] || printf 'post_install() {\n  %s\n}\n' "$post" > "$work/arch/.INSTALL"
  (cd "$work/arch" && find . -mindepth 1 -maxdepth 1 -printf '%P\n' | sort | bsdtar -cf "$into/$name-$version-any.pkg.tar.zst" --zstd -T -)
}
unsigned=/repo/pacman-unsigned
post='exit 1' arch_of $unsigned systemd 2-1 'depend = common' 'optdepend = weak: by choice'
rmdir /payload/openssh && mv /payload/openssh-server /payload/openssh
post='' arch_of $unsigned openssh 2-1 'depend = either' 'depend = common'
arch_of $unsigned common 2-1
arch_of $unsigned one 2-1 'provides = either' 'conflict = other'
arch_of $unsigned other 2-1 'provides = either' 'conflict = one'
arch_of $unsigned base 2-1
arch_of $unsigned newname 2-1 'replaces = oldname' 'conflict = oldname'
arch_of $unsigned weak 2-1
arch_of /repo/pacman-old base 1-1
arch_of /repo/pacman-old oldname 1-1
cp -r $unsigned /repo/pacman
for package in /repo/pacman/*.zst /repo/pacman-old/*.zst; do
  gpg -q --batch --detach-sign "$package"
done
cp -r /repo/pacman /repo/pacman-lacking
rm /repo/pacman-lacking/openssh*
for repository in /repo/pacman*; do
  repo-add --quiet "$repository/packages.db.tar.gz" "$repository"/*.zst
done
