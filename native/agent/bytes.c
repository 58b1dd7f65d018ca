/* Fields of requests and results, little-endian, with every bound checked. */
#include "agent.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *take(struct reader *r, size_t n) {
  if (r->bad || (size_t)(r->end - r->at) < n) {
    r->bad = true;
    return NULL;
  }
  const uint8_t *p = r->at;
  r->at += n;
  return p;
}

static uint64_t read_le(struct reader *r, size_t n) {
  const uint8_t *p = take(r, n);
  uint64_t v = 0;
  for (size_t i = 0; p && i < n; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

uint8_t read_u8(struct reader *r) { return (uint8_t)read_le(r, 1); }
uint16_t read_u16(struct reader *r) { return (uint16_t)read_le(r, 2); }
uint32_t read_u32(struct reader *r) { return (uint32_t)read_le(r, 4); }
uint64_t read_u64(struct reader *r) { return read_le(r, 8); }

const uint8_t *read_bytes(struct reader *r, size_t *size) {
  *size = read_u32(r);
  const uint8_t *p = take(r, *size);
  if (!p) *size = 0;
  return p;
}

char *read_string(struct reader *r) {
  size_t n;
  const uint8_t *p = read_bytes(r, &n);
  char *s = p && !memchr(p, 0, n) ? malloc(n + 1) : NULL;
  if (!s) {
    r->bad = true;
    return NULL;
  }
  memcpy(s, p, n);
  s[n] = 0;
  return s;
}

size_t room(const struct writer *w) { return (size_t)(w->end - w->at); }

static void write_le(struct writer *w, uint64_t v, size_t n) {
  if (room(w) < n) return;
  for (size_t i = 0; i < n; i++) *w->at++ = (uint8_t)(v >> (8 * i));
}

void write_u8(struct writer *w, uint8_t v) { write_le(w, v, 1); }
void write_u16(struct writer *w, uint16_t v) { write_le(w, v, 2); }
void write_u32(struct writer *w, uint32_t v) { write_le(w, v, 4); }
void write_u64(struct writer *w, uint64_t v) { write_le(w, v, 8); }

void write_string(struct writer *w, const char *s, size_t n) {
  if (room(w) < n + 4) return;
  write_u32(w, (uint32_t)n);
  memcpy(w->at, s, n);
  w->at += n;
}
