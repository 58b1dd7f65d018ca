/* Requests that leave the machine on. */
#include "fuzz.h"

#include <signal.h>
#include <sys/reboot.h>
#include <unistd.h>

#define kill fuzz_kill
#define reboot(how) ((void)(how))
#define sync() ((void)0)
#include "../agent/requests.c"
