/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files below a root descriptor: read within a limit, replaced as a whole, made with folders. */
#include "src/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/locks.h"
#include "src/base/text.h"

static ssize_t read_once(int fd, char *buf, size_t size)
{
	ssize_t n;

	do {
		n = read(fd, buf, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Until the end, or until exactly `enough` bytes are there. */
static ssize_t read_full(int fd, char *buf, size_t size, size_t enough)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read_once(fd, buf + used, size - used);

		if (n < 0)
			return n;
		used += (size_t)n;
		if (!n || used == enough)
			break;
	}
	return (ssize_t)used;
}

static int write_full(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A read that could have had one byte more than the size has seen the end; a file may grow. */
static ssize_t read_sized(int fd, size_t size, char **buf)
{
	ssize_t n;

	*buf = malloc(size + 2);
	if (!*buf)
		return -ENOMEM;
	n = read_full(fd, *buf, size + 1, size);
	return n > (ssize_t)size ? -EFBIG : n;
}

/* procfs says size 0 whatever there is: one byte more than there is room for tells. */
static ssize_t read_sizeless(int fd, size_t max, char **buf)
{
	size_t cap = max < 65536 ? max : 65536;
	size_t used = 0;

	for (;;) {
		char *more = realloc(*buf, cap + 2);
		ssize_t n;

		if (!more)
			return -ENOMEM;
		*buf = more;
		n = read_full(fd, more + used, cap + 1 - used, SIZE_MAX);
		if (n < 0)
			return n;
		used += (size_t)n;
		if (used <= cap)
			return (ssize_t)used;
		if (cap >= max)
			return -EFBIG;
		cap = cap > max / 4 ? max : cap * 4;
	}
}

static ssize_t read_whole(int root, const char *path, int flags, size_t max, char **data,
			  struct error *err)
{
	AUTO_CLOSE int fd =
		openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
	AUTO_FREE char *buf = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fail_errno(err, errno, "read /%s", path);
	if (fstat(fd, &st) < 0)
		return fail_errno(err, errno, "read /%s", path);
	if (!S_ISREG(st.st_mode))
		return fail(err, EINVAL, "/%s is not a regular file", path);
	if (st.st_size > 0 && (uintmax_t)st.st_size > max)
		return fail(err, EFBIG, "/%s is larger than %zu bytes", path, max);
	n = st.st_size > 0 ? read_sized(fd, (size_t)st.st_size, &buf)
			   : read_sizeless(fd, max, &buf);
	if (n == -ENOMEM)
		return fail(err, ENOMEM, "read /%s: out of memory", path);
	if (n == -EFBIG)
		return fail(err, EFBIG, "/%s grew while it was read, or is larger than %zu bytes",
			    path, max);
	if (n < 0)
		return fail_errno(err, (int)-n, "read /%s", path);
	buf[n] = '\0';
	*data = STEAL(buf);
	return n;
}

ssize_t file_read(int root, const char *path, size_t max, char **data, struct error *err)
{
	return read_whole(root, path, 0, max, data, err);
}

ssize_t file_read_own(int root, const char *path, size_t max, char **data, struct error *err)
{
	return read_whole(root, path, O_NOFOLLOW, max, data, err);
}

ssize_t attr_read(int root, const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read_once(fd, buf, size);
	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == ' '))
		n--;
	buf[n] = '\0';
	return n;
}

int attr_read_u64(int root, const char *path, unsigned long long max, unsigned long long *out)
{
	char buf[32] = "";
	unsigned long long v;
	char *end;
	ssize_t n = attr_read(root, path, buf, sizeof(buf));
	int base;

	if (n < 0)
		return (int)n;
	base = buf[0] == '0' && buf[1] == 'x' ? 16 : 10;
	if (buf[0] < '0' || buf[0] > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(buf, &end, base);
	if (errno || *end)
		return -EINVAL;
	if (v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int attr_write(int root, const char *path, const char *text)
{
	AUTO_CLOSE int fd = openat(root, path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	/* One write: sysfs takes each write(2) as a whole value. */
	if (write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

int link_basename(int root, const char *path, char *buf, size_t size)
{
	char target[PATH_MAX];
	const char *base;
	ssize_t n = readlinkat(root, path, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	if (!*base || strlen(base) >= size)
		return -EFBIG;
	memcpy(buf, base, strlen(base) + 1);
	return 0;
}

DIR *dir_open(int root, const char *path)
{
	AUTO_CLOSE int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		fd = -1;
	return d;
}

bool path_exists(int root, const char *path)
{
	return !faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* The "a/b" of "a/b/c"; "." of what has no folder. */
static int parent_of(const char *path, char dir[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 1;

	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(dir, slash ? path : ".", len);
	dir[len] = '\0';
	return 0;
}

/* Splits "a/b/c" into an opened "a/b" (no symbolic link as its last part) and "c". */
static int open_parent(int root, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd = parent_of(path, dir);

	*name = slash ? slash + 1 : path;
	if (fd < 0)
		return fd;
	fd = openat(root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/*
 * A name that no other writer has at this moment: its process and, for what an earlier one of
 * that number left (or, in /etc/pve, another node's), a number. O_EXCL sees to the rest.
 */
static int open_fresh(int dir, const char *name, mode_t mode, char tmp[NAME_MAX + 1])
{
	for (unsigned n = 0; n < 100; n++) {
		int fd;

		if (snprintf(tmp, NAME_MAX + 1, TMP_PREFIX "%s.%d.%u", name, (int)getpid(), n) >
		    NAME_MAX)
			return -ENAMETOOLONG;
		fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EEXIST;
}

/* A path for a person, as two strings: paths are below the root, but for one that he gave himself.
 */
#define SHOWN(root, path) (root) == AT_FDCWD || (path)[0] == '/' ? "" : "/", path

static int replace(int root, int dir, const char *path, const char *name, mode_t mode,
		   const char *data, size_t len, struct error *err)
{
	char tmp[NAME_MAX + 1];
	AUTO_CLOSE int fd = open_fresh(dir, name, mode, tmp);
	int r;

	if (fd < 0)
		return fail_errno(err, -fd, "write %s%s", SHOWN(root, path));
	r = write_full(fd, data, len);
	if (!r && fsync(fd) < 0)
		r = -errno;
	if (!r && renameat(dir, tmp, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, tmp, 0);
		return fail_errno(err, -r, "write %s%s", SHOWN(root, path));
	}
	return 0;
}

/*
 * Is this a temporary file of `name` whose writer is dead? One without a process in its name
 * was left by a version before these names.
 */
static bool is_left(const char *entry, const char *name)
{
	size_t len = strlen(name);
	const char *rest;
	char *end;
	long pid;

	if (strncmp(entry, TMP_PREFIX, strlen(TMP_PREFIX)) != 0 ||
	    strncmp(entry + strlen(TMP_PREFIX), name, len) != 0)
		return false;
	rest = entry + strlen(TMP_PREFIX) + len;
	if (!*rest)
		return true;
	if (rest[0] != '.' || rest[1] < '1' || rest[1] > '9')
		return false;
	pid = strtol(rest + 1, &end, 10);
	if (end[0] != '.' || !end[1] || end[1 + strspn(end + 1, "0123456789")])
		return false;
	return pid > INT_MAX || (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
}

static void sweep(int dir, const char *name)
{
	AUTO_CLOSE int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return;
	fd = -1;
	while ((e = readdir(d))) {
		if (is_left(e->d_name, name))
			unlinkat(dir, e->d_name, 0);
	}
}

int file_replace(int root, const char *path, mode_t mode, const char *data, size_t len,
		 struct error *err)
{
	const char *name;
	AUTO_CLOSE int dir = open_parent(root, path, &name);
	int r;

	if (dir < 0)
		return fail_errno(err, -dir, "write %s%s", SHOWN(root, path));
	r = replace(root, dir, path, name, mode, data, len, err);
	sweep(dir, name);
	return r;
}

int file_replace_only(int root, const char *path, mode_t mode, const char *data, size_t len,
		      struct error *err)
{
	const char *name;
	AUTO_CLOSE int dir = open_parent(root, path, &name);

	if (dir < 0)
		return fail_errno(err, -dir, "write %s%s", SHOWN(root, path));
	return replace(root, dir, path, name, mode, data, len, err);
}

void file_sweep(int root, const char *path)
{
	const char *name;
	AUTO_CLOSE int dir = open_parent(root, path, &name);

	if (dir >= 0)
		sweep(dir, name);
}

int file_create(int root, const char *path, mode_t mode, const char *data, size_t len,
		struct error *err)
{
	AUTO_CLOSE int fd = -1;
	char dir[PATH_MAX];
	char proc[64];
	int r = parent_of(path, dir);

	if (r < 0)
		return fail_errno(err, -r, "create /%s", path);
	fd = openat(root, dir, O_TMPFILE | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return fail_errno(err, errno, "create /%s", path);
	r = write_full(fd, data, len);
	if (r < 0)
		return fail_errno(err, -r, "create /%s", path);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, proc, root, path, AT_SYMLINK_FOLLOW) < 0)
		return fail_errno(err, errno, "create /%s", path);
	return 0;
}

int dir_make(int root, const char *path, mode_t mode, struct error *err)
{
	AUTO_CLOSE int at = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *p = path;

	if (at < 0)
		return fail_errno(err, errno, "create directory /%s", path);
	while (*p) {
		char part[NAME_MAX + 1];
		size_t len = strcspn(p, "/");
		int next;

		if (len > NAME_MAX)
			return fail(err, ENAMETOOLONG, "create directory /%s: name too long", path);
		memcpy(part, p, len);
		part[len] = '\0';
		p += len + (p[len] == '/');
		if (!len)
			continue;
		if (mkdirat(at, part, mode) < 0 && errno != EEXIST)
			return fail_errno(err, errno, "create directory /%s", path);
		next = openat(at, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (next < 0)
			return fail_errno(err, errno, "open directory /%s", path);
		close(at);
		at = next;
	}
	return 0;
}

int lock_take(int root, const char *path, int timeout_ms, struct error *err)
{
	AUTO_CLOSE int fd =
		openat(root, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	long long end = clock_ms() + timeout_ms;
	/* Short naps, growing: a lock is held for milliseconds or for a whole VM start. */
	long nap_us = 500;

	if (fd < 0)
		return fail_errno(err, errno, "lock /%s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return fail_errno(err, errno, "lock /%s", path);
		if (clock_ms() >= end)
			return fail(err, EWOULDBLOCK, "/%s is locked by somebody else", path);
		nanosleep(&(struct timespec){nap_us / 1000000, nap_us % 1000000 * 1000}, NULL);
		if (nap_us < 50000)
			nap_us *= 2;
	}
	return STEAL_FD(fd);
}

bool lock_is_free(int root, const char *path)
{
	return lock_look(root, path) == ANSWER_NO;
}
