/* banger's guest agent: the transport, the frames and the poll loop. See agent.h and docs/agent-protocol.md. */
#define _GNU_SOURCE
#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_NAME "banger.agent.0"
#define OUT_CAPACITY (1u << 20)
/* Beyond this, children are not read and requests not taken: the host must read first. */
#define OUT_HIGH (512u << 10)
#define CHUNK 32768u
/* How long output is still awaited from children of a command that has itself ended. */
#define GRACE_MS 100
#define HUP_PAUSE_MS 20

/* systemd's "power off" signal is SIGRTMIN+4 (systemd(1)) as glibc counts: musl's SIGRTMIN is another number. */
#define SYSTEMD_POWER_OFF 38

static const uint8_t sync_magic[8] = "BNGRSYN1", ack_magic[8] = "BNGRACK1";
#define NONCE_SIZE 16

static struct stream streams[MAX_STREAMS];
static uint8_t in_buffer[2 * (MAX_PAYLOAD + HEADER_SIZE)], out_buffer[OUT_CAPACITY];
static size_t in_size, out_at, out_size;
static int transport = -1, listener = -1, ready_watch = -1, notify = -1;
static bool in_sync, personalised, basic;
static bool stalled; /* frames are here that wait for the host to read */
static const char *run_dir = "/run/banger";

int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- Frames out */

static bool flush_out(void) {
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

static uint8_t *append(size_t n) {
  if (out_at + out_size + n > OUT_CAPACITY) {
    memmove(out_buffer, out_buffer + out_at, out_size);
    out_at = 0;
  }
  if (out_size + n > OUT_CAPACITY) return NULL; /* bounded by OUT_HIGH and the number of streams: does not happen */
  uint8_t *p = out_buffer + out_at + out_size;
  out_size += n;
  return p;
}

static void put_header(uint8_t *p, uint32_t length, uint32_t id, uint8_t type, uint8_t flags) {
  struct writer w = {p, p, p + HEADER_SIZE};
  write_u32(&w, length);
  write_u32(&w, id);
  write_u8(&w, type);
  write_u8(&w, flags);
  write_u16(&w, 0);
}

static void send_frame(uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t n) {
  uint8_t *p = append(HEADER_SIZE + n);
  if (!p) return;
  put_header(p, (uint32_t)n, id, type, flags);
  if (n) memcpy(p + HEADER_SIZE, payload, n);
}

static void send_u32(uint8_t type, uint32_t id, uint32_t value) {
  uint8_t b[4];
  struct writer w = {b, b, b + sizeof b};
  write_u32(&w, value);
  send_frame(type, 0, id, b, sizeof b);
}

/* u32 errno, then for 0 what the operation returns, else a string: on what it failed. */
static void send_result(uint32_t id, int error, const void *value, size_t n) {
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

static void send_hello(const uint8_t *nonce) {
  static uint8_t b[1024];
  struct writer w = {b, b, b + sizeof b};
  struct utsname names;
  char boot_id[64];
  uint8_t *p = append(sizeof ack_magic + NONCE_SIZE);
  if (!p) return;
  memcpy(p, ack_magic, sizeof ack_magic);
  memcpy(p + sizeof ack_magic, nonce, NONCE_SIZE);
  read_small_file("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id);
  uname(&names);
  write_u32(&w, PROTOCOL_VERSION);
  write_u8(&w, (uint8_t)(personalised | basic << 1));
  write_string(&w, BANGER_VERSION, strlen(BANGER_VERSION));
  write_string(&w, boot_id, strlen(boot_id));
  write_string(&w, names.release, strlen(names.release));
  send_frame(F_HELLO, 0, 0, b, (size_t)(w.at - b));
}

/* --- Streams */

static struct stream *find_stream(uint32_t id) {
  for (int i = 0; id && i < MAX_STREAMS; i++)
    if (streams[i].id == id) return &streams[i];
  return NULL;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void drop_stream(struct stream *s, int sig) {
  if (s->pid > 0 && !s->exited && sig) kill(-s->pid, sig);
  close_fd(&s->in);
  close_fd(&s->out[0]);
  close_fd(&s->out[1]);
  free(s->pending);
  free(s->waiting);
  memset(s, 0, sizeof *s);
}

static void end_out(struct stream *s, int channel) {
  if (s->out[channel] < 0) return;
  close_fd(&s->out[channel]);
  send_frame(F_OUT_EOF, (uint8_t)channel, s->id, NULL, 0);
}

/* Gives the host back what was taken (or thrown away), in portions. */
static void grant(struct stream *s, size_t n) {
  s->ungranted += (uint32_t)n;
  if (s->ungranted < WINDOW / 4) return;
  send_u32(F_GRANT, s->id, s->ungranted);
  s->ungranted = 0;
}

static void close_in(struct stream *s) {
  if (s->in < 0) return;
  if (s->connection) shutdown(s->in, SHUT_WR);
  /* A terminal has no end: its end-of-file character says it. */
  if (s->tty && write(s->in, "\x04", 1) < 0) { /* the reader has gone */ }
  close_fd(&s->in);
}

static void drain_in(struct stream *s) {
  while (s->pending_size > 0) {
    size_t n = WINDOW - s->pending_at < s->pending_size ? WINDOW - s->pending_at : s->pending_size;
    ssize_t w = s->in < 0 ? (ssize_t)n : write(s->in, s->pending + s->pending_at, n);
    if (w < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (w < 0) {
      close_fd(&s->in); /* nobody reads any more: what comes is thrown away, as a shell's pipe would */
      continue;
    }
    s->pending_at = (s->pending_at + (size_t)w) % WINDOW;
    s->pending_size -= (size_t)w;
    grant(s, (size_t)w);
  }
  if (s->in_eof) close_in(s);
}

/* False when the host has sent more than it was granted, or after its end. */
static bool take_data(struct stream *s, const uint8_t *p, size_t n) {
  if (s->in_eof || n > WINDOW - s->ungranted - s->pending_size) return false;
  /* Mostly the reader keeps up, and nothing has to be kept. */
  if (!s->pending_size && s->in >= 0 && !s->waiting && !s->connecting) {
    ssize_t w = write(s->in, p, n);
    if (w < 0 && errno != EAGAIN && errno != EINTR) close_fd(&s->in);
    if (w > 0) {
      grant(s, (size_t)w);
      p += w;
      n -= (size_t)w;
    }
  }
  if (s->in < 0 && !s->waiting && !s->connecting) {
    grant(s, n);
    return true;
  }
  if (n == 0) return true;
  if (!s->pending && !(s->pending = malloc(WINDOW))) return false;
  size_t at = (s->pending_at + s->pending_size) % WINDOW, first = WINDOW - at < n ? WINDOW - at : n;
  memcpy(s->pending + at, p, first);
  memcpy(s->pending, p + first, n - first);
  s->pending_size += n;
  return true;
}

static void read_out(struct stream *s, int channel) {
  if (out_size > OUT_HIGH || s->credit[channel] == 0 || s->out[channel] < 0) return;
  size_t want = s->credit[channel] < CHUNK ? s->credit[channel] : CHUNK;
  uint8_t *p = append(HEADER_SIZE + want);
  if (!p) return;
  ssize_t n = read(s->out[channel], p + HEADER_SIZE, want);
  if (n <= 0) {
    int error = errno;
    out_size -= HEADER_SIZE + want;
    if (n < 0 && (error == EAGAIN || error == EINTR)) return;
    if (s->tty && !s->exited) {
      /* EIO: nobody has the terminal open. Closing our side now would hang up on a command that is about to end. */
      s->resting = true;
      return;
    }
    if (s->connection && n < 0) {
      /* the host must not take this for an orderly end */
      send_result(s->id, error, "", 0);
      drop_stream(s, 0);
      return;
    }
    end_out(s, channel);
    return;
  }
  s->owed[channel] -= s->owed[channel] < (uint32_t)n ? s->owed[channel] : (uint32_t)n;
  out_size -= want - (size_t)n;
  put_header(p, (uint32_t)n, s->id, F_OUT, (uint8_t)channel);
  s->credit[channel] -= (uint32_t)n;
}

/*
 * A command is over when it has ended and its output has. A background child may hold the output open: then what was
 * there when the command ended is delivered, and after a moment's grace nothing more is waited for.
 */
static void finish_if_done(struct stream *s) {
  if (s->waiting || !s->id) return;
  if (s->exited && now_ms() - s->exited_ms >= GRACE_MS) {
    for (int channel = 0; channel < 2; channel++)
      if (!s->owed[channel]) end_out(s, channel);
  }
  bool ended = s->out[0] < 0 && s->out[1] < 0;
  if (s->connection ? ended && s->in < 0 : ended && s->exited) {
    uint8_t b[4];
    struct writer w = {b, b, b + sizeof b};
    write_u32(&w, (uint32_t)s->status);
    send_result(s->id, 0, b, sizeof b);
    drop_stream(s, 0);
  }
}

static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    for (int i = 0; i < MAX_STREAMS; i++) {
      struct stream *s = &streams[i];
      if (s->id == 0 || s->pid != pid) continue;
      s->exited = true;
      s->exited_ms = now_ms();
      s->resting = false;
      for (int channel = 0; channel < 2; channel++) {
        int waiting = 0;
        if (s->out[channel] >= 0 && ioctl(s->out[channel], FIONREAD, &waiting) == 0 && waiting > 0) s->owed[channel] = (uint32_t)waiting;
      }
      s->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
}

/* --- Requests */

static void power_off(uint32_t id, uint8_t how) {
  sync();
  send_result(id, 0, "", 0);
  for (int64_t until = now_ms() + 1000; out_size > 0 && now_ms() < until && flush_out();) usleep(1000);
  if (how == 1 && kill(1, SYSTEMD_POWER_OFF) == 0) return;
  reboot(RB_POWER_OFF);
}

static void answer_report(uint32_t id, void (*report)(struct writer *)) {
  static uint8_t b[MAX_PAYLOAD - 64];
  struct writer w = {b, b, b + sizeof b};
  report(&w);
  send_result(id, 0, b, (size_t)(w.at - b));
}

static void answer_personalise(uint32_t id, struct reader *r) {
  char where[256] = "";
  int error = personalise(r, where, sizeof where);
  if (!error) {
    personalised = true;
    if (notify >= 0 && write(notify, "p", 1) < 0) { /* init has given up waiting */ }
    close_fd(&notify);
  }
  send_result(id, error, where, error ? strlen(where) : 0);
}

/* Opens what a stream stands for; the stream is given up when that fails. */
static void begin_stream(struct stream *s, uint8_t op, struct reader *r) {
  int error = op == OP_EXEC ? start_exec(s, r) : op == OP_UNPACK ? start_unpack(s, r) : op == OP_PACK ? start_pack(s, r) : start_connect(s, r);
  if (op == OP_CONNECT && error == EINPROGRESS) return;
  if (error) {
    send_result(s->id, error, "", 0);
    drop_stream(s, 0);
    return;
  }
  if (s->pending_size || s->in_eof) drain_in(s);
}

static void finish_connect(struct stream *s) {
  int error = continue_connect(s);
  if (error == EINPROGRESS) return;
  if (error) {
    send_result(s->id, error, "", 0);
    drop_stream(s, 0);
    return;
  }
  send_frame(F_OPENED, 0, s->id, NULL, 0);
  drain_in(s);
}

/* Bit 1 of an exec's flags: do not wait for basic.target. */
static bool must_wait(uint8_t op, const struct reader *r) { return op == OP_EXEC && !basic && r->at < r->end && !(r->at[0] & 2); }

static bool open_stream(uint32_t id, struct reader *r) {
  uint8_t op = read_u8(r);
  if (r->bad || id == 0 || find_stream(id)) return false;
  switch (op) {
    case OP_PERSONALISE: answer_personalise(id, r); return true;
    case OP_PORTS: answer_report(id, report_ports); return true;
    case OP_STATS: answer_report(id, report_stats); return true;
    case OP_POWER_OFF: power_off(id, read_u8(r)); return true;
    case OP_EXEC: case OP_UNPACK: case OP_PACK: case OP_CONNECT: break;
    default: return false;
  }
  struct stream *s = NULL;
  for (int i = 0; i < MAX_STREAMS && !s; i++)
    if (streams[i].id == 0) s = &streams[i];
  if (!s) {
    send_result(id, EMFILE, "", 0);
    return true;
  }
  *s = (struct stream){.id = id, .in = -1, .out = {-1, -1}, .credit = {WINDOW, WINDOW}};
  if (must_wait(op, r)) {
    s->waiting_size = (size_t)(r->end - r->at);
    s->waiting = malloc(s->waiting_size);
    if (!s->waiting) return false;
    memcpy(s->waiting, r->at, s->waiting_size);
  } else {
    begin_stream(s, op, r);
  }
  return true;
}

/* False = the host has broken the protocol. Frames for streams that have ended meanwhile are no breach. */
static bool take_frame(uint8_t type, uint8_t flags, uint32_t id, const uint8_t *payload, size_t n) {
  struct reader r = {payload, payload + n, false};
  struct stream *s = find_stream(id);
  switch (type) {
    case F_OPEN: return open_stream(id, &r);
    case F_PING: send_frame(F_PONG, 0, 0, payload, n); return true;
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

/* --- Connection */

static void end_session(void) {
  for (int i = 0; i < MAX_STREAMS; i++)
    if (streams[i].id) drop_stream(&streams[i], SIGHUP);
  in_sync = stalled = false;
}

static void lose_connection(void) {
  end_session();
  in_size = out_size = out_at = 0;
  if (listener >= 0) close_fd(&transport);
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

static void parse_in(void) {
  stalled = false;
  do
    if (in_sync) parse_frames();
  while (!in_sync && synchronise());
}

/* False when the host has gone. */
static bool read_in(void) {
  ssize_t n = read(transport, in_buffer + in_size, sizeof in_buffer - in_size);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  in_size += (size_t)n;
  return true;
}

static int open_port(void) {
  DIR *d = opendir("/sys/class/virtio-ports");
  struct dirent *entry;
  int fd = -1;
  while (d && fd < 0 && (entry = readdir(d))) {
    char path[320], name[64];
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
    read_small_file(path, name, sizeof name);
    if (strcmp(name, PORT_NAME) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  if (d) closedir(d);
  return fd;
}

static int listen_at(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || strlen(path) >= sizeof a.sun_path) return -1;
  strcpy(a.sun_path, path);
  unlink(path);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4) < 0) return -1;
  return fd;
}

static int listen_at_vsock(unsigned port) {
  /* struct sockaddr_vm of linux/vm_sockets.h, which musl does not carry. -1 = any context id. */
  struct {
    uint16_t family, reserved;
    uint32_t port, cid;
    uint8_t flags, zero[3];
  } a = {.family = AF_VSOCK, .port = port, .cid = UINT32_MAX};
  int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4) < 0) return -1;
  return fd;
}

/* Emulated, a guest boots without address space randomisation (init's note of it is in run_dir); from now on it has it. */
static void randomise_addresses(void) {
  char note[128];
  snprintf(note, sizeof note, "%s/norandmaps", run_dir);
  if (access(note, F_OK) < 0) return;
  int fd = open("/proc/sys/kernel/randomize_va_space", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "2", 1) != 1) { /* the guest goes on as it booted */ }
  if (fd >= 0) close(fd);
}

static void notice_basic(void) {
  char path[128];
  snprintf(path, sizeof path, "%s/ready", run_dir);
  if (basic || access(path, F_OK) < 0) return;
  basic = true;
  randomise_addresses();
  if (in_sync) send_frame(F_READY, 0, 0, NULL, 0);
  for (int i = 0; i < MAX_STREAMS; i++) {
    struct stream *s = &streams[i];
    if (!s->id || !s->waiting) continue;
    uint8_t *request = s->waiting;
    struct reader r = {request, request + s->waiting_size, false};
    s->waiting = NULL;
    begin_stream(s, OP_EXEC, &r);
    free(request);
  }
}

/* --- The loop */

struct interest {
  struct stream *s;
  int channel; /* 0, 1 = output; 2 = input */
};

static void serve(int child_watch) {
  static struct pollfd fds[4 + 3 * MAX_STREAMS];
  static struct interest what[4 + 3 * MAX_STREAMS];
  bool hung_up = false;
  for (;;) {
    int n = 0, timeout = -1;
    fds[n++] = (struct pollfd){.fd = child_watch, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = basic ? -1 : ready_watch, .events = POLLIN};
    bool take = in_size < sizeof in_buffer && out_size < OUT_HIGH;
    fds[n++] = (struct pollfd){.fd = hung_up ? -1 : transport, .events = (short)((take ? POLLIN : 0) | (out_size ? POLLOUT : 0))};
    fds[n++] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (int i = 0; i < MAX_STREAMS; i++) {
      struct stream *s = &streams[i];
      if (!s->id || s->waiting) continue;
      for (int channel = 0; channel < 2; channel++) {
        if (s->out[channel] < 0 || !s->credit[channel] || s->resting || out_size > OUT_HIGH) continue;
        what[n] = (struct interest){s, channel};
        fds[n++] = (struct pollfd){.fd = s->out[channel], .events = POLLIN};
      }
      if (s->in >= 0 && (s->pending_size || s->connecting)) {
        what[n] = (struct interest){s, 2};
        fds[n++] = (struct pollfd){.fd = s->in, .events = POLLOUT};
      }
      if (s->exited || s->resting) timeout = GRACE_MS;
      s->resting = false; /* looked at again after the pause: somebody may have opened the terminal anew */
    }
    if (hung_up) timeout = HUP_PAUSE_MS;
    else if (stalled && out_size < OUT_HIGH) timeout = 0;
    if (poll(fds, (nfds_t)n, timeout) < 0 && errno != EINTR) return;

    /* Descriptors are looked at before anything below can close or reuse them. */
    for (int i = 4; i < n; i++) {
      struct stream *s = what[i].s;
      if (!fds[i].revents || !s->id) continue;
      if (what[i].channel < 2) read_out(s, what[i].channel);
      else if (s->connecting) finish_connect(s);
      else drain_in(s);
    }
    if (fds[0].revents) {
      struct signalfd_siginfo info;
      while (read(child_watch, &info, sizeof info) > 0) continue;
      reap();
    }
    for (int i = 0; i < MAX_STREAMS; i++) {
      finish_if_done(&streams[i]);
    }
    if (fds[1].revents) {
      char events[1024];
      while (read(ready_watch, events, sizeof events) > 0) continue;
      notice_basic();
    }
    if (fds[3].revents) {
      /* One host at a time, and the newest is the one that lives: an older one may have died without a word. */
      int newest = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (newest < 0) continue;
      if (transport >= 0) lose_connection();
      transport = newest;
      continue;
    }
    if (transport < 0) continue;
    if (hung_up) {
      struct pollfd probe = {.fd = transport, .events = POLLIN};
      hung_up = poll(&probe, 1, 0) == 1 && (probe.revents & POLLHUP) && !(probe.revents & POLLIN);
      if (hung_up) continue;
    }
    bool alive = true;
    if (fds[2].revents & POLLIN) alive = read_in();
    else if (fds[2].revents & (POLLHUP | POLLERR)) alive = false;
    if (alive) {
      parse_in();
      if (transport >= 0) alive = flush_out();
    }
    if (!alive) {
      lose_connection();
      hung_up = listener < 0;
    }
  }
}

static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGQUIT};

/* When the guest runs out of memory, something else has to go: without the agent nobody can help it. */
static void keep_from_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "-1000", 5) < 0) { /* not root: in a test */ }
  close(fd);
}

/* Children inherit the limits that systemd gives its services; the kernel's own hard limit is too low for some builds. */
static void allow_descriptors(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max >= 524288) return;
  files.rlim_max = 524288;
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) { /* not root: in a test */ }
}

/* agent [--notify FD] [--socket PATH | --vsock PORT] [--run DIR]: without either, the virtio port. */
int main(int argc, char **argv) {
  const char *socket_path = NULL, *vsock = NULL;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--notify") == 0) notify = atoi(argv[i + 1]);
    else if (strcmp(argv[i], "--socket") == 0) socket_path = argv[i + 1];
    else if (strcmp(argv[i], "--vsock") == 0) vsock = argv[i + 1];
    else if (strcmp(argv[i], "--run") == 0) run_dir = argv[i + 1];
  }
  if (notify >= 0) fcntl(notify, F_SETFD, FD_CLOEXEC);
  /* Only a signal that cannot be ignored ends the guest's lifeline. Children start with default ones. */
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  keep_from_oom();
  allow_descriptors();
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  int child_watch = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  ready_watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  inotify_add_watch(ready_watch, run_dir, IN_CREATE);
  notice_basic();
  if (socket_path || vsock) {
    listener = socket_path ? listen_at(socket_path) : listen_at_vsock((unsigned)strtoul(vsock, NULL, 10));
    if (listener < 0) {
      fprintf(stderr, "agent: %s: %s\n", socket_path ? socket_path : "vsock", strerror(errno));
      return 1;
    }
  } else {
    /* The port appears when the driver and the host have agreed on it. */
    for (long pause = 1000; (transport = open_port()) < 0; pause = pause < 100000 ? pause * 2 : pause) usleep((useconds_t)pause);
  }
  umask(022);
  serve(child_watch);
  return 1;
}
