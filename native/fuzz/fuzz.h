/*
 * The agent's parsers under a flood of nonsense, in one process, with sanitizers: `agent-fuzz SECONDS [SEED]`.
 * The agent's sources are included as they are; what would touch this machine (processes, clock, network, power) is
 * replaced by stubs, and the whole program has locked itself into an empty directory without privileges.
 */
#ifndef BANGER_FUZZ_H
#define BANGER_FUZZ_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Small numbers are likelier than large ones, and limits likelier than what is between them. */
uint32_t fuzz_random(void);
uint32_t fuzz_below(uint32_t limit);
uint32_t fuzz_interesting(void);
void fuzz_mutate(uint8_t *bytes, size_t *size, size_t capacity);

/* tar.c: unpacks generated archives. */
void fuzz_tar(void);
/* user.c: looks users up in generated lists. */
void fuzz_user(void);
/* process.c: keeps the other ends of a stream's pipes, as a child would. */
void fuzz_use_pipes(void);
void fuzz_forget_pipes(void);
/* In place of kill(2): nobody is killed. */
int fuzz_kill(pid_t pid, int number);
#endif
