/* Making a guest this VM and no other: files, name, network, clock, entropy. No process is started for any of it. */
#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define MAX_FILES 256u

/* linux/random.h */
struct entropy {
  int bits, bytes;
  uint8_t data[512];
};
#define ADD_ENTROPY _IOW('R', 0x03, int[2])
#define RESEED _IO('R', 0x07)
/* linux/magic.h */
#define PROC_SUPER_MAGIC 0x9fa0

/* Absolute, and made of names: ".." would lead out of what open_parent has checked. */
static bool plain_path(const char *path) {
  if (path[0] != '/' || path[strlen(path) - 1] == '/') return false;
  for (const char *p = path; (p = strstr(p, "/.")); p++) {
    size_t dots = strspn(p + 1, ".");
    if (dots <= 2 && (p[1 + dots] == '/' || p[1 + dots] == 0)) return false;
  }
  return true;
}

/* Opens the directory of a path component by component, making what is missing, following no link. */
static int open_parent(char *path, char **name) {
  int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  char *part = path;
  while (*part == '/') part++;
  for (char *slash; dir >= 0 && (slash = strchr(part, '/')); part = slash + 1) {
    *slash = 0;
    if (!*part) continue; /* a doubled slash */
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int next = openat(dir, part, flags);
    if (next < 0 && errno == ENOENT && mkdirat(dir, part, 0755) == 0) next = openat(dir, part, flags);
    int error = errno;
    close(dir);
    errno = error;
    dir = next;
  }
  *name = part;
  return dir;
}

/*
 * Gives a file of root's these bytes where it is: true when it has them then. What it says already is not written; the rest
 * only where `write_too`. Emulated, each path through the kernel that is gone for the first time is dear, and this one is
 * the shortest. A guest that is cut off in the middle of it boots next time, and is personalised then.
 */
static bool change_file(int dir, const char *name, mode_t mode, const uint8_t *content, size_t n, bool write_too) {
  static uint8_t found[4096];
  struct stat st;
  if (n > sizeof found) return false;
  int fd = openat(dir, name, (write_too ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  bool fits = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == mode && st.st_uid == 0 && st.st_gid == 0 && st.st_nlink == 1;
  bool done = fits && (size_t)st.st_size == n && read(fd, found, n) == (ssize_t)n && memcmp(found, content, n) == 0;
  if (fits && !done && write_too) done = pwrite(fd, content, n, 0) == (ssize_t)n && ((size_t)st.st_size <= n || ftruncate(fd, (off_t)n) == 0);
  close(fd);
  explicit_bzero(found, sizeof found);
  return done;
}

/* Written aside and renamed over what is there, be it a link. */
static int put_file(char *path, mode_t mode, const uint8_t *content, size_t n) {
  char *name, aside[280];
  int dir = open_parent(path, &name);
  if (dir < 0) return errno;
  if (change_file(dir, name, mode, content, n, personalised)) {
    close(dir);
    return 0;
  }
  snprintf(aside, sizeof aside, ".%.240s.banger", name);
  unlinkat(dir, aside, 0); /* of an attempt that was cut short: never written through, whatever it is */
  errno = 0;
  int error = 0, fd = openat(dir, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, content, n) != (ssize_t)n || fchmod(fd, mode) < 0 || fchown(fd, 0, 0) < 0) error = errno ? errno : EIO;
  if (fd >= 0) close(fd);
  if (!error && renameat(dir, aside, dir, name) < 0) error = errno;
  if (error) unlinkat(dir, aside, 0);
  close(dir);
  return error;
}

/* Ethernet, and with a device behind it: tunnels and bridges of the guest's own are none of ours. */
static bool is_card(int s, const char *name, bool virtual_too) {
  struct ifreq r = {0};
  char path[64];
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
  snprintf(path, sizeof path, "/sys/class/net/%s/device", r.ifr_name);
  if (ioctl(s, SIOCGIFHWADDR, &r) < 0 || r.ifr_hwaddr.sa_family != ARPHRD_ETHER) return false;
  return virtual_too || access(path, F_OK) == 0;
}

/* The first card by index, which is the order in which they came. */
static const char *find_card(int s, const struct if_nameindex *all) {
  for (int virtual_too = 0; all && virtual_too < 2; virtual_too++) {
    const struct if_nameindex *first = NULL;
    for (const struct if_nameindex *d = all; d->if_index; d++)
      if ((!first || d->if_index < first->if_index) && is_card(s, d->if_name, virtual_too)) first = d;
    if (first) return first->if_name;
  }
  return NULL;
}

static void set_address(struct sockaddr *out, uint32_t address) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address};
  memcpy(out, &in, sizeof in);
}

/* What this agent has set last; empty when that cannot be told by the addresses alone. */
static char last_network[128];

/* The old ioctls (netdevice(7)): they know one address per device, which is what a guest has. */
static int set_network(const char *address, uint8_t prefix, const char *gateway, const uint8_t *mac, size_t mac_size) {
  struct in_addr a, g;
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;
  struct if_nameindex *all = if_nameindex();
  if (s < 0) error = errno;
  const char *device = error ? NULL : find_card(s, all);
  if (!error && !device) error = ENODEV;
  if (inet_pton(AF_INET, address, &a) != 1 || prefix > 32) error = EINVAL;
  struct ifreq r = {0};
  if (!error) snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
  if (!error && mac_size == 6) {
    r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(r.ifr_hwaddr.sa_data, mac, 6);
    if (ioctl(s, SIOCSIFHWADDR, &r) < 0) error = errno;
  }
  if (!error) {
    set_address(&r.ifr_addr, a.s_addr);
    if (ioctl(s, SIOCSIFADDR, &r) < 0) error = errno;
  }
  if (!error) {
    set_address(&r.ifr_netmask, prefix ? htonl(0xffffffffu << (32 - prefix)) : 0);
    if (ioctl(s, SIOCSIFNETMASK, &r) < 0) error = errno;
  }
  if (!error) {
    /* added to what is set: without IFF_MULTICAST the device would have no IPv6 */
    if (ioctl(s, SIOCGIFFLAGS, &r) < 0) error = errno;
    r.ifr_flags |= IFF_UP | IFF_RUNNING;
    if (!error && ioctl(s, SIOCSIFFLAGS, &r) < 0) error = errno;
  }
  if (!error && gateway[0]) {
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    if (inet_pton(AF_INET, gateway, &g) != 1) error = EINVAL;
    set_address(&route.rt_dst, 0);
    set_address(&route.rt_genmask, 0);
    set_address(&route.rt_gateway, g.s_addr);
    if (!error && ioctl(s, SIOCADDRT, &route) < 0 && errno != EEXIST) error = errno;
  }
  if (all) if_freenameindex(all);
  if (s >= 0) close(s);
  return error;
}

static int add_entropy(const uint8_t *p, size_t n) {
  struct entropy e = {0};
  if (n > sizeof e.data) n = sizeof e.data;
  e.bytes = (int)n;
  e.bits = (int)n * 8;
  memcpy(e.data, p, n);
  int error = 0, fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, ADD_ENTROPY, &e) < 0) error = errno;
  else ioctl(fd, RESEED); /* at once, not in a minute: a restored guest must not repeat its past */
  if (fd >= 0) close(fd);
  explicit_bzero(&e, sizeof e);
  return error;
}

/*
 * The kernel makes its boot id once, so all guests that were restored from one have the same. What reads it finds another
 * one, of this guest's own, mounted over it: written anew when the guest is restored once more.
 */
static int renew_boot_id(void) {
  static const char *const kernels = "/proc/sys/kernel/random/boot_id", *const own = "/run/banger/boot_id";
  uint8_t b[16];
  char line[38];
  struct statfs fs;
  if (getrandom(b, sizeof b, 0) != sizeof b) return EIO;
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  snprintf(line, sizeof line, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
  /* In place: what is mounted is this very file. */
  int error = 0, fd = open(own, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    mkdir("/run/banger", 0700);
    fd = open(own, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444);
  }
  if (fd < 0 || write(fd, line, 37) != 37) error = errno ? errno : EIO;
  if (fd >= 0) close(fd);
  if (error || statfs(kernels, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) return error;
  return mount(own, kernels, NULL, MS_BIND, NULL) < 0 ? errno : 0;
}

/* A server that runs has its host keys in memory (since OpenSSH 9.8 for all its connections): it is to read them anew. */
static void renew_sshd(void) {
  char text[32], path[64];
  read_small_file("/run/sshd.pid", text, sizeof text);
  long pid = strtol(text, NULL, 10);
  if (pid <= 1) return;
  snprintf(path, sizeof path, "/proc/%ld/comm", pid);
  read_small_file(path, text, sizeof text);
  if (strcmp(text, "sshd") == 0) kill((pid_t)pid, SIGHUP);
}

/*
 * string hostname, string machine id, u64 clock ns, bytes entropy,
 * u8 has network: string address, u8 prefix, string gateway (may be empty), bytes mac (0 or 6),
 * u32 count of files: string path, u32 mode, bytes content.
 * Everything is parsed before anything is done.
 */
int personalise(struct reader *r, char *where, size_t size) {
  struct reader first = *r;
  char *hostname = read_string(r), *machine_id = read_string(r);
  uint64_t ns = read_u64(r);
  size_t entropy_size, mac_size = 0;
  const uint8_t *entropy = read_bytes(r, &entropy_size), *mac = NULL;
  char *address = NULL, *gateway = NULL;
  uint8_t prefix = 0, network = read_u8(r);
  if (network) {
    address = read_string(r);
    prefix = read_u8(r);
    gateway = read_string(r);
    mac = read_bytes(r, &mac_size);
  }
  uint32_t count = read_u32(r);
  struct reader files = *r;
  if (count > MAX_FILES) r->bad = true;
  for (uint32_t i = 0; i < count && !r->bad; i++) {
    size_t n;
    char *path = read_string(r);
    read_u32(r);
    read_bytes(r, &n);
    if (path && !plain_path(path)) r->bad = true;
    free(path);
  }
  int error = r->bad || r->at != r->end ? EINVAL : 0;
  snprintf(where, size, "request of %zu bytes", (size_t)(first.end - first.at));
  if (!error) {
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    snprintf(where, size, "clock");
    if (ns && clock_settime(CLOCK_REALTIME, &t) < 0) error = errno;
  }
  if (!error) {
    snprintf(where, size, "hostname");
    if (sethostname(hostname, strlen(hostname)) < 0) error = errno;
  }
  if (!error) {
    snprintf(where, size, "entropy");
    error = add_entropy(entropy, entropy_size);
  }
  if (!error) {
    char path[] = "/etc/machine-id", line[80];
    int n = snprintf(line, sizeof line, "%.64s\n", machine_id);
    snprintf(where, size, "/etc/machine-id");
    error = put_file(path, 0444, (const uint8_t *)line, (size_t)n);
  }
  for (uint32_t i = 0; i < count && !error; i++) {
    size_t n;
    char *path = read_string(&files);
    uint32_t mode = read_u32(&files) & 07777;
    const uint8_t *content = read_bytes(&files, &n);
    snprintf(where, size, "%s", path);
    error = put_file(path, mode, content, n);
    free(path);
  }
  if (!error && network) {
    /* In a network of its own every guest has the same address: then a restored one has it already. */
    char asked[sizeof last_network];
    snprintf(asked, sizeof asked, "%.40s/%u %.40s", address, prefix, gateway);
    snprintf(where, size, "network");
    if (mac_size || strcmp(asked, last_network) != 0) error = set_network(address, prefix, gateway, mac, mac_size);
    snprintf(last_network, sizeof last_network, "%s", error || mac_size ? "" : asked);
  }
  if (!error && personalised) {
    snprintf(where, size, "boot id");
    error = renew_boot_id();
    renew_sshd();
  }
  free(hostname);
  free(machine_id);
  free(address);
  free(gateway);
  return error;
}
