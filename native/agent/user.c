/*
 * Who a command runs as: `user`, `user:group` or numbers, as container images and docker have it. Names are looked up in the
 * guest's own /etc/passwd and /etc/group, read here: a static program has no NSS, and a guest's files may say anything.
 */
#define _GNU_SOURCE
#include "agent.h"
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A group of ten thousand members has a line of 100 KB; what is larger than this is no list of users. */
#define MAX_FILE (16u << 20)
#define MAX_GROUPS 65536u
/* setuid(2) and its like take the number after it, which is -1, for "leave it". */
#define MAX_ID 4294967294u

/* Digits and nothing else. False for what is no number at all; `*out` beyond MAX_ID for one that is no id. */
static bool parse_number(const char *text, uint64_t *out) {
  uint64_t value = 0;
  if (!*text) return false;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return false;
    if (value <= MAX_ID) value = value * 10 + (uint64_t)(*text - '0');
  }
  *out = value;
  return true;
}

static bool parse_id(const char *text, uint32_t *out) {
  uint64_t value;
  if (!parse_number(text, &value) || value > MAX_ID) return false;
  *out = (uint32_t)value;
  return true;
}

/* A negative number is nobody's name: it is what somebody took for an id. */
static bool is_no_id(const char *text) {
  uint64_t value;
  return text[0] == '-' ? parse_number(text + 1, &value) : parse_number(text, &value) && value > MAX_ID;
}

/* The next line, its end replaced by a zero; NULL after the last. One with a zero inside is no line of such a file. */
static char *next_line(char **at, char *end) {
  while (*at < end) {
    char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
    if (!stop) stop = end;
    *stop = 0;
    *at = stop + 1;
    if (strlen(line) == (size_t)(stop - line)) return line;
  }
  return NULL;
}

/* Splits at colons: true when that gives exactly so many fields. */
static bool split(char *line, char **fields, size_t count) {
  for (size_t i = 0; i < count; i++) {
    fields[i] = line;
    line += strcspn(line, ":");
    if (i + 1 < count && *line != ':') return false;
    if (i + 1 == count) return *line == 0;
    *line++ = 0;
  }
  return false;
}

/* The first entry of this id, or without one of this name. Lines that make no sense are nobody's. */
bool find_passwd(char *text, size_t size, const char *name, const uint32_t *id, struct user *u) {
  char *at = text, *line, *field[7];
  while ((line = next_line(&at, text + size))) {
    uint32_t uid, gid;
    if (!split(line, field, 7) || !*field[0] || !parse_id(field[2], &uid) || !parse_id(field[3], &gid)) continue;
    if (id ? uid != *id : strcmp(field[0], name) != 0) continue;
    u->uid = uid;
    u->gid = gid;
    u->name = field[0];
    u->home = field[5];
    return true;
  }
  return false;
}

bool find_group(char *text, size_t size, const char *name, uint32_t *gid) {
  char *at = text, *line, *field[4];
  while ((line = next_line(&at, text + size)))
    if (split(line, field, 4) && *field[0] && strcmp(field[0], name) == 0 && parse_id(field[2], gid)) return true;
  return false;
}

static bool is_member(char *members, const char *name) {
  for (char *rest = members, *member; (member = strsep(&rest, ","));)
    if (strcmp(member, name) == 0) return true;
  return false;
}

/* The groups that have the user among their members. False when they are more than the kernel takes. */
bool find_memberships(char *text, size_t size, struct user *u) {
  char *at = text, *line, *field[4];
  while ((line = next_line(&at, text + size))) {
    uint32_t gid;
    size_t known = 0;
    if (!split(line, field, 4) || !*field[0] || !parse_id(field[2], &gid) || !is_member(field[3], u->name)) continue;
    while (known < u->group_count && u->groups[known] != gid) known++;
    if (known < u->group_count) continue;
    if (u->group_count == MAX_GROUPS) return false;
    if ((u->group_count & (u->group_count - 1)) == 0) {
      gid_t *more = realloc(u->groups, (u->group_count ? 2 * u->group_count : 1) * sizeof *more);
      if (!more) return false;
      u->groups = more;
    }
    u->groups[u->group_count++] = gid;
  }
  return true;
}

/* The whole of a file, with room for a zero behind it; one that is not there is empty. NULL with errno. */
static char *read_list_file(const char *path, size_t *size) {
  /* A fifo would let nobody in. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  *size = 0;
  if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? calloc(1, 1) : NULL;
  char *text = NULL;
  if (fstat(fd, &st) == 0) {
    if (!S_ISREG(st.st_mode)) errno = EINVAL;
    else if (st.st_size > (off_t)MAX_FILE) errno = EFBIG;
    else text = malloc((size_t)st.st_size + 1);
  }
  ssize_t n = 1;
  while (text && n > 0 && *size < (size_t)st.st_size) {
    n = read(fd, text + *size, (size_t)st.st_size - *size);
    if (n > 0) *size += (size_t)n;
  }
  int error = errno;
  close(fd);
  errno = error;
  if (n < 0) {
    free(text);
    return NULL;
  }
  return text;
}

static bool complain(const char *asked, const char *what, const char *why) {
  dprintf(2, "banger: cannot run as the user %s: %s%s\nbanger: to run as root: --user root\n", asked, what, why);
  return false;
}

/* The child's own memory, which the command's program takes the place of: nothing is freed. */
bool find_user(const char *asked, struct user *u) {
  char *name = strdup(asked), *group = name ? strchr(name, ':') : NULL, *text;
  size_t size;
  uint32_t id = 0;
  *u = (struct user){0};
  if (!name) return complain(asked, "", strerror(errno));
  if (group) *group++ = 0;
  if (group && !*group) group = NULL;
  if (is_no_id(name) || (group && is_no_id(group))) return complain(asked, "ids are 0 to 4294967294", "");
  if (!(text = read_list_file("/etc/passwd", &size))) return complain(asked, "/etc/passwd: ", strerror(errno));
  /* Digits are an id even where somebody is called so, and nobody at all is root, both as docker has it. */
  bool numeric = !*name || parse_id(name, &id);
  if (!find_passwd(text, size, name, numeric ? &id : NULL, u)) {
    if (!numeric && strcmp(name, "root") != 0) return complain(asked, "the VM's /etc/passwd has no user ", name);
    u->uid = id;
  }
  if (group && parse_id(group, &id)) {
    u->gid = id;
    return true;
  }
  if (!group && !u->name) return true;
  if (!(text = read_list_file("/etc/group", &size))) return complain(asked, "/etc/group: ", strerror(errno));
  if (!group) return find_memberships(text, size, u) || complain(asked, "it is in too many groups", "");
  if (!find_group(text, size, group, &id)) return complain(asked, "the VM's /etc/group has no group ", group);
  u->gid = id;
  return true;
}

bool become_user(const char *asked, const struct user *u) {
  /* A terminal is its user's, and so are pipes, which /dev/stdout opens anew. */
  for (int fd = 0; fd < 3; fd++)
    if (fchown(fd, u->uid, (gid_t)-1) < 0) { /* the descriptors themselves work all the same */ }
  if (setgroups(u->group_count, u->groups) < 0) return complain(asked, "setgroups: ", strerror(errno));
  if (setgid(u->gid) < 0) return complain(asked, "setgid: ", strerror(errno));
  if (setuid(u->uid) < 0) return complain(asked, "setuid: ", strerror(errno));
  return true;
}
