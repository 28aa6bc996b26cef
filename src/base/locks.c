/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who holds a lock, out of /proc/locks. */
#include "src/base/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"

#define PROC_LOCKS_MAX ((size_t)4 * 1024 * 1024)

char *locks_read(int root)
{
	CLEANUP(str_free) struct str text = STR_INIT;
	AUTO_CLOSE int fd = openat(root, "proc/locks", O_RDONLY | O_CLOEXEC);
	char part[4096];
	ssize_t n = -1;

	/* It has no size that file_read() could go by. */
	while (fd >= 0 && text.len < PROC_LOCKS_MAX && (n = read(fd, part, sizeof(part))) > 0)
		str_append_len(&text, part, (size_t)n);
	/* Half of it would be an answer that nobody holds what is in the other half. */
	if (n)
		return NULL;
	/* Nobody has locked anything: an empty text, which is an answer too. */
	return str_take(&text);
}

/* Each line is looked at by itself, and once. */
bool locks_have(const char *locks, ino_t inode)
{
	char want[32];
	size_t want_len = (size_t)snprintf(want, sizeof(want), ":%llu ", (unsigned long long)inode);

	for (const char *line = locks; line && *line;) {
		const char *end = strchrnul(line, '\n');
		const char *flock = memmem(line, (size_t)(end - line), "FLOCK", 5);

		if (flock && memmem(flock, (size_t)(end - flock), want, want_len))
			return true;
		line = *end ? end + 1 : end;
	}
	return false;
}

enum answer lock_look(int root, const char *path)
{
	AUTO_FREE char *locks = NULL;
	struct stat st;

	if (fstatat(root, path, &st, 0) < 0)
		return errno == ENOENT ? ANSWER_NO : ANSWER_UNKNOWN;
	locks = locks_read(root);
	if (!locks)
		return ANSWER_UNKNOWN;
	return locks_have(locks, st.st_ino) ? ANSWER_YES : ANSWER_NO;
}
