/*
 * faults DIR PROGRAM ARGUMENT...: runs a program and makes one system call of it fail, for tests.
 *
 * Not strace's injection: that counts per thread, and Bun's file calls go to whichever thread of its pool is free, so
 * that its "third openat" is another one in every run. Here every call of the list below waits for this process
 * (seccomp_unotify(2)), which counts over all threads and children, and counts only what concerns DIR.
 *
 * Commands on stdin, one a line:
 *   arm CALL ERRNO N once|on|kill   the Nth CALL from now on fails with ERRNO; "on": and all after it; "kill": and
 *                              the program is killed before it hears of it
 *                              CALL may be `openat+creat`, an openat that may make a file (`openat` does not mean
 *                              those); `space`, what a full disk
 *                              fails; `descriptors`, what makes one (but accept, whose clients would wait); `names`,
 *                              what changes a name, or makes it last
 *   arm - 0 0 once             nothing fails
 *   off                        answers each counted call since the last arm, "CALL PATH", with a "!" before those that
 *                              failed, and then "."; from here on nothing fails
 * The program's stdout is our stderr. It is killed when stdin ends. Status 77: this kernel does not let us.
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static char **program;
static int listener = -1;
static pid_t child = -1;
static int child_fd = -1;

static struct {
	const struct call *call;
	int groups, creating, error, nth, on, kills, seen;
} armed;
static char *log_text;
static size_t log_size;
static FILE *counted;

static void die(const char *what)
{
	fprintf(stderr, "faults: %s: %s\n", what, strerror(errno));
	exit(77);
}

static void listen_to_self(void)
{
	/* Load the number, compare with each, and for ioctl its second argument; everything else is allowed. */
	struct sock_filter filter[MAX_CALLS * 2 + 8];
	size_t length = 0;
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < call_count; i++) {
		if (calls[i].number == SYS_ioctl)
			continue;
		filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, 0, 1);
		filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3);
	filter[length++] =
		(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]));
	filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FICLONE, 0, 1);
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog whole = { (unsigned short)length, filter };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		die("prctl");
	/* KILLABLE: a signal (JavaScriptCore's own) must not make a call be counted twice. */
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &whole);
	if (fd < 0)
		die("seccomp");
	__atomic_store_n(&listener, fd, __ATOMIC_SEQ_CST);
}

/* In a thread of its own, because the filter holds for the thread that sets it and what that one starts. */
static void *start(void *unused)
{
	listen_to_self();
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		int null = open("/dev/null", O_RDONLY);
		dup2(null, STDIN_FILENO);
		execvp(program[0], program);
		_exit(127);
	}
	if (pid < 0)
		die("fork");
	child_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (child_fd < 0)
		die("pidfd_open");
	__atomic_store_n(&child, pid, __ATOMIC_SEQ_CST);
	/* Stays: the death signal is sent when the thread ends that forked. */
	for (;;)
		pause();
	return unused;
}

static void link_of(pid_t pid, int fd, char *out, size_t size)
{
	char name[64];
	if (fd == AT_FDCWD)
		snprintf(name, sizeof name, "/proc/%d/cwd", pid);
	else
		snprintf(name, sizeof name, "/proc/%d/fd/%d", pid, fd);
	ssize_t length = readlink(name, out, size - 1);
	out[length < 0 ? 0 : length] = 0;
}

static void text_of(pid_t pid, uint64_t address, char *out, size_t size)
{
	char name[64];
	snprintf(name, sizeof name, "/proc/%d/mem", pid);
	out[0] = 0;
	int memory = open(name, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		return;
	/* To the end of the page at least: what lies behind may not be mapped. */
	size_t page = 4096 - address % 4096;
	ssize_t length = pread(memory, out, page < size - 1 ? page : size - 1, (off_t)address);
	if (length > 0 && memchr(out, 0, (size_t)length) == NULL && (size_t)length < size - 1) {
		ssize_t more = pread(memory, out + length, size - 1 - (size_t)length, (off_t)address + length);
		length += more > 0 ? more : 0;
	}
	out[length < 0 ? 0 : length] = 0;
	close(memory);
}

static void path_of(const struct call *call, const struct seccomp_notif *asked, char *out, size_t size)
{
	pid_t pid = (pid_t)asked->pid;
	const __u64 *args = asked->data.args;
	out[0] = 0;
	if (call->about == FD)
		link_of(pid, (int)args[0], out, size);
	else if (call->about == PATH)
		text_of(pid, args[0], out, size);
	else if (call->about == LINK)
		text_of(pid, args[1], out, size);
	else if (call->about == AT || call->about == LINK_AT) {
		const __u64 *at = call->about == AT ? args : args + 1;
		char name[2048];
		text_of(pid, at[1], name, sizeof name);
		if (name[0] != '/') {
			link_of(pid, (int)at[0], out, size);
			strncat(out, "/", size - strlen(out) - 1);
		}
		strncat(out, name, size - strlen(out) - 1);
	}
}

/* What the daemon makes of VMs' host keys goes on beside its calls: whether it is the nth call or another would be chance. */
static int beside(const char *path, int reads)
{
	return strstr(path, "/ssh/known_hosts") != NULL || (reads && strstr(path, "/known_hosts") != NULL);
}

static void answer(const char *dir)
{
	struct seccomp_notif asked;
	memset(&asked, 0, sizeof asked);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
		return;
	struct seccomp_notif_resp response = { .id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	const struct call *call = calls;
	while (call < calls + call_count && call->number != asked.data.nr)
		call++;
	char path[4096];
	path_of(call, &asked, path, sizeof path);
	int opens = (call->groups & (SPACE | DESCRIPTORS)) == (SPACE | DESCRIPTORS);
	__u64 flags = call->number == SYS_openat ? asked.data.args[2] : asked.data.args[1];
	int creates = opens && (flags & O_CREAT) != 0;
	int ours = call->about == NOTHING || (strncmp(path, dir, strlen(dir)) == 0 && !beside(path, opens && !creates));
	if (counted != NULL && ours) {
		int groups = opens && !creates ? DESCRIPTORS : call->groups;
		int meant = armed.call == call ? creates == armed.creating : (groups & armed.groups) != 0;
		int nth = meant ? ++armed.seen : 0;
		int fails = nth > 0 && (nth == armed.nth || (armed.on && nth > armed.nth));
		if (fails) {
			if (armed.kills)
				syscall(SYS_pidfd_send_signal, child_fd, SIGKILL, NULL, 0);
			response.flags = 0;
			response.error = -armed.error;
		}
		fprintf(counted, "%s%s%s %s\n", fails ? "!" : "", call->name, creates ? "+creat" : "", path);
	}
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void command(char *line)
{
	char name[32], mode[8];
	int error, nth;
	if (sscanf(line, "arm %31s %d %d %7s", name, &error, &nth, mode) == 4) {
		memset(&armed, 0, sizeof armed);
		char *creating = strchr(name, '+');
		if (creating != NULL)
			*creating = 0;
		for (size_t i = 0; i < call_count; i++)
			if (strcmp(calls[i].name, name) == 0)
				armed.call = &calls[i];
		armed.groups = strcmp(name, "space") == 0         ? SPACE
			       : strcmp(name, "descriptors") == 0 ? DESCRIPTORS
			       : strcmp(name, "names") == 0       ? NAMES
								  : 0;
		armed.creating = creating != NULL;
		armed.error = error;
		armed.nth = nth;
		armed.on = strcmp(mode, "on") == 0;
		armed.kills = strcmp(mode, "kill") == 0;
		counted = open_memstream(&log_text, &log_size);
		puts("armed");
	} else if (strcmp(line, "off\n") == 0 && counted != NULL) {
		fclose(counted);
		counted = NULL;
		fwrite(log_text, 1, log_size, stdout);
		puts(".");
		free(log_text);
	} else {
		puts("what?");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: faults DIR PROGRAM ARGUMENT...\n");
		return 2;
	}
	program = argv + 2;
	/* What lies in a buffer does not wake poll. */
	setvbuf(stdin, NULL, _IONBF, 0);
	pthread_t starter;
	if (pthread_create(&starter, NULL, start, NULL) != 0)
		die("pthread_create");
	while (__atomic_load_n(&listener, __ATOMIC_SEQ_CST) < 0)
		usleep(1000);
	for (;;) {
		struct pollfd both[2] = { { .fd = listener, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
		pid_t pid = __atomic_load_n(&child, __ATOMIC_SEQ_CST);
		/* With a limit, because the end of the program is no event of either. No commands before there is a program. */
		poll(both, pid > 0 ? 2 : 1, 20);
		if (both[0].revents & POLLIN)
			answer(argv[1]);
		if (pid > 0 && both[1].revents != 0) {
			char line[256];
			if (fgets(line, sizeof line, stdin) == NULL) {
				/* Through its pidfd: no number that is not yet set, or set by a failed fork, can mean others. */
				syscall(SYS_pidfd_send_signal, child_fd, SIGKILL, NULL, 0);
				return 0;
			}
			command(line);
		}
		int status;
		if (pid > 0 && !(both[0].revents & POLLIN) && waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}
