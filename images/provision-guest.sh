#!/bin/sh
# Makes a root that was made for a container one of a machine: with an init that starts things, and an ssh server that it
# starts. `banger image pull --provision` runs it in a VM of the image, as root, with the network. What the image has
# stays. The last line says what went wrong; the rest is what the package manager says.
#
# BANGER_ROOT  where the root is (default: this one)
set -eu
root=${BANGER_ROOT-}
# Whoever interrupts a package manager interrupts all of this, whatever status it makes of that.
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "$*" >&2
  exit 1
}

# Nobody is there to be asked.
exec < /dev/null
export DEBIAN_FRONTEND=noninteractive
umask 022

# --- What is missing. By the rule of banger's own init: busybox's counts when it has something to start.
has_init() {
  [ -x "$root/sbin/init" ] || return 1
  case $(readlink "$root/sbin/init") in
    *busybox*) [ -x "$root/sbin/openrc" ] || [ -x "$root/etc/init.d/rcS" ] ;;
  esac
}
has_sshd() { [ -x "$root/usr/sbin/sshd" ]; }

# --- Who installs: by what the distribution is, then by what it is like (os-release(5)), else whoever is here.
distributions() {
  for file in "$root/etc/os-release" "$root/usr/lib/os-release"; do
    if [ -r "$file" ]; then
      # shellcheck disable=SC1090 # it is made of a shell's words
      (unset ID ID_LIKE && . "$file" && echo "${ID-} ${ID_LIKE-}")
      return
    fi
  done
}
managers_of() {
  case $1 in
    debian | ubuntu) echo apt-get ;;
    fedora | rhel | centos) echo dnf microdnf ;;
    alpine) echo apk ;;
    arch | archlinux) echo pacman ;;
    suse | opensuse* | sles | sled) echo zypper ;;
  esac
}
find_manager() {
  for distribution in $(distributions); do
    first_of "$(managers_of "$distribution")" && return
  done
  first_of 'apt-get dnf microdnf apk pacman zypper'
}
first_of() {
  for program in $1; do
    if command -v "$program" > /dev/null; then
      echo "$program"
      return
    fi
  done
  return 1
}

install_packages() {
  case $manager in
    apt-get) without_starting install_debs ;;
    dnf) dnf -y --setopt=install_weak_deps=False install systemd openssh-server && dnf clean all ;;
    microdnf) microdnf -y --setopt=install_weak_deps=0 install systemd openssh-server && microdnf clean all ;;
    # There is no systemd for Alpine. Packages bring their scripts for OpenRC by themselves where that is.
    apk) apk add --no-cache openrc openssh ;;
    # Arch knows no system that is new in part.
    pacman) pacman -Syu --noconfirm --needed systemd openssh && clean_pacman ;;
    zypper) zypper_install systemd openssh && zypper clean --all ;;
  esac
}
# Its own way to clean asks whether to do that, with no for an answer where nobody is to be asked.
clean_pacman() {
  pacman-conf CacheDir | while read -r cache; do
    rm -rf "${cache:?}"/*
  done
}
# More than 100 means that it is done, and something else is to be said: that something should be restarted (102, 103), that
# another repository has not answered (106), that a package's script has failed (107), which no other manager takes for a
# failure. But 104 is that there is no such package, 105 a signal.
zypper_install() {
  zypper --non-interactive install --no-recommends "$@" && done=0 || done=$?
  case $done in
    102 | 103 | 106 | 107) return 0 ;;
  esac
  return "$done"
}
install_debs() {
  # Nobody reads descriptions in other languages. And dpkg need not wait for a disk that is thrown away when this ends early.
  apt-get -q -o Acquire::Languages=none update && apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io \
    install systemd systemd-sysv dbus openssh-server && apt-get clean && rm -rf "$root"/var/lib/apt/lists/*
}
# Debian's packages start what is in them, unless this program says no.
without_starting() {
  policy=$root/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 0755 "$policy"
  "$@" && done=0 || done=$?
  rm "$policy"
  return "$done"
}

if ! has_init || ! has_sshd; then
  manager=$(find_manager) || fail "there is no package manager here that banger knows: apt-get, dnf, microdnf, apk, pacman or zypper"
  install_packages || fail "$manager could not install an init and an ssh server"
fi
# Some distributions have the link in a package of its own.
for systemd in /usr/lib/systemd/systemd /lib/systemd/systemd; do
  [ -x "$root/sbin/init" ] || [ ! -x "$root$systemd" ] || ln -sf $systemd "$root/sbin/init"
done
has_init || fail "there still is no init: ${manager-nobody} has put nothing at /sbin/init that starts anything"
has_sshd || fail "there still is no ssh server: ${manager-nobody} has put nothing at /usr/sbin/sshd"

# --- The server starts with the guest.
case $(readlink "$root/sbin/init") in
  *systemd*)
    # Ubuntu's waits for somebody to come, by a socket: here somebody does.
    systemctl --root="$root/" disable ssh.socket sshd.socket > /dev/null 2>&1 || :
    systemctl --root="$root/" enable ssh.service || systemctl --root="$root/" enable sshd.service || fail "systemctl could not enable the ssh server"
    # The console is a log, not a terminal; and without udev nobody ever says that it is there.
    systemctl --root="$root/" mask getty@tty1.service serial-getty@hvc0.service serial-getty@ttyS0.service
    ;;
  *busybox*)
    if [ -x "$root/sbin/openrc" ]; then
      rc-update add sshd default || fail "rc-update could not add the ssh server"
      sed -i 's/^tty[A-Za-z0-9]*:/#&/' "$root/etc/inittab"
    fi
    ;;
esac

# --- banger writes who may log in, and the host key, at each start. The server has to read that before all it has itself.
config=$root/etc/ssh/sshd_config
if [ -e "$config" ] && ! grep -q '^[[:space:]]*Include[[:space:]].*/sshd_config\.d/' "$config"; then
  sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' "$config"
fi
rm -f "$root"/etc/ssh/ssh_host_*
# For a server without PAM a password that begins with ! locks the account, for keys, too.
[ ! -e "$root/etc/shadow" ] || sed -i 's/^root:!!*/root:*/' "$root/etc/shadow"
