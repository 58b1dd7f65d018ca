/* Files made into an archive: plain ustar, with pax headers where it has no room. */
#define _GNU_SOURCE
#include "tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 200

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
  memset(h.checksum, ' ', sizeof h.checksum); /* six digits and a NUL go before the last space */
  snprintf(h.checksum, sizeof h.checksum, "%06llo", (unsigned long long)header_checksum(&h));
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
  static uint8_t content[1 << 16];
  uint64_t left = (uint64_t)st->st_size;
  if (!put_entry('0', name, "", st, left)) return fail("%s: %s", name, strerror(errno));
  while (left > 0) {
    ssize_t n = read(fd, content, left < sizeof content ? (size_t)left : sizeof content);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("%s: %s", name, n < 0 ? strerror(errno) : "it became shorter while it was read");
    if (!put(content, (size_t)n)) return 1;
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
