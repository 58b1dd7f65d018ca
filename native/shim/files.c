/*
 * Files by descriptor, for a process of root's that acts on what another user can rename and swap at any moment.
 * Every function returns a value >= 0, or -errno. No name is ever followed through a symlink or into another mount.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

/*
 * openat2(2), struct open_how of linux/openat2.h. RESOLVE_NO_XDEV also keeps out a FUSE mount of the user's, whose
 * server could hold an open up for as long as it likes; O_NONBLOCK does that for FIFOs and leases.
 */
static long open_below(int dir, const char *path, uint64_t flags, uint64_t mode) {
  struct open_how how = {
      .flags = flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
      .mode = mode,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
  };
  return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

int banger_open_below(int dir, const char *path, uint32_t flags, uint32_t mode) {
  return result(open_below(dir, path, flags, mode));
}

/*
 * The same as another user: with that user's rights to directories and files, and what is made belongs to them.
 * setfsuid(2) is of the calling thread alone (glibc's wrappers do not tell other threads), and takes the file
 * capabilities away with it (capabilities(7)); both ids are back before anything else can run on this thread.
 */
int banger_open_as(int dir, const char *path, uint32_t flags, uint32_t mode, uint32_t uid, uint32_t gid) {
  setfsgid(gid);
  setfsuid(uid);
  long fd = -1;
  int error = EPERM;
  /* setfsuid reports no failure; a second call tells what is in force. */
  if ((uint32_t)setfsuid((uid_t)-1) == uid && (uint32_t)setfsgid((gid_t)-1) == gid) {
    fd = open_below(dir, path, flags, mode);
    error = errno;
  }
  setfsuid(0);
  setfsgid(0);
  return fd < 0 ? -error : (int)fd;
}

/* Another name for an open file (linkat(2), by its /proc/self/fd link): the very file, whatever its name means by now. */
int banger_link(int fd, int dir, const char *name) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return result(linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW));
}

/*
 * An open file as a mount of its own that is attached nowhere yet (open_tree(2), mount_setattr(2), since 5.12): to be read,
 * whatever rights whoever finds it has to the file. Closing the descriptor is its end.
 */
int banger_read_only_mount(int fd) {
  int tree = result(syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (tree < 0) return tree;
  struct mount_attr attributes = {
      .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
  };
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0) {
    int error = errno;
    close(tree);
    return -error;
  }
  return tree;
}

/* An empty file of root's, which nobody else may open: a place to attach a mount to. */
int banger_mount_point(int dir, const char *name) {
  int fd = result(openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400));
  if (fd >= 0) close(fd);
  return fd < 0 ? fd : 0;
}

/* A new directory, of root's, opened. */
int banger_mkdir(int dir, const char *name, uint32_t mode) {
  if (mkdirat(dir, name, mode) < 0) return -errno;
  return result(open_below(dir, name, O_RDONLY | O_DIRECTORY, 0));
}

/* A block device of a user's own (mode 0600). The directory is root's: between the two calls nobody can swap the name. */
int banger_device_node(int dir, const char *name, uint32_t major, uint32_t minor, uint32_t uid, uint32_t gid) {
  if (mknodat(dir, name, S_IFBLK | 0600, makedev(major, minor)) < 0) return -errno;
  return result(fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW));
}

/*
 * A block device as a descriptor that a process of the user's can open again by /proc/self/fd, and nobody by a name: a
 * node that was root's for as long as it had one.
 */
int banger_device_fd(int dir, const char *name, uint32_t major, uint32_t minor, uint32_t uid, uint32_t gid) {
  if (mknodat(dir, name, S_IFBLK | 0600, makedev(major, minor)) < 0) return -errno;
  int fd = result(openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (unlinkat(dir, name, 0) < 0 && fd >= 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  if (fd >= 0 && fchown(fd, uid, gid) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

/* Memory as a file of exactly this size (memfd_create(2)): whoever writes more gets an error. */
int banger_memory_file(uint32_t size) {
  int fd = memfd_create("banger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -errno;
  if (ftruncate(fd, size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

/*
 * The tree's removal. A directory that the user may write to is taken from them before it is listed (root's and 01700
 * says so to the next attempt), so that what was read of it stays true. What it holds of directories is moved to the
 * top, which is root's, where the loop finds it: no depth is too great, and two descriptors are enough. Directories of
 * others, and of root's own that were not taken so, are refused: the user moved them in with one of their own. Only a
 * top that was never opened to others (0700) holds directories of root's that are ours.
 */
enum { most_entries = 1 << 20, taken_mode = S_ISVTX | 0700 };

static int take(int fd, uint32_t uid, int closed) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  if (st.st_uid == 0 && (closed || (st.st_mode & 07777) == taken_mode)) return 0;
  if (st.st_uid != uid) return -EPERM;
  if (fchown(fd, 0, 0) < 0 || fchmod(fd, taken_mode) < 0) return -errno;
  return 0;
}

/* Removes what is no directory and empty directories; moves others to `top` under a name of their own. */
static int empty(int top, int dir, uint32_t *moved, uint32_t *left) {
  int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return -errno;
  DIR *stream = fdopendir(copy);
  if (stream == NULL) {
    int error = errno;
    close(copy);
    return -error;
  }
  rewinddir(stream);
  int status = 0;
  for (struct dirent *entry; status == 0 && (entry = readdir(stream)) != NULL;) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if ((*left)-- == 0) status = -E2BIG;
    else if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) continue;
    else if (errno != EISDIR && errno != EPERM) status = -errno;
    else if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
    /* EBUSY: a mount. It is not ours to take away, and nothing behind it is touched. */
    else if (errno != ENOTEMPTY && errno != EEXIST) status = -errno;
    else if (top != dir) {
      char aside[32];
      snprintf(aside, sizeof aside, ".moved-%u", (*moved)++);
      if (syscall(SYS_renameat2, dir, name, top, aside, 1 /* RENAME_NOREPLACE of linux/fs.h */) < 0 &&
          errno != EEXIST && errno != ENOENT)
        status = -errno;
    }
  }
  closedir(stream);
  return status;
}

/* The first directory in `top`, opened; 0 when there is none (0 is never a new descriptor here). */
static int first_directory(int top, char *name, size_t size) {
  int copy = fcntl(top, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return -errno;
  DIR *stream = fdopendir(copy);
  if (stream == NULL) {
    int error = errno;
    close(copy);
    return -error;
  }
  rewinddir(stream);
  int found = 0;
  for (struct dirent *entry; found == 0 && (entry = readdir(stream)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    snprintf(name, size, "%s", entry->d_name);
    found = result(open_below(top, name, O_RDONLY | O_DIRECTORY, 0));
    if (found == -ENOENT) found = 0;
  }
  closedir(stream);
  return found;
}

static int remove_below(int top, uint32_t uid) {
  uint32_t moved = 0, left = most_entries;
  struct stat st;
  if (fstat(top, &st) < 0) return -errno;
  if (st.st_uid != 0) return -EPERM;
  int closed = (st.st_mode & 0077) == 0, status = 0;
  while (status == 0) {
    status = empty(top, top, &moved, &left);
    if (status < 0) return status;
    char name[256];
    int dir = first_directory(top, name, sizeof name);
    if (dir <= 0) return dir;
    status = take(dir, uid, closed);
    if (status == 0) status = empty(top, dir, &moved, &left);
    close(dir);
    if (status == 0 && left == 0) status = -E2BIG;
    if (status == 0) left--;
  }
  return status;
}

/* Removes the directory `name` (root's) of `dir` with all that is in it. `uid`: whose directories may be in it. Absent is success. */
int banger_remove_tree(int dir, const char *name, uint32_t uid) {
  int top = result(open_below(dir, name, O_RDONLY | O_DIRECTORY, 0));
  if (top == -ENOENT) return 0;
  if (top < 0) return top;
  int status = remove_below(top, uid);
  close(top);
  if (status < 0) return status;
  return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
