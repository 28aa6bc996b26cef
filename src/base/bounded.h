/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work that may hang in the kernel, done so that it can be given up from outside. */
#ifndef VFHOOK_BASE_BOUNDED_H
#define VFHOOK_BASE_BOUNDED_H

#include "src/base/error.h"

/*
 * Run fn(arg) in a child and wait for it, at most limit_ms. What it writes to standard output and
 * error is passed on; a hung child must not hold those of ours open, or PVE waits for it. Returns
 * what fn returned (0 to 255), or -ETIMEDOUT: the child is told to end (SIGTERM; it may be another
 * program by then) and killed, which takes effect as soon as the kernel lets go of it, so it does
 * nothing more; what it was doing is in its journal. It keeps the locks that we hold until then,
 * and dies with us. -ECHILD with err: it was killed. Where no child can be made fn(arg) is called
 * as it is: unbounded is better than not done.
 */
int run_bounded(int (*fn)(void *arg), void *arg, int limit_ms, struct error *err);

#endif
