/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own lock on a VM, as a value that only taking it makes. */
#include "src/vf/owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/file.h"
#include "src/base/run_dir.h"

struct owner {
	uint32_t vmid;
	int fd; /* -1: a dry run's */
	bool config;
};

const char *owner_lock_path(uint32_t vmid, char buf[64])
{
	snprintf(buf, 64, LOCKS_DIR "/%u", vmid);
	return buf;
}

/* The descriptor is the owner's from now on. */
static int make(uint32_t vmid, int fd, bool config, struct owner **out, struct error *err)
{
	struct owner *o = malloc(sizeof(*o));

	if (!o) {
		cleanup_close(&fd);
		return fail(err, ENOMEM, "lock of guest %u: out of memory", vmid);
	}
	*o = (struct owner){.vmid = vmid, .fd = fd, .config = config};
	*out = o;
	return 0;
}

int owner_pretend(uint32_t vmid, struct owner **out, struct error *err)
{
	return make(vmid, -1, false, out, err);
}

static int take(int root, uint32_t vmid, const char *path, int timeout_ms, bool config,
		struct owner **out, struct error *err)
{
	AUTO_CLOSE int fd = lock_take(root, path, timeout_ms, err);

	*out = NULL;
	if (fd == -ENOENT) {
		error_clear(err);
		if (run_dirs_make(root, err) < 0)
			return error_code(err);
		fd = lock_take(root, path, timeout_ms, err);
	}
	return fd < 0 ? fd : make(vmid, STEAL_FD(fd), config, out, err);
}

int owner_lock(int root, uint32_t vmid, int timeout_ms, struct owner **out, struct error *err)
{
	char path[64];

	return take(root, vmid, owner_lock_path(vmid, path), timeout_ms, false, out, err);
}

int owner_lock_config(int root, uint32_t vmid, int timeout_ms, struct owner **out,
		      struct error *err)
{
	char path[80];

	snprintf(path, sizeof(path), LOCKS_DIR "/%u.config", vmid);
	return take(root, vmid, path, timeout_ms, true, out, err);
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
