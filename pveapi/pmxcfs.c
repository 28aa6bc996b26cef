/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling the mounted /etc/pve from the bare folder. */
#include "pveapi/pmxcfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stddef.h>
#include <sys/stat.h>

#define PVE_DIR "etc/pve"

/* 1, 0, or a negative errno. The name itself: a symbolic link may lead nowhere from here. */
static int has(int root, const char *path)
{
	struct stat st;

	if (!fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW))
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

static int no_answer(int code, struct error *err)
{
	/* ENOTCONN: pmxcfs has ended without unmounting it. */
	return fail_errno(err, code, "/etc/pve does not answer%s",
			  code == ENOTCONN ? " (systemctl restart pve-cluster)" : "");
}

static int not_mounted(struct error *err)
{
	return fail(err, ENODEV,
		    "/etc/pve is not mounted: pve-cluster is not running on this node: systemctl "
		    "status pve-cluster (journalctl -u pve-cluster)");
}

int pmxcfs_check(int root, bool real, struct error *err)
{
	struct statx st;
	int there;

	if (statx(root, PVE_DIR, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) < 0) {
		if (errno == ENOENT)
			return fail(err, ENODEV,
				    "this machine is no Proxmox VE node: there is no /etc/pve");
		return no_answer(errno, err);
	}
	there = has(root, PVE_DIR "/local");
	if (!there)
		there = has(root, PVE_DIR "/nodes");
	if (there < 0)
		return no_answer(-there, err);
	if (!there)
		return not_mounted(err);
	if (real && st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT &&
	    !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return not_mounted(err);
	return 0;
}
