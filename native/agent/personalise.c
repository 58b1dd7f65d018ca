/* Making a guest this VM and no other: files, name, network, clock, entropy. No process is started for any of it. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
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
    snprintf(where, size, "network");
    error = set_network(address, prefix, gateway, mac, mac_size);
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
