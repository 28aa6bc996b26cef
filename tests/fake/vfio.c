/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VFIO group that some process has open, or that cannot be opened for another reason: a file
 * fake-kernel/vfio-<group> below the same folder as dev/vfio/<group> holds the errno (a number)
 * that opening it answers. Everything else is opened as ever. libc's openat() is replaced for the
 * whole program.
 */
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS "dev/vfio/"

static int answer_of(int dir, const char *group)
{
	char path[64];
	char text[16] = "";
	long fd;

	snprintf(path, sizeof(path), "fake-kernel/vfio-%.20s", group);
	fd = syscall(SYS_openat, dir, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (read((int)fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close((int)fd);
	return atoi(text);
}

int openat(int dir, const char *path, int flags, ...)
{
	static int (*next)(int, const char *, int, ...);
	int code = 0;
	int mode = 0;
	va_list ap;

	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
	}
	if (!strncmp(path, GROUPS, strlen(GROUPS)))
		code = answer_of(dir, path + strlen(GROUPS));
	if (code) {
		errno = code;
		return -1;
	}
	/* Whoever is preloaded (tests/component/stopat.c), and then libc. */
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "openat");
	return next(dir, path, flags, mode);
}
