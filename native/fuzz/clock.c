/* The clock is told, and stays as it is. */
#define _GNU_SOURCE
#include <sys/timex.h>
#include <time.h>

#define clock_adjtime(clock, time) ((void)(time), 0)
#include "../agent/clock.c"
