/* Processes behind a stream: a command, or a transfer (a child of the agent's own). */
#define _GNU_SOURCE
#include "agent.h"
#include "tar.h"
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_STRINGS 65536u

/* Ends of pipes or a terminal: [0] is the child's, [1] ours. -1 where there is none. */
struct ends {
  int in[2], out[2], err[2];
};

static void close_ends(struct ends *e) {
  for (int side = 0; side < 2; side++) {
    close_fd(&e->in[side]);
    close_fd(&e->out[side]);
    close_fd(&e->err[side]);
  }
}

/* A pipe whose end `ours` (0 = reading, 1 = writing) is non-blocking; both are closed on exec. */
static int make_pipe(int ends[2], int ours) {
  int p[2];
  if (pipe2(p, O_CLOEXEC) < 0) return errno;
  fcntl(p[ours], F_SETFL, O_NONBLOCK);
  fcntl(p[ours], F_SETPIPE_SZ, (int)WINDOW); /* fewer wake-ups; the default will do where it is refused */
  ends[0] = p[!ours];
  ends[1] = p[ours];
  return 0;
}

static int make_pipes(struct ends *e, bool in, bool out, bool err) {
  int failed = 0;
  if (in) failed = make_pipe(e->in, 1);
  if (!failed && out) failed = make_pipe(e->out, 0);
  if (!failed && err) failed = make_pipe(e->err, 0);
  return failed;
}

static int make_terminal(struct ends *e, uint16_t columns, uint16_t rows) {
  struct winsize size = {.ws_col = columns, .ws_row = rows};
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), zero = 0, number;
  if (master < 0) return errno;
  e->out[1] = master;
  char name[32];
  if (ioctl(master, TIOCSPTLCK, &zero) < 0 || ioctl(master, TIOCGPTN, &number) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0) return errno;
  snprintf(name, sizeof name, "/dev/pts/%d", number);
  e->out[0] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (e->out[0] < 0) return errno;
  e->in[1] = fcntl(master, F_DUPFD_CLOEXEC, 3);
  return e->in[1] < 0 ? errno : 0;
}

/* In the child: a session of its own, standard descriptors, default signals, nothing else of the agent's. */
static void become_child(const struct ends *e, bool tty) {
  setsid();
  bool whole = tty || (e->in[0] >= 0 && e->out[0] >= 0 && e->err[0] >= 0);
  int null = whole ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);
  int in = e->in[0] >= 0 ? e->in[0] : null, out = e->out[0] >= 0 ? e->out[0] : null, err = e->err[0] >= 0 ? e->err[0] : null;
  if (tty) {
    ioctl(e->out[0], TIOCSCTTY, 0);
    in = err = out;
  }
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  /* Transfers run without an exec: a copy of our own end of a pipe would keep its other end from ever seeing the end. */
  syscall(SYS_close_range, 3, ~0u, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write(fd, "0", 1) < 0) { /* it keeps the agent's: no reason not to run */ }
  if (fd >= 0) close(fd);
}

static int adopt(struct stream *s, struct ends *e, pid_t pid, bool tty) {
  close_fd(&e->in[0]);
  close_fd(&e->out[0]);
  close_fd(&e->err[0]);
  s->pid = pid;
  s->tty = tty;
  s->in = e->in[1];
  s->out[0] = e->out[1];
  s->out[1] = e->err[1];
  return 0;
}

static char **read_list(struct reader *r, uint32_t *count) {
  *count = read_u32(r);
  if (*count > MAX_STRINGS) r->bad = true;
  char **list = r->bad ? NULL : calloc(*count + 1, sizeof *list);
  for (uint32_t i = 0; list && i < *count && !r->bad; i++) list[i] = read_string(r);
  return list;
}

static void free_list(char **list) {
  for (char **p = list; p && *p; p++) free(*p);
  free(list);
}

static void set_environment(const struct user *u, char **env) {
  clearenv();
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  if (u) {
    /* No SHELL: a service's user has one that lets nobody in, and programs then take /bin/sh. */
    setenv("HOME", u->home && *u->home ? u->home : u->uid ? "/" : "/root", 1);
    if (u->name) {
      setenv("USER", u->name, 1);
      setenv("LOGNAME", u->name, 1);
    }
  } else {
    setenv("HOME", "/root", 1);
    setenv("USER", "root", 1);
    setenv("LOGNAME", "root", 1);
    setenv("SHELL", "/bin/bash", 1);
  }
  setenv("LANG", "C.UTF-8", 1);
  for (; *env; env++) putenv(*env);
}

/* Like a shell: 127 when there is no such command, 126 when it cannot be run; the words go to the command's stderr. */
static void run_command(char **argv, char **env, const char *cwd, const char *as) {
  struct user user;
  if (as && (!find_user(as, &user) || !become_user(as, &user))) _exit(126);
  set_environment(as ? &user : NULL, env);
  if (chdir(cwd) < 0) {
    int error = errno;
    dprintf(2, "banger: %s: %s\n", cwd, strerror(error));
    if (as && error == EACCES) dprintf(2, "banger: the command runs as the user %s; to run as root: --user root\n", as);
    _exit(126);
  }
  execvp(argv[0], argv);
  int error = errno;
  dprintf(2, "banger: %s: %s\n", argv[0], error == ENOENT ? "command not found" : strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

/* u8 flags (1 = tty, 4 = a user follows), u16 columns, u16 rows, string cwd, list argv, list env ("NAME=value"), string user. */
int start_exec(struct stream *s, struct reader *r) {
  struct ends e = {{-1, -1}, {-1, -1}, {-1, -1}};
  uint8_t flags = read_u8(r);
  bool tty = flags & 1;
  uint16_t columns = read_u16(r), rows = read_u16(r);
  char *cwd = read_string(r);
  uint32_t argc = 0, envc = 0;
  char **argv = read_list(r, &argc), **env = read_list(r, &envc);
  char *as = flags & 4 ? read_string(r) : NULL;
  int failed = r->bad || argc == 0 ? EINVAL : tty ? make_terminal(&e, columns, rows) : make_pipes(&e, true, true, true);
  if (!failed) {
    pid_t pid = fork();
    if (pid == 0) {
      become_child(&e, tty);
      run_command(argv, env, cwd, as);
    }
    failed = pid < 0 ? errno : adopt(s, &e, pid, tty);
  }
  if (failed) close_ends(&e);
  free(cwd);
  free(as);
  free_list(argv);
  free_list(env);
  return failed;
}

static int start_transfer(struct stream *s, struct reader *r, bool unpack) {
  struct ends e = {{-1, -1}, {-1, -1}, {-1, -1}};
  char *path = read_string(r);
  int failed = r->bad || path[0] != '/' ? EINVAL : make_pipes(&e, unpack, true, true);
  if (!failed) {
    pid_t pid = fork();
    if (pid == 0) {
      become_child(&e, false);
      _exit(unpack ? unpack_main(path) : pack_main(path));
    }
    failed = pid < 0 ? errno : adopt(s, &e, pid, false);
  }
  if (failed) close_ends(&e);
  free(path);
  return failed;
}

int start_unpack(struct stream *s, struct reader *r) { return start_transfer(s, r, true); }
int start_pack(struct stream *s, struct reader *r) { return start_transfer(s, r, false); }

void control_stream(struct stream *s, struct reader *r) {
  uint8_t kind = read_u8(r);
  if (kind == CONTROL_RESIZE && s->tty && s->out[0] >= 0) {
    /* one after the other: the fields of an initialiser are evaluated in any order */
    uint16_t columns = read_u16(r), rows = read_u16(r);
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    if (!r->bad) ioctl(s->out[0], TIOCSWINSZ, &size);
  } else if (kind == CONTROL_SIGNAL && s->pid > 0 && !s->exited) {
    uint8_t number = read_u8(r);
    if (r->bad || number < 1 || number > 64) return;
    kill(-s->pid, number);
    /* An interactive shell gives each job a group of its own: the one in front is who the user means. */
    pid_t front = 0;
    if (s->tty && s->out[0] >= 0 && ioctl(s->out[0], TIOCGPGRP, &front) == 0 && front > 1 && front != s->pid) kill(-front, number);
  }
}
