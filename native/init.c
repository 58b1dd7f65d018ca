/*
 * PID 1 of banger's initramfs: loads the drivers, mounts the guest's disks, starts the agent, and hands over to the
 * image's own init (usually systemd), in the guest's root.
 *
 * Kernel command line words, all optional:
 *   root=DEV               root disk, ext4                                  (/dev/vda)
 *   banger.work=DEV        work disk, ext4, mounted at /root
 *   banger.personalise     wait for the agent to be told who this guest is before init is started
 *   banger.init=PATH       the image's init                                 (/sbin/init)
 *   norandmaps         (the kernel's own) no address space randomisation: the agent turns it on at basic.target
 *   banger.vsock=PORT      the agent listens on this vsock port instead of opening its virtio-serial port
 *
 * It tells what went wrong on the console and in /dev/kmsg, and then powers off: a guest that cannot boot should end, not hang.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define DISK_WAIT_MS 10000
#define PERSONALISE_WAIT_MS 60000
#define FIRST_RUN "/usr/lib/banger/run"
/* fs/ext4/ext4.h, which is not among the headers for programs */
#define INCOMPAT_64BIT 0x80u
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#define WORTH_GROWING (UINT64_C(64) << 20)

static char cmdline[4096];

static void say(const char *format, ...) {
  char line[512];
  int n = snprintf(line, sizeof line, "<3>banger-init: ");
  va_list args;
  va_start(args, format);
  n += vsnprintf(line + n, sizeof line - (size_t)n, format, args);
  va_end(args);
  size_t size = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
  int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write(fd, line, size) < 0) { /* the console is left */ }
  if (fd >= 0) close(fd);
  /* With "quiet" the kernel keeps its log from the console, where a guest that does not boot is looked into. */
  fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0 && dprintf(fd, "%.*s\r\n", (int)(size - 3), line + 3) < 0) { /* there is nobody to tell */ }
  if (fd >= 0) close(fd);
}

static const char *option(const char *word, const char *fallback, char *out, size_t size);

/* Firecracker has no power switch, and ends when its guest restarts; a guest that powers off would halt in it for ever. */
static int under_firecracker(void) {
  char port[16];
  return option("banger.vsock", NULL, port, sizeof port) != NULL;
}

static void give_up(const char *what) {
  say("%s: %s; powering off", what, strerror(errno));
  sync();
  reboot(under_firecracker() ? RB_AUTOBOOT : RB_POWER_OFF);
  for (;;) pause();
}

static void nap_ms(long ms) {
  struct timespec t = {ms / 1000, (ms % 1000) * 1000000};
  nanosleep(&t, NULL);
}

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The value of WORD=VALUE on the kernel command line, copied to out; the fallback when it is absent. */
static const char *option(const char *word, const char *fallback, char *out, size_t size) {
  size_t n = strlen(word);
  for (const char *p = cmdline; *p; p += strcspn(p, " \n"), p += strspn(p, " \n")) {
    size_t length = strcspn(p, " \n");
    if (length <= n || strncmp(p, word, n) != 0 || p[n] != '=') continue;
    snprintf(out, size, "%.*s", (int)(length - n - 1), p + n + 1);
    return out;
  }
  return fallback;
}

static int has_word(const char *word) {
  size_t n = strlen(word);
  for (const char *p = cmdline; *p; p += strcspn(p, " \n"), p += strspn(p, " \n"))
    if (strcspn(p, " \n") == n && strncmp(p, word, n) == 0) return 1;
  return 0;
}

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

static void mount_disk(const char *device, const char *target) {
  /* The driver probes in parallel with us: the node appears within milliseconds. */
  for (long until = now_ms() + DISK_WAIT_MS; access(device, F_OK) < 0 && now_ms() < until;) nap_ms(2);
  if (mount(device, target, "ext4", MS_NOATIME, "") < 0) give_up(device);
}

static uint32_t le32(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

/*
 * Lets a mounted ext4 take all of its disk when that has become larger than it is (system_overlay_size). Fields of the
 * superblock: Documentation/filesystems/ext4/super.rst. The kernel does the work, online, in milliseconds.
 */
static void grow(const char *device, const char *target) {
  uint8_t super[1024];
  uint64_t bytes = 0;
  int fd = open(device, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0 || pread(fd, super, sizeof super, 1024) != sizeof super) say("%s: %s", device, strerror(errno));
  else {
    uint64_t block = UINT64_C(1024) << (le32(super + 0x18) & 7), blocks = bytes / block;
    uint64_t now = le32(super + 0x04) | (le32(super + 0x60) & INCOMPAT_64BIT ? (uint64_t)le32(super + 0x150) << 32 : 0);
    int root = blocks > now + WORTH_GROWING / block ? open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (root >= 0 && ioctl(root, EXT4_IOC_RESIZE_FS, &blocks) < 0) say("%s cannot grow: %s", device, strerror(errno));
    if (root >= 0) close(root);
  }
  if (fd >= 0) close(fd);
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

static void loopback_up(void) {
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo"};
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (s < 0 || ioctl(s, SIOCSIFFLAGS, &request) < 0) say("loopback: %s", strerror(errno));
  if (s >= 0) close(s);
}

static void write_file(const char *path, const char *content) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, content, strlen(content)) < 0) say("%s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
}

/*
 * How the agent hears of basic.target without systemd starting a process for it: a socket unit, ordered after
 * basic.target, whose fifo systemd makes itself. The agent watches for the fifo. (The service that belongs to it must
 * exist, and never runs, because nobody writes to the fifo.)
 */
static void announce_basic_target(void) {
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
static void end_by_restart(void) {
  static const char *const units[] = {"systemd-poweroff", "systemd-halt"};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    char path[96];
    snprintf(path, sizeof path, "/run/systemd/system/%s.service.d", units[i]);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "/run/systemd/system/%s.service.d/banger.conf", units[i]);
    write_file(path, "[Unit]\nSuccessAction=reboot-force\n");
  }
}

/* A directory's content, with owners and modes, into another on the same or another file system; links as links. */
static void copy_tree(int from, int to) {
  DIR *d = fdopendir(from);
  struct dirent *entry;
  while (d && (entry = readdir(d))) {
    const char *name = entry->d_name;
    struct stat st;
    char target[256];
    int in = -1, out = -1;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    if (S_ISDIR(st.st_mode)) {
      if (mkdirat(to, name, 0700) < 0 && errno != EEXIST) say("%s: %s", name, strerror(errno));
      in = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      out = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (in >= 0 && out >= 0) copy_tree(in, out);
      else if (in >= 0) close(in);
      in = -1; /* closed with its DIR */
    } else if (S_ISREG(st.st_mode)) {
      in = openat(from, name, O_RDONLY | O_CLOEXEC);
      out = openat(to, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      if (in >= 0 && out >= 0 && sendfile(out, in, NULL, (size_t)st.st_size) < 0) say("%s: %s", name, strerror(errno));
    } else if (S_ISLNK(st.st_mode)) {
      ssize_t n = readlinkat(from, name, target, sizeof target - 1);
      if (n > 0 && (target[n] = 0, symlinkat(target, to, name)) < 0) say("%s: %s", name, strerror(errno));
    }
    if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) say("%s: %s", name, strerror(errno));
    if (out >= 0 && fchmod(out, st.st_mode & 07777) < 0) say("%s: %s", name, strerror(errno));
    if (in >= 0) close(in);
    if (out >= 0) close(out);
  }
  if (d) closedir(d);
}

/* Gives a tree to root, links as such; what cannot be opened stays as it is. */
static void own_tree(int dir) {
  DIR *d = fdopendir(dir);
  struct dirent *entry;
  while (d && (entry = readdir(d))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (fchownat(dir, entry->d_name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0) say("%s: %s", entry->d_name, strerror(errno));
    int below = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0) own_tree(below);
  }
  if (d) closedir(d);
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

static int is_systemd(const char *init) {
  char target[256];
  ssize_t n = readlink(init, target, sizeof target - 1);
  if (n < 0) return strstr(init, "systemd") != NULL;
  target[n] = 0;
  return strstr(target, "systemd") != NULL;
}

/* The initramfs stays behind, out of reach, after the switch: its files would hold memory until the end. */
static void free_initramfs(const char *dir) {
  DIR *d = opendir(dir);
  struct dirent *entry;
  char path[512];
  while (d && (entry = readdir(d))) {
    if (entry->d_type != DT_REG) continue;
    snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
    unlink(path);
  }
  if (d) closedir(d);
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
  int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, cmdline, sizeof cmdline - 1) < 0) give_up("/proc/cmdline");
  close(fd);

  load_modules();
  make_nodes();
  loopback_up();
  const char *root_device = option("root", "/dev/vda", root, sizeof root);
  mount_disk(root_device, "/mnt");
  grow(root_device, "/mnt");
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
  free_initramfs("/m");
  free_initramfs("/");
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
  char *argv[] = {(char *)path, NULL};
  char *envp[] = {"TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  execve(path, argv, envp);
  give_up(path);
}
