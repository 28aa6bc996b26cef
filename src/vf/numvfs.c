/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing sriov_numvfs in a child that can be given up. */
#include "src/vf/numvfs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"

/* How long one that was killed may take to be gone, if it is not the kernel that holds it. */
#define END_MS 1000

/*
 * In the child: nothing of the parent's stays open but what it needs, for it may stay for ever. It
 * does not begin after its parent's death, since then nobody holds what makes the write safe.
 */
__attribute__((noreturn)) static void write_and_exit(pid_t parent, int attr, int answer, int keep,
						     const char *text)
{
	int fds[3] = {fcntl(attr, F_DUPFD, 3), fcntl(answer, F_DUPFD, 3),
		      keep < 0 ? -1 : fcntl(keep, F_DUPFD, 3)};
	int result = 0;

	for (int i = 0; i < 3; i++) {
		if (fds[i] < 0)
			close(i);
		else
			dup2(fds[i], i);
	}
	close_range(3, ~0U, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	/* One write: sysfs takes each write(2) as a whole value. */
	if (write(0, text, strlen(text)) < 0)
		result = errno;
	_exit(write(1, &result, sizeof(result)) == (ssize_t)sizeof(result) ? 0 : 1);
}

int numvfs_begin(int root, const struct pci_addr *pf, unsigned n, int keep, struct numvfs_write *w,
		 struct error *err)
{
	AUTO_CLOSE int out = -1;
	AUTO_CLOSE int attr = -1;
	pid_t parent = getpid();
	char addr[PCI_ADDR_LEN];
	char path[96];
	char text[16];
	int fds[2];

	*w = NUMVFS_WRITE_INIT;
	snprintf(text, sizeof(text), "%u", n);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/sriov_numvfs",
		 pci_addr_format(pf, addr));
	attr = openat(root, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (attr < 0)
		return fail_errno(err, errno, "open /%s", path);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail_errno(err, errno, "write /%s", path);
	w->answer = fds[0];
	out = fds[1];
	w->pid = fork();
	if (!w->pid)
		write_and_exit(parent, attr, out, keep, text);
	if (w->pid < 0) {
		int code = errno;

		w->pid = 0;
		numvfs_end(w);
		return fail_errno(err, code, "write /%s: fork", path);
	}
	return 0;
}

int numvfs_wait(struct numvfs_write *w, int timeout_ms)
{
	struct deadline end = deadline_in(timeout_ms);
	struct pollfd p = {.fd = w->answer, .events = POLLIN};
	int result;
	int r;

	do {
		r = poll(&p, 1, deadline_left(&end));
	} while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r ? -errno : -EINPROGRESS;
	if (read(w->answer, &result, sizeof(result)) != (ssize_t)sizeof(result))
		result = EIO; /* somebody has killed it */
	numvfs_end(w);
	/* The kernel's own ENOTSUPP has no name out here. */
	return result == 524 ? -EOPNOTSUPP : -result;
}

void numvfs_end(struct numvfs_write *w)
{
	struct deadline end = deadline_in(END_MS);

	cleanup_close(&w->answer);
	w->answer = -1;
	if (w->pid <= 0)
		return;
	kill(w->pid, SIGKILL);
	/* One that stays becomes init's child when this process ends. */
	while (waitpid(w->pid, NULL, WNOHANG) == 0 && deadline_left(&end))
		nap_ms(10);
	w->pid = 0;
}
