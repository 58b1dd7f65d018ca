/* The wall clock: told with each PONG, and moved by as much as the host finds it wrong. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <sys/timex.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

uint64_t wall_clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* By the kernel, in one piece: neither the request's way nor a pause of this process makes it wrong. */
int step_clock(int64_t ns) {
  /* With ADJ_NANO tv_usec is in ns, and never negative (adjtimex(2)). */
  int64_t seconds = ns / NS_PER_S - (ns % NS_PER_S < 0);
  struct timex t = {.modes = ADJ_SETOFFSET | ADJ_NANO, .time = {.tv_sec = seconds, .tv_usec = ns - seconds * NS_PER_S}};
  return ns && clock_adjtime(CLOCK_REALTIME, &t) < 0 ? errno : 0;
}
