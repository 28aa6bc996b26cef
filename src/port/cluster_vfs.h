/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the nodes of a cluster tell each other about their VFs, so that a VM's
 * mapping can have an entry for each node that has its pool: without one PVE
 * refuses to migrate or to fail over to that node. Each node keeps its own in
 * /etc/pve/nodes/<node>/vfhook.json, which pmxcfs carries to the others.
 */
#ifndef VFHOOK_PORT_CLUSTER_VFS_H
#define VFHOOK_PORT_CLUSTER_VFS_H

#include "src/port/vm_ports.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"

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

/*
 * Steps that give the mapping of a port an entry for each other node that has its pool,
 * has published VFs of it, and has no entry yet. Any of them will do: pre-start
 * on that node chooses anew. A node whose file is missing or wrong is told and left out.
 */
int publish_entries(struct hook *h, const struct vm_ports *v, const struct port_wish *w,
		    struct plan *plan, struct error *err);

#endif
