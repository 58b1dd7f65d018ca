#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

void say(const char *format, ...) {
  char line[512];
  int n = snprintf(line, sizeof line, "<3>banger-init: ");
  va_list args;
  va_start(args, format);
  n += vsnprintf(line + n, sizeof line - (size_t)n, format, args);
  va_end(args);
  size_t size = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
  int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write(fd, line, size) < 0) { /* the console is left */ }
  if (fd >= 0) close(fd);
  /* With "quiet" the kernel keeps its log from the console, where a guest that does not boot is looked into. */
  fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0 && dprintf(fd, "%.*s\r\n", (int)(size - 3), line + 3) < 0) { /* there is nobody to tell */ }
  if (fd >= 0) close(fd);
}

void give_up(const char *what) {
  say("%s: %s; powering off", what, strerror(errno));
  sync();
  reboot(under_firecracker() ? RB_AUTOBOOT : RB_POWER_OFF);
  for (;;) pause();
}
