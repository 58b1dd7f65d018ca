/*
 * Tar streams in and out (POSIX ustar with pax headers, and GNU long names). Runs in a child of the agent, so that it
 * may block. What comes in is not trusted: nothing is written outside the root, and no link is ever followed.
 */
#ifndef BANGER_TAR_H
#define BANGER_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BLOCK 512u
#define MAX_PATH_BYTES 4096u

/* ustar(5). All fields are octal ASCII unless the first bit is set (GNU base-256, refused: no file here needs it). */
struct header {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32],
      group[32], major[8], minor[8], prefix[155], pad[12];
};

/* tar.c */
/* Says on stderr what was wrong, and returns the exit status for it. */
int fail(const char *format, ...);
size_t padding(uint64_t size);
uint64_t header_checksum(const struct header *h);

/* archive.c: what comes in. */
struct entry {
  char path[MAX_PATH_BYTES], link[MAX_PATH_BYTES];
  char type;
  mode_t mode;
  bool has_path, has_link, has_size, has_mtime; /* what an extension has said goes before the header's own word */
  uint64_t size; /* of the content: nothing but files have one */
  int64_t mtime;
  long mtime_ns;
};
extern struct entry next;
enum archive { ARCHIVE_ENTRY, ARCHIVE_END, ARCHIVE_BAD };
/* Puts the header of an entry with all its extensions into `next`; its content is still to be taken. It says what is bad. */
enum archive next_entry(void);
/* At most `most` bytes of what comes, and how many; NULL at the end of the stream. */
const uint8_t *take_some(uint64_t most, size_t *n);
/* False when less comes. A NULL throws the bytes away. */
bool take(void *out, size_t n);

/* unpack.c, pack.c: they return the child's exit status and say on stderr what was wrong. */
int unpack_main(const char *root);
int pack_main(const char *path);

#endif
