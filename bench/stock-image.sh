#!/bin/sh
# The stock guest that banger's boot is measured against: the same packages, with their units as Debian ships them.
# usage: stock-image.sh PACKAGES OUT.ext4     (as root; takes the mirror from the host's apt sources)
set -eu
packages=$1 out=$2
mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {print $2; exit}' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$work/root" "$mirror"
printf '[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n' > "$work/root/etc/systemd/network/10-eth.network"
chroot "$work/root" systemctl --quiet enable systemd-networkd ssh
: > "$work/root/etc/fstab"
truncate -s 8G "$out.new"
mke2fs -q -F -t ext4 -d "$work/root" "$out.new"
mv "$out.new" "$out"
