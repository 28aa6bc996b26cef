/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work that may hang in the kernel. Setting a VF is done inside sendmsg(2), under rtnl_lock, so no
 * socket option bounds it: only another process can go on without it.
 */
#include "src/base/bounded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"

#define EXIT_WAIT_MS 1000
#define NAP_MS	     5

/* The child's side. */
__attribute__((noreturn)) static void be_child(int (*fn)(void *arg), void *arg, int out, int err,
					       pid_t parent)
{
	/* Killed hooks leave nobody behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(255);
	_exit(fn(arg));
}

/* Pass on what is there; false at its end. */
static bool pass_on(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t done = 0; done < n;) {
		ssize_t w = write(to, buf + done, (size_t)(n - done));

		/* Nobody reads it: that is no reason to stop. */
		if (w < 0 && errno != EINTR)
			break;
		done += w > 0 ? w : 0;
	}
	return n > 0;
}

/* Until both are at their end: true. False when the time is over. */
static bool relay(int out, int err, const struct deadline *end)
{
	struct pollfd p[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		int left = deadline_left(end);
		int n = left > 0 ? poll(p, 2, left) : 0;

		if (n < 0 && errno != EINTR)
			return false;
		if (!n)
			return false;
		for (int i = 0; n > 0 && i < 2; i++) {
			if (p[i].fd >= 0 && p[i].revents && !pass_on(p[i].fd, i + 1))
				p[i].fd = -1;
		}
	}
	return true;
}

/* Its status once it has ended; false if it has not after that time. */
static bool wait_for(pid_t pid, int ms, int *status)
{
	for (long long end = clock_ms() + ms;;) {
		pid_t r = waitpid(pid, status, WNOHANG);

		if (r == pid)
			return true;
		if ((r < 0 && errno != EINTR) || clock_ms() >= end)
			return false;
		nap_ms(NAP_MS);
	}
}

static void end_child(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	if (wait_for(pid, EXIT_WAIT_MS, &status))
		return;
	kill(pid, SIGKILL);
	/* One that is not held by the kernel is gone at once. */
	wait_for(pid, EXIT_WAIT_MS, &status);
}

int run_bounded(int (*fn)(void *arg), void *arg, int limit_ms, struct error *err)
{
	AUTO_CLOSE int out_read = -1;
	AUTO_CLOSE int err_read = -1;
	AUTO_CLOSE int out_write = -1;
	AUTO_CLOSE int err_write = -1;
	struct deadline end = deadline_in(limit_ms);
	pid_t parent = getpid();
	int fds[2];
	int status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fn(arg);
	out_read = fds[0];
	out_write = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return fn(arg);
	err_read = fds[0];
	err_write = fds[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return fn(arg);
	if (!pid)
		be_child(fn, arg, out_write, err_write, parent);
	close(STEAL_FD(out_write));
	close(STEAL_FD(err_write));
	if (!relay(out_read, err_read, &end) || !wait_for(pid, EXIT_WAIT_MS, &status)) {
		end_child(pid);
		return fail(err, ETIMEDOUT, "no answer within %d s", limit_ms / 1000);
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return fail(err, ECHILD, "it was ended by signal %d", WTERMSIG(status));
}
