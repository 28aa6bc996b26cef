/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking it as PVE does: flock(2) on a file of the guest. */
#include "pveapi/vm_lock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "pveapi/limits.h"
#include "src/base/file.h"

#define LOCK_DIR    "var/lock/qemu-server"
#define CT_LOCK_DIR "run/lock/lxc"

const char *vm_lock_path(uint32_t vmid, char buf[64])
{
	snprintf(buf, 64, LOCK_DIR "/lock-%u.conf", vmid);
	return buf;
}

const char *ct_lock_path(uint32_t vmid, char buf[64])
{
	snprintf(buf, 64, CT_LOCK_DIR "/pve-config-%u.lock", vmid);
	return buf;
}

static int take(int root, const char *dir, uint32_t vmid, const char *path, int timeout_ms,
		struct error *err)
{
	if (vmid < PVE_VMID_MIN || vmid > PVE_VMID_MAX)
		return fail(err, EINVAL, "%u is no VM id", vmid);
	/* Not dir_make() at first: /var/lock is a symbolic link on Debian. */
	if (mkdirat(root, dir, 0755) < 0 && errno != EEXIST) {
		int r = errno == ENOENT ? dir_make(root, dir, 0755, err)
					: fail_errno(err, errno, "create directory /%s", dir);

		if (r < 0)
			return r;
	}
	return lock_take(root, path, timeout_ms, err);
}

int vm_lock(int root, uint32_t vmid, int timeout_ms, struct error *err)
{
	char path[64];

	return take(root, LOCK_DIR, vmid, vm_lock_path(vmid, path), timeout_ms, err);
}

int ct_lock(int root, uint32_t vmid, int timeout_ms, struct error *err)
{
	char path[64];

	return take(root, CT_LOCK_DIR, vmid, ct_lock_path(vmid, path), timeout_ms, err);
}
