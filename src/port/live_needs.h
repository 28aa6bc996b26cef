/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a port with live-migration needs beside the key: told when it is asked for, and by check. */
#ifndef VFHOOK_PORT_LIVE_NEEDS_H
#define VFHOOK_PORT_LIVE_NEEDS_H

#include <stdbool.h>

#include "pveapi/guest.h"
#include "pveapi/mapping.h"
#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/context.h"

/* One thing that is lacking, and what to do about it. */
typedef void live_lack_fn(void *arg, const char *what, const char *remedy);

/*
 * What that port lacks by the VM's config, the pools and the mappings, each told to fn. f may be
 * NULL: its mapping is not made yet. Returns how many.
 */
int live_lacks(struct hook *h, const struct config *c, const struct guest_config *g,
	       const struct port *port, const struct mapping_file *f, live_lack_fn *fn, void *arg);

/*
 * Does this Proxmox VE know live-migration-capable (8.4 and later)? Asks its API. -EOPNOTSUPP with
 * err: no; another negative errno with err if it cannot be asked.
 */
int live_pve_can(struct hook *h, struct error *err);

#endif
