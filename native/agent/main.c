/* banger's guest agent: its options, and what it needs before its loop runs. See agent.h and docs/agent-protocol.md. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

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
  struct watched w = {.listener = -1, .run_dir = "/run/banger"};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--notify") == 0) notify = atoi(argv[i + 1]);
    else if (strcmp(argv[i], "--socket") == 0) socket_path = argv[i + 1];
    else if (strcmp(argv[i], "--vsock") == 0) vsock = argv[i + 1], ends_by_restart = true;
    else if (strcmp(argv[i], "--run") == 0) w.run_dir = argv[i + 1];
  }
  if (notify >= 0) fcntl(notify, F_SETFD, FD_CLOEXEC);
  /* Only a signal that cannot be ignored ends the guest's lifeline. Children start with default ones. */
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  keep_from_oom();
  allow_descriptors();
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigaddset(&children, SIGIO);
  sigprocmask(SIG_BLOCK, &children, NULL);
  w.children = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  w.run_dir_watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  inotify_add_watch(w.run_dir_watch, w.run_dir, IN_CREATE);
  notice_basic(w.run_dir);
  if (socket_path || vsock) {
    w.listener = socket_path ? listen_at(socket_path) : listen_at_vsock((unsigned)strtoul(vsock, NULL, 10));
    if (w.listener < 0) {
      fprintf(stderr, "agent: %s: %s\n", socket_path ? socket_path : "vsock", strerror(errno));
      return 1;
    }
  } else {
    /* The port appears when the driver and the host have agreed on it. */
    for (long pause = 1000; (transport = open_port()) < 0; pause = pause < 100000 ? pause * 2 : pause) usleep((useconds_t)pause);
  }
  umask(022);
  serve(&w);
  return 1;
}
