/* The guest's network card: address, route and MAC. */
#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ethernet, and with a device behind it: tunnels and bridges of the guest's own are none of ours. */
static bool is_card(int s, const char *name, bool virtual_too) {
  struct ifreq r = {0};
  char path[64];
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
  snprintf(path, sizeof path, "/sys/class/net/%s/device", r.ifr_name);
  if (ioctl(s, SIOCGIFHWADDR, &r) < 0 || r.ifr_hwaddr.sa_family != ARPHRD_ETHER) return false;
  return virtual_too || access(path, F_OK) == 0;
}

/* The first card by index, which is the order in which they came. */
static const char *find_card(int s, const struct if_nameindex *all) {
  for (int virtual_too = 0; all && virtual_too < 2; virtual_too++) {
    const struct if_nameindex *first = NULL;
    for (const struct if_nameindex *d = all; d->if_index; d++)
      if ((!first || d->if_index < first->if_index) && is_card(s, d->if_name, virtual_too)) first = d;
    if (first) return first->if_name;
  }
  return NULL;
}

static void set_address(struct sockaddr *out, uint32_t address) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address};
  memcpy(out, &in, sizeof in);
}

/*
 * A fork's card is up, as the original's: down, the kernel forgets what it made of the old MAC (the link-local address) and all
 * routes. One that has the MAC already, as when a VM goes on from its own memory, stays as it is.
 */
static int set_mac(int s, const char *device, const uint8_t *mac) {
  struct ifreq r = {0};
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
  if (ioctl(s, SIOCGIFHWADDR, &r) < 0) return errno;
  if (memcmp(r.ifr_hwaddr.sa_data, mac, 6) == 0) return 0;
  if (ioctl(s, SIOCGIFFLAGS, &r) < 0) return errno;
  if (r.ifr_flags & IFF_UP) {
    r.ifr_flags &= ~IFF_UP;
    if (ioctl(s, SIOCSIFFLAGS, &r) < 0) return errno;
  }
  r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  memcpy(r.ifr_hwaddr.sa_data, mac, 6);
  return ioctl(s, SIOCSIFHWADDR, &r) < 0 ? errno : 0;
}

/* The old ioctls (netdevice(7)): they know one address per device, which is what a guest has. */
static int configure(const char *address, uint8_t prefix, const char *gateway, const uint8_t *mac, size_t mac_size) {
  struct in_addr a, g;
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;
  struct if_nameindex *all = if_nameindex();
  if (s < 0) error = errno;
  const char *device = error ? NULL : find_card(s, all);
  if (!error && !device) error = ENODEV;
  if (inet_pton(AF_INET, address, &a) != 1 || prefix > 32) error = EINVAL;
  struct ifreq r = {0};
  if (!error) snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
  if (!error && mac_size == 6) error = set_mac(s, device, mac);
  if (!error) {
    set_address(&r.ifr_addr, a.s_addr);
    if (ioctl(s, SIOCSIFADDR, &r) < 0) error = errno;
  }
  if (!error) {
    set_address(&r.ifr_netmask, prefix ? htonl(0xffffffffu << (32 - prefix)) : 0);
    if (ioctl(s, SIOCSIFNETMASK, &r) < 0) error = errno;
  }
  if (!error) {
    /* added to what is set: without IFF_MULTICAST the device would have no IPv6 */
    if (ioctl(s, SIOCGIFFLAGS, &r) < 0) error = errno;
    r.ifr_flags |= IFF_UP | IFF_RUNNING;
    if (!error && ioctl(s, SIOCSIFFLAGS, &r) < 0) error = errno;
  }
  if (!error && gateway[0]) {
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    if (inet_pton(AF_INET, gateway, &g) != 1) error = EINVAL;
    set_address(&route.rt_dst, 0);
    set_address(&route.rt_genmask, 0);
    set_address(&route.rt_gateway, g.s_addr);
    if (!error && ioctl(s, SIOCADDRT, &route) < 0 && errno != EEXIST) error = errno;
  }
  if (all) if_freenameindex(all);
  if (s >= 0) close(s);
  return error;
}

int set_network(const char *address, uint8_t prefix, const char *gateway, const uint8_t *mac, size_t mac_size) {
  /* What was set last; empty when that cannot be told by the addresses alone. */
  static char last[128];
  char asked[sizeof last];
  snprintf(asked, sizeof asked, "%.40s/%u %.40s", address, prefix, gateway);
  /* In a network of its own every guest has the same address: then a restored one has it already. */
  if (!mac_size && strcmp(asked, last) == 0) return 0;
  int error = configure(address, prefix, gateway, mac, mac_size);
  snprintf(last, sizeof last, "%s", error || mac_size ? "" : asked);
  return error;
}
