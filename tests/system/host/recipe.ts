/** What the emulated host is made of. Whatever is in here, or named by it, is in the digest under which it is kept. */
export const suite = "bookworm";

export const packages: readonly string[] = [
  ...["systemd", "systemd-sysv", "udev", "dbus", "libpam-systemd", "systemd-resolved", "libnss-resolve"],
  ...["openssh-server", "openssh-client", "sudo", "ca-certificates"],
  ...["iproute2", "iputils-ping", "nftables", "iptables", "conntrack", "socat", "curl", "bind9-dnsutils"],
  ...["dmsetup", "kmod", "e2fsprogs", "util-linux"],
  ...["procps", "psmisc", "less", "strace", "jq", "git", "zstd"],
  // What people use with VMs: rsync to NAME.vm, and a terminal for the table.
  ...["rsync", "tmux"],
  // What building an image needs.
  ...["mmdebstrap", "uidmap"],
  // The cheapest guest that boots is made of it, and so is the host's initramfs.
  "busybox-static",
];

/** Sparse; what the scenarios' disks can grow to. */
export const diskBytes = 24 * 1024 ** 3;

/** Drivers of the host's own root disk. Everything else is loaded from it. */
export const bootModules: readonly string[] = ["virtio_pci", "virtio_blk"];

/** PID 1 of the host's initramfs, which does as little as can be: Debian's takes seconds under emulation. */
export const bootScript = `#!/bin/busybox sh
busybox mount -t devtmpfs dev /dev
while read -r module; do busybox insmod "/m/$module.ko"; done < /modules.list
until [ -b /dev/vda ]; do busybox usleep 5000; done
busybox mount -t ext4 -o rw,noatime,noinit_itable /dev/vda /mnt
busybox mount --move /dev /mnt/dev
exec busybox switch_root /mnt /sbin/init
`;

export const cmdline: readonly string[] = [
  "root=/dev/vda",
  "rw",
  "console=ttyS0",
  "quiet",
  "loglevel=4",
  "panic=1",
  // The emulated processor has none of the flaws, and every entry into a nested guest would pay.
  "mitigations=off",
  // QEMU translates code once per address that it is seen at: real processors do not pay for other addresses in each process.
  "norandmaps",
  "random.trust_cpu=on",
  "tsc=reliable",
  "no_timer_check",
  "cryptomgr.notests",
  "i8042.noaux",
  "i8042.nomux",
  "i8042.nopnp",
  "i8042.dumbkbd",
];
