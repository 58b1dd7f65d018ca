/* The parts of banger's PID 1; main.c says what it is for. */
#ifndef BANGER_INIT_H
#define BANGER_INIT_H

#include <stdbool.h>
#include <stddef.h>

/* log.c: on the console and in /dev/kmsg; give_up tells errno too, and ends the machine. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
_Noreturn void give_up(const char *what);

/* cmdline.c */
void read_command_line(void);
/* The value of WORD=VALUE on the kernel command line, copied to out; the fallback when it is absent. */
const char *option(const char *word, const char *fallback, char *out, size_t size);
bool has_word(const char *word);
bool under_firecracker(void);

/* disks.c */
void mount_disk(const char *device, const char *target);
void grow(const char *device, const char *target);

/* files.c: what does not work is said, and left. */
void write_file(const char *path, const char *content);
/* Both close their directories. */
void copy_tree(int from, int to);
void own_tree(int dir);
void remove_files(const char *dir);

/* alone.c: for images without an init. What an init would mount, and what it would do. */
bool is_without_init(const char *init);
void furnish(void);
_Noreturn void stay(void);

/* systemd.c */
bool is_systemd(const char *init);
void announce_basic_target(void);
void end_by_restart(void);

#endif
