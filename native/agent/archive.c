/* An archive that comes in: its blocks, its headers, and the extensions that go before them. */
#define _GNU_SOURCE
#include "tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PAX_BYTES 65536u

static uint8_t buffer[1 << 16];
static size_t buffer_at, buffer_size;
struct entry next;

static bool fill(void) {
  buffer_at = 0;
  ssize_t n;
  do n = read(0, buffer, sizeof buffer);
  while (n < 0 && errno == EINTR);
  buffer_size = n > 0 ? (size_t)n : 0;
  return n > 0;
}

const uint8_t *take_some(uint64_t most, size_t *n) {
  if (buffer_at == buffer_size && !fill()) return NULL;
  const uint8_t *p = buffer + buffer_at;
  *n = buffer_size - buffer_at < most ? buffer_size - buffer_at : (size_t)most;
  buffer_at += *n;
  return p;
}

bool take(void *out, size_t n) {
  for (uint8_t *p = out; n > 0;) {
    size_t k;
    const uint8_t *some = take_some(n, &k);
    if (!some) return false;
    if (p) {
      memcpy(p, some, k);
      p += k;
    }
    n -= k;
  }
  return true;
}

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
  uint64_t said;
  return octal(h->checksum, sizeof h->checksum, &said) && said == header_checksum(h);
}

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
      /* Its fraction is of the number, a timespec's counts forward: -1.25 s is -2 s and 0.75. */
      if (value[0] == '-' && next.mtime_ns > 0) {
        next.mtime -= 1;
        next.mtime_ns = 1000000000 - next.mtime_ns;
      }
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

static bool has_content(const struct entry *e) { return e->type == '0' || e->type == 0 || e->type == '7'; }

/* What no extension has said is in the header itself. */
static void complete_entry(const struct header *h, uint64_t size, uint64_t mode, uint64_t mtime) {
  next.type = h->type;
  next.mode = (mode_t)(mode & 07777);
  if (!next.has_path) {
    bool ustar = memcmp(h->magic, "ustar", 6) == 0 && h->prefix[0];
    snprintf(next.path, sizeof next.path, "%.155s%s%.100s", ustar ? h->prefix : "", ustar ? "/" : "", h->name);
  }
  if (!next.has_link) snprintf(next.link, sizeof next.link, "%.100s", h->link);
  if (!next.has_mtime) next.mtime = (int64_t)mtime;
  if (!next.has_size) next.size = size;
  if (!has_content(&next)) next.size = 0;
}

enum archive next_entry(void) {
  static struct header h;
  next.has_path = next.has_link = next.has_size = next.has_mtime = false;
  next.mtime_ns = 0;
  for (;;) {
    uint64_t size, mode, mtime;
    if (!take(&h, BLOCK)) {
      fail("the archive is cut off");
      return ARCHIVE_BAD;
    }
    if (h.name[0] == 0 && h.checksum[0] == 0) break;
    if (!checksum_right(&h) || !octal(h.size, sizeof h.size, &size) || !octal(h.mode, sizeof h.mode, &mode) || !octal(h.mtime, sizeof h.mtime, &mtime)) {
      fail("the archive is damaged");
      return ARCHIVE_BAD;
    }
    if (!strchr("xgLK", h.type) || !h.type) {
      complete_entry(&h, size, mode, mtime);
      return ARCHIVE_ENTRY;
    }
    if (!read_extension(&h, size)) {
      fail("the archive has a damaged extension");
      return ARCHIVE_BAD;
    }
  }
  /* The rest of the stream is padding: it must be taken, or the sender would see a broken pipe. */
  while (fill()) continue;
  return ARCHIVE_END;
}
