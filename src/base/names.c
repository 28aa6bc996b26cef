/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Folders read name by name. */
#include "src/base/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

static int open_as(int root, const char *path, int flags, struct names *n)
{
	n->at = 0;
	n->used = 0;
	n->fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	n->error = n->fd < 0 ? -errno : 0;
	return n->error;
}

int names_open(int root, const char *path, struct names *n)
{
	return open_as(root, path, 0, n);
}

int names_open_own(int root, const char *path, struct names *n)
{
	return open_as(root, path, O_NOFOLLOW, n);
}

/* False at the end, and if there is no going on. */
static bool fill(struct names *n)
{
	ssize_t got = n->fd < 0 ? 0 : getdents64(n->fd, n->buf, sizeof(n->buf));

	if (got < 0)
		n->error = -errno;
	n->at = 0;
	n->used = got > 0 ? (size_t)got : 0;
	return n->used;
}

const char *names_next(struct names *n)
{
	while (n->at < n->used || fill(n)) {
		const struct dirent64 *e = (const struct dirent64 *)(n->buf + n->at);

		n->at += e->d_reclen;
		if (e->d_name[0] != '.')
			return e->d_name;
	}
	return NULL;
}

void names_close(struct names *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}
