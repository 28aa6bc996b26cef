/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files below a root directory. Every path is relative to a directory
 * descriptor ("etc/pve/vfhook.cfg" below "/" or below --root DIR), so that a
 * whole tree can stand in for the machine's. Sizes are bounded by the caller:
 * nothing outside decides how much memory we take.
 */
#ifndef VFHOOK_BASE_FILE_H
#define VFHOOK_BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "src/base/error.h"

/*
 * The whole of a regular file, at most max bytes (-EFBIG beyond that), with a
 * NUL put behind it. *data is the caller's to free. Returns its length or a
 * negative errno with err filled; -ENOENT fills err too.
 */
ssize_t file_read(int root, const char *path, size_t max, char **data, struct error *err);

/* The same for files that we write ourselves: a symbolic link is none of them (-ELOOP). */
ssize_t file_read_own(int root, const char *path, size_t max, char **data, struct error *err);

/*
 * One sysfs or procfs attribute into buf, without its trailing line break. The kernel gives
 * it whole in one read (fs/seq_file.c, fs/kernfs/file.c), so there is only one.
 * Returns its length or a negative errno (-EFBIG if it does not fit). No error
 * text: absence is an answer here.
 */
ssize_t attr_read(int root, const char *path, char *buf, size_t size);

/* The same, as a number in base 10 (or 16 when it begins with 0x), at most max. */
int attr_read_u64(int root, const char *path, unsigned long long max, unsigned long long *out);

/* Write text to an attribute with one write(2). 0 or a negative errno. */
int attr_write(int root, const char *path, const char *text);

/* The last component of what the symbolic link points to. 0 or a negative errno. */
int link_basename(int root, const char *path, char *buf, size_t size);

bool path_exists(int root, const char *path);

/* opendir() below the root; closedir() it (AUTO_CLOSEDIR). NULL with errno set. */
DIR *dir_open(int root, const char *path);

/* How the names of files begin that are being written; a dead writer's are swept up. */
#define TMP_PREFIX ".tmp-"

/*
 * Replace or create a file in one step: written beside it under a name of this process's own
 * (".tmp-<name>.<pid>.<n>"), flushed, renamed. A reader sees the content of one writer, the
 * old or the new, never half, however many write. pmxcfs: rename is atomic, links and chmod
 * are not there (pve-cluster, pmxcfs), so mode is only what the file is created with.
 * What writers that died left beside it is removed.
 */
int file_replace(int root, const char *path, mode_t mode, const char *data, size_t len,
		 struct error *err);

/* The same without looking for what dead writers left: for folders with a thousand files. */
int file_replace_only(int root, const char *path, mode_t mode, const char *data, size_t len,
		      struct error *err);

/*
 * Remove the temporary files of this path whose writers are dead. A process number is one of
 * this machine: in /etc/pve only files that are written under a lock of the cluster, or by
 * one node alone, are to be swept (a writer that outlived its lock is told so by its rename).
 */
void file_sweep(int root, const char *path);

/*
 * Create a file that must not exist, complete from its first moment on:
 * written without a name (O_TMPFILE), then link(2)ed into place. -EEXIST (err
 * filled) if somebody was first. A crash leaves nothing behind.
 */
int file_create(int root, const char *path, mode_t mode, const char *data, size_t len,
		struct error *err);

/* mkdir -p with mode for what is made; a symbolic link on the way is refused (-ELOOP/-ENOTDIR). */
int dir_make(int root, const char *path, mode_t mode, struct error *err);

/*
 * Open (creating it) and flock() a lock file exclusively, waiting at most
 * timeout_ms. Returns the descriptor, whose close() frees the lock, or
 * -EWOULDBLOCK or another negative errno with err filled.
 */
int lock_take(int root, const char *path, int timeout_ms, struct error *err);

/*
 * Could that lock be taken at once? Only looked at (src/base/locks.h), never tried: nobody is
 * disturbed, and nothing is made. One that is not there is free; one that cannot be told about is
 * not.
 */
bool lock_is_free(int root, const char *path);

#endif
