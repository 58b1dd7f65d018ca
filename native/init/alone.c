/*
 * A guest whose image has no init, as most container images have none: this process stays the first one. It does the three things
 * that nobody else does: it collects processes that have lost their parents, ends the guest in order when it is asked to
 * (by the agent, with systemd's signals, or by Ctrl-Alt-Del), and never ends itself, which would be the kernel's panic.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* SIGRTMIN+4 and +5 as glibc counts (systemd(1)): power off, restart. musl's SIGRTMIN is another number. */
#define POWER_OFF 38
#define RESTART 39
#define PATIENCE_S 5

/*
 * Also where there is one that has nothing to start: Alpine's container images have busybox's, which would try to start OpenRC
 * and gettys, neither of which they have, again and again.
 */
bool is_without_init(const char *init) {
  char target[256];
  if (access(init, X_OK) < 0) return true;
  ssize_t n = readlink(init, target, sizeof target - 1);
  if (n < 0) return false;
  target[n] = 0;
  return strstr(target, "busybox") && access("/sbin/openrc", X_OK) < 0 && access("/etc/init.d/rcS", X_OK) < 0;
}

/* True when no process but this one is left. */
static bool collect(void) {
  pid_t pid;
  while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {}
  return pid < 0 && errno == ECHILD;
}

static void end_all(const sigset_t *signals) {
  const struct timespec second = {.tv_sec = 1};
  kill(-1, SIGTERM);
  for (int waited = 0; !collect() && waited < PATIENCE_S;)
    if (sigtimedwait(signals, NULL, &second) < 0 && errno == EAGAIN) waited++;
  kill(-1, SIGKILL);
}

static _Noreturn void end_guest(const sigset_t *signals, bool restarts) {
  end_all(signals);
  sync();
  umount2("/root", MNT_DETACH);
  mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
  reboot(restarts ? RB_AUTOBOOT : RB_POWER_OFF);
  give_up("reboot");
}

void stay(void) {
  sigset_t signals;
  /* Blocked, and fetched below: to the first process the kernel delivers no signal that has no handler. */
  sigfillset(&signals);
  sigprocmask(SIG_SETMASK, &signals, NULL);
  reboot(RB_DISABLE_CAD);
  for (;;) {
    collect();
    int sig = sigwaitinfo(&signals, NULL);
    /* A machine of Firecracker's ends with a restart alone. */
    if (sig == POWER_OFF || sig == SIGTERM) end_guest(&signals, under_firecracker());
    if (sig == RESTART || sig == SIGINT) end_guest(&signals, true);
  }
}

void furnish(void) {
  /* For the agent, which tells whoever is the first process to end the guest. */
  write_file("/run/banger/alone", "");
  mkdir("/dev/shm", 01777);
  if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0) say("/dev/shm: %s", strerror(errno));
}
