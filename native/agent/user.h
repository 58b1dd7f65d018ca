/* Who a command runs as: user.c. */
#ifndef BANGER_USER_H
#define BANGER_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct user {
  uid_t uid;
  gid_t gid;
  const char *name, *home; /* NULL: the id is in no list */
  gid_t *groups;           /* besides the one above */
  size_t group_count;
};

/* Both in the command's own process. False: why is said on its standard error. */
bool find_user(const char *asked, struct user *u);
bool become_user(const char *asked, const struct user *u);

/* In the text of a passwd or group file, which has room for a zero behind it and is cut up; `id` NULL = by name. */
bool find_passwd(char *text, size_t size, const char *name, const uint32_t *id, struct user *u);
bool find_group(char *text, size_t size, const char *name, uint32_t *gid);
/* False when they are more than the kernel takes. */
bool find_memberships(char *text, size_t size, struct user *u);

#endif
