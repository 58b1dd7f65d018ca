#!/bin/sh
# From mmdebstrap's tar to the host's disk, as (a user namespace's) root. $1: the tar; $2: the disk; $3: its size in bytes;
# $4: a directory to work in.
set -eu
tree=$4/tree
mkdir "$tree"
# Also when it fails: without root its files are nobody's outside.
trap 'rm -rf "$tree"' EXIT
# Device nodes cannot be made in a user namespace, and devtmpfs has them.
tar --extract --file "$1" --directory "$tree" --preserve-permissions --xattrs --xattrs-include='*' --exclude='./dev/*'
# mmdebstrap takes these from the machine it runs on.
echo host > "$tree/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 host\n' > "$tree/etc/hosts"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
truncate -s "$3" "$2"
mke2fs -q -F -t ext4 -L host -m 0 -E assume_storage_prezeroed=1,lazy_journal_init=1,nodiscard -d "$tree" "$2"
