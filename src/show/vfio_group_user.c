/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process has a VFIO group open. */
#include "src/show/vfio_group_user.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"

static bool group_open_in(int fds, const char *want)
{
	AUTO_CLOSEDIR DIR *d = fdopendir(fds);
	const struct dirent *e;

	if (!d)
		close(fds);
	while (d && (e = readdir(d))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = '\0';
			if (!strcmp(target, want))
				return true;
		}
	}
	return false;
}

uint32_t vfio_group_user(int root, int group)
{
	AUTO_CLOSE int proc = openat(root, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *d = proc < 0 ? NULL : fdopendir(proc);
	const struct dirent *e;
	char want[32];

	if (d)
		proc = -1;
	snprintf(want, sizeof(want), "/dev/vfio/%d", group);
	while (d && (e = readdir(d))) {
		char path[32];
		uint32_t pid;
		int fds;

		if (parse_u32(e->d_name, INT32_MAX, &pid) < 0)
			continue;
		snprintf(path, sizeof(path), "%u/fd", pid);
		fds = openat(dirfd(d), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fds >= 0 && group_open_in(fds, want))
			return pid;
	}
	return 0;
}
