/* Streams and their flow control: bytes between the host and what stands behind a stream, until that has ended. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct stream streams[MAX_STREAMS];

int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct stream *find_stream(uint32_t id) {
  for (int i = 0; id && i < MAX_STREAMS; i++)
    if (streams[i].id == id) return &streams[i];
  return NULL;
}

void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

void drop_stream(struct stream *s, int sig) {
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

void drain_in(struct stream *s) {
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
bool take_data(struct stream *s, const uint8_t *p, size_t n) {
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

void read_out(struct stream *s, int channel) {
  if (out_size > OUT_HIGH || s->credit[channel] == 0 || s->out[channel] < 0) return;
  size_t want = s->credit[channel] < CHUNK ? s->credit[channel] : CHUNK;
  uint8_t *p = append_out(HEADER_SIZE + want);
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
  put_frame_header(p, (uint32_t)n, s->id, F_OUT, (uint8_t)channel);
  s->credit[channel] -= (uint32_t)n;
}

/*
 * A command is over when it has ended and its output has. A background child may hold the output open: then what was
 * there when the command ended is delivered, and after a moment's grace nothing more is waited for.
 */
void finish_if_done(struct stream *s) {
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

void reap(void) {
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
