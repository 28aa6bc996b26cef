/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MACs that no guest of the cluster may have, since they are nodes' own. */
#ifndef VFHOOK_PORT_CLUSTER_MACS_H
#define VFHOOK_PORT_CLUSTER_MACS_H

#include <stddef.h>

#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/host_mac.h"

/*
 * The same and what is known of all nodes with a pool: their PFs' permanent MACs from the pools,
 * their interfaces' from what they publish (src/port/cluster_vfs.h).
 */
int all_host_macs(struct hook *h, const struct config *c, struct host_mac **list, size_t *n,
		  struct error *err);

#endif
