/*
 * PID 1 of banger's initramfs: loads the drivers, mounts the guest's disks, starts the agent, and hands over to the
 * image's own init (usually systemd), in the guest's root.
 *
 * Kernel command line words, all optional:
 *   root=DEV               root disk, ext4                                  (/dev/vda)
 *   banger.work=DEV        work disk, ext4, mounted at /root
 *   banger.personalise     wait for the agent to be told who this guest is before init is started
 *   banger.init=PATH       the image's init                                 (/sbin/init); without one this process stays
 *   norandmaps         (the kernel's own) no address space randomisation: the agent turns it on at basic.target
 *   banger.vsock=PORT      the agent listens on this vsock port instead of opening its virtio-serial port
 *
 * It tells what went wrong on the console and in /dev/kmsg, and then powers off: a guest that cannot boot should end, not hang.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Meanwhile a workspace may be on its way to the work disk. */
#define PERSONALISE_WAIT_MS 600000
#define FIRST_RUN "/usr/lib/banger/run"

/* /modules.list: one path a line, dependencies first. A driver that does not load is not always needed: only said. */
static void load_modules(void) {
  FILE *list = fopen("/modules.list", "re");
  char path[256];
  while (list && fgets(path, sizeof path, list)) {
    path[strcspn(path, "\n")] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)) say("module %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
  }
  if (list) fclose(list);
}

/* Nodes of drivers that load when they are first opened; elsewhere kmod and tmpfiles make them at each boot. */
static void make_nodes(void) {
  static const struct {
    const char *path;
    unsigned major, minor;
    mode_t mode;
  } nodes[] = {{"/dev/fuse", 10, 229, 0666}, {"/dev/net/tun", 10, 200, 0666}, {"/dev/loop-control", 10, 237, 0660}, {"/dev/vhost-net", 10, 238, 0660}};
  mkdir("/dev/net", 0755);
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
    if (mknod(nodes[i].path, S_IFCHR | nodes[i].mode, makedev(nodes[i].major, nodes[i].minor)) < 0 && errno != EEXIST) say("%s: %s", nodes[i].path, strerror(errno));
    else if (chmod(nodes[i].path, nodes[i].mode) < 0) say("%s: %s", nodes[i].path, strerror(errno));
  }
}

/* An image that was made for a container need not have them. */
static void make_places(void) {
  static const char *const places[] = {"/mnt/dev", "/mnt/proc", "/mnt/sys", "/mnt/run", "/mnt/root"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    if (mkdir(places[i], 0755) < 0 && errno != EEXIST) say("%s: %s", places[i], strerror(errno));
}

static void loopback_up(void) {
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo"};
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (s < 0 || ioctl(s, SIOCSIFFLAGS, &request) < 0) say("loopback: %s", strerror(errno));
  if (s >= 0) close(s);
}

/*
 * The first boot of a fresh image: what systemd-tmpfiles would make in /run is in the image, made when it was built.
 * The image's unit of that name stays away when it sees the mark; from the second boot on it does its work.
 */
static void first_boot(void) {
  int from = open(FIRST_RUN, O_RDONLY | O_DIRECTORY | O_CLOEXEC), to = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (from < 0 || to < 0 || rename(FIRST_RUN, FIRST_RUN ".done") < 0) {
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    return;
  }
  copy_tree(from, to);
  close(to);
  write_file("/run/banger/first-boot", "");
  /* Made by an ordinary user of the host, the work disk's first files are theirs: mke2fs -d keeps owners. */
  int home = open("/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (home >= 0) own_tree(home);
}

/* Starts the agent from its descriptor, so that the image needs to know nothing of it. Returns the end that tells. */
static int start_agent(int agent) {
  int told[2];
  if (pipe2(told, O_CLOEXEC) < 0) give_up("pipe");
  pid_t pid = fork();
  if (pid < 0) give_up("fork");
  if (pid == 0) {
    char notify[16];
    /* '@' first: systemd spares such processes when it ends all others at shutdown (systemd's ROOT_STORAGE_DAEMONS). */
    char vsock[16];
    char *argv[] = {"@banger-agent", "--notify", notify, NULL, NULL, NULL};
    char *envp[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    snprintf(notify, sizeof notify, "%d", told[1]);
    fcntl(told[1], F_SETFD, 0);
    if (option("banger.vsock", NULL, vsock, sizeof vsock)) {
      argv[3] = "--vsock";
      argv[4] = vsock;
    }
    setsid();
    fexecve(agent, argv, envp);
    say("agent: %s", strerror(errno));
    _exit(127);
  }
  close(told[1]);
  return told[0];
}

int main(void) {
  char root[128], work[128], init[256];
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
  read_command_line();

  load_modules();
  make_nodes();
  loopback_up();
  const char *root_device = option("root", "/dev/vda", root, sizeof root);
  mount_disk(root_device, "/mnt");
  grow(root_device, "/mnt");
  make_places();
  const char *work_device = option("banger.work", NULL, work, sizeof work);
  if (work_device) mount_disk(work_device, "/mnt/root");

  int agent = open("/agent", O_RDONLY | O_CLOEXEC);
  if (agent < 0) give_up("/agent");
  if (mount("/dev", "/mnt/dev", NULL, MS_MOVE, NULL) < 0) give_up("move /dev");
  if (mount("/sys", "/mnt/sys", NULL, MS_MOVE, NULL) < 0) give_up("move /sys");
  if (mount("/proc", "/mnt/proc", NULL, MS_MOVE, NULL) < 0) give_up("move /proc");
  mkdir("/mnt/dev/pts", 0755);
  mount("devpts", "/mnt/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666");
  if (mount("tmpfs", "/mnt/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=20%") < 0) give_up("/run");
  /* The initramfs stays behind, out of reach, after the switch: its files would hold memory until the end. */
  remove_files("/m");
  remove_files("/");
  if (chdir("/mnt") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) give_up("switch to the root disk");

  const char *path = option("banger.init", "/sbin/init", init, sizeof init);
  mkdir("/run/banger", 0700);
  first_boot();
  if (is_systemd(path)) {
    announce_basic_target();
    if (under_firecracker()) end_by_restart();
  } else {
    write_file("/run/banger/ready", "");
  }
  bool alone = is_without_init(path);
  if (alone) furnish();

  /* For the agent: addresses are to be random again once the guest has booted. */
  if (has_word("norandmaps")) write_file("/run/banger/norandmaps", "");
  int told = start_agent(agent);
  close(agent);
  if (has_word("banger.personalise")) {
    struct pollfd waiting = {.fd = told, .events = POLLIN};
    char byte;
    if (poll(&waiting, 1, PERSONALISE_WAIT_MS) != 1 || read(told, &byte, 1) != 1) say("nobody has personalised this guest; starting it as it is");
  }
  close(told);
  if (alone) stay();
  char *argv[] = {(char *)path, NULL};
  char *envp[] = {"TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  execve(path, argv, envp);
  give_up(path);
}
