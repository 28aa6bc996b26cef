/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the filters of this node's PFs as guests on bridges and on VFs need them to talk: listens
 * to the kernel, plans (src/fdb/fdb_plan.h), writes down, and does. Never asks in a loop.
 */
#ifndef VFHOOK_FDB_FDB_SERVICE_H
#define VFHOOK_FDB_FDB_SERVICE_H

#include <stdbool.h>

#include "src/base/error.h"
#include "src/port/context.h"

/*
 * Once, or for ever: until a signal ends it, which leaves the filters as they are, or something
 * fails that a fresh start may mend. With h->dry_run it only tells, once. 0 or a negative errno
 * with err; -EBUSY: somebody else on this node does it.
 */
int fdb_service_run(struct hook *h, bool once, struct error *err);

#endif
