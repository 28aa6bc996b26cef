/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVE's lock on the VM during a phase: is it the caller's, or must we take it? */
#include "hook/phase_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pveapi/vm_lock.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/locks.h"

#define MAX_ANCESTORS 64

enum holder { HOLDER_NONE, HOLDER_CALLER, HOLDER_OTHER, HOLDER_UNKNOWN };

/* Field 4 of /proc/<pid>/stat; the name before it, in brackets, may hold anything. */
static pid_t parent_of(int root, pid_t pid)
{
	char path[64];
	char buf[1024];
	const char *p;
	char *end;
	long parent;

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (attr_read(root, path, buf, sizeof(buf)) < 0)
		return -1;
	p = strrchr(buf, ')');
	/* ") S 4711 ..." */
	if (!p || strlen(p) < 5)
		return -1;
	parent = strtol(p + 4, &end, 10);
	return end == p + 4 || parent < 0 || parent > INT_MAX ? -1 : (pid_t)parent;
}

/* Did that process call us, or what called us? -1: cannot be told. */
static int is_ancestor(int root, pid_t pid)
{
	pid_t p = getppid();

	for (int i = 0; i < MAX_ANCESTORS && p > 0; i++) {
		if (p == pid)
			return 1;
		if (p == 1)
			return 0;
		p = parent_of(root, p);
	}
	return p ? -1 : 0; /* 0: a parent outside our PID namespace, the end of what is seen */
}

/*
 * One line of /proc/locks (fs/locks.c: lock_get_status), "1: FLOCK  ADVISORY  WRITE 1234
 * 00:1a:5678 0 EOF"; one that waits has "->" before FLOCK. The device is not compared:
 * btrfs and overlayfs show another one than stat().
 */
static bool is_lock_of(const char *line, ino_t inode, pid_t *pid)
{
	unsigned long long of;
	int by;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (sscanf(line, "%*d: FLOCK %*s %*s %d %*x:%*x:%llu", &by, &of) != 2 || of != inode)
		return false;
	*pid = by;
	return true;
}

static enum holder look(int root, const struct stat *lock, pid_t *pid)
{
	AUTO_FREE char *locks = locks_read(root);
	enum holder found = HOLDER_NONE;

	if (!locks)
		return HOLDER_UNKNOWN;
	for (const char *line = locks; *line;) {
		const char *end = strchrnul(line, '\n');
		pid_t by;

		if (is_lock_of(line, lock->st_ino, &by)) {
			int r = is_ancestor(root, by);

			if (r > 0)
				return HOLDER_CALLER;
			*pid = by;
			if (found != HOLDER_UNKNOWN)
				found = r < 0 ? HOLDER_UNKNOWN : HOLDER_OTHER;
		}
		line = *end ? end + 1 : end;
	}
	return found;
}

/*
 * Has that process the file open? The number that /proc/locks shows is of whoever took the
 * lock, which may be gone, with a child going on and another process of that number.
 */
static bool has_open(int root, pid_t pid, const struct stat *lock)
{
	AUTO_CLOSEDIR DIR *d = NULL;
	const struct dirent *e;
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/fd", (int)pid);
	d = dir_open(root, path);
	while (d && (e = readdir(d))) {
		struct stat st;

		if (!fstatat(dirfd(d), e->d_name, &st, 0) && st.st_ino == lock->st_ino &&
		    st.st_dev == lock->st_dev)
			return true;
	}
	return false;
}

static enum holder who_holds(int root, uint32_t vmid, struct stat *lock, pid_t *pid)
{
	char path[64];

	if (fstatat(root, vm_lock_path(vmid, path), lock, 0) < 0)
		return errno == ENOENT ? HOLDER_NONE : HOLDER_UNKNOWN;
	return look(root, lock, pid);
}

int phase_lock(int root, uint32_t vmid, int wait_ms, int *fd, struct error *err)
{
	struct error busy = ERROR_INIT;
	enum holder holder;
	struct stat lock;
	pid_t pid = 0;

	*fd = -1;
	holder = who_holds(root, vmid, &lock, &pid);
	if (holder == HOLDER_CALLER)
		return PHASE_LOCK_CALLERS;
	*fd = vm_lock(root, vmid, 0, &busy);
	if (*fd == -EWOULDBLOCK && holder == HOLDER_NONE) /* taken between the two */
		holder = who_holds(root, vmid, &lock, &pid);
	if (*fd == -EWOULDBLOCK && holder == HOLDER_OTHER && has_open(root, pid, &lock)) {
		*fd = vm_lock(root, vmid, wait_ms, &busy);
		if (*fd == -EWOULDBLOCK) {
			*fd = -1;
			return fail(err, EWOULDBLOCK,
				    "process %d, which did not call this, is starting, stopping "
				    "or changing VM %u: nothing is done. Phases are for PVE to "
				    "call; what gives VFs back by hand is: vfhook release %u",
				    (int)pid, vmid, vmid);
		}
	}
	if (*fd >= 0)
		return PHASE_LOCK_OURS;
	*fd = -1;
	return PHASE_LOCK_UNKNOWN;
}
