/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for units in systemd's folders. */
#include "src/host/unit_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"

#define SYSTEMD_DIR "etc/systemd/system"

bool unit_is_enabled(int root, const char *unit)
{
	AUTO_CLOSEDIR DIR *d = dir_open(root, SYSTEMD_DIR);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');
		char path[NAME_MAX + 64];
		struct stat st;

		if (!dot || (strcmp(dot, ".wants") != 0 && strcmp(dot, ".requires") != 0))
			continue;
		snprintf(path, sizeof(path), "%s/%s", e->d_name, unit);
		if (!fstatat(dirfd(d), path, &st, AT_SYMLINK_NOFOLLOW))
			return true;
	}
	return false;
}

bool unit_is_there(int root, const char *unit)
{
	static const char *const folders[] = {SYSTEMD_DIR, "usr/local/lib/systemd/system",
					      "usr/lib/systemd/system", "lib/systemd/system"};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], unit);
		if (path_exists(root, path))
			return true;
	}
	return false;
}
