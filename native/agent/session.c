/* The session: how it begins (a preamble and its echo), which frames it takes, and how it ends. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

const uint8_t sync_magic[8] = "BNGRSYN1", ack_magic[8] = "BNGRACK1";

uint8_t in_buffer[2 * (MAX_PAYLOAD + HEADER_SIZE)];
size_t in_size;
bool in_sync, stalled;

static void send_hello(const uint8_t *nonce) {
  static uint8_t b[1024];
  struct writer w = {b, b, b + sizeof b};
  struct utsname names;
  char boot_id[64];
  uint8_t *p = append_out(sizeof ack_magic + NONCE_SIZE);
  if (!p) return;
  memcpy(p, ack_magic, sizeof ack_magic);
  memcpy(p + sizeof ack_magic, nonce, NONCE_SIZE);
  read_small_file("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id);
  uname(&names);
  write_u32(&w, PROTOCOL_VERSION);
  write_u8(&w, (uint8_t)(personalised | basic << 1 | RUNS_AS_USERS));
  write_string(&w, BANGER_VERSION, strlen(BANGER_VERSION));
  write_string(&w, boot_id, strlen(boot_id));
  write_string(&w, names.release, strlen(names.release));
  send_frame(F_HELLO, 0, 0, b, (size_t)(w.at - b));
}

/* As late as possible: what comes after it is the way. */
static void send_pong(void) {
  uint8_t b[8];
  struct writer w = {b, b, b + sizeof b};
  write_u64(&w, wall_clock_ns());
  send_frame(F_PONG, 0, 0, b, sizeof b);
}

/* False = the host has broken the protocol. Frames for streams that have ended meanwhile are no breach. */
static bool take_frame(uint8_t type, uint8_t flags, uint32_t id, const uint8_t *payload, size_t n) {
  struct reader r = {payload, payload + n, false};
  struct stream *s = find_stream(id);
  switch (type) {
    case F_OPEN: return open_stream(id, &r);
    case F_PING: send_pong(); return true;
    case F_DATA: return !s || take_data(s, payload, n);
    case F_EOF:
      if (s) {
        s->in_eof = true;
        if (!s->waiting && !s->connecting) drain_in(s);
      }
      return true;
    case F_WINDOW:
      if (flags > 1 || n != 4) return false;
      if (s) {
        uint32_t more = read_u32(&r);
        if (more > WINDOW - s->credit[flags]) return false;
        s->credit[flags] += more;
      }
      return true;
    case F_RESET:
      if (s) drop_stream(s, SIGKILL);
      return true;
    case F_CONTROL:
      if (s) control_stream(s, &r);
      return true;
    default: return false;
  }
}

static void end_session(void) {
  for (int i = 0; i < MAX_STREAMS; i++)
    if (streams[i].id) drop_stream(&streams[i], SIGHUP);
  in_sync = stalled = false;
}

void lose_connection(void) {
  end_session();
  in_size = out_size = out_at = 0;
}

static void consume(size_t n) {
  memmove(in_buffer, in_buffer + n, in_size - n);
  in_size -= n;
}

/* Looks for the preamble in what has come, and throws everything before it away. False: it is not here yet. */
static bool synchronise(void) {
  uint8_t *found = memmem(in_buffer, in_size, sync_magic, sizeof sync_magic), nonce[NONCE_SIZE];
  if (found) consume((size_t)(found - in_buffer));
  else if (in_size >= sizeof sync_magic) consume(in_size - (sizeof sync_magic - 1)); /* its beginning may be here */
  if (!found || in_size < sizeof sync_magic + NONCE_SIZE) return false;
  memcpy(nonce, in_buffer + sizeof sync_magic, NONCE_SIZE);
  consume(sizeof sync_magic + NONCE_SIZE);
  in_sync = true;
  out_size = out_at = 0; /* what was for an older session */
  send_hello(nonce);
  return true;
}

/* Takes frames up to the first that is incomplete, or breaks the protocol, or must wait until the host reads. */
static void parse_frames(void) {
  size_t at = 0;
  while (in_size - at >= HEADER_SIZE) {
    if (out_size >= OUT_HIGH) {
      stalled = true;
      break;
    }
    struct reader r = {in_buffer + at, in_buffer + at + HEADER_SIZE, false};
    uint32_t length = read_u32(&r), id = read_u32(&r);
    uint8_t type = read_u8(&r), flags = read_u8(&r);
    bool sane = length <= MAX_PAYLOAD && read_u16(&r) == 0;
    if (sane && in_size - at < HEADER_SIZE + length) break;
    if (!sane || !take_frame(type, flags, id, in_buffer + at + HEADER_SIZE, length)) {
      /*
       * A new host's preamble (or what it sent to fill up a frame that we were in the middle of) on a connection whose
       * end we did not see, or a host that is out of its mind. Either way the next preamble starts afresh.
       */
      end_session();
      send_frame(F_GOODBYE, 0, 0, NULL, 0);
      break;
    }
    at += HEADER_SIZE + length;
  }
  if (at) consume(at);
}

void parse_in(void) {
  stalled = false;
  do
    if (in_sync) parse_frames();
  while (!in_sync && synchronise());
}

/* False when the host has gone. */
bool read_in(void) {
  ssize_t n = read(transport, in_buffer + in_size, sizeof in_buffer - in_size);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  in_size += (size_t)n;
  return true;
}
