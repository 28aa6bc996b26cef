/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook pool add: PFs below a bridge, whose guests and guests on VFs do not reach each other. */
#ifndef VFHOOK_COMMAND_POOL_FDB_H
#define VFHOOK_COMMAND_POOL_FDB_H

#include <stddef.h>

#include "src/port/config.h"
#include "src/port/context.h"
#include "src/vf/sysfs.h"

/*
 * Tells, for the pool as it is by now (in a dry run, as it would be): with fdb off that such guests
 * do not reach each other, and the command that changes that; with fdb on whether somebody keeps
 * the filters, and what is to be done if not. said: what --fdb was, "1" or "0", NULL if it was not
 * there.
 */
void pool_tell_bridges(struct hook *h, const struct pool *p, const char *said,
		       const struct pf_info *pfs, size_t n);

#endif
