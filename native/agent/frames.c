/* Frames to the host: they are put into one buffer of fixed size, and the loop writes it out as the host reads. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

uint8_t out_buffer[OUT_CAPACITY];
size_t out_at, out_size;

bool flush_out(void) {
  while (out_size > 0) {
    size_t n = out_size < CHUNK ? out_size : CHUNK;
    ssize_t w = write(transport, out_buffer + out_at, n);
    if (w < 0) return errno == EAGAIN || errno == EINTR;
    out_at += (size_t)w;
    out_size -= (size_t)w;
  }
  out_at = 0;
  return true;
}

uint8_t *append_out(size_t n) {
  if (out_at + out_size + n > OUT_CAPACITY) {
    memmove(out_buffer, out_buffer + out_at, out_size);
    out_at = 0;
  }
  if (out_size + n > OUT_CAPACITY) return NULL; /* bounded by OUT_HIGH and the number of streams: does not happen */
  uint8_t *p = out_buffer + out_at + out_size;
  out_size += n;
  return p;
}

void put_frame_header(uint8_t *p, uint32_t length, uint32_t id, uint8_t type, uint8_t flags) {
  struct writer w = {p, p, p + HEADER_SIZE};
  write_u32(&w, length);
  write_u32(&w, id);
  write_u8(&w, type);
  write_u8(&w, flags);
  write_u16(&w, 0);
}

void send_frame(uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t n) {
  uint8_t *p = append_out(HEADER_SIZE + n);
  if (!p) return;
  put_frame_header(p, (uint32_t)n, id, type, flags);
  if (n) memcpy(p + HEADER_SIZE, payload, n);
}

void send_u32(uint8_t type, uint32_t id, uint32_t value) {
  uint8_t b[4];
  struct writer w = {b, b, b + sizeof b};
  write_u32(&w, value);
  send_frame(type, 0, id, b, sizeof b);
}

/* u32 errno, then for 0 what the operation returns, else a string: on what it failed. */
void send_result(uint32_t id, int error, const void *value, size_t n) {
  static uint8_t b[MAX_PAYLOAD];
  struct writer w = {b, b, b + sizeof b};
  write_u32(&w, (uint32_t)error);
  if (error) write_string(&w, value, n);
  else if (n <= room(&w)) {
    memcpy(w.at, value, n);
    w.at += n;
  }
  send_frame(F_RESULT, 0, id, b, (size_t)(w.at - b));
}
