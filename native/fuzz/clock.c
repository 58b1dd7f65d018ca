/* The clock is told, and stays as it is. */
#include <sys/timex.h>

#define clock_adjtime(clock, time) ((void)(time), 0)
#include "../agent/clock.c"
