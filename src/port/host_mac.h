/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MACs that interfaces of nodes have: PFs, bridges, bonds. A guest with one of them takes the
 * frames of the node itself, or its VF's never arrive.
 */
#ifndef VFHOOK_PORT_HOST_MAC_H
#define VFHOOK_PORT_HOST_MAC_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/vf/sysfs.h"

struct host_mac {
	uint8_t mac[6];
	char ifname[IFNAME_LEN]; /* "": a PF in a pool, whose name is not known here */
	char node[NAME_LEN];
};

/*
 * Of this node's interfaces, as sysfs has them. Left out are VFs (what a port sets on its VF is the
 * VF's interface's MAC too, while it has one) and what PVE makes for guests and takes away with
 * them: tap, veth and the firewall's bridges. *list is the caller's to free().
 */
int host_macs(struct hook *h, struct host_mac **list, size_t *n, struct error *err);

/* The one with that MAC, or NULL. */
const struct host_mac *host_mac_find(const struct host_mac *list, size_t n, const uint8_t mac[6]);

/* "interface vmbr0 of node pve1". Returns buf. */
const char *host_mac_describe(const struct host_mac *m, char *buf, size_t size);

/*
 * Refuse (-EINVAL) a port's MAC that is a PF's: what a start can ask without reading anything more
 * than it has. `check`, attach and set ask for all others.
 */
int mac_check_pfs(const struct config *c, const struct port *p, struct error *err);

/* What the calls above and cluster_macs.h gather into; all is the caller's to free(). */
struct mac_list {
	struct host_mac *all;
	size_t n;
};

/* Append one; ifname may be "". -ENOMEM. */
int mac_list_add(struct mac_list *l, const uint8_t mac[6], const char *ifname, const char *node);
/* Append those of this node, as host_macs() tells. */
int mac_list_add_own(struct hook *h, struct mac_list *l, struct error *err);

#endif
