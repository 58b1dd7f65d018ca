/*
 * The system calls that JavaScript has no words for, for bun:ffi. Every function returns a value >= 0, or -errno.
 * Nothing here allocates, blocks (but for the waiting that says so) or keeps state.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

/* SO_PEERCRED of a connected unix socket (unix(7)): pid, uid, gid into out[0..2]. */
int banger_peercred(int fd, uint32_t *out) {
  struct ucred cred;
  socklen_t size = sizeof cred;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0) return -errno;
  out[0] = (uint32_t)cred.pid;
  out[1] = cred.uid;
  out[2] = cred.gid;
  return 0;
}

/* An exclusive flock(2) without waiting: -EWOULDBLOCK when another open file description holds it. */
int banger_lock(int fd) { return result(flock(fd, LOCK_EX | LOCK_NB)); }

/* FICLONE (ioctl_ficlone(2)): dst shares all blocks of src until either is written. */
int banger_clone(int dst, int src) { return result(ioctl(dst, FICLONE, src)); }

/* copy_file_range(2): shares blocks where the file system can, and copies from page to page where it cannot. */
int64_t banger_copy_range(int from, int64_t from_at, int to, int64_t to_at, int64_t bytes) {
  loff_t read_at = from_at, write_at = to_at;
  ssize_t copied = copy_file_range(from, &read_at, to, &write_at, bytes, 0);
  return copied < 0 ? -errno : copied;
}

/* fallocate(2): a hole of so many bytes; the file keeps its size. */
int banger_punch(int fd, int64_t from, int64_t bytes) {
  return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, bytes));
}

/* lseek(2) with SEEK_DATA or SEEK_HOLE: where the next data (hole) begins; -ENXIO at the end. Moves the offset. */
int64_t banger_seek_data(int fd, int64_t from) {
  off_t at = lseek(fd, from, SEEK_DATA);
  return at < 0 ? -errno : at;
}

int64_t banger_seek_hole(int fd, int64_t from) {
  off_t at = lseek(fd, from, SEEK_HOLE);
  return at < 0 ? -errno : at;
}

/* pidfd_open(2): a descriptor that means this very process, and becomes readable when it ends. */
int banger_pidfd_open(int pid) { return result(syscall(SYS_pidfd_open, pid, 0)); }

int banger_pidfd_signal(int pidfd, int sig) { return result(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0)); }

/*
 * The time stamp counter and the clock at one moment: out[0] in ticks, out[1] in ns of CLOCK_MONOTONIC_RAW. Of a few
 * attempts the one that was interrupted least counts.
 */
int banger_tsc(uint64_t *out) {
#ifdef __x86_64__
  uint64_t narrowest = UINT64_MAX;
  for (int i = 0; i < 8; i++) {
    struct timespec before, after;
    if (clock_gettime(CLOCK_MONOTONIC_RAW, &before) < 0) return -errno;
    uint64_t ticks = __builtin_ia32_rdtsc();
    if (clock_gettime(CLOCK_MONOTONIC_RAW, &after) < 0) return -errno;
    uint64_t from = (uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec;
    uint64_t to = (uint64_t)after.tv_sec * 1000000000 + (uint64_t)after.tv_nsec;
    if (to - from >= narrowest) continue;
    narrowest = to - from;
    out[0] = ticks;
    out[1] = from + narrowest / 2;
  }
  return 0;
#else
  (void)out;
  return -ENOSYS;
#endif
}
