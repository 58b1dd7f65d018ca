/* The poll loop: what may be read or written now, and in which order events are taken. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct interest {
  struct stream *s;
  int channel; /* 0, 1 = output; 2 = input */
};

static bool is_hung_up(void) {
  struct pollfd probe = {.fd = transport, .events = POLLIN};
  return poll(&probe, 1, 0) == 1 && (probe.revents & POLLHUP) && !(probe.revents & POLLIN);
}

/*
 * A port without a host polls as hung up all the time, so it cannot be waited on. Its driver has a signal for it: SIGIO,
 * when the host's end is opened (drivers/char/virtio_console.c, send_sigio_to_port). It wakes by `children`.
 */
static void signal_changes(bool on) {
  int flags = fcntl(transport, F_GETFL);
  fcntl(transport, F_SETOWN, getpid());
  fcntl(transport, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC);
}

void serve(const struct watched *w) {
  static struct pollfd fds[4 + 3 * MAX_STREAMS];
  static struct interest what[4 + 3 * MAX_STREAMS];
  bool hung_up = false;
  for (;;) {
    int n = 0, timeout = -1;
    fds[n++] = (struct pollfd){.fd = w->children, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = basic ? -1 : w->run_dir_watch, .events = POLLIN};
    bool take = in_size < sizeof in_buffer && out_size < OUT_HIGH;
    fds[n++] = (struct pollfd){.fd = hung_up ? -1 : transport, .events = (short)((take ? POLLIN : 0) | (out_size ? POLLOUT : 0))};
    fds[n++] = (struct pollfd){.fd = w->listener, .events = POLLIN};
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
    /* Looked at once more, now that the signal is asked for: the host may have been quicker. */
    if (hung_up && !is_hung_up()) timeout = 0;
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
      while (read(w->children, &info, sizeof info) > 0) continue;
      reap();
    }
    for (int i = 0; i < MAX_STREAMS; i++) {
      finish_if_done(&streams[i]);
    }
    if (fds[1].revents) {
      char events[1024];
      while (read(w->run_dir_watch, events, sizeof events) > 0) continue;
      notice_basic(w->run_dir);
    }
    if (fds[3].revents) {
      /* One host at a time, and the newest is the one that lives: an older one may have died without a word. */
      int newest = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (newest < 0) continue;
      if (transport >= 0) lose_connection();
      close_fd(&transport);
      transport = newest;
      continue;
    }
    if (transport < 0) continue;
    if (hung_up) {
      if (is_hung_up()) continue;
      hung_up = false;
      signal_changes(false);
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
      hung_up = w->listener < 0; /* a port stays open: the next host comes by the same descriptor */
      if (hung_up) signal_changes(true);
      else close_fd(&transport);
    }
  }
}
