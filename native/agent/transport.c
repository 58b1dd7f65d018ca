/* The one stream of bytes to the host: a virtio-serial port, or a socket on which one host after the other is accepted. */
#define _GNU_SOURCE
#include "agent.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT_NAME "banger.agent.0"

int transport = -1;
bool ends_by_restart;

int open_port(void) {
  DIR *d = opendir("/sys/class/virtio-ports");
  struct dirent *entry;
  int fd = -1;
  while (d && fd < 0 && (entry = readdir(d))) {
    char path[320], name[64];
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
    read_small_file(path, name, sizeof name);
    if (strcmp(name, PORT_NAME) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  if (d) closedir(d);
  return fd;
}

int listen_at(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || strlen(path) >= sizeof a.sun_path) return -1;
  strcpy(a.sun_path, path);
  unlink(path);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4) < 0) return -1;
  return fd;
}

int listen_at_vsock(unsigned port) {
  /* struct sockaddr_vm of linux/vm_sockets.h, which musl does not carry. -1 = any context id. */
  struct {
    uint16_t family, reserved;
    uint32_t port, cid;
    uint8_t flags, zero[3];
  } a = {.family = AF_VSOCK, .port = port, .cid = UINT32_MAX};
  int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4) < 0) return -1;
  return fd;
}
