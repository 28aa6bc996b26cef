/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To be preloaded: a program stops before it opens a file whose path ends as STOP_PATH says, tells
 * so by making the file STOP_FLAG.reached, and goes on when STOP_FLAG.go is there (or after a
 * minute, so that no test hangs). STOP_MODE=w: only before an open for writing. Once a process.
 *
 * HANG_PATH: a write(2) to a file whose path ends so does not return, as in a driver that waits,
 * and killing the writer does not end it: it is done, and what the writer had open is closed, when
 * the file HANG_FLAG, made at its beginning, is removed. HANG_TEXT: only if that is what is
 * written. SAYS_NO: likewise a text; it is written, and the answer is EIO all the same.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define NAP_MS	10
#define MOST_MS 60000

static char stop_path[256];
static char flag[512];
static char hang_path[256];
static char hang_text[32];
static char says_no[32];
static char hang_flag[512];
static bool writes_only;

/* The program clears its environment: this comes before it. */
__attribute__((constructor)) static void read_environment(void)
{
	const char *path = getenv("STOP_PATH");
	const char *name = getenv("STOP_FLAG");
	const char *mode = getenv("STOP_MODE");

	snprintf(stop_path, sizeof(stop_path), "%s", path ? path : "");
	snprintf(flag, sizeof(flag), "%s", name ? name : "");
	writes_only = mode && *mode == 'w';
	path = getenv("HANG_PATH");
	name = getenv("HANG_FLAG");
	mode = getenv("HANG_TEXT");
	snprintf(hang_path, sizeof(hang_path), "%s", path ? path : "");
	snprintf(hang_flag, sizeof(hang_flag), "%s", name ? name : "");
	snprintf(hang_text, sizeof(hang_text), "%s", mode ? mode : "");
	mode = getenv("SAYS_NO");
	snprintf(says_no, sizeof(says_no), "%s", mode ? mode : "");
}

static bool is_meant_write(int fd, const void *data, size_t size, const char *text)
{
	char target[512];
	char proc[64];
	ssize_t n;

	if (!hang_path[0] || (text[0] && (size != strlen(text) || memcmp(data, text, size) != 0)))
		return false;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, target, sizeof(target) - 1);
	if (n < (ssize_t)strlen(hang_path))
		return false;
	target[n] = '\0';
	return !strcmp(target + n - strlen(hang_path), hang_path);
}

ssize_t write(int fd, const void *data, size_t size)
{
	static ssize_t (*real)(int, const void *, size_t);
	int (*open_real)(int, const char *, int, ...);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "write");
	if (says_no[0] && is_meant_write(fd, data, size, says_no)) {
		real(fd, data, size);
		errno = EIO;
		return -1;
	}
	if (hang_flag[0] && is_meant_write(fd, data, size, hang_text)) {
		*(void **)&open_real = dlsym(RTLD_NEXT, "openat");
		close(open_real(AT_FDCWD, hang_flag, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		if (fork()) {
			for (;;)
				pause();
		}
		while (!access(hang_flag, F_OK))
			nanosleep(&(struct timespec){0, NAP_MS * 1000000L}, NULL);
		real(fd, data, size);
		_exit(0);
	}
	return real(fd, data, size);
}

static bool is_meant(const char *path, int flags)
{
	size_t n = strlen(path);
	size_t end = strlen(stop_path);

	return end && n >= end && !strcmp(path + n - end, stop_path) &&
	       (!writes_only || (flags & O_ACCMODE) != O_RDONLY);
}

static void stop_here(int (*real)(int, const char *, int, ...))
{
	char name[sizeof(flag) + 16];
	int fd;

	stop_path[0] = '\0';
	snprintf(name, sizeof(name), "%s.reached", flag);
	fd = real(AT_FDCWD, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	snprintf(name, sizeof(name), "%s.go", flag);
	for (int waited = 0; waited < MOST_MS && access(name, F_OK) < 0; waited += NAP_MS)
		nanosleep(&(struct timespec){0, NAP_MS * 1000000L}, NULL);
}

/* libc opens what it lists by itself. */
int scandirat(int dir, const char *path, struct dirent ***list,
	      int (*filter)(const struct dirent *),
	      int (*order)(const struct dirent **, const struct dirent **))
{
	int (*open_real)(int, const char *, int, ...);
	int (*real)(int, const char *, struct dirent ***, int (*)(const struct dirent *),
		    int (*)(const struct dirent **, const struct dirent **));

	*(void **)&open_real = dlsym(RTLD_NEXT, "openat");
	*(void **)&real = dlsym(RTLD_NEXT, "scandirat");
	if (is_meant(path, O_RDONLY))
		stop_here(open_real);
	return real(dir, path, list, filter, order);
}

int openat(int dir, const char *path, int flags, ...)
{
	static int (*real)(int, const char *, int, ...);
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "openat");
	if (is_meant(path, flags))
		stop_here(real);
	return real(dir, path, flags, mode);
}
