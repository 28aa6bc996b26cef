/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has locked what, told from /proc/locks (fs/locks.c). Trying a lock takes it for a moment,
 * and whoever wants it without waiting at that moment would go away: to look is never to lock.
 */
#ifndef VFHOOK_BASE_LOCKS_H
#define VFHOOK_BASE_LOCKS_H

#include <stdbool.h>
#include <sys/types.h>

#include "src/base/answer.h"

/* The whole of /proc/locks below the root. malloc'd; NULL if it cannot be read, or not all of it.
 */
char *locks_read(int root);

/*
 * Is there a flock() of that file in it? Only the inode is compared, since some filesystems show
 * another device number there (btrfs, overlayfs).
 */
bool locks_have(const char *locks, ino_t inode);

/* Does somebody hold a flock() of the file? One that is not there has none. It is not opened. */
enum answer lock_look(int root, const char *path);

#endif
