/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * killat -o REPORT [-k N | -t N | -f N -e ERRNO | -s N] [-w CALL] [-c IN,OUT] [-S LOG] [-b]
 *        [-H ROOT,LOCK] [-a] [-x] [-l] [-n MS] [-T SECONDS] -- PROGRAM [ARG]...
 *
 * Runs a program under ptrace(2) and counts its system calls, from the first that its main() makes
 * for more than itself (umask(2), in process_clean(); the loader before that changes nothing) and
 * with those of children that have not become another program yet. Then one of:
 *
 *   -k N   SIGKILL before call N, to it and all that it has started
 *   -t N   SIGTERM at call N, to the program alone
 *   -f N   call N is not made, and fails with -e ERRNO
 *   -s N   before call N, or the first one after it that is not the stand-in's for the kernel, the
 *          program is stopped, until a byte comes on IN
 *   -w "NAME [PATH]"  N counts only calls of that name, on what has a path that ends so: how many
 *          others there are before may be a matter of time (poll, naps)
 *   -c     two open descriptors. On OUT is told what happens, a line each: "stopped NAME" (-s),
 *          "waits NAME" (it naps or blocks, and was just refused the lock that NAME takes),
 *          "naps" (it naps for another reason), "exit N" (it has ended; what it has started may go
 *          on, and is waited for)
 *   -S LOG a line is added for every setting that the stand-in for the kernel has taken: the name
 *          of the PF's file and what it holds now
 *   -a     kill the program alone
 *   -x     when the program ends, kill what it has started
 *   -l     write every call: "number name flags path": w an open that may make or change, k the
 *          stand-in for the kernel, x what does not belong to the node (libraries, certificates of
 *          the system)
 *   -n MS  no nap is longer, of the program and of all that it has started; and who naps for ten
 *          seconds and longer the 60th time when the program has ended only watches: it is killed
 *
 * What the stand-in for the kernel does to its own files (fake-kernel/) is counted, but never made
 * to fail. The last line of the report is "calls N hit NAME|- exit N signal N hung 0|1". All
 * descendants are waited for. x86-64 only: system calls are told apart by their numbers.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "killat knows x86-64 only"
#endif

#define MAX_PIDS 64
#define MAX_FDS	 1024
#define WATCH_S	 10
#define WATCHES	 60

struct task {
	pid_t pid;
	bool inside; /* in a call: the next stop is its end */
	bool fake_open;
	bool library_open; /* the call opens a file of the fake kernel */
	long closes;	   /* the descriptor that the call closes, or -1 */
	long fail_with;	   /* the call was taken out and answers this, or 0 */
	long lock_call;	   /* the call takes a lock of the node: its number, or -1 */
	bool known;
	bool other;	  /* it has become another program: its naps alone are of interest */
	unsigned watches; /* its long naps since the program has ended */
};

struct run {
	char what; /* 'k', 't', 'f', 's' or 0 */
	unsigned long at;
	const char *call;    /* what is counted, "name" or "name path"; NULL: all */
	unsigned long those; /* so far */
	int error;
	bool alone;
	bool list;
	bool busy;
	bool over;    /* the program has ended */
	bool end_all; /* what it has started ends with the program */
	long longest; /* a nap, in milliseconds, or 0: any */
	int out;
	int in;		     /* a byte from here lets a stopped program go on */
	int tell;	     /* what happens, or -1 */
	int log;	     /* of settings, or -1 */
	const char *refused; /* the call that was refused a lock, if nothing else came since */
	pid_t main;
	struct task tasks[MAX_PIDS];
	pid_t others[MAX_PIDS]; /* let go at their exec */
	size_t n_others;
	bool fake[MAX_FDS];
	bool library[MAX_FDS]; /* opened by a path from / */
	bool begun;
	bool stopped; /* at the call wanted: once */
	unsigned long calls;
	const char *hit;
	int exit;
	int signal;
};

static volatile sig_atomic_t hung;
static volatile pid_t main_pid;

static const struct {
	long nr;
	const char *name;
} names[] = {
	{SYS_openat, "openat"},
	{SYS_open, "open"},
	{SYS_read, "read"},
	{SYS_pread64, "pread64"},
	{SYS_write, "write"},
	{SYS_pwrite64, "pwrite64"},
	{SYS_fsync, "fsync"},
	{SYS_rename, "rename"},
	{SYS_renameat, "renameat"},
	{SYS_renameat2, "renameat"},
	{SYS_linkat, "linkat"},
	{SYS_unlink, "unlinkat"},
	{SYS_unlinkat, "unlinkat"},
	{SYS_mkdir, "mkdirat"},
	{SYS_mkdirat, "mkdirat"},
	{SYS_ftruncate, "ftruncate"},
	{SYS_flock, "flock"},
	{SYS_mmap, "mmap"},
	{SYS_brk, "brk"},
	{SYS_socket, "socket"},
	{SYS_connect, "connect"},
	{SYS_sendto, "sendto"},
	{SYS_sendmsg, "sendmsg"},
	{SYS_recvfrom, "recvfrom"},
	{SYS_recvmsg, "recvmsg"},
	{SYS_poll, "poll"},
	{SYS_clone, "clone"},
	{SYS_clone3, "clone"},
	{SYS_fork, "clone"},
	{SYS_vfork, "clone"},
	{SYS_getdents64, "getdents"},
	{SYS_fstat, "fstat"},
	{SYS_newfstatat, "fstatat"},
	{SYS_readlink, "readlinkat"},
	{SYS_readlinkat, "readlinkat"},
	{SYS_faccessat, "faccessat"},
	{SYS_faccessat2, "faccessat"},
	{SYS_execve, "execve"},
	{SYS_pipe2, "pipe2"},
	{SYS_close, "close"},
	{SYS_close_range, "close_range"},
	{SYS_wait4, "wait4"},
	{SYS_dup2, "dup2"},
	{SYS_nanosleep, "nanosleep"},
	{SYS_clock_nanosleep, "nanosleep"},
	{SYS_utimensat, "utimensat"},
	{SYS_rmdir, "unlinkat"},
};

static const char *name_of(long nr)
{
	static char number[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].nr == nr)
			return names[i].name;
	}
	snprintf(number, sizeof(number), "nr%ld", nr);
	return number;
}

static void on_alarm(int sig)
{
	(void)sig;
	hung = 1;
	kill(main_pid, SIGKILL);
}

static struct task *task_of(struct run *r, pid_t pid, bool make)
{
	struct task *free_one = NULL;

	for (size_t i = 0; i < MAX_PIDS; i++) {
		if (r->tasks[i].pid == pid)
			return &r->tasks[i];
		if (!r->tasks[i].pid && !free_one)
			free_one = &r->tasks[i];
	}
	if (!make || !free_one)
		return NULL;
	*free_one = (struct task){.pid = pid, .closes = -1, .lock_call = -1};
	return free_one;
}

static void read_text(pid_t pid, unsigned long from, char *buf, size_t size)
{
	struct iovec here = {buf, size - 1};
	struct iovec there = {(void *)from, size - 1};
	ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);

	/* It may end with its page. */
	if (n < 0) {
		there.iov_len = 4096 - from % 4096;
		if (there.iov_len > size - 1)
			there.iov_len = size - 1;
		here.iov_len = there.iov_len;
		n = process_vm_readv(pid, &here, 1, &there, 1, 0);
	}
	buf[n > 0 ? n : 0] = '\0';
}

static void kill_all(struct run *r)
{
	kill(r->main, SIGKILL);
	for (size_t i = 0; !r->alone && i < MAX_PIDS; i++) {
		if (r->tasks[i].pid)
			kill(r->tasks[i].pid, SIGKILL);
	}
	for (size_t i = 0; !r->alone && i < r->n_others; i++)
		kill(r->others[i], SIGKILL);
}

static void end_others(struct run *r)
{
	for (size_t i = 0; i < MAX_PIDS; i++) {
		if (r->tasks[i].pid)
			kill(r->tasks[i].pid, SIGKILL);
	}
	for (size_t i = 0; i < r->n_others; i++)
		kill(r->others[i], SIGKILL);
}

static bool is_open(long nr)
{
	return nr == SYS_openat || nr == SYS_open;
}

/* Is it the fake kernel's own file that the call is about? */
static bool is_fake(const struct run *r, long nr, const struct user_regs_struct *regs,
		    const char *path)
{
	static const long with_fd[] = {SYS_read,  SYS_pread64, SYS_pwrite64,  SYS_fstat,
				       SYS_flock, SYS_close,   SYS_ftruncate, SYS_getdents64};

	if (strstr(path, "fake-kernel") || !strcmp(path, "sys/class/net"))
		return true;
	/* By these names nothing else looks for them. */
	if (!strncmp(path, "sys/class/net/", 14) &&
	    (strstr(path, "/ifindex") || strstr(path, "/address") || strstr(path, "/sriov_numvfs")))
		return true;
	for (size_t i = 0; i < sizeof(with_fd) / sizeof(with_fd[0]); i++) {
		if (nr == with_fd[i])
			return regs->rdi < MAX_FDS && r->fake[regs->rdi];
	}
	/* fstat(fd) of newer libraries */
	return nr == SYS_newfstatat && !path[0] && regs->rdi < MAX_FDS && r->fake[regs->rdi];
}

/* Whatever is opened by a full path is none of the node's. */
static bool is_library(const struct run *r, long nr, const struct user_regs_struct *regs,
		       const char *path)
{
	unsigned long fd = nr == SYS_mmap ? regs->r8 : regs->rdi;

	if (is_open(nr) || nr == SYS_faccessat || nr == SYS_faccessat2 ||
	    (nr == SYS_newfstatat && path[0]))
		return path[0] == '/' && strcmp(path, "/dev/null") != 0;
	return (nr == SYS_read || nr == SYS_pread64 || nr == SYS_fstat || nr == SYS_mmap ||
		nr == SYS_newfstatat) &&
	       fd < MAX_FDS && r->library[fd];
}

static void read_path(pid_t pid, long nr, const struct user_regs_struct *regs, char *buf,
		      size_t size)
{
	buf[0] = '\0';
	if (nr == SYS_openat || nr == SYS_mkdirat || nr == SYS_newfstatat || nr == SYS_faccessat ||
	    nr == SYS_faccessat2)
		read_text(pid, regs->rsi, buf, size);
	else if (nr == SYS_open)
		read_text(pid, regs->rdi, buf, size);
}

/* The whole name of what the call is about, or of what its descriptor is open on. */
static void whole_path(pid_t pid, long nr, const struct user_regs_struct *regs, char *buf,
		       size_t size)
{
	unsigned long dir = regs->rdi;
	unsigned long text = regs->rsi;
	char link[64];
	char name[256] = "";
	ssize_t n;

	if (nr == SYS_linkat || nr == SYS_renameat || nr == SYS_renameat2) {
		dir = regs->rdx;
		text = regs->r10;
	} else if (nr == SYS_open || nr == SYS_unlink || nr == SYS_mkdir || nr == SYS_rmdir ||
		   nr == SYS_readlink || nr == SYS_rename) {
		dir = (unsigned long)AT_FDCWD;
		text = nr == SYS_rename ? regs->rsi : regs->rdi;
	} else if (nr != SYS_openat && nr != SYS_unlinkat && nr != SYS_mkdirat &&
		   nr != SYS_newfstatat && nr != SYS_readlinkat && nr != SYS_faccessat &&
		   nr != SYS_faccessat2 && nr != SYS_utimensat) {
		text = 0;
	}
	if (nr == SYS_mmap)
		dir = regs->r8;
	if (text)
		read_text(pid, text, name, sizeof(name));
	if (name[0] == '/') {
		snprintf(buf, size, "%s", name);
		return;
	}
	if ((int)dir == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", pid);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, (int)dir);
	n = readlink(link, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	if (n > 0 && name[0])
		snprintf(buf + n, size - (size_t)n, "/%s", name);
}

static void wait_for_word(struct run *r)
{
	/* Who stands still because he was told to does not hang. */
	unsigned left = alarm(0);
	char c;

	dprintf(r->tell, "stopped %s\n", r->hit);
	while (read(r->in, &c, 1) < 0 && errno == EINTR && !hung)
		;
	alarm(left);
}

/* Locks are tried and napped for, or blocked in. */
static void tell_waits(struct run *r, struct task *t, const struct user_regs_struct *regs, long nr,
		       bool fake)
{
	t->lock_call = !fake && (nr == SYS_flock || nr == SYS_mkdirat) ? nr : -1;
	if (nr == SYS_flock && !fake && !(regs->rsi & (LOCK_NB | LOCK_UN)))
		dprintf(r->tell, "waits flock\n");
	else if ((nr == SYS_nanosleep || nr == SYS_clock_nanosleep) && r->refused)
		dprintf(r->tell, "waits %s\n", r->refused);
	else if (nr == SYS_nanosleep || nr == SYS_clock_nanosleep)
		dprintf(r->tell, "naps\n");
}

/* The kernel's file is locked until it is closed, so that the log has all runs' in their order. */
static void log_setting(const struct run *r, pid_t pid, const struct user_regs_struct *regs)
{
	static char line[65536];
	char path[512];
	size_t n;
	struct iovec here;
	struct iovec there = {(void *)regs->rsi, regs->rdx};

	whole_path(pid, SYS_pwrite64, regs, path, sizeof(path));
	n = (size_t)snprintf(line, sizeof(line), "%s ", path);
	here = (struct iovec){line + n, sizeof(line) - n - 1};
	if (regs->rdx >= here.iov_len || process_vm_readv(pid, &here, 1, &there, 1, 0) < 0)
		exit(3);
	for (n += regs->rdx; n && (line[n - 1] == '\n' || line[n - 1] == ' '); n--)
		;
	for (size_t i = 0; i < n; i++) {
		if (line[i] == '\n')
			line[i] = ' ';
	}
	line[n++] = '\n';
	if (write(r->log, line, n) != (ssize_t)n)
		exit(3);
}

static void take_out(struct task *t, struct user_regs_struct *regs, int error)
{
	t->fail_with = error;
	regs->orig_rax = (unsigned long)-1;
	ptrace(PTRACE_SETREGS, t->pid, NULL, regs);
}

/* vfio_group_fops_open(): -EBUSY if it is open in another process. */
static void refuse_busy(struct task *t, struct user_regs_struct *regs, long nr, const char *path)
{
	char whole[512];
	struct stat st;

	if (!is_open(nr) || strncmp(path, "dev/vfio/", 9) != 0)
		return;
	whole_path(t->pid, nr, regs, whole, sizeof(whole));
	if (!stat(whole, &st) && st.st_size)
		take_out(t, regs, EBUSY);
}

static void act(struct run *r, struct task *t, struct user_regs_struct *regs, long nr)
{
	r->hit = strdup(name_of(nr));
	switch (r->what) {
	case 'k':
		kill_all(r);
		break;
	case 't':
		kill(r->main, SIGTERM);
		break;
	case 'f':
		take_out(t, regs, r->error);
		break;
	case 's':
		r->stopped = true;
		wait_for_word(r);
		break;
	default:
		break;
	}
}

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text);
	size_t m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* The stand-in's page of a PF is open, and locked: nobody else could look at that PF meanwhile. */
static bool in_the_kernel(const struct run *r)
{
	for (size_t i = 0; i < MAX_FDS; i++) {
		if (r->fake[i])
			return true;
	}
	return false;
}

/*
 * Is this the call at which something is done? Naps make the numbers of calls a matter of time: the
 * N-th may be one in the kernel this time, where a program is not stopped.
 */
static bool is_the_one(struct run *r, struct task *t, const struct user_regs_struct *regs, long nr)
{
	const size_t n = r->call ? strcspn(r->call, " ") : 0;
	char whole[512];

	if (r->what == 's' && !r->call)
		return !r->stopped && r->calls >= r->at && !in_the_kernel(r);
	if (!r->what || !r->call)
		return r->what && r->calls == r->at;
	if (strlen(name_of(nr)) != n || strncmp(name_of(nr), r->call, n) != 0)
		return false;
	whole_path(t->pid, nr, regs, whole, sizeof(whole));
	if (r->call[n] && !ends_in(whole, r->call + n + 1))
		return false;
	return ++r->those == r->at;
}

/* Nobody waits for nothing. What counts is the clock, and that goes on as ever. */
static void shorten_nap(const struct run *r, struct task *t, const struct user_regs_struct *regs,
			long nr)
{
	const bool by_clock = nr == SYS_clock_nanosleep && !regs->rsi;
	const unsigned long at = by_clock ? regs->rdx : regs->rdi;
	struct timespec nap;
	struct iovec here = {&nap, sizeof(nap)};
	struct iovec there = {(void *)at, sizeof(nap)};

	if (!r->longest || (nr != SYS_nanosleep && !by_clock) ||
	    process_vm_readv(t->pid, &here, 1, &there, 1, 0) < 0)
		return;
	if (nap.tv_sec * 1000 + nap.tv_nsec / 1000000 <= r->longest)
		return;
	if (r->over && nap.tv_sec >= WATCH_S && ++t->watches >= WATCHES)
		kill(t->pid, SIGKILL);
	nap = (struct timespec){r->longest / 1000, r->longest % 1000 * 1000000};
	process_vm_writev(t->pid, &here, 1, &there, 1, 0);
}

static void call_begins(struct run *r, struct task *t)
{
	struct user_regs_struct regs;
	char path[256];
	char whole[512];
	bool library;
	bool fake;
	long nr;

	t->fail_with = 0;
	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &regs) < 0)
		return;
	nr = (long)regs.orig_rax;
	shorten_nap(r, t, &regs, nr);
	if (t->other)
		return;
	read_path(t->pid, nr, &regs, path, sizeof(path));
	if (!r->begun && nr != SYS_umask)
		return;
	r->begun = true;
	fake = is_fake(r, nr, &regs, path);
	t->fake_open = fake && is_open(nr);
	library = is_library(r, nr, &regs, path);
	t->library_open = library && is_open(nr);
	t->closes = nr == SYS_close ? (long)regs.rdi : -1;
	r->calls++;
	if (r->list) {
		unsigned long flags = nr == SYS_openat ? regs.rdx : nr == SYS_open ? regs.rsi : 0;

		whole_path(t->pid, nr, &regs, whole, sizeof(whole));
		dprintf(r->out, "%lu %s %s%s%s %s\n", r->calls, name_of(nr),
			flags & (O_WRONLY | O_RDWR | O_CREAT) ? "w" : "-", fake ? "k" : "",
			library ? "x" : "", whole);
	}
	if (r->log >= 0 && fake && nr == SYS_pwrite64)
		log_setting(r, t->pid, &regs);
	if (r->tell >= 0)
		tell_waits(r, t, &regs, nr, fake);
	if (r->busy)
		refuse_busy(t, &regs, nr, path);
	if (is_the_one(r, t, &regs, nr) && !(fake && r->what == 'f'))
		act(r, t, &regs, nr);
}

static void call_ends(struct run *r, struct task *t)
{
	struct user_regs_struct regs;

	if (t->other)
		return;
	if (!t->fail_with && !t->fake_open && !t->library_open && t->closes < 0 && t->lock_call < 0)
		return;
	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &regs) < 0)
		return;
	if (t->lock_call >= 0)
		r->refused = (long)regs.rax == -EWOULDBLOCK || (long)regs.rax == -EEXIST
				     ? name_of(t->lock_call)
				     : NULL;
	if (t->fail_with) {
		regs.rax = (unsigned long)-t->fail_with;
		ptrace(PTRACE_SETREGS, t->pid, NULL, &regs);
	} else if (t->closes < 0 && (long)regs.rax >= 0 && regs.rax < MAX_FDS) {
		r->fake[regs.rax] = t->fake_open;
		r->library[regs.rax] = t->library_open;
	} else if (t->closes >= 0 && t->closes < MAX_FDS) {
		r->fake[t->closes] = false;
		r->library[t->closes] = false;
	}
}

/* A child that becomes another program is none of ours any more. */
static bool let_go(struct run *r, struct task *t)
{
	if (t->pid == r->main)
		return false;
	t->other = true;
	if (r->longest)
		return false;
	if (r->n_others < MAX_PIDS)
		r->others[r->n_others++] = t->pid;
	ptrace(PTRACE_DETACH, t->pid, NULL, NULL);
	t->pid = 0;
	return true;
}

static void stopped(struct run *r, pid_t pid, int status)
{
	struct task *t = task_of(r, pid, true);
	int sig = WSTOPSIG(status);
	int event = status >> 16;

	if (!t)
		exit(3);
	/* One that was being made when the others were killed. */
	if (r->over && r->end_all)
		kill(pid, SIGKILL);
	if (sig == (SIGTRAP | 0x80)) {
		t->inside = !t->inside;
		if (t->inside)
			call_begins(r, t);
		else
			call_ends(r, t);
		sig = 0;
	} else if (event) {
		if (event == PTRACE_EVENT_EXEC && let_go(r, t))
			return;
		sig = 0;
	} else if (!t->known && sig == SIGSTOP) {
		sig = 0; /* a new child's first stop */
	}
	t->known = true;
	ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
}

static void ended(struct run *r, pid_t pid, int status)
{
	struct task *t = task_of(r, pid, false);

	if (t)
		t->pid = 0;
	if (pid != r->main)
		return;
	r->over = true;
	if (r->end_all)
		end_others(r);
	r->exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (r->tell >= 0)
		dprintf(r->tell, "exit %d\n", r->exit);
}

static void begin(struct run *r, char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	int status;

	r->main = fork();
	if (r->main < 0)
		exit(3);
	if (!r->main) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execv(argv[0], argv);
		_exit(127);
	}
	main_pid = r->main;
	waitpid(r->main, &status, 0);
	ptrace(PTRACE_SETOPTIONS, r->main, NULL, (void *)options);
	task_of(r, r->main, true)->known = true;
	ptrace(PTRACE_SYSCALL, r->main, NULL, NULL);
}

/* "ROOT,LOCK,PID": the program's parent is us, and we stand for who calls it; ours is that process.
 */
static void tell_proc(char *root)
{
	char *lock = strchr(root, ',');
	char *parent = lock ? strchr(lock + 1, ',') : NULL;
	char path[512];
	struct stat st;
	int fd;

	if (!parent)
		exit(2);
	*lock++ = '\0';
	*parent++ = '\0';
	snprintf(path, sizeof(path), "%s/proc/%d", root, (int)getpid());
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/proc/%d/stat", root, (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	dprintf(fd, "%d (killat) S %s 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0\n", (int)getpid(),
		parent);
	close(fd);
	if (!strcmp(lock, "-") || stat(lock, &st) < 0)
		return;
	snprintf(path, sizeof(path), "%s/proc/%d/fd", root, (int)getpid());
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/proc/%d/fd/3", root, (int)getpid());
	if (symlink(lock, path) < 0)
		exit(3);
	snprintf(path, sizeof(path), "%s/proc/locks", root);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	dprintf(fd, "1: FLOCK  ADVISORY  WRITE %d 00:01:%lu 0 EOF\n", (int)getpid(),
		(unsigned long)st.st_ino);
	close(fd);
}

static char **parse(struct run *r, int argc, char **argv)
{
	unsigned limit = 60;
	int c;

	while ((c = getopt(argc, argv, "+k:t:f:s:w:c:S:H:e:n:abxlT:o:")) != -1) {
		if (c == 'k' || c == 't' || c == 'f' || c == 's') {
			r->what = (char)c;
			r->at = strtoul(optarg, NULL, 10);
		} else if (c == 'w') {
			r->call = optarg;
		} else if (c == 'c') {
			if (sscanf(optarg, "%d,%d", &r->in, &r->tell) != 2)
				exit(2);
			fcntl(r->in, F_SETFD, FD_CLOEXEC);
			fcntl(r->tell, F_SETFD, FD_CLOEXEC);
		} else if (c == 'S') {
			r->log = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		} else if (c == 'e') {
			r->error = atoi(optarg);
		} else if (c == 'a') {
			r->alone = true;
		} else if (c == 'H') {
			tell_proc(optarg);
		} else if (c == 'b') {
			r->busy = true;
		} else if (c == 'x') {
			r->end_all = true;
		} else if (c == 'n') {
			r->longest = atol(optarg);
		} else if (c == 'l') {
			r->list = true;
		} else if (c == 'o') {
			r->out = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		} else if (c == 'T') {
			limit = (unsigned)atoi(optarg);
		} else {
			exit(2);
		}
	}
	if (optind >= argc || r->out < 0 || (r->what == 's' && r->tell < 0))
		exit(2);
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL); /* no SA_RESTART */
	signal(SIGPIPE, SIG_IGN);
	alarm(limit);
	return argv + optind;
}

int main(int argc, char **argv)
{
	struct run r = {.hit = "-", .out = -1, .in = -1, .tell = -1, .log = -1};
	char **program = parse(&r, argc, argv);
	int status;
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	begin(&r, program);
	for (;;) {
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR) {
			if (hung && r.longest)
				end_others(&r);
			continue;
		}
		if (pid < 0)
			break;
		if (WIFSTOPPED(status))
			stopped(&r, pid, status);
		else
			ended(&r, pid, status);
	}
	dprintf(r.out, "calls %lu hit %s exit %d signal %d hung %d\n", r.calls, r.hit, r.exit,
		r.signal, (int)hung);
	return 0;
}
