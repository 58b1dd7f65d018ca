#!/bin/sh
# Images to hold memory against: one large file of 100, 300 and 1000 MB (packed half as much), and 100,000 and
# 480,000 small files (500,000 entries are the most that an image may have).
# usage: oci-sizes.sh LAYOUT     (as root, for umoci)
set -eu
layout=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

image() {
	umoci new --image "$work/layout:$1"
	umoci unpack --image "$work/layout:$1" "$work/$1"
}

finish() {
	umoci repack --image "$work/layout:$1" "$work/$1"
	rm -rf "${work:?}/$1"
}

bytes() {
	openssl enc -aes-128-ctr -nosalt -K 01 -iv 0 -in /dev/zero 2>/dev/null | base64 -w 0 | tr 'g-zG-Z' 'a-ta-t' | head -c "$1"
}

umoci init --layout "$work/layout"
for megabytes in 100 300 1000; do
	image "large-$megabytes"
	bytes "${megabytes}000000" > "$work/large-$megabytes/rootfs/file"
	finish "large-$megabytes"
done
for files in 1000 4800; do
	name=files-${files}00
	image "$name"
	for directory in $(seq 100); do
		mkdir -p "$work/$name/rootfs/usr/lib/modules-$directory"
		bytes "${files}000" | split -b 1000 -a 4 -d - "$work/$name/rootfs/usr/lib/modules-$directory/a-file-of-a-usual-name-"
	done
	finish "$name"
done
rm -rf "$layout"
mv "$work/layout" "$layout"
