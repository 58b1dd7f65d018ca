/* An archive made into files: beneath the root and nowhere else, whatever the archive says. */
#define _GNU_SOURCE
#include "tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/openat2.h; musl has no wrapper yet. */
struct open_how_ {
  uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_SYMLINKS_ 0x04
#define RESOLVE_BENEATH_ 0x08

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
    size_t n;
    const uint8_t *p = take_some(size, &n);
    if (!p) return fail("the archive ends in the middle of a file");
    for (size_t done = 0; done < n;) {
      ssize_t w = write(fd, p + done, n - done);
      if (w < 0 && errno == EINTR) continue;
      if (w < 0) return fail("%s: %s", next.path, strerror(errno));
      done += (size_t)w;
    }
    size -= n;
  }
  return 0;
}

static const struct timespec *modified(struct timespec times[2]) {
  times[0] = times[1] = (struct timespec){next.mtime, next.mtime_ns};
  return times;
}

/* Gives an open file without a name its own, in the place of what has it. */
static int name_file(int dir, int fd, const char *name) {
  char proc[40], aside[48];
  snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
  if (linkat(AT_FDCWD, proc, dir, name, AT_SYMLINK_FOLLOW) == 0) return 0;
  if (errno != EEXIST) return -1;
  snprintf(aside, sizeof aside, ".banger-unpack-%ld", (long)getpid());
  if (linkat(AT_FDCWD, proc, dir, aside, AT_SYMLINK_FOLLOW) < 0) return -1;
  if (renameat(dir, aside, dir, name) == 0) return 0;
  int error = errno;
  unlinkat(dir, aside, 0);
  errno = error;
  return -1;
}

/* It has its name when it is whole: an archive that is cut off, or a killed process, leaves what was there. */
static int make_file(int dir, const char *name) {
  int fd = openat(dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, next.mode), unnamed = fd >= 0;
  if (!unnamed) {
    /* Not every file system has files without a name. */
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    fd = openat(dir, name, flags, next.mode);
    if (fd < 0 && errno == EEXIST && unlinkat(dir, name, 0) == 0) fd = openat(dir, name, flags, next.mode);
  }
  if (fd < 0) return fail("%s: %s", next.path, strerror(errno));
  int failed = write_content(fd, next.size);
  struct timespec times[2];
  if (!failed) futimens(fd, modified(times));
  if (!failed && unnamed && name_file(dir, fd, name) < 0) failed = fail("%s: %s", next.path, strerror(errno));
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
static int make_directory(void) {
  int fd = directory(next.path);
  if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
    char *name;
    int parent = parent_of(next.path, &name);
    if (parent >= 0 && unlinkat(parent, name, 0) == 0) fd = directory(next.path);
  }
  return fd < 0 || fchmod(fd, next.mode) < 0 ? fail("%s: %s", next.path, strerror(errno)) : 0;
}

/* Makes what `next` says, and takes its content from the archive. */
static int make_entry(void) {
  char *name;
  size_t pad = padding(next.size);
  if (!clean_path(next.path)) return fail("%s: a path out of the archive", next.path);
  if (!next.path[0]) return take(NULL, next.size + pad) ? 0 : fail("the archive is cut off");
  if (next.type == '5') return make_directory();
  int dir = parent_of(next.path, &name);
  if (dir < 0) return fail("%s: %s", next.path, strerror(errno));
  switch (next.type) {
    case '0': case 0: case '7': return make_file(dir, name) || !take(NULL, pad);
    case '1': return make_link(dir, name, true);
    case '2': return make_link(dir, name, false);
    default: return fail("%s: an entry of type %d is neither file, directory nor link", next.path, next.type);
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
  uint64_t files = 0, bytes = 0;
  umask(0);
  root_fd = open_root(root);
  if (root_fd < 0) return fail("%s: %s", root, strerror(errno));
  for (enum archive found; (found = next_entry()) != ARCHIVE_END;) {
    if (found == ARCHIVE_BAD || make_entry()) return 1;
    files += next.type != '5';
    bytes += next.size;
  }
  printf("%llu %llu\n", (unsigned long long)files, (unsigned long long)bytes);
  return fflush(stdout) ? 1 : 0;
}
