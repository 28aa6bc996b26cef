/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cleanup attributes: a variable marked with one of these is released when it
 * goes out of scope, on every path. STEAL() hands the value on and leaves
 * nothing behind to release.
 */
#ifndef VFHOOK_BASE_CLEANUP_H
#define VFHOOK_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define CLEANUP(fn)   __attribute__((cleanup(fn)))
#define AUTO_FREE     CLEANUP(cleanup_free)
#define AUTO_CLOSE    CLEANUP(cleanup_close)
#define AUTO_CLOSEDIR CLEANUP(cleanup_closedir)

#define STEAL(p)                                                                                   \
	({                                                                                         \
		__typeof__(p) steal_tmp_ = (p);                                                    \
		(p) = NULL;                                                                        \
		steal_tmp_;                                                                        \
	})

#define STEAL_FD(fd)                                                                               \
	({                                                                                         \
		int steal_tmp_ = (fd);                                                             \
		(fd) = -1;                                                                         \
		steal_tmp_;                                                                        \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
