/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making and keeping the directory that is the lock. */
#include "src/port/cfs_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/progress.h"
#include "src/base/run_dir.h"

#define LOCK_DIR    "etc/pve/priv/lock"
#define LOCK_PATH   LOCK_DIR "/vfhook"
#define WAIT_MS	    10000
#define NAP_MS	    50
#define MEMBERS_MAX 65536
#define STALE_AFTER 120 /* seconds: how long pmxcfs lets a lock stand without renewal */

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

/*
 * The holder may be dead. pmxcfs drops such a lock itself, two minutes after
 * the first request, which is made by setting the directory's time to zero;
 * anywhere else (a tree of the tests) the directory's age tells.
 */
static void ask_for_stale_lock(int root)
{
	AUTO_CLOSE int fd = openat(root, LOCK_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return;
	if (fs.f_type == FUSE_SUPER_MAGIC) {
		utimensat(root, LOCK_PATH, (struct timespec[2]){{0, 0}, {0, 0}}, 0);
		return;
	}
	if (!fstatat(root, LOCK_PATH, &st, AT_SYMLINK_NOFOLLOW) &&
	    time(NULL) - st.st_mtime > STALE_AFTER)
		unlinkat(root, LOCK_PATH, AT_REMOVEDIR);
}

/*
 * pmxcfs answers EACCES to every change while the node has no quorum (pve-cluster, dcdb.c:
 * dcdb_send_fuse_message), and to whoever is not root; EROFS is the mount's. /etc/pve/.members,
 * which pmxcfs makes itself, tells which.
 */
static int refuse_to_write(int root, int code, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, "etc/pve/.members", MEMBERS_MAX, &text, NULL);

	if (len >= 0 && strstr(text, "\"quorate\": 0"))
		return fail(err, EROFS,
			    "/etc/pve cannot be written: this node has no quorum (pvecm status)");
	if (code == EROFS)
		return fail(
			err, EROFS,
			"/etc/pve cannot be written: it is mounted read-only, or the cluster has "
			"no quorum (pvecm status; systemctl status pve-cluster)");
	if (geteuid())
		return fail(err, EACCES,
			    "/etc/pve cannot be written: only root may; run it as root");
	return fail(
		err, EROFS,
		"/etc/pve cannot be written (%s), though nothing tells that the quorum is lost: "
		"pvecm status; systemctl status pve-cluster",
		strerror(code));
}

int cfs_lock(int root, struct cfs_lock *l, struct error *err)
{
	AUTO_PROGRESS struct progress p = {0};

	l->root = root;
	if (run_dirs_make(root, err) < 0)
		return error_code(err);
	progress_begin(&p, 2 * WAIT_MS, "waiting for who changes /etc/pve/vfhook.cfg");
	l->local = lock_take(root, LOCKS_DIR "/config", WAIT_MS, err);
	if (l->local < 0)
		return l->local;
	/* Made by pmxcfs at its start; a tree of the tests may lack it. */
	if (!path_exists(root, LOCK_DIR) && dir_make(root, LOCK_DIR, 0700, err) < 0)
		return error_code(err);
	for (int waited = 0; mkdirat(root, LOCK_PATH, 0700) < 0; waited += NAP_MS) {
		if (errno == EACCES || errno == EPERM || errno == EROFS)
			return refuse_to_write(root, errno, err);
		if (errno != EEXIST)
			return fail_errno(err, errno, "lock /" LOCK_PATH);
		if (waited >= WAIT_MS)
			return fail(err, EWOULDBLOCK,
				    "/etc/pve/vfhook.cfg is being changed by another node (lock "
				    "/" LOCK_PATH "); try again");
		ask_for_stale_lock(root);
		nap_ms(NAP_MS);
	}
	l->held = true;
	return 0;
}

void cfs_unlock(struct cfs_lock *l)
{
	/* One that stays keeps everybody from vfhook.cfg for two minutes, ourselves first. */
	for (int i = 0; l->held && i < 5; i++) {
		if (!unlinkat(l->root, LOCK_PATH, AT_REMOVEDIR) || errno == ENOENT)
			break;
		nap_ms(NAP_MS);
	}
	if (l->local >= 0)
		close(l->local);
	l->held = false;
	l->local = -1;
}
