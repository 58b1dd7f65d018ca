/*
 * Keeps a guest with NAT out of the host itself. QEMU's user-mode network (libslirp) makes the guest's connections its
 * own, as a process of the host: the address 10.0.2.2 becomes the host's loopback, and whatever listens on the host is
 * open to the guest. QEMU has no option against that, so this library is preloaded into it (ld.so(8), LD_PRELOAD) and
 * refuses to connect or send to an address of the host's own, to link-local addresses (cloud metadata) and to IPv6,
 * which guests do not have. The one exception is the host's name server, which the guest reaches as 10.0.2.3.
 * Not a wall against a guest that has taken QEMU over: that one calls the kernel directly.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MOST_ADDRESSES 256
#define FRESH_SECONDS 2

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static in_addr_t own[MOST_ADDRESSES];
static size_t own_count;
static time_t own_read;

/* True when an interface of this host has the address. Interfaces come and go: read again when the list is old. */
static bool is_own(in_addr_t address) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  pthread_mutex_lock(&lock);
  if (own_count == 0 || now.tv_sec - own_read >= FRESH_SECONDS) {
    struct ifaddrs *all;
    if (getifaddrs(&all) == 0) {
      own_count = 0;
      own_read = now.tv_sec;
      for (struct ifaddrs *each = all; each != NULL && own_count < MOST_ADDRESSES; each = each->ifa_next) {
        if (each->ifa_addr == NULL || each->ifa_addr->sa_family != AF_INET) continue;
        own[own_count++] = ((struct sockaddr_in *)(void *)each->ifa_addr)->sin_addr.s_addr;
      }
      freeifaddrs(all);
    }
  }
  /* Without a list nothing is known not to be the host's. */
  bool found = own_count == 0;
  for (size_t i = 0; i < own_count && !found; i += 1) found = own[i] == address;
  pthread_mutex_unlock(&lock);
  return found;
}

/* True when /etc/resolv.conf names the address: libslirp sends what the guest asks 10.0.2.3 there. */
static bool is_name_server(const char *address) {
  FILE *file = fopen("/etc/resolv.conf", "re");
  if (file == NULL) return false;
  char line[512], named[64];
  bool found = false;
  while (!found && fgets(line, sizeof line, file) != NULL)
    found = sscanf(line, " nameserver %63s", named) == 1 && strcmp(named, address) == 0;
  fclose(file);
  return found;
}

static bool allowed(const struct sockaddr *to, socklen_t size) {
  char text[INET6_ADDRSTRLEN];
  if (to == NULL || size < sizeof to->sa_family) return true;
  if (to->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
    struct sockaddr_in in;
    memcpy(&in, to, sizeof in);
    uint32_t host = ntohl(in.sin_addr.s_addr);
    /* Loopback, "this host", link-local, multicast and broadcast (which loop back), and the interfaces' own. */
    bool inside = host >> 24 == 127 || host >> 24 == 0 || host >> 16 == 0xa9fe || host >> 29 == 7 ||
                  is_own(in.sin_addr.s_addr);
    if (!inside) return true;
    return in.sin_port == htons(53) && is_name_server(inet_ntop(AF_INET, &in.sin_addr, text, sizeof text));
  }
  if (to->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
    struct sockaddr_in6 in;
    memcpy(&in, to, sizeof in);
    return in.sin6_port == htons(53) && is_name_server(inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text));
  }
  return true;
}

/* As if nobody listened there: the guest sees a refusal at once instead of waiting. */
static int refuse(void) {
  errno = ECONNREFUSED;
  return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int connect(int fd, const struct sockaddr *to, socklen_t size) {
  return allowed(to, size) ? NEXT(connect)(fd, to, size) : refuse();
}

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to, socklen_t size) {
  return allowed(to, size) ? NEXT(sendto)(fd, data, bytes, flags, to, size) : refuse();
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  return allowed(message->msg_name, message->msg_namelen) ? NEXT(sendmsg)(fd, message, flags) : refuse();
}
