/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook pool: a pool's section of vfhook.cfg becomes another, and what goes with it follows. */
#ifndef VFHOOK_COMMAND_POOL_PUBLISH_H
#define VFHOOK_COMMAND_POOL_PUBLISH_H

#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/config_pools.h"
#include "src/port/context.h"

/*
 * The pool of that name gets what a says, or goes (a: NULL). *c is what was planned last, and is to
 * be freed in any case: pool_change_free(). A dry run tells the plan. Errors as of
 * config_pool_addition() and config_pool_removal(), and those of carrying it out.
 */
int pool_apply(struct hook *h, const struct pool_addition *a, const char *name,
	       struct pool_change *c, struct error *err);

/*
 * After it: what this node tells the others, boot.cfg, and the mappings. then: the config as it
 * would be, for a dry run. Returns the command's exit status; what failed has been told.
 */
int pool_publish(struct hook *h, const struct config *then);

#endif
