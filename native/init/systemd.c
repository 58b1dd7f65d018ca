#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool is_systemd(const char *init) {
  char target[256];
  ssize_t n = readlink(init, target, sizeof target - 1);
  if (n < 0) return strstr(init, "systemd") != NULL;
  target[n] = 0;
  return strstr(target, "systemd") != NULL;
}

/*
 * How the agent hears of basic.target without systemd starting a process for it: a socket unit, ordered after
 * basic.target, whose fifo systemd makes itself. The agent watches for the fifo. (The service that belongs to it must
 * exist, and never runs, because nobody writes to the fifo.)
 */
void announce_basic_target(void) {
  mkdir("/run/systemd", 0755);
  mkdir("/run/systemd/system", 0755);
  mkdir("/run/systemd/system/multi-user.target.wants", 0755);
  write_file("/run/systemd/system/banger-ready.socket",
             "[Unit]\nDescription=Tell banger that basic.target has been reached\nDefaultDependencies=no\n"
             "After=basic.target\n[Socket]\nListenFIFO=/run/banger/ready\nSocketMode=0600\n");
  write_file("/run/systemd/system/banger-ready.service",
             "[Unit]\nDescription=Never started; belongs to banger-ready.socket\n[Service]\nExecStart=/bin/true\n");
  if (symlink("../banger-ready.socket", "/run/systemd/system/multi-user.target.wants/banger-ready.socket") < 0 && errno != EEXIST)
    say("banger-ready.socket: %s", strerror(errno));
}

/* What systemd does at the end of an orderly power-off or halt, instead of what would never end the machine. */
void end_by_restart(void) {
  static const char *const units[] = {"systemd-poweroff", "systemd-halt"};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    char path[96];
    snprintf(path, sizeof path, "/run/systemd/system/%s.service.d", units[i]);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "/run/systemd/system/%s.service.d/banger.conf", units[i]);
    write_file(path, "[Unit]\nSuccessAction=reboot-force\n");
  }
}
