#define _GNU_SOURCE
#include "init.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char cmdline[4096];

void read_command_line(void) {
  int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, cmdline, sizeof cmdline - 1) < 0) give_up("/proc/cmdline");
  close(fd);
}

const char *option(const char *word, const char *fallback, char *out, size_t size) {
  size_t n = strlen(word);
  for (const char *p = cmdline; *p; p += strcspn(p, " \n"), p += strspn(p, " \n")) {
    size_t length = strcspn(p, " \n");
    if (length <= n || strncmp(p, word, n) != 0 || p[n] != '=') continue;
    snprintf(out, size, "%.*s", (int)(length - n - 1), p + n + 1);
    return out;
  }
  return fallback;
}

bool has_word(const char *word) {
  size_t n = strlen(word);
  for (const char *p = cmdline; *p; p += strcspn(p, " \n"), p += strspn(p, " \n"))
    if (strcspn(p, " \n") == n && strncmp(p, word, n) == 0) return true;
  return false;
}

/* Firecracker has no power switch, and ends when its guest restarts; a guest that powers off would halt in it for ever. */
bool under_firecracker(void) {
  char port[16];
  return option("banger.vsock", NULL, port, sizeof port) != NULL;
}
