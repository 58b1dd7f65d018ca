/*
 * Tar streams in and out (POSIX ustar with pax headers, and GNU long names). Runs in a child of the agent, so that it
 * may block. What comes in is not trusted: nothing is written outside the root, and no link is ever followed.
 */
#define _GNU_SOURCE
#include "tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 512u
#define MAX_PATH_BYTES 4096u
#define MAX_PAX_BYTES 65536u
#define MAX_DEPTH 200

/* linux/openat2.h; musl has no wrapper yet. */
struct open_how_ {
  uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_SYMLINKS_ 0x04
#define RESOLVE_BENEATH_ 0x08

/* ustar(5). All fields are octal ASCII unless the first bit is set (GNU base-256, refused: no file here needs it). */
struct header {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32],
      group[32], major[8], minor[8], prefix[155], pad[12];
};

static int fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vdprintf(2, format, args);
  va_end(args);
  dprintf(2, "\n");
  return 1;
}

/* --- In */

static uint8_t buffer[1 << 16];
static size_t buffer_at, buffer_size;

static bool fill(void) {
  buffer_at = 0;
  ssize_t n;
  do n = read(0, buffer, sizeof buffer);
  while (n < 0 && errno == EINTR);
  buffer_size = n > 0 ? (size_t)n : 0;
  return n > 0;
}

static bool take(void *out, size_t n) {
  for (uint8_t *p = out; n > 0;) {
    if (buffer_at == buffer_size && !fill()) return false;
    size_t k = buffer_size - buffer_at < n ? buffer_size - buffer_at : n;
    if (p) {
      memcpy(p, buffer + buffer_at, k);
      p += k;
    }
    buffer_at += k;
    n -= k;
  }
  return true;
}

static size_t padding(uint64_t size) { return (size_t)((BLOCK - size % BLOCK) % BLOCK); }

static bool octal(const char *field, size_t n, uint64_t *out) {
  *out = 0;
  size_t i = 0;
  while (i < n && field[i] == ' ') i++;
  for (; i < n && field[i] && field[i] != ' '; i++) {
    if (field[i] < '0' || field[i] > '7') return false;
    *out = *out << 3 | (uint64_t)(field[i] - '0');
  }
  return true;
}

static bool checksum_right(const struct header *h) {
  const uint8_t *p = (const uint8_t *)h;
  uint64_t sum = 0, said;
  for (size_t i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : p[i];
  return octal(h->checksum, sizeof h->checksum, &said) && said == sum;
}

struct entry {
  char path[MAX_PATH_BYTES], link[MAX_PATH_BYTES];
  bool has_path, has_link, has_size, has_mtime;
  uint64_t size;
  int64_t mtime;
  long mtime_ns;
};

static struct entry next;

/* "LENGTH KEY=VALUE\n" records (pax(1)); values may hold anything but are cut by LENGTH. */
static bool read_pax(char *p, size_t n) {
  while (n > 0) {
    char *space = memchr(p, ' ', n);
    if (!space) return false;
    unsigned long length = strtoul(p, NULL, 10);
    if (length > n || length < (size_t)(space - p) + 3 || p[length - 1] != '\n') return false;
    char *key = space + 1, *end = p + length - 1, *equals = memchr(key, '=', (size_t)(end - key));
    if (!equals) return false;
    *equals = 0;
    *end = 0;
    char *value = equals + 1;
    size_t value_size = (size_t)(end - value);
    bool is_path = strcmp(key, "path") == 0, is_link = strcmp(key, "linkpath") == 0;
    if (is_path || is_link) {
      if (value_size >= MAX_PATH_BYTES || memchr(value, 0, value_size)) return false;
      memcpy(is_path ? next.path : next.link, value, value_size + 1);
      *(is_path ? &next.has_path : &next.has_link) = true;
    } else if (strcmp(key, "size") == 0) {
      next.size = strtoull(value, NULL, 10);
      next.has_size = true;
    } else if (strcmp(key, "mtime") == 0) {
      char *dot;
      next.mtime = strtoll(value, &dot, 10);
      char digits[10] = "000000000";
      for (size_t i = 0; *dot == '.' && i < 9 && dot[1 + i] >= '0' && dot[1 + i] <= '9'; i++) digits[i] = dot[1 + i];
      next.mtime_ns = strtol(digits, NULL, 10);
      next.has_mtime = true;
    }
    n -= length;
    p += length;
  }
  return true;
}

static bool read_extension(const struct header *h, uint64_t size) {
  static char text[MAX_PAX_BYTES + 1];
  if (size > MAX_PAX_BYTES || !take(text, size) || !take(NULL, padding(size))) return false;
  text[size] = 0;
  if (h->type == 'x') return read_pax(text, size);
  if (h->type == 'g') return true;
  if (size >= MAX_PATH_BYTES) return false;
  memcpy(h->type == 'L' ? next.path : next.link, text, size + 1);
  *(h->type == 'L' ? &next.has_path : &next.has_link) = true;
  return true;
}

/* Parts of a path without "." and empty ones; false for "..", which nothing honest needs. */
static bool clean_path(char *path) {
  char *out = path, *p = path;
  while (*p) {
    while (*p == '/') p++;
    size_t n = strcspn(p, "/");
    if (n == 2 && p[0] == '.' && p[1] == '.') return false;
    if (n > 255) return false;
    if (n > 0 && !(n == 1 && p[0] == '.')) {
      if (out != path) *out++ = '/';
      memmove(out, p, n);
      out += n;
    }
    p += n;
  }
  *out = 0;
  return true;
}

static int root_fd;
/* The directory of the last entry stays open: neighbours in the archive are mostly neighbours in the tree. */
static char last_dir[MAX_PATH_BYTES];
static int last_fd = -1;

static int open_beneath(const char *path, uint64_t flags, uint64_t mode) {
  struct open_how_ how = {flags | O_CLOEXEC, mode, RESOLVE_BENEATH_ | RESOLVE_NO_SYMLINKS_};
  return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
}

/* A descriptor for a directory below the root, made with its parents when missing. A link in the way is an error. */
static int directory(const char *path) {
  if (last_fd >= 0 && strcmp(path, last_dir) == 0) return last_fd;
  int fd = path[0] ? open_beneath(path, O_RDONLY | O_DIRECTORY, 0) : dup(root_fd);
  if (fd < 0 && errno == ENOENT) {
    char partial[MAX_PATH_BYTES];
    fd = dup(root_fd);
    for (const char *p = path; fd >= 0 && *p;) {
      size_t n = strcspn(p, "/");
      memcpy(partial, p, n);
      partial[n] = 0;
      if (mkdirat(fd, partial, 0755) < 0 && errno != EEXIST) break;
      int below = openat(fd, partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      int error = errno;
      close(fd);
      errno = error;
      fd = below;
      p += n + (p[n] == '/');
    }
  }
  if (fd < 0) return -1;
  if (last_fd >= 0) close(last_fd);
  last_fd = fd;
  snprintf(last_dir, sizeof last_dir, "%s", path);
  return fd;
}

/* Splits into directory and name; returns the directory's descriptor. */
static int parent_of(char *path, char **name) {
  char *slash = strrchr(path, '/');
  *name = slash ? slash + 1 : path;
  if (!slash) return directory("");
  *slash = 0;
  int fd = directory(path);
  *slash = '/';
  return fd;
}

static int write_content(int fd, uint64_t size) {
  while (size > 0) {
    if (buffer_at == buffer_size && !fill()) return fail("the archive ends in the middle of a file");
    size_t n = buffer_size - buffer_at < size ? buffer_size - buffer_at : (size_t)size;
    for (size_t done = 0; done < n;) {
      ssize_t w = write(fd, buffer + buffer_at + done, n - done);
      if (w < 0 && errno == EINTR) continue;
      if (w < 0) return fail("%s: %s", next.path, strerror(errno));
      done += (size_t)w;
    }
    buffer_at += n;
    size -= n;
  }
  return 0;
}

static const struct timespec *modified(struct timespec times[2]) {
  times[0] = times[1] = (struct timespec){next.mtime, next.mtime_ns};
  return times;
}

static int make_file(int dir, const char *name, mode_t mode, uint64_t size) {
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, fd = openat(dir, name, flags, mode);
  if (fd < 0 && errno == EEXIST && unlinkat(dir, name, 0) == 0) fd = openat(dir, name, flags, mode);
  if (fd < 0) return fail("%s: %s", next.path, strerror(errno));
  int failed = write_content(fd, size);
  struct timespec times[2];
  if (!failed) futimens(fd, modified(times));
  close(fd);
  return failed;
}

static int make_link(int dir, const char *name, bool hard) {
  if (hard && (!clean_path(next.link) || !next.link[0])) return fail("%s: a hard link out of the archive", next.path);
  for (int attempt = 0; attempt < 2; attempt++) {
    int made = -1;
    if (hard) {
      /* Opened without following anything, then linked by descriptor: the target cannot be swapped for another. */
      int target = open_beneath(next.link, O_PATH | O_NOFOLLOW, 0);
      char proc[40];
      snprintf(proc, sizeof proc, "/proc/self/fd/%d", target);
      if (target < 0) return fail("%s: link to %s: %s", next.path, next.link, strerror(errno));
      made = linkat(AT_FDCWD, proc, dir, name, AT_SYMLINK_FOLLOW);
      int error = errno;
      close(target);
      errno = error;
    } else {
      made = symlinkat(next.link, dir, name);
    }
    struct timespec times[2];
    if (made == 0 && !hard) utimensat(dir, name, modified(times), AT_SYMLINK_NOFOLLOW);
    if (made == 0) return 0;
    if (errno != EEXIST || unlinkat(dir, name, 0) < 0) break;
  }
  return fail("%s: %s", next.path, strerror(errno));
}

/* A directory takes the place of a link or a file that has its name; a directory that is there gets the new mode. */
static int make_directory(mode_t mode) {
  int fd = directory(next.path);
  if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
    char *name;
    int parent = parent_of(next.path, &name);
    if (parent >= 0 && unlinkat(parent, name, 0) == 0) fd = directory(next.path);
  }
  return fd < 0 || fchmod(fd, mode) < 0 ? fail("%s: %s", next.path, strerror(errno)) : 0;
}

static int make_entry(const struct header *h, mode_t mode, uint64_t size) {
  char *name;
  if (!clean_path(next.path)) return fail("%s: a path out of the archive", next.path);
  if (!next.path[0]) return take(NULL, size + padding(size)) ? 0 : fail("the archive is cut off");
  if (h->type == '5') return make_directory(mode);
  int dir = parent_of(next.path, &name);
  if (dir < 0) return fail("%s: %s", next.path, strerror(errno));
  switch (h->type) {
    case '0': case 0: case '7': return make_file(dir, name, mode, size) || !take(NULL, padding(size));
    case '1': return make_link(dir, name, true);
    case '2': return make_link(dir, name, false);
    default: return fail("%s: an entry of type %d is neither file, directory nor link", next.path, h->type);
  }
}

static int open_root(const char *root) {
  char path[MAX_PATH_BYTES];
  snprintf(path, sizeof path, "%s", root);
  for (char *p = path + 1; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    mkdir(path, 0755);
    *p = '/';
  }
  mkdir(path, 0755);
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Says "FILES BYTES" on stdout when all is written. */
int unpack_main(const char *root) {
  static struct header h;
  uint64_t files = 0, bytes = 0;
  umask(0);
  root_fd = open_root(root);
  if (root_fd < 0) return fail("%s: %s", root, strerror(errno));
  for (;;) {
    uint64_t size, mode, mtime;
    if (!take(&h, BLOCK)) return fail("the archive is cut off");
    if (h.name[0] == 0 && h.checksum[0] == 0) break;
    if (!checksum_right(&h) || !octal(h.size, sizeof h.size, &size) || !octal(h.mode, sizeof h.mode, &mode) || !octal(h.mtime, sizeof h.mtime, &mtime))
      return fail("the archive is damaged");
    if (strchr("xgLK", h.type) && h.type) {
      if (!read_extension(&h, size)) return fail("the archive has a damaged extension");
      continue;
    }
    if (!next.has_path) {
      bool ustar = memcmp(h.magic, "ustar", 6) == 0 && h.prefix[0];
      snprintf(next.path, sizeof next.path, "%.155s%s%.100s", ustar ? h.prefix : "", ustar ? "/" : "", h.name);
    }
    if (!next.has_link) snprintf(next.link, sizeof next.link, "%.100s", h.link);
    if (!next.has_mtime) {
      next.mtime = (int64_t)mtime;
      next.has_mtime = true;
    }
    if (next.has_size) size = next.size;
    bool content = h.type == '0' || h.type == 0 || h.type == '7';
    if (make_entry(&h, (mode_t)(mode & 07777), content ? size : 0)) return 1;
    files += h.type != '5';
    bytes += content ? size : 0;
    next.path[0] = next.link[0] = 0;
    next.has_path = next.has_link = next.has_size = next.has_mtime = false;
    next.mtime_ns = 0;
  }
  /* The rest of the stream is padding: it must be taken, or the sender would see a broken pipe. */
  while (fill()) continue;
  printf("%llu %llu\n", (unsigned long long)files, (unsigned long long)bytes);
  return fflush(stdout) ? 1 : 0;
}

/* --- Out */

static uint8_t out[1 << 16];
static size_t out_size;

static bool flush(void) {
  for (size_t done = 0; done < out_size;) {
    ssize_t n = write(1, out + done, out_size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    done += (size_t)n;
  }
  out_size = 0;
  return true;
}

static bool put(const void *p, size_t n) {
  for (const uint8_t *b = p; n > 0;) {
    if (out_size == sizeof out && !flush()) return false;
    size_t k = sizeof out - out_size < n ? sizeof out - out_size : n;
    if (b) {
      memcpy(out + out_size, b, k);
      b += k;
    } else {
      memset(out + out_size, 0, k);
    }
    out_size += k;
    n -= k;
  }
  return true;
}

static bool put_header(char type, const char *name, const char *link, const struct stat *st, uint64_t size) {
  struct header h = {0};
  uint64_t sum = 0;
  strncpy(h.name, name, sizeof h.name);
  strncpy(h.link, link, sizeof h.link);
  snprintf(h.mode, sizeof h.mode, "%07o", (unsigned)(st->st_mode & 07777));
  snprintf(h.uid, sizeof h.uid, "%07o", (unsigned)st->st_uid & 07777777u);
  snprintf(h.gid, sizeof h.gid, "%07o", (unsigned)st->st_gid & 07777777u);
  snprintf(h.size, sizeof h.size, "%011llo", (unsigned long long)(size & 077777777777ull));
  snprintf(h.mtime, sizeof h.mtime, "%011llo", (unsigned long long)(st->st_mtim.tv_sec < 0 ? 0 : st->st_mtim.tv_sec) & 077777777777ull);
  h.type = type;
  memcpy(h.magic, "ustar", 6);
  memcpy(h.version, "00", 2);
  memset(h.checksum, ' ', sizeof h.checksum);
  for (size_t i = 0; i < sizeof h; i++) sum += ((uint8_t *)&h)[i];
  snprintf(h.checksum, sizeof h.checksum, "%06llo", (unsigned long long)sum);
  return put(&h, sizeof h);
}

static size_t pax_record(char *text, size_t at, const char *key, const char *value) {
  size_t rest = strlen(key) + strlen(value) + 3, total = rest + 1;
  while (total != rest + (size_t)snprintf(NULL, 0, "%zu", total)) total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
  return at + (size_t)sprintf(text + at, "%zu %s=%s\n", total, key, value);
}

static bool put_entry(char type, const char *name, const char *link, const struct stat *st, uint64_t size) {
  static char text[3 * MAX_PATH_BYTES];
  char number[32];
  size_t n = 0;
  if (strlen(name) > 100) n = pax_record(text, n, "path", name);
  if (strlen(link) > 100) n = pax_record(text, n, "linkpath", link);
  if (size > 077777777777ull) {
    snprintf(number, sizeof number, "%llu", (unsigned long long)size);
    n = pax_record(text, n, "size", number);
  }
  if (n && !(put_header('x', "pax", "", st, n) && put(text, n) && put(NULL, padding(n)))) return false;
  return put_header(type, name, link, st, size);
}

static int pack_file(int fd, const char *name, const struct stat *st) {
  uint64_t left = (uint64_t)st->st_size;
  if (!put_entry('0', name, "", st, left)) return fail("%s: %s", name, strerror(errno));
  while (left > 0) {
    ssize_t n = read(fd, buffer, left < sizeof buffer ? (size_t)left : sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("%s: %s", name, n < 0 ? strerror(errno) : "it became shorter while it was read");
    if (!put(buffer, (size_t)n)) return 1;
    left -= (uint64_t)n;
  }
  return put(NULL, padding((uint64_t)st->st_size)) ? 0 : 1;
}

static int pack_at(int dir, const char *entry, const char *name, int depth) {
  struct stat st;
  char link[MAX_PATH_BYTES] = "";
  if (depth > MAX_DEPTH) return fail("%s: too deep", name);
  if (fstatat(dir, entry, &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT && depth ? 0 : fail("%s: %s", name, strerror(errno));
  if (S_ISLNK(st.st_mode)) {
    ssize_t n = readlinkat(dir, entry, link, sizeof link - 1);
    if (n < 0) return fail("%s: %s", name, strerror(errno));
    link[n] = 0;
    return put_entry('2', name, link, &st, 0) ? 0 : 1;
  }
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return 0; /* sockets, devices: nothing to copy */
  int fd = openat(dir, entry, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail("%s: %s", name, strerror(errno));
  if (S_ISREG(st.st_mode)) {
    int failed = fstat(fd, &st) < 0 || pack_file(fd, name, &st);
    close(fd);
    return failed;
  }
  DIR *d = fdopendir(fd);
  int failed = !d || !put_entry('5', name, "", &st, 0);
  for (struct dirent *e; !failed && (e = readdir(d));) {
    char below[MAX_PATH_BYTES];
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if ((size_t)snprintf(below, sizeof below, "%s/%s", name, e->d_name) >= sizeof below) failed = fail("%s: the path is too long", name);
    else failed = pack_at(dirfd(d), e->d_name, below, depth + 1);
  }
  if (d) closedir(d);
  else close(fd);
  return failed;
}

int pack_main(const char *path) {
  static const uint8_t zeros[2 * BLOCK];
  const char *slash = strrchr(path, '/');
  const char *name = slash && slash[1] ? slash + 1 : ".";
  int failed = pack_at(AT_FDCWD, path, name, 0);
  if (failed) return failed;
  return put(zeros, sizeof zeros) && flush() ? 0 : 1;
}
