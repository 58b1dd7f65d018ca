/* Connections: a stream to a TCP port of the guest's loopback, or to a unix socket. */
#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* 0 or EINPROGRESS with the socket in s->in, or an errno. */
static int begin_connect(struct stream *s, const struct sockaddr *address, socklen_t size) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
  if (fd < 0) return errno;
  if (connect(fd, address, size) < 0 && errno != EINPROGRESS) {
    int error = errno;
    close(fd);
    return error;
  }
  if (address->sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  s->in = fd;
  s->connection = s->connecting = true;
  return EINPROGRESS;
}

static int connect_port(struct stream *s, bool v6) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(s->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(s->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  if (v6) return begin_connect(s, (struct sockaddr *)&in6, sizeof in6);
  return begin_connect(s, (struct sockaddr *)&in, sizeof in);
}

/* u8 kind (1 = TCP port of the loopback: u16; 2 = unix socket: string). */
int start_connect(struct stream *s, struct reader *r) {
  uint8_t kind = read_u8(r);
  if (kind == 1) {
    s->port = read_u16(r);
    return r->bad || s->port == 0 ? EINVAL : connect_port(s, false);
  }
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  char *path = read_string(r);
  bool usable = kind == 2 && path && path[0] == '/' && strlen(path) < sizeof un.sun_path;
  if (usable) strcpy(un.sun_path, path);
  free(path);
  return usable ? begin_connect(s, (struct sockaddr *)&un, sizeof un) : EINVAL;
}

int continue_connect(struct stream *s) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(s->in, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  if (!error) {
    s->connecting = false;
    s->out[0] = fcntl(s->in, F_DUPFD_CLOEXEC, 3);
    return s->out[0] < 0 ? errno : 0;
  }
  struct sockaddr_storage was;
  size = sizeof was;
  bool v4 = getsockname(s->in, (struct sockaddr *)&was, &size) == 0 && was.ss_family == AF_INET;
  close_fd(&s->in);
  /* Many servers that are asked to listen on "localhost" take ::1 alone. */
  return v4 && error == ECONNREFUSED && connect_port(s, true) == EINPROGRESS ? EINPROGRESS : error;
}
