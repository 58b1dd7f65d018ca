/* The format's rules that hold in both directions. See tar.h. */
#define _GNU_SOURCE
#include "tar.h"

#include <stdarg.h>
#include <stdio.h>

int fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vdprintf(2, format, args);
  va_end(args);
  dprintf(2, "\n");
  return 1;
}

size_t padding(uint64_t size) { return (size_t)((BLOCK - size % BLOCK) % BLOCK); }

/* The sum of all bytes, those of the checksum itself counted as spaces (ustar(5)). */
uint64_t header_checksum(const struct header *h) {
  const uint8_t *p = (const uint8_t *)h;
  const size_t own = offsetof(struct header, checksum);
  uint64_t sum = 0;
  for (size_t i = 0; i < BLOCK; i++) sum += i >= own && i < own + sizeof h->checksum ? ' ' : p[i];
  return sum;
}
