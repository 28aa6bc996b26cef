/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own lock on a VM, as a value that only taking it makes. */
#include "src/owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "src/lease.h"

struct owner {
	uint32_t vmid;
	int fd; /* -1: a dry run's */
	bool config;
};

const char *owner_lock_path(uint32_t vmid, char buf[64])
{
	snprintf(buf, 64, RUN_DIR "/locks/%u", vmid);
	return buf;
}

int owner_pretend(uint32_t vmid, struct owner **out, struct error *err)
{
	*out = malloc(sizeof(**out));
	if (!*out)
		return fail(err, ENOMEM, "lock of VM %u: out of memory", vmid);
	**out = (struct owner){.vmid = vmid, .fd = -1};
	return 0;
}

static int take(int root, uint32_t vmid, const char *path, int timeout_ms, struct owner **out,
		struct error *err)
{
	AUTO_CLOSE int fd = lock_take(root, path, timeout_ms, err);

	*out = NULL;
	if (fd == -ENOENT) {
		error_clear(err);
		if (run_dirs_make(root, err) < 0)
			return error_code(err);
		fd = lock_take(root, path, timeout_ms, err);
	}
	if (fd < 0)
		return fd;
	if (owner_pretend(vmid, out, err) < 0)
		return -ENOMEM;
	(*out)->fd = STEAL_FD(fd);
	return 0;
}

int owner_lock(int root, uint32_t vmid, int timeout_ms, struct owner **out, struct error *err)
{
	char path[64];

	return take(root, vmid, owner_lock_path(vmid, path), timeout_ms, out, err);
}

int owner_lock_config(int root, uint32_t vmid, int timeout_ms, struct owner **out,
		      struct error *err)
{
	char path[80];
	int r;

	snprintf(path, sizeof(path), RUN_DIR "/locks/%u.config", vmid);
	r = take(root, vmid, path, timeout_ms, out, err);
	if (!r)
		(*out)->config = true;
	return r;
}

void owner_unlock(struct owner *o)
{
	if (o && o->fd >= 0)
		close(o->fd);
	free(o);
}

uint32_t owner_vmid(const struct owner *o)
{
	return o->vmid;
}

bool owner_is_real(const struct owner *o)
{
	return o->fd >= 0 && !o->config;
}

bool owner_is_config(const struct owner *o)
{
	return o->fd >= 0 && o->config;
}

int owner_lock_fd(const struct owner *o)
{
	return o->fd;
}
