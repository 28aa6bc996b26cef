/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the nodes of a cluster tell each other about their VFs and MACs. Each node keeps its own in
 * /etc/pve/nodes/<node>/vfhook.json, which pmxcfs carries to the others.
 */
#ifndef VFHOOK_PORT_CLUSTER_VFS_H
#define VFHOOK_PORT_CLUSTER_VFS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"
#include "src/vf/sysfs.h"

/*
 * Write this node's file anew from sysfs: every VF of its pools, and the MACs that no guest
 * anywhere may have, since they are this node's own. Without a pool on this node the file goes.
 * Nothing is written if nothing has changed.
 */
int publish_vfs(struct hook *h, const struct config *c, struct error *err);

/* A VF as this node's file has it, perhaps from before a reboot. */
struct published_vf {
	struct pci_addr vf;
	struct pci_addr pf;
	unsigned index;
};

/*
 * What this node's file says; a file that is missing or wrong says nothing.
 * *list is the caller's to free(). -ENOMEM.
 */
int published_vfs(struct hook *h, struct published_vf **list, size_t *n);

/* An interface of a node, and its MAC (src/port/host_mac.h). */
struct published_mac {
	uint8_t mac[6];
	char ifname[IFNAME_LEN];
};

/* Those of a node, as its file has them; the same of the caller's to free() and of -ENOMEM. */
int published_macs(struct hook *h, const char *node, struct published_mac **list, size_t *n);

#define PUBLISHED_PATH_LEN 160
/* Where a node's file is, below the root. Returns path. */
const char *published_path(const char *node, char path[PUBLISHED_PATH_LEN]);

/*
 * A node's file as it is; what is in it another node wrote, and is to be checked. *j is a new
 * reference. 0, or a negative errno with err: it is missing, or no JSON.
 */
int published_read(struct hook *h, const char *node, json_t **j, struct error *err);

#endif
