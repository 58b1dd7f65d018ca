/*
 * The work disk, given back while the host puts files on it. Making a file takes the guest's kernel about a millisecond when
 * it is emulated, the host some microseconds; so a workspace comes as part of the disk's content, before anybody has used it.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define HOME "/root"

/* What was mounted there, while it is not. */
static char device[128];

static bool find_device(void) {
  FILE *mounts = setmntent("/proc/self/mounts", "re");
  if (!mounts) return false;
  device[0] = 0;
  /* The last one covers those before. */
  for (struct mntent *m; (m = getmntent(mounts));)
    if (strcmp(m->mnt_dir, HOME) == 0) snprintf(device, sizeof device, "%s", strcmp(m->mnt_type, "ext4") == 0 ? m->mnt_fsname : "");
  endmntent(mounts);
  return device[0] == '/';
}

/*
 * As long as one mount of it is left, be it in another namespace, its super block would be used again, with all that the
 * kernel remembers of the disk. Exclusively it can only be opened when there is none; and then it is forgotten.
 */
static int forget_content(void) {
  int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = ioctl(fd, BLKFLSBUF, 0) < 0 ? errno : 0;
  close(fd);
  return error;
}

int release_work_disk(void) {
  if (!find_device()) return ENODEV;
  if (umount2(HOME, 0) < 0) return errno;
  int error = forget_content();
  if (error) take_work_disk();
  return error;
}

int take_work_disk(void) {
  if (!device[0]) return ENODEV;
  /* As init mounts it (LEAVE_INODE_TABLES of native/init/disks.c says why). */
  if (mount(device, HOME, "ext4", MS_NOATIME, "noinit_itable") < 0) return errno;
  device[0] = 0;
  return 0;
}
