/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody at a terminal is waiting for: one line on standard error, once it takes longer than
 * a second, and gone when it is over. Drawn by a small child of ours, so that whoever waits may
 * block wherever he likes. Nothing of it where standard error is no terminal: PVE's starts and
 * stops pay one ioctl(2), and only when they have to wait.
 */
#ifndef VFHOOK_BASE_PROGRESS_H
#define VFHOOK_BASE_PROGRESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "src/base/cleanup.h"

struct progress {
	pid_t drawer; /* 0: nothing is drawn */
};

/*
 * From here on it is shown what is done, "waiting for PVE's lock on VM 100", with the seconds that
 * are left of limit_ms; 0: nobody knows how long it takes. One at a time: within another nothing
 * happens.
 */
void progress_begin(struct progress *p, int limit_ms, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void progress_end(struct progress *p);
#define AUTO_PROGRESS CLEANUP(progress_end)

/* A line is about to be written over it. */
void progress_clear(void);

#endif
