#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define DISK_WAIT_MS 10000
/* fs/ext4/ext4.h, which is not among the headers for programs */
#define INCOMPAT_64BIT 0x80u
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#define WORTH_GROWING (UINT64_C(64) << 20)

/*
 * Without this a thread of the kernel's writes zeros into every inode table that mke2fs has left out: a quarter of a GB on
 * an 8 GiB root and work disk, minutes long, where both files have holes that read as zeros (ext4(5)).
 */
#define LEAVE_INODE_TABLES "noinit_itable"

static void nap_ms(long ms) {
  struct timespec t = {ms / 1000, (ms % 1000) * 1000000};
  nanosleep(&t, NULL);
}

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void mount_disk(const char *device, const char *target) {
  /* The driver probes in parallel with us: the node appears within milliseconds. */
  for (long until = now_ms() + DISK_WAIT_MS; access(device, F_OK) < 0 && now_ms() < until;) nap_ms(2);
  if (mount(device, target, "ext4", MS_NOATIME, LEAVE_INODE_TABLES) < 0) give_up(device);
}

static uint32_t le32(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

/*
 * Lets a mounted ext4 take all of its disk when that has become larger than it is (system_overlay_size). Fields of the
 * superblock: Documentation/filesystems/ext4/super.rst. The kernel does the work, online, in milliseconds.
 */
void grow(const char *device, const char *target) {
  uint8_t super[1024];
  uint64_t bytes = 0;
  int fd = open(device, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0 || pread(fd, super, sizeof super, 1024) != sizeof super) say("%s: %s", device, strerror(errno));
  else {
    uint64_t block = UINT64_C(1024) << (le32(super + 0x18) & 7), blocks = bytes / block;
    uint64_t now = le32(super + 0x04) | (le32(super + 0x60) & INCOMPAT_64BIT ? (uint64_t)le32(super + 0x150) << 32 : 0);
    int root = blocks > now + WORTH_GROWING / block ? open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (root >= 0) {
      /* The resize would write the new tables itself, at once, were nobody to do it later. */
      mount(NULL, target, NULL, MS_REMOUNT | MS_NOATIME, "init_itable");
      if (ioctl(root, EXT4_IOC_RESIZE_FS, &blocks) < 0) say("%s cannot grow: %s", device, strerror(errno));
      mount(NULL, target, NULL, MS_REMOUNT | MS_NOATIME, LEAVE_INODE_TABLES);
      close(root);
    }
  }
  if (fd >= 0) close(fd);
}
