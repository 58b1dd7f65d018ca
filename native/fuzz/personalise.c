/* Personalise on an empty directory, with the machine's own state out of reach. */
#include <stddef.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int pretend(void) { return 0; }
#define sethostname(name, size) ((void)(name), (void)(size), pretend())
#define clock_settime(clock, time) ((void)(time), pretend())
#define ioctl(fd, request, ...) ((void)(fd), pretend())
#define fchown(fd, user, group) pretend()
#define mount(source, target, type, flags, data) ((void)(source), (void)(target), pretend())
#define kill(pid, signal) ((void)(pid), pretend())
#include "../agent/personalise.c"
