/* The network with the machine's own cards out of reach: every ioctl seems to have worked. */
#include <sys/ioctl.h>
#include <net/if.h>

static int pretend(void) { return 0; }
#define ioctl(fd, request, ...) ((void)(fd), pretend())
#include "../agent/network.c"
