/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the PFs of this node's pools are now. Pools name them by PCI address,
 * which moves when a card is put in or taken out; their permanent MAC does not.
 */
#ifndef VFHOOK_PORT_PF_WHERE_H
#define VFHOOK_PORT_PF_WHERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/vf/sysfs.h"

/* An SR-IOV NIC of this node, or with info.no_net another card that has VFs. */
struct nic {
	struct pf_info info; /* ifindex 0: no interface, so nothing of what follows but: */
	struct card_id card; /* of one without a network */
	char card_why[200];  /* why that cannot be told now, or "" */
	bool has_mac;
	uint8_t mac[6];	 /* permanent */
	bool link_known; /* up is told by the kernel */
	bool up;
};

/*
 * *list is the caller's to free(). Interfaces that cannot be read are in it without a MAC. With
 * `all` the PFs of cards without a network too: where a pool of vfhook.cfg is of such.
 */
int nics_read(struct hook *h, bool all, struct nic **list, size_t *n, struct error *err);
/* Is one of the pools, of whatever node? */
bool has_card_pool(const struct config *c);

enum pf_place {
	PF_HERE,      /* where its pool says */
	PF_MOVED,     /* somewhere else: its MAC, or its serial number, is there */
	PF_STRANGER,  /* another card is where its pool says, and its own is nowhere */
	PF_NO_NETDEV, /* its driver has made no interface, yet or at all; without a network: it has
			 no driver, or which card it is cannot be told now (card_why) */
	PF_MISSING,   /* nothing is there */
};

/* One `pf` line of this node. Points into the config and the list of NICs. */
struct pf_where {
	const struct pool *pool;
	struct pf_id id;
	enum pf_place place;
	const struct nic *nic; /* where it is, or the stranger; NULL for PF_MISSING */
	unsigned alike;	       /* so many cards may be it: which one is meant, nobody can tell */
};

/*
 * Find every PF of the node's pools among its NICs; looks at nothing else. A card without a
 * network interface may be any: while there is one, nobody is told to be missing for good
 * (see pf_may_appear). *out is the caller's to free(). -ENOMEM.
 */
int pfs_locate(const struct config *c, const char *node, const struct nic *nics, size_t n,
	       struct pf_where **out, size_t *n_out);

/* Can a PF that is not here still come, since some NIC's driver has made no interface yet? */
bool pf_may_appear(const struct pf_where *w, const struct nic *nics, size_t n);

#endif
