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
	umoci new --image "$work/layout:files-${files}00"
	"$(dirname "$0")/../node_modules/.bin/bun" "$(dirname "$0")/small-files.ts" 100 "$files" > "$work/layer.tar"
	umoci raw add-layer --image "$work/layout:files-${files}00" "$work/layer.tar"
	rm "$work/layer.tar"
done
rm -rf "$layout"
mv "$work/layout" "$layout"
