/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVE's lock on the VM during a phase: is it the caller's, or must we take it? */
#include "hook/phase_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pveapi/process.h"
#include "pveapi/vm_lock.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/locks.h"

enum holder { HOLDER_NONE, HOLDER_CALLER, HOLDER_OTHER, HOLDER_UNKNOWN };

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
			int r = proc_is_ancestor(root, by);

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

static void who_holds(int root, const char *path, struct phase_look *seen)
{
	seen->pid = 0;
	if (fstatat(root, path, &seen->lock, 0) < 0)
		seen->holder = errno == ENOENT ? HOLDER_NONE : HOLDER_UNKNOWN;
	else
		seen->holder = look(root, &seen->lock, &seen->pid);
}

bool phase_lock_is_callers(int root, uint32_t vmid, struct phase_look *seen)
{
	char path[64];

	who_holds(root, vm_lock_path(vmid, path), seen);
	return seen->holder == HOLDER_CALLER;
}

static int refuse_busy(const struct phase_look *now, bool container, uint32_t vmid,
		       struct error *err)
{
	return fail(err, EWOULDBLOCK,
		    "process %d, which did not call this, is starting, stopping or changing %s %u: "
		    "nothing is done. Phases are for PVE to call; what gives VFs back by hand is: "
		    "vfhook release %u",
		    (int)now->pid, container ? "CT" : "VM", vmid, vmid);
}

int phase_lock(int root, bool container, uint32_t vmid, const struct phase_look *seen, int wait_ms,
	       int *fd, struct error *err)
{
	int (*take)(int, uint32_t, int, struct error *) = container ? ct_lock : vm_lock;
	struct error busy = ERROR_INIT;
	struct phase_look now;
	char path[64];

	*fd = -1;
	if (container)
		ct_lock_path(vmid, path);
	else
		vm_lock_path(vmid, path);
	if (seen && !container)
		now = *seen;
	else
		who_holds(root, path, &now);
	if (now.holder == HOLDER_CALLER)
		return PHASE_LOCK_CALLERS;
	*fd = take(root, vmid, 0, &busy);
	if (*fd == -EWOULDBLOCK && now.holder == HOLDER_NONE) /* taken between the two */
		who_holds(root, path, &now);
	if (*fd == -EWOULDBLOCK && now.holder == HOLDER_OTHER &&
	    has_open(root, now.pid, &now.lock)) {
		*fd = take(root, vmid, wait_ms, &busy);
		if (*fd == -EWOULDBLOCK) {
			*fd = -1;
			return refuse_busy(&now, container, vmid, err);
		}
	}
	if (*fd >= 0)
		return PHASE_LOCK_OURS;
	*fd = -1;
	return PHASE_LOCK_UNKNOWN;
}
