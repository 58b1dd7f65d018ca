/*
 * A process as another user, or in a session of its own, with nothing of ours: clean environment, three standard
 * descriptors and at most one more, default signals. Returns its pid, or -errno, also when the program cannot be executed.
 *
 * The child shares our memory until it executes (CLONE_VM | CLONE_VFORK, as glibc's posix_spawn does it, on a stack of
 * its own): a fork would copy the page tables of a JavaScript engine. So it may only make raw system calls: glibc's
 * setresuid would change the ids of all our threads (nptl(7)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { most_words = 64, most_mounts = 2, stack_bytes = 64 * 1024, kept_fd = 3 };
/* sys/mount.h has them, but not beside linux/mount.h. */
enum { ms_rec = 16384, ms_slave = 1 << 19 };

struct child {
  const char *program;
  char *argv[most_words + 1];
  char *envp[most_words + 1];
  /* stdin is /dev/null; -1: no descriptor 3. */
  int out, err, keep;
  /* Whether to become uid and gid for good: no groups, no capabilities, no way back by any program. */
  int become;
  uint32_t uid, gid;
  /* Mounts that are attached nowhere yet, and where it is to find them: in a mount namespace of its own, whose end is theirs. */
  int mounts[most_mounts];
  char *targets[most_words + 1];
  sigset_t mask;
  int error;
};

static long confine(const struct child *child) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
  struct rlimit64 no_core = {0, 0};
  if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
  if (syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -1;
  if (syscall(SYS_prlimit64, 0, RLIMIT_CORE, &no_core, NULL) < 0) return -1;
  if (syscall(SYS_setresgid, child->gid, child->gid, child->gid) < 0) return -1;
  if (syscall(SYS_setresuid, child->uid, child->uid, child->uid) < 0) return -1;
  return syscall(SYS_capset, &header, none);
}

/* Slave: what is attached here shows nowhere else. */
static long attach(const struct child *child) {
  if (child->targets[0] == NULL) return 0;
  if (syscall(SYS_unshare, CLONE_NEWNS) < 0) return -1;
  if (syscall(SYS_mount, NULL, "/", NULL, ms_rec | ms_slave, NULL) < 0) return -1;
  for (int i = 0; child->targets[i] != NULL; i++)
    if (syscall(SYS_move_mount, child->mounts[i], "", AT_FDCWD, child->targets[i], MOVE_MOUNT_F_EMPTY_PATH) < 0) return -1;
  return 0;
}

static int run(void *argument) {
  struct child *child = argument;
  /* The kernel's struct sigaction (asm/signal.h), all zero: SIG_DFL. SIGKILL and SIGSTOP refuse it, and need none. */
  const uint64_t plain[4] = {0}, no_mask = 0;
  for (int sig = 1; sig < 65; sig++) syscall(SYS_rt_sigaction, sig, plain, NULL, sizeof no_mask);
  syscall(SYS_setsid);
  if (attach(child) < 0) goto failed;
  int null = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0);
  /* Above all targets first, so that no dup overwrites a source. */
  int out = (int)syscall(SYS_fcntl, child->out, F_DUPFD, 10);
  int err = (int)syscall(SYS_fcntl, child->err, F_DUPFD, 10);
  int keep = child->keep < 0 ? -1 : (int)syscall(SYS_fcntl, child->keep, F_DUPFD, 10);
  if (null < 0 || out < 0 || err < 0 || (child->keep >= 0 && keep < 0)) goto failed;
  if (syscall(SYS_dup3, null, 0, 0) < 0 && errno != EINVAL) goto failed;
  if (syscall(SYS_dup3, out, 1, 0) < 0 || syscall(SYS_dup3, err, 2, 0) < 0) goto failed;
  if (keep >= 0 && syscall(SYS_dup3, keep, kept_fd, 0) < 0) goto failed;
  /* close_range(2), since 5.9: whatever else is open was opened by others in this process. */
  if (syscall(SYS_close_range, keep >= 0 ? kept_fd + 1 : kept_fd, ~0u, 0) < 0) goto failed;
  if (syscall(SYS_chdir, "/") < 0) goto failed;
  /* The usual one: the control group that jailer makes is for its owner to read. */
  syscall(SYS_umask, 022);
  /* jailer leaves its supplementary groups to the machine. */
  if (syscall(SYS_setgroups, 0, NULL) < 0) goto failed;
  if (child->become && confine(child) < 0) goto failed;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_mask, NULL, sizeof no_mask);
  syscall(SYS_execve, child->program, child->argv, child->envp);
failed:
  child->error = errno;
  syscall(SYS_exit, 127);
  return 127;
}

/* `words`: strings one after the other, each with its NUL; an empty one ends them. -1 when they are too many. */
static int split(char *words, char **into) {
  int count = 0;
  for (; *words != 0; words += strlen(words) + 1) {
    if (count == most_words) return -1;
    into[count++] = words;
  }
  into[count] = NULL;
  return count;
}

/* `fds`: stdout, stderr, the one to keep or -1, and one mount for each of the targets. */
int banger_spawn(const char *program, char *argv, char *envp, const int32_t *fds, char *targets, int become, uint32_t uid, uint32_t gid) {
  struct child child = {.program = program, .out = fds[0], .err = fds[1], .keep = fds[2], .become = become};
  child.uid = uid;
  child.gid = gid;
  if (split(argv, child.argv) < 1 || split(envp, child.envp) < 0) return -E2BIG;
  int mounts = split(targets, child.targets);
  if (mounts < 0 || mounts > most_mounts) return -E2BIG;
  for (int i = 0; i < mounts; i++) child.mounts[i] = fds[3 + i];
  if (become && uid == 0) return -EPERM;
  char *stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return -errno;
  /* No handler of ours may run in the child: it would run in our memory. */
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &child.mask);
  int pid = clone(run, stack + stack_bytes, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  int error = pid < 0 ? errno : child.error;
  pthread_sigmask(SIG_SETMASK, &child.mask, NULL);
  munmap(stack, stack_bytes);
  if (pid > 0 && error != 0) waitpid(pid, NULL, 0);
  return error != 0 ? -error : pid;
}

/* The end of a child of ours: its exit status, or 128 + the signal that ended it; -EAGAIN while it runs. */
int banger_reap(int pid) {
  int status;
  pid_t ended = waitpid(pid, &status, WNOHANG);
  if (ended < 0) return -errno;
  if (ended == 0) return -EAGAIN;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
