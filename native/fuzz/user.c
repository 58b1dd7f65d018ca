/* Lists of users and groups that are nearly right, each in memory that ends where it ends. */
#include "../agent/user.c"

#include "fuzz.h"

static uint8_t list[4096];

static const char *const parts[] = {"app", "root", "x", "0", "10", "4294967294", "4294967295", "18446744073709551616", "-1", "", "/", "app,root", ",", "#"};

static size_t make_list(uint32_t colons) {
  size_t size = 0;
  for (uint32_t lines = fuzz_below(20); lines > 0; lines--)
    for (uint32_t field = 0; field <= colons; field++) {
      const char *part = parts[fuzz_below(sizeof parts / sizeof *parts)];
      size += (size_t)snprintf((char *)list + size, 64, "%s%c", part, field < colons ? ':' : '\n');
    }
  if (size && fuzz_below(2)) fuzz_mutate(list, &size, sizeof list);
  return size;
}

/* With room for the zero behind it and no more. */
static char *copy_of(size_t size) {
  char *text = malloc(size + 1);
  if (!text) abort();
  memcpy(text, list, size);
  return text;
}

void fuzz_user(void) {
  static const char *const names[] = {"app", "root", "", "10", "#"};
  const char *name = names[fuzz_below(5)];
  uint32_t id = fuzz_interesting(), gid;
  struct user u = {0};
  size_t size = make_list(6);
  char *text = copy_of(size);
  if (find_passwd(text, size, name, fuzz_below(2) ? &id : NULL, &u) && (u.uid > MAX_ID || u.gid > MAX_ID || !*u.name)) abort();
  if (!u.name) u.name = name;
  size_t groups_size = make_list(3);
  char *groups = copy_of(groups_size);
  if (fuzz_below(2) && find_group(groups, groups_size, name, &gid) && gid > MAX_ID) abort();
  else if (find_memberships(groups, groups_size, &u))
    for (size_t i = 0; i < u.group_count; i++)
      if (u.groups[i] > MAX_ID) abort();
  free(u.groups);
  free(groups);
  free(text);
}
