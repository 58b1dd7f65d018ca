/*
 * Loop devices (loop(4)): a file as a block device. Structures and numbers: linux/loop.h (LOOP_CONFIGURE since 5.8).
 * Every function returns a value >= 0, or -errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_loop(uint32_t number, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/dev/loop%u", number);
  int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

/*
 * A loop device over an open file: its descriptor; its number into *number. The tag is what lo_file_name then says. It
 * clears itself when nobody has it open any more (LO_FLAGS_AUTOCLEAR), so that a crash leaves none behind.
 */
int banger_loop_attach(int file, int read_only, const char *tag, uint32_t *number) {
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) return -errno;
  struct loop_config config = {.fd = (uint32_t)file};
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0);
  strncpy((char *)config.info.lo_file_name, tag, LO_NAME_SIZE - 1);
  int device = -EBUSY;
  /* Another process may take the free one first; then there is a next. */
  for (int tries = 0; tries < 64; tries++) {
    int free = ioctl(control, LOOP_CTL_GET_FREE);
    if (free < 0) {
      device = -errno;
      break;
    }
    device = open_loop((uint32_t)free, read_only ? O_RDONLY : O_RDWR);
    if (device < 0) break;
    if (ioctl(device, LOOP_CONFIGURE, &config) == 0) {
      *number = (uint32_t)free;
      break;
    }
    int error = errno;
    close(device);
    device = -error;
    if (error != EBUSY) break;
  }
  close(control);
  return device;
}

/* Opens a loop device to look at it, which also keeps it from clearing itself. */
int banger_loop_open(uint32_t number) { return open_loop(number, O_RDONLY); }

/* LOOP_GET_STATUS64: device and inode of the file (as stat(2) has them) and flags into out[0..2], the tag into tag[64]. */
int banger_loop_status(int device, uint64_t *out, char *tag) {
  struct loop_info64 info;
  if (ioctl(device, LOOP_GET_STATUS64, &info) < 0) return -errno;
  out[0] = info.lo_device;
  out[1] = info.lo_inode;
  out[2] = info.lo_flags;
  memcpy(tag, info.lo_file_name, LO_NAME_SIZE);
  tag[LO_NAME_SIZE - 1] = 0;
  return 0;
}

/* LOOP_CLR_FD: while somebody else has it open, the kernel clears it when they close it. */
int banger_loop_clear(int device) { return ioctl(device, LOOP_CLR_FD) < 0 ? -errno : 0; }
