/* Archives that are nearly right: real headers with right checksums around hostile names, sizes and extensions. */
#include <stdarg.h>
#include <stdio.h>

static void say_nothing(va_list args) { (void)args; }
#define vdprintf(fd, format, args) say_nothing(args)
#define dprintf(fd, text) ((void)(text))
#include "../agent/tar.c"
#include "../agent/archive.c"
#include "../agent/unpack.c"
#include "../agent/pack.c"

#include "fuzz.h"

#include <sys/mman.h>
#include <ftw.h>

static uint8_t archive[1 << 18];
static size_t archive_size;

static const char *const names[] = {"a", "a/b", "a/b/c", "..", "../x", "a/../b", "/abs", "./a", "l", "l/x", "", ".", "a//b", "\xff\xfe", " "};
static const char types[] = "001122555xgLK7S34\0";

static const char *any_name(void) { return names[fuzz_below(sizeof names / sizeof *names)]; }

static void add(const void *bytes, size_t size) {
  size_t room = sizeof archive - archive_size;
  memcpy(archive + archive_size, bytes, size < room ? size : room);
  archive_size += size < room ? size : room;
}

static void add_entry(void) {
  struct header h = {0};
  static char content[4 * BLOCK];
  size_t size = 0;
  char type = types[fuzz_below(sizeof types - 1)];
  memset(content, 0, sizeof content);
  if (type == 'x' || type == 'g') {
    static const char *const keys[] = {"path", "linkpath", "size", "mtime", "comment", ""};
    for (uint32_t left = fuzz_below(4); left > 0; left--) {
      char record[600];
      int n = snprintf(record, sizeof record, " %s=%s%s\n", keys[fuzz_below(6)], any_name(), fuzz_below(3) ? "" : "1234567890.5");
      int claimed = fuzz_below(8) ? n + (n + 1 < 10 ? 1 : n + 2 < 100 ? 2 : 3) : (int)fuzz_interesting();
      if (size + (size_t)n + 16 < sizeof content) size += (size_t)sprintf(content + size, "%d%s", claimed, record);
    }
  } else if (type == 'L' || type == 'K') {
    size = (size_t)snprintf(content, sizeof content, "%s", any_name()) + fuzz_below(2);
  } else if (fuzz_below(2)) {
    size = fuzz_below(sizeof content);
  }
  snprintf(h.name, sizeof h.name, "%s", any_name());
  snprintf(h.link, sizeof h.link, "%s", any_name());
  if (fuzz_below(4) == 0) snprintf(h.prefix, sizeof h.prefix, "%s", any_name());
  if (fuzz_below(16) == 0) memset(h.name, 'n', sizeof h.name);
  snprintf(h.mode, sizeof h.mode, "%07o", fuzz_below(010000));
  snprintf(h.size, sizeof h.size, "%011o", fuzz_below(16) ? (unsigned)size : fuzz_interesting());
  snprintf(h.mtime, sizeof h.mtime, "%011o", fuzz_interesting());
  h.type = type;
  memcpy(h.magic, "ustar", 6);
  if (fuzz_below(16) == 0) ((uint8_t *)&h)[fuzz_below(sizeof h)] = (uint8_t)fuzz_random();
  uint64_t sum = 0;
  memset(h.checksum, ' ', sizeof h.checksum);
  for (size_t at = 0; at < sizeof h; at++) sum += ((uint8_t *)&h)[at];
  snprintf(h.checksum, sizeof h.checksum, "%06o", (unsigned)sum);
  add(&h, sizeof h);
  add(content, (size + BLOCK - 1) / BLOCK * BLOCK);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type;
  return ftw->level > 0 ? remove(path) : 0;
}

void fuzz_tar(void) {
  archive_size = 0;
  for (uint32_t left = 1 + fuzz_below(12); left > 0; left--) add_entry();
  static const uint8_t zeros[2 * BLOCK];
  if (fuzz_below(8)) add(zeros, sizeof zeros);
  if (fuzz_below(8) == 0) fuzz_mutate(archive, &archive_size, sizeof archive);
  int fd = memfd_create("archive", 0);
  if (fd < 0 || write(fd, archive, archive_size) != (ssize_t)archive_size || lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, 0) < 0) abort();
  close(fd);
  if (last_fd >= 0) close(last_fd);
  last_fd = -1;
  last_dir[0] = 0;
  buffer_at = buffer_size = 0;
  memset(&next, 0, sizeof next);
  unpack_main("/tree/root");
  close(root_fd);
  /* The canary beside the root must be all that is there besides it. */
  DIR *d = opendir("/tree");
  for (struct dirent *e; d && (e = readdir(d));)
    if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, "root")) abort();
  if (d) closedir(d);
  out_size = 0;
  pack_main("/tree/root");
  nftw("/tree/root", remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
