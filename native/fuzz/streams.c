/* Streams whose processes are made up: nobody is killed. */
#include "fuzz.h"

#include <signal.h>

#define kill fuzz_kill
#include "../agent/streams.c"
