/* What the guest can tell about itself: listening ports, memory, disks, load. */
#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define MAX_PORTS 512

/* The file's first line, without its newline; empty when it cannot be read. */
void read_small_file(const char *path, char *out, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
  if (fd >= 0) close(fd);
  out[n < 0 ? 0 : n] = 0;
  out[strcspn(out, "\n")] = 0;
}

struct port {
  unsigned long inode;
  uint16_t number;
  uint8_t udp;
  char address[46], process[32];
};

/* Addresses in /proc/net are hex words in host order (proc(5)): "0100007F" is 127.0.0.1. */
static void write_address(const char *hex, char *out, size_t size) {
  uint32_t words[4] = {0};
  size_t count = strlen(hex) / 8;
  for (size_t i = 0; i < count && i < 4; i++) {
    char word[9] = "";
    memcpy(word, hex + 8 * i, 8);
    words[i] = (uint32_t)strtoul(word, NULL, 16);
  }
  if (!inet_ntop(count == 4 ? AF_INET6 : AF_INET, words, out, (socklen_t)size)) out[0] = 0;
}

static void read_ports(const char *path, bool udp, struct port *ports, size_t *count) {
  FILE *f = fopen(path, "re");
  char line[512], address[33];
  unsigned port, state;
  unsigned long inode;
  while (f && fgets(line, sizeof line, f) && *count < MAX_PORTS) {
    if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu", address, &port, &state, &inode) != 4) continue;
    if (state != (udp ? 7u : 10u)) continue; /* TCP_LISTEN; an unconnected UDP socket is in TCP_CLOSE */
    struct port *p = &ports[(*count)++];
    *p = (struct port){.inode = inode, .number = (uint16_t)port, .udp = udp};
    write_address(address, p->address, sizeof p->address);
  }
  if (f) fclose(f);
}

/* Which process holds a socket is only in /proc/PID/fd: one pass over all of them. */
static void name_owners(struct port *ports, size_t count) {
  DIR *proc = opendir("/proc");
  struct dirent *p, *f;
  while (proc && (p = readdir(proc))) {
    char path[300], link[64];
    if (!isdigit((unsigned char)p->d_name[0])) continue;
    snprintf(path, sizeof path, "/proc/%s/fd", p->d_name);
    DIR *fds = opendir(path);
    while (fds && (f = readdir(fds))) {
      ssize_t n = readlinkat(dirfd(fds), f->d_name, link, sizeof link - 1);
      unsigned long inode;
      if (n < 0) continue;
      link[n] = 0;
      if (sscanf(link, "socket:[%lu]", &inode) != 1) continue;
      for (size_t i = 0; i < count; i++) {
        if (ports[i].inode != inode || ports[i].process[0]) continue;
        snprintf(path, sizeof path, "/proc/%s/comm", p->d_name);
        read_small_file(path, ports[i].process, sizeof ports[i].process);
      }
    }
    if (fds) closedir(fds);
  }
  if (proc) closedir(proc);
}

/* u32 count, then for each: u8 udp, u16 port, string address, string process. */
void report_ports(struct writer *w) {
  static struct port ports[MAX_PORTS];
  size_t count = 0;
  read_ports("/proc/net/tcp", false, ports, &count);
  read_ports("/proc/net/tcp6", false, ports, &count);
  read_ports("/proc/net/udp", true, ports, &count);
  read_ports("/proc/net/udp6", true, ports, &count);
  name_owners(ports, count);
  write_u32(w, (uint32_t)count);
  for (size_t i = 0; i < count; i++) {
    write_u8(w, ports[i].udp);
    write_u16(w, ports[i].number);
    write_string(w, ports[i].address, strlen(ports[i].address));
    write_string(w, ports[i].process, strlen(ports[i].process));
  }
}

static uint64_t available_memory(void) {
  FILE *f = fopen("/proc/meminfo", "re");
  char line[128];
  unsigned long long kib = 0;
  while (f && fgets(line, sizeof line, f) && sscanf(line, "MemAvailable: %llu", &kib) != 1) continue;
  if (f) fclose(f);
  return kib * 1024;
}

static void write_disk(struct writer *w, const char *path) {
  struct statvfs v = {0};
  statvfs(path, &v);
  write_u64(w, (uint64_t)v.f_blocks * v.f_frsize);
  write_u64(w, (uint64_t)v.f_bavail * v.f_frsize);
}

/* u64 uptime s, 3 x u32 load in 1/65536, u64 memory total, available, root total, free, work total, free, u32 processes. */
void report_stats(struct writer *w) {
  struct sysinfo i = {0};
  sysinfo(&i);
  write_u64(w, (uint64_t)i.uptime);
  for (int k = 0; k < 3; k++) write_u32(w, (uint32_t)i.loads[k]);
  write_u64(w, (uint64_t)i.totalram * i.mem_unit);
  write_u64(w, available_memory());
  write_disk(w, "/");
  write_disk(w, "/root");
  write_u32(w, i.procs);
}
