#!/bin/sh
# Makes a fresh Debian root a lean guest, and an ext4 image of it. mmdebstrap runs this as its last hook, with the
# root as $1, inside whatever namespace it works in.
#
# BANGER_OUT      where rootfs.ext4 and seed/ go
# BANGER_MODULES  lib/modules/RELEASE of the kernel; not there, or empty, for one that has no modules
# BANGER_SIZE     size of the file system in bytes
set -eu
root=$1

# --- What a microVM has not. Masked, and below no longer asked for; docs/boot.md says why, and how each comes back.
mask() {
  for unit in "$@"; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
}
# No hardware to find: the initramfs has loaded the drivers, devtmpfs has made the nodes. (udevd itself starts when the
# kernel reports a new device, by its socket.)
mask systemd-udev-trigger.service systemd-udev-settle.service systemd-hwdb-update.service
# Nothing to load, remount or check: root and /root are mounted when systemd starts.
mask systemd-modules-load.service systemd-remount-fs.service systemd-fsck-root.service
mask modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service
mask modprobe@fuse.service modprobe@loop.service
mask dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount
mask sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount systemd-binfmt.service
# Entropy and identity come from banger at each start.
mask systemd-random-seed.service systemd-machine-id-commit.service systemd-firstboot.service systemd-boot-system-token.service
mask systemd-sysusers.service systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-pstore.service
# The console is a log, not a terminal.
mask getty@tty1.service serial-getty@hvc0.service serial-getty@ttyS0.service systemd-vconsole-setup.service
mask systemd-ask-password-console.path systemd-ask-password-wall.path
# Housekeeping of machines that live for months.
mask e2scrub_reap.service e2scrub_all.timer fstrim.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
# The journal stays in memory: a sandbox's history is not worth a disk write for every line.
mask systemd-journal-flush.service
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n' > "$root/etc/systemd/journald.conf.d/banger.conf"

# Targets and sockets of things that are not here: each is a file to find and parse before the first unit starts.
mask cryptsetup.target integritysetup.target veritysetup.target remote-cryptsetup.target systemd-initctl.socket
mask systemd-journald-audit.socket systemd-repart.service systemd-pcrphase-sysinit.service systemd-pcrphase.service
mask systemd-pcrphase-initrd.service systemd-pcrmachine.service systemd-fsckd.socket
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"

# Generators: a dozen programs that run one after another before systemd reads its first unit, each half a second under
# emulation, to find what this guest has not (partitions, encrypted disks, old init scripts). fstab's is among them.
mkdir -p "$root/etc/systemd/system-generators"
for generator in "$root"/usr/lib/systemd/system-generators/* "$root"/lib/systemd/system-generators/*; do
  [ -e "$generator" ] && ln -sf /dev/null "$root/etc/systemd/system-generators/$(basename "$generator")"
done
# The device nodes that these two would make, banger's init makes.
mask kmod-static-nodes.service systemd-tmpfiles-setup-dev.service

# --- What need not be done before basic.target, but should be done: the same units, without their place in the queue.
# sshd, for which somebody may be waiting, goes before them.
later() {
  for unit in "$@"; do
    sed -e '/^Before=/d' -e 's/^\[Unit\]$/[Unit]\nAfter=basic.target ssh.service/' "$root/lib/systemd/system/$unit" > "$root/etc/systemd/system/$unit"
  done
}
later systemd-sysctl.service systemd-udevd-kernel.socket
# The journal's sockets are there from the start, and keep what is said until the daemon behind them follows.
later systemd-journald.service
for unit in systemd-logind systemd-user-sessions; do
  mkdir -p "$root/etc/systemd/system/$unit.service.d"
  printf '[Unit]\nAfter=ssh.service\n' > "$root/etc/systemd/system/$unit.service.d/banger.conf"
done

# udevd by its sockets alone: at boot there is nothing for it to do.
rm -f "$root/usr/lib/systemd/system/sysinit.target.wants/systemd-udevd.service" \
  "$root/lib/systemd/system/sysinit.target.wants/systemd-udevd.service"

# What systemd-tmpfiles would make in /run at the first boot is made here; banger's init copies it, once. Later boots
# run systemd-tmpfiles in its place: by then the guest may have packages of its own.
rm -rf "$root"/run/*
chroot "$root" systemd-tmpfiles --create --boot --prefix=/run --prefix=/tmp --prefix=/var
mkdir -p "$root/usr/lib/banger"
mv "$root/run" "$root/usr/lib/banger/run"
mkdir -m 0755 "$root/run"
sed -e 's/^\(After=.*\) systemd-journald.service/\1/' -e 's/ initrd-switch-root.target//' -e 's/^\[Unit\]$/[Unit]\nConditionPathExists=!\/run\/banger\/first-boot/' \
  "$root/lib/systemd/system/systemd-tmpfiles-setup.service" > "$root/etc/systemd/system/systemd-tmpfiles-setup.service"

# A unit that is only named is a file to find and parse. This one names an initrd's way to the root, which has a dozen.
sed -e 's/ initrd-switch-root.target//' "$root/lib/systemd/system/systemd-tmpfiles-clean.service" \
  > "$root/etc/systemd/system/systemd-tmpfiles-clean.service"
# So do the targets that want what is masked here.
for link in "$root"/lib/systemd/system/*.wants/* "$root"/etc/systemd/system/*.wants/*; do
  [ "$(readlink "$root/etc/systemd/system/$(basename "$link")")" != /dev/null ] || rm "$link"
done

# --- sshd: keys, settings and addresses come with personalise, at each start, before systemd. So it waits for nothing:
# it starts beside what systemd does one after another, and its banner is there when basic.target is. Debian's unit has it
# check its configuration in a run of its own first, which costs as much as the start.
sed -e '/^ExecStartPre=/d' -e 's/^After=.*/DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target/' \
  -e 's/^WantedBy=.*/WantedBy=basic.target/' "$root/lib/systemd/system/ssh.service" > "$root/etc/systemd/system/ssh.service"
chroot "$root" systemctl reenable ssh.service
rm -f "$root"/etc/ssh/ssh_host_*
chmod 0755 "$root/root"
: > "$root/etc/machine-id"
# What dbus's package has made is a random one, which all VMs of the image would share.
ln -sf /etc/machine-id "$root/var/lib/dbus/machine-id"
: > "$root/etc/fstab"
echo banger > "$root/etc/hostname"
rm -f "$root/etc/resolv.conf" "$root/etc/motd" "$root"/etc/update-motd.d/*

# --- The kernel's modules, so that docker and its kind find theirs.
if [ -n "$(ls -A "$BANGER_MODULES" 2> /dev/null)" ]; then
  release=$(basename "$BANGER_MODULES")
  mkdir -p "$root/usr/lib/modules"
  cp -a "$BANGER_MODULES" "$root/usr/lib/modules/"
  chown -R 0:0 "$root/usr/lib/modules/$release"
  chroot "$root" depmod "$release"
fi

# --- What /root starts with goes to the work disk, which is mounted over it.
mkdir -p "$BANGER_OUT/seed"
cp -a "$root/root/." "$BANGER_OUT/seed/"

chroot "$root" dpkg-query -W > "$BANGER_OUT/packages"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*.log
# mmdebstrap keeps apt's configuration in the root's /tmp, and goes on with apt after this hook. Without it apt would work
# on the lists of the host.
mv "$root/tmp" "$BANGER_OUT/tmp"
mkdir -m 1777 "$root/tmp"
truncate -s "$BANGER_SIZE" "$BANGER_OUT/rootfs.ext4"
# A bind mount that leaves out what is mounted inside the root (proc, sys, dev), in a mount namespace that ends with it.
# Where / is no mount point (in a chroot) the namespace cannot be cut off from the one outside: so it is unmounted, too.
propagation=private
unshare --mount true 2> /dev/null || propagation=unchanged
mkdir "$BANGER_OUT/root"
# shellcheck disable=SC2016 # the inner shell expands them
unshare --mount --propagation "$propagation" sh -c 'mount --bind "$1" "$2/root" || exit
  mke2fs -q -F -t ext4 -L banger-rootfs -m 0 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard \
    -d "$2/root" "$2/rootfs.ext4" && made=0 || made=$?
  umount "$2/root" && exit $made' sh "$root" "$BANGER_OUT"
rmdir "$BANGER_OUT/root" "$root/tmp"
mv "$BANGER_OUT/tmp" "$root/tmp"
