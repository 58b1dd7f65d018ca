#define _GNU_SOURCE
#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

void write_file(const char *path, const char *content) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, content, strlen(content)) < 0) say("%s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
}

/* A directory's content, with owners and modes, into another on the same or another file system; links as links. */
void copy_tree(int from, int to) {
  DIR *d = fdopendir(from);
  struct dirent *entry;
  while (d && (entry = readdir(d))) {
    const char *name = entry->d_name;
    struct stat st;
    char target[256];
    int in = -1, out = -1;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    if (S_ISDIR(st.st_mode)) {
      if (mkdirat(to, name, 0700) < 0 && errno != EEXIST) say("%s: %s", name, strerror(errno));
      in = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      out = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (in >= 0 && out >= 0) copy_tree(in, out);
      else if (in >= 0) close(in);
      in = -1; /* closed with its DIR */
    } else if (S_ISREG(st.st_mode)) {
      in = openat(from, name, O_RDONLY | O_CLOEXEC);
      out = openat(to, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      if (in >= 0 && out >= 0 && sendfile(out, in, NULL, (size_t)st.st_size) < 0) say("%s: %s", name, strerror(errno));
    } else if (S_ISLNK(st.st_mode)) {
      ssize_t n = readlinkat(from, name, target, sizeof target - 1);
      if (n > 0 && (target[n] = 0, symlinkat(target, to, name)) < 0) say("%s: %s", name, strerror(errno));
    }
    if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) say("%s: %s", name, strerror(errno));
    if (out >= 0 && fchmod(out, st.st_mode & 07777) < 0) say("%s: %s", name, strerror(errno));
    if (in >= 0) close(in);
    if (out >= 0) close(out);
  }
  if (d) closedir(d);
}

/* Gives a tree to root, links as such; what cannot be opened stays as it is. */
void own_tree(int dir) {
  DIR *d = fdopendir(dir);
  struct dirent *entry;
  while (d && (entry = readdir(d))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (fchownat(dir, entry->d_name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0) say("%s: %s", entry->d_name, strerror(errno));
    int below = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0) own_tree(below);
  }
  if (d) closedir(d);
}

void remove_files(const char *dir) {
  DIR *d = opendir(dir);
  struct dirent *entry;
  char path[512];
  while (d && (entry = readdir(d))) {
    if (entry->d_type != DT_REG) continue;
    snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
    unlink(path);
  }
  if (d) closedir(d);
}
