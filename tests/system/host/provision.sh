#!/bin/sh
# mmdebstrap's last hook for the emulated host, run as (its namespace's) root: from a set of packages to a host that boots
# fast under emulation and is else what Debian makes of it. $1: the root; HOST_KEY: who may come in by ssh;
# HOST_RELEASE: the kernel, whose modules are there already, as are Firecracker and jailer.
set -eu
root=$1

# The disk's inode tables are zero because its file is new.
echo '/dev/vda / ext4 rw,noatime,noinit_itable 0 1' > "$root/etc/fstab"
: > "$root/etc/machine-id"
mkdir -p "$root/var/log/journal"

# --- Users: root for the tests' own work, dev who will own banger.
chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash --groups sudo,kvm dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/dev"
chmod 0440 "$root/etc/sudoers.d/dev"
for home in root home/dev; do
  install -d -m 0700 "$root/$home/.ssh"
  echo "$HOST_KEY" > "$root/$home/.ssh/authorized_keys"
done
chroot "$root" chown -R dev:dev /home/dev/.ssh
# Tests run many commands over one connection.
printf 'MaxSessions 100\nUseDNS no\nPrintMotd no\n' > "$root/etc/ssh/sshd_config.d/host.conf"

# --- Network: QEMU's user network, whose addresses are always the same.
cat > "$root/etc/systemd/network/10-outside.network" << 'END'
[Match]
Name=en*
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
DNS=10.0.2.3
IPv6AcceptRA=no
LinkLocalAddressing=no
END
chroot "$root" systemctl -q enable systemd-networkd systemd-resolved ssh

# --- Kernel: everything that Firecracker and banger need, and a device for dev.
printf 'kvm_amd\ntun\nvhost_vsock\ndm_mod\ndm_snapshot\nloop\n' > "$root/etc/modules-load.d/sandbox.conf"
chown -R 0:0 "$root/usr/lib/modules/$HOST_RELEASE" "$root/usr/local/bin"
chmod 0755 "$root/usr/local/bin/firecracker" "$root/usr/local/bin/jailer"
chroot "$root" depmod "$HOST_RELEASE"

# --- What only costs time here: no terminals but the serial one, no firmware to talk to, nothing to update.
for unit in getty@tty1.service getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
  e2scrub_all.timer e2scrub_reap.service systemd-pstore.service modprobe@drm.service modprobe@efi_pstore.service \
  systemd-networkd-wait-online.service systemd-hwdb-update.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# Beside others' work the emulated processors may stand still for a minute: units wait longer than systemd's 90 s.
for manager in system user; do
  mkdir -p "$root/etc/systemd/$manager.conf.d"
  printf '[Manager]\nDefaultTimeoutStartSec=300s\nDefaultTimeoutStopSec=300s\nDefaultDeviceTimeoutSec=300s\n' \
    > "$root/etc/systemd/$manager.conf.d/slow.conf"
done
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
