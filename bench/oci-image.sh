#!/bin/sh
# Two container images that share their lower layers, as an image layout with the tags "first" and "second": a Debian root,
# packages by apt, a layer that deletes, and an application of many small files and some large ones. Some 300 MB in 8 layers.
# usage: oci-image.sh LAYOUT     (as root; takes the mirror from the host's apt sources)
set -eu
layout=$1
mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {print $2; exit}' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/bundle/rootfs

# What has changed since the last one becomes a layer of the tag.
layer() {
	umoci repack --refresh-bundle --image "$work/layout:$1" "$work/bundle"
}

install() {
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	mknod -m 666 "$root/dev/null" c 1 3
	chroot "$root" sh -ec "export DEBIAN_FRONTEND=noninteractive
		apt-get -qq update
		apt-get -qq install -y --no-install-recommends $* >/dev/null
		rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/log/*.log /etc/resolv.conf /dev/null"
}

# So many MB that pack to about a half, the same each time.
bytes() {
	openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' "$1")" -iv 0 -in /dev/zero 2>/dev/null | base64 -w 0 | tr 'g-zG-Z' 'a-ta-t' | head -c "$2"000000
}

umoci init --layout "$work/layout"
umoci new --image "$work/layout:first"
umoci unpack --image "$work/layout:first" "$work/bundle"
mmdebstrap --quiet --variant=minbase bookworm - "$mirror" | tar -x -C "$root" --numeric-owner --exclude='./dev/*'
rm -f "$root/etc/resolv.conf"
layer first
install ca-certificates curl git openssh-client procps
layer first
install build-essential pkg-config libssl-dev zlib1g-dev
layer first
install python3-dev python3-pip python3-venv
layer first
install npm
layer first
rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/lib/python3/dist-packages/pip/_vendor/rich"
chroot "$root" ldconfig
layer first
umoci tag --image "$work/layout:first" second

# An application: small files by the thousand, and two large ones.
application() {
	mkdir -p "$root/srv/app/modules"
	bytes "$1" 15 | split -b 2500 -a 4 -d - "$root/srv/app/modules/m"
	bytes "$1$1" 30 > "$root/srv/app/model.bin"
	printf 'name = "app-%s"\n' "$1" > "$root/srv/app/config.toml"
	layer "$2"
	sed -i "s/^root:x/root:x/; \$a app:x:10$1:10$1::/srv/app:/bin/sh" "$root/etc/passwd"
	cp "$root/srv/app/config.toml" "$root/etc/app.toml"
	rm "$root/srv/app/modules/m0007" "$root/usr/bin/perlbug"
	layer "$2"
}
application 1 first
rm -rf "$work/bundle"
umoci unpack --image "$work/layout:second" "$work/bundle"
application 2 second
rm -rf "$layout"
mv "$work/layout" "$layout"
