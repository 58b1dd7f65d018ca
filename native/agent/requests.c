/* What the host asks for by opening a stream: reports and acts that are answered at once, and streams that are begun. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

/* systemd's "power off" signal is SIGRTMIN+4 (systemd(1)) as glibc counts: musl's SIGRTMIN is another number. */
#define SYSTEMD_POWER_OFF 38

int notify = -1;
bool personalised, basic;

/*
 * Other inits than systemd and banger's own have signals of their own, if any; each brings programs that know them. False when
 * the guest's init has none.
 */
static bool ask_other_init(void) {
  if (access("/run/systemd/system", F_OK) == 0 || access("/run/banger/alone", F_OK) == 0) return false;
  const char *program = ends_by_restart ? "/sbin/reboot" : "/sbin/poweroff";
  if (access(program, X_OK) < 0) return false;
  pid_t pid = fork();
  if (pid == 0) {
    execl(program, program, (char *)NULL);
    _exit(127);
  }
  return pid > 0;
}

static void power_off(uint32_t id, uint8_t how) {
  sync();
  send_result(id, 0, "", 0);
  for (int64_t until = now_ms() + 1000; out_size > 0 && now_ms() < until && flush_out();) usleep(1000);
  if (how == 1 && (ask_other_init() || kill(1, SYSTEMD_POWER_OFF) == 0)) return;
  reboot(ends_by_restart ? RB_AUTOBOOT : RB_POWER_OFF);
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

static void answer_clock(uint32_t id, struct reader *r) {
  int64_t ns = (int64_t)read_u64(r);
  int error = r->bad ? EINVAL : step_clock(ns);
  send_result(id, error, "clock", error ? 5 : 0);
}

static void answer_work_disk(uint32_t id, int error) { send_result(id, error, "work disk", error ? 9 : 0); }

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

void finish_connect(struct stream *s) {
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

bool open_stream(uint32_t id, struct reader *r) {
  uint8_t op = read_u8(r);
  if (r->bad || id == 0 || find_stream(id)) return false;
  switch (op) {
    case OP_PERSONALISE: answer_personalise(id, r); return true;
    case OP_PORTS: answer_report(id, report_ports); return true;
    case OP_STATS: answer_report(id, report_stats); return true;
    case OP_POWER_OFF: power_off(id, read_u8(r)); return true;
    case OP_CLOCK: answer_clock(id, r); return true;
    case OP_RELEASE_WORK_DISK: answer_work_disk(id, release_work_disk()); return true;
    case OP_TAKE_WORK_DISK: answer_work_disk(id, take_work_disk()); return true;
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

/* Emulated, a guest boots without address space randomisation (init's note of it is in run_dir); from now on it has it. */
static void randomise_addresses(const char *run_dir) {
  char note[128];
  snprintf(note, sizeof note, "%s/norandmaps", run_dir);
  if (access(note, F_OK) < 0) return;
  int fd = open("/proc/sys/kernel/randomize_va_space", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "2", 1) != 1) { /* the guest goes on as it booted */ }
  if (fd >= 0) close(fd);
}

void notice_basic(const char *run_dir) {
  char path[128];
  snprintf(path, sizeof path, "%s/ready", run_dir);
  if (basic || access(path, F_OK) < 0) return;
  basic = true;
  randomise_addresses(run_dir);
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
