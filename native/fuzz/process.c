/* The agent's processes without processes: a "child" is its ends of the pipes, read and written at random. */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#define PIPES 64
static int readers[PIPES], writers[PIPES], reader_count, writer_count;
static pid_t next_pid = 0x3f000000; /* beyond any real one */

static void keep(int *list, int *count, int fd) {
  if (fd < 0 || *count == PIPES || fuzz_below(4) == 0) return;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return;
  fcntl(copy, F_SETFL, O_NONBLOCK);
  list[(*count)++] = copy;
}

static pid_t fuzz_fork(int in, int out, int err) {
  if (fuzz_below(16) == 0) {
    errno = EAGAIN;
    return -1;
  }
  keep(readers, &reader_count, in);
  keep(writers, &writer_count, out);
  keep(writers, &writer_count, err);
  return next_pid++;
}

int fuzz_kill(pid_t pid, int number) {
  (void)pid, (void)number;
  return 0;
}

void fuzz_use_pipes(void) {
  static uint8_t bytes[65536];
  for (int at = 0; at < reader_count; at++)
    if (fuzz_below(2) && read(readers[at], bytes, fuzz_below(sizeof bytes) + 1) < 0 && errno != EAGAIN) _exit(9);
  for (int at = 0; at < writer_count; at++)
    if (fuzz_below(2) && write(writers[at], bytes, fuzz_below(sizeof bytes) + 1) < 0 && errno != EAGAIN && errno != EPIPE) _exit(9);
}

void fuzz_forget_pipes(void) {
  while (reader_count) close(readers[--reader_count]);
  while (writer_count) close(writers[--writer_count]);
}

#define fork() fuzz_fork(e.in[0], e.out[0], e.err[0])
#define kill fuzz_kill
#include "../agent/process.c"
