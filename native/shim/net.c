/*
 * Network devices for bun:ffi: TAP devices by /dev/net/tun, everything else by netlink messages that JavaScript makes
 * and reads. Every function returns a value >= 0, or -errno; nothing is kept.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int failed(int fd) {
  int error = -errno;
  close(fd);
  return error;
}

/* A descriptor of the TAP device of this name, as Firecracker opens it. Made when absent; only made when `fresh`. */
int banger_tap_open(const char *name, int fresh) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  if (strlen(name) == 0 || strlen(name) >= IFNAMSIZ) return -EINVAL;
  strcpy(request.ifr_name, name);
  if (fresh) request.ifr_flags |= (short)IFF_TUN_EXCL;
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  return ioctl(fd, TUNSETIFF, &request) < 0 ? failed(fd) : fd;
}

/* The device outlives its descriptors, and this user may open it. */
int banger_tap_keep(int fd, uint32_t owner) {
  if (ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0) return -errno;
  return ioctl(fd, TUNSETPERSIST, 1UL) < 0 ? -errno : 0;
}

static int converse(int fd, const struct nlmsghdr *request, uint32_t size, char *replies, uint32_t room) {
  char buffer[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  /* The kernel answers at once; what does not is a bug that must not hang the helper. */
  struct timeval patience = {.tv_sec = 10};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) return -errno;
  if (sendto(fd, request, size, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) return -errno;
  for (uint32_t kept = 0;;) {
    ssize_t got = recv(fd, buffer, sizeof buffer, MSG_TRUNC);
    if (got < 0) return -errno;
    if ((size_t)got > sizeof buffer) return -ENOBUFS;
    int left = (int)got;
    for (struct nlmsghdr *each = (struct nlmsghdr *)buffer; NLMSG_OK(each, left); each = NLMSG_NEXT(each, left)) {
      if (each->nlmsg_seq != request->nlmsg_seq) continue;
      /* What was listed changed meanwhile: the caller asks again. */
      if (each->nlmsg_flags & NLM_F_DUMP_INTR) return -EINTR;
      if (each->nlmsg_type == NLMSG_DONE || each->nlmsg_type == NLMSG_ERROR) {
        int status = *(int *)NLMSG_DATA(each);
        return status < 0 ? status : (int)kept;
      }
      uint32_t length = NLMSG_ALIGN(each->nlmsg_len);
      if (length > room - kept || (char *)each + length > buffer + got) return -ENOBUFS;
      memcpy(replies + kept, each, length);
      kept += length;
    }
  }
}

/*
 * Sends one netlink(7) request that asks for an acknowledgement or a dump; what is answered until then is put into
 * `replies`, message by message. Returns their size; -ENOBUFS when they do not fit, -EINTR for a dump to be repeated.
 */
int banger_netlink(int protocol, const void *request, uint32_t size, void *replies, uint32_t room) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -errno;
  int value = converse(fd, request, size, replies, room);
  close(fd);
  return value;
}
