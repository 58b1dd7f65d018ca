/* Sessions that are nearly right, and what the agent says to them: it must be frames, and its books must balance. */
#include "../agent/agent.h"
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* of sanitizer/allocator_interface.h, which not every gcc package carries */
size_t __sanitizer_get_current_allocated_bytes(void);
void __sanitizer_set_death_callback(void (*callback)(void));

static uint64_t state, round_seed;

/* Leaks are counted here, round by round: the sanitizer's own search needs a /proc. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0:handle_abort=1"; }

static void too_long(int number) {
  (void)number;
  abort();
}

static void tell_seed(void) { dprintf(2, "agent-fuzz: failed with seed %llu; repeat with FUZZ_SEED='%llu 1'\n", (unsigned long long)round_seed, (unsigned long long)round_seed); }

uint32_t fuzz_random(void) {
  /* splitmix64 */
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ (z >> 31)) >> 16);
}

uint32_t fuzz_below(uint32_t limit) { return limit ? fuzz_random() % limit : 0; }

uint32_t fuzz_interesting(void) {
  static const uint32_t values[] = {0, 1, 2, 3, 4, 255, 4096, MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, WINDOW, WINDOW + 1, 0x7fffffff, 0xffffffff};
  return fuzz_below(2) ? values[fuzz_below(sizeof values / sizeof *values)] : fuzz_random() >> fuzz_below(32);
}

void fuzz_mutate(uint8_t *bytes, size_t *size, size_t capacity) {
  for (uint32_t left = 1 + fuzz_below(4); left > 0 && *size > 0; left--) {
    size_t at = fuzz_below((uint32_t)*size);
    switch (fuzz_below(4)) {
      case 0: bytes[at] ^= (uint8_t)(1u << fuzz_below(8)); break;
      case 1: bytes[at] = (uint8_t)fuzz_interesting(); break;
      case 2: *size = at; break;
      default:
        if (*size < capacity) {
          memmove(bytes + at + 1, bytes + at, *size - at);
          *size += 1;
        }
    }
  }
}

static void add_string(struct writer *w, const char *text) {
  if (fuzz_below(16)) write_string(w, text, strlen(text));
  else write_u32(w, fuzz_interesting()); /* a length without its bytes */
}

static void add_list(struct writer *w) {
  uint32_t count = fuzz_below(4);
  write_u32(w, fuzz_below(16) ? count : fuzz_interesting());
  while (count--) add_string(w, fuzz_below(2) ? "NAME=value" : "");
}

static const char long_path[] = "/a path that is longer than the 108 bytes which the address of a unix socket has room for: sun_path of sockaddr_un";

static void add_request(struct writer *w) {
  uint8_t op = (uint8_t)(fuzz_below(16) ? 1 + fuzz_below(8) : fuzz_random());
  write_u8(w, op);
  switch (op) {
    case OP_EXEC:
      write_u8(w, (uint8_t)(fuzz_below(8) << 1)); /* no terminals: there is no /dev here */
      write_u16(w, (uint16_t)fuzz_random());
      write_u16(w, (uint16_t)fuzz_random());
      add_string(w, "/");
      add_list(w);
      add_list(w);
      if (fuzz_below(2)) add_string(w, "user:group");
      break;
    case OP_UNPACK: case OP_PACK: add_string(w, fuzz_below(4) ? "/x" : ""); break;
    case OP_CONNECT:
      write_u8(w, (uint8_t)fuzz_below(4));
      if (fuzz_below(2)) write_u16(w, (uint16_t)fuzz_random());
      else add_string(w, fuzz_below(2) ? "/s" : long_path);
      break;
    case OP_PERSONALISE:
      add_string(w, "name");
      add_string(w, "0123456789abcdef0123456789abcdef");
      write_u64(w, fuzz_random());
      add_string(w, "entropyentropyentropyentropyentropy");
      write_u8(w, (uint8_t)fuzz_below(2));
      if (w->at[-1]) {
        add_string(w, "10.0.2.15");
        write_u8(w, (uint8_t)fuzz_below(40));
        add_string(w, fuzz_below(2) ? "10.0.2.2" : "");
        add_string(w, fuzz_below(2) ? "\x52\x54\x01\x02\x03\x04" : "");
      }
      uint32_t files = fuzz_below(3);
      write_u32(w, fuzz_below(16) ? files : fuzz_interesting());
      while (files--) {
        static const char *const paths[] = {"/etc/a", "/a/b/c", "x", "/", "/..", "/a/../../b", "//a", "/a/"};
        add_string(w, paths[fuzz_below(8)]);
        write_u32(w, fuzz_interesting());
        add_string(w, "content");
      }
      break;
    default: write_u8(w, (uint8_t)fuzz_below(4));
  }
}

static uint32_t ids; /* how many streams this session is about: with few of them, windows fill up */

static size_t make_frame(uint8_t *at, size_t capacity) {
  struct writer w = {at + HEADER_SIZE, at + HEADER_SIZE, at + capacity};
  uint8_t type = (uint8_t)(fuzz_below(64) ? 1 + fuzz_below(7) : fuzz_random());
  if (ids < 4) type = (uint8_t)(fuzz_below(12) ? F_DATA : 1 + fuzz_below(4));
  uint32_t id = fuzz_below(64) ? 1 + fuzz_below(ids) : fuzz_interesting();
  if (type == F_OPEN) add_request(&w);
  else if (type == F_WINDOW) write_u32(&w, fuzz_below(4) ? fuzz_below(WINDOW / 8) : fuzz_interesting());
  else if (type == F_CONTROL) {
    write_u8(&w, (uint8_t)(1 + fuzz_below(3)));
    write_u32(&w, fuzz_random());
  } else if (type == F_DATA) {
    size_t n = fuzz_below(4) ? fuzz_below(200) : fuzz_below(MAX_PAYLOAD);
    if (n > room(&w)) n = room(&w);
    memset(w.at, 'd', n);
    w.at += n;
  }
  size_t n = (size_t)(w.at - at);
  put_frame_header(at, (uint32_t)(n - HEADER_SIZE), id, type, (uint8_t)(fuzz_below(16) ? fuzz_below(2) : fuzz_random()));
  return n;
}

/* The host's side: what comes out after an acknowledgement is frames, and nothing but frames. */
static void check_output(void) {
  size_t at = out_at, end = out_at + out_size;
  if (out_size > OUT_CAPACITY || end > OUT_CAPACITY) abort();
  while (at < end) {
    if (memcmp(out_buffer + at, ack_magic, sizeof ack_magic) == 0) at += sizeof ack_magic + NONCE_SIZE;
    else {
      struct reader r = {out_buffer + at, out_buffer + end, false};
      uint32_t length = read_u32(&r);
      read_u32(&r);
      uint8_t type = read_u8(&r);
      if (r.bad || length > MAX_PAYLOAD || type < F_HELLO || type > F_GOODBYE || end - at < HEADER_SIZE + length) abort();
      at += HEADER_SIZE + length;
    }
  }
  if (at != end) abort();
}

static void check_streams(void) {
  for (int i = 0; i < MAX_STREAMS; i++) {
    struct stream *s = &streams[i];
    if (s->pending_size > WINDOW || s->pending_size + s->ungranted > WINDOW || s->credit[0] > WINDOW || s->credit[1] > WINDOW) abort();
    if (!s->id && (s->pending || s->waiting)) abort();
  }
}

/* What the loop would do on events. */
static void turn(void) {
  fuzz_use_pipes();
  for (int i = 0; i < MAX_STREAMS; i++) {
    struct stream *s = &streams[i];
    if (!s->id || s->waiting) continue;
    if (s->connecting && fuzz_below(2)) finish_connect(s);
    for (int channel = 0; channel < 2 && s->id; channel++) read_out(s, channel);
    if (s->id && !s->connecting && s->in >= 0 && s->pending_size) drain_in(s);
    if (s->id && s->pid && fuzz_below(8) == 0) {
      s->exited = true;
      s->exited_ms = now_ms() - (fuzz_below(2) ? GRACE_MS : 0);
    }
    if (s->id) finish_if_done(s);
  }
  check_output();
  check_streams();
  if (fuzz_below(4)) out_at = out_size = 0; /* the host has read it all */
}

static void fuzz_session(void) {
  static uint8_t input[1 << 21];
  size_t size = 0;
  ids = fuzz_below(4) ? 1 + fuzz_below(300) : 1 + fuzz_below(3);
  for (size_t left = fuzz_below(40); left > 0 && size < 64; left -= left ? 1 : 0) input[size++] = (uint8_t)fuzz_random();
  memcpy(input + size, sync_magic, sizeof sync_magic);
  size += sizeof sync_magic + NONCE_SIZE;
  for (uint32_t left = 1 + fuzz_below(300); left > 0 && size < sizeof input - 2 * MAX_PAYLOAD; left--) size += make_frame(input + size, MAX_PAYLOAD);
  if (fuzz_below(2)) fuzz_mutate(input, &size, sizeof input);
  basic = fuzz_below(2);
  for (size_t at = 0; at < size;) {
    size_t n = 1 + fuzz_below(fuzz_below(2) ? 64 : 65536);
    if (n > size - at) n = size - at;
    if (n > sizeof in_buffer - in_size) n = sizeof in_buffer - in_size;
    memcpy(in_buffer + in_size, input + at, n);
    in_size += n;
    at += n;
    parse_in();
    turn();
    if (n == 0) out_at = out_size = 0;
    if (fuzz_below(50) == 0) notice_basic("/run/banger");
  }
  lose_connection();
  fuzz_forget_pipes();
}

/* An empty directory as the whole world, nobody as user: whatever goes wrong here stays here. */
static void lock_in(const char *dir) {
  if (mkdir("tree", 0777) < 0 && errno != EEXIST) exit(2);
  if (getuid() == 0 && (chmod(".", 0777) < 0 || chmod("tree", 0777) < 0 || chroot(".") < 0 || chdir("/") < 0 || setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)) {
    perror(dir);
    exit(2);
  }
  struct rlimit size = {1 << 20, 1 << 20}; /* no file needs more */
  setrlimit(RLIMIT_FSIZE, &size);
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv) {
  if (argc < 3 || chdir(argv[1]) < 0) {
    fprintf(stderr, "usage: agent-fuzz EMPTY_DIRECTORY SECONDS [SEED [ROUNDS]]\n");
    return 2;
  }
  int64_t until = now_ms() + atoi(argv[2]) * 1000L;
  uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)now_ms(), rounds = 0, most = argc > 4 ? strtoull(argv[4], NULL, 0) : UINT64_MAX;
  if (getuid() != 0) {
    fprintf(stderr, "agent-fuzz: must start as root, to lock itself in\n");
    return 2;
  }
  lock_in(argv[1]);
  signal(SIGALRM, too_long);
  __sanitizer_set_death_callback(tell_seed);
  int report = fcntl(1, F_DUPFD_CLOEXEC, 100), archive = memfd_create("archive", 0);
  static char line[1024];
  setvbuf(stdout, line, _IOFBF, sizeof line);
  if (dup2(archive, 1) < 0) abort(); /* what a transfer writes */
  fuzz_session();
  fuzz_tar();
  fuzz_user();
  for (; now_ms() < until && rounds < most; rounds++) {
    size_t before = __sanitizer_get_current_allocated_bytes();
    state = round_seed = seed + rounds;
    alarm(20); /* a round takes milliseconds: more is a loop without end */
    if (fuzz_below(4)) fuzz_session();
    else if (fuzz_below(4)) fuzz_tar();
    else fuzz_user();
    if (ftruncate(archive, 0) < 0 || lseek(archive, 0, SEEK_SET) < 0) abort();
    if (__sanitizer_get_current_allocated_bytes() > before) {
      dprintf(2, "agent-fuzz: %zu bytes leaked\n", __sanitizer_get_current_allocated_bytes() - before);
      abort();
    }
  }
  dprintf(report, "agent-fuzz: %llu rounds from seed %llu\n", (unsigned long long)rounds, (unsigned long long)seed);
  return 0;
}
