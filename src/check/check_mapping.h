/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: the mappings of the ports against sysfs, and the nodes of their pools ([mappings],
 * [nodes]) */
#ifndef VFHOOK_CHECK_CHECK_MAPPING_H
#define VFHOOK_CHECK_CHECK_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/guest_list.h"
#include "src/check/report.h"
#include "src/port/context.h"

/* The mapping of a port, as far as this node goes. */
struct mapping_facts {
	uint32_t vmid;
	unsigned slot;
	bool there;
	bool wanted_here; /* this node has the port's pool */
	bool has_here;	  /* and the mapping an entry for it */
	unsigned n_here;  /* how many */
	bool unknown_key; /* that entry has a key that PVE does not know */
	bool mdev;	  /* which no VF has */
	char path[PCI_ADDR_LEN * 2];
	/* As sysfs has it, and as the entry: PVE wants them equal ("" is "not there"). */
	bool is_vf;
	char id[2][16];
	char subsystem_id[2][16];
	char iommugroup[2][16];
	char missing[200]; /* other nodes with the pool and without an entry, ", " between */
};

/* What there is about the mapping of one port. */
void gather_mapping(struct hook *h, const struct config *c, const struct mapping_file *f,
		    const struct port *port, struct mapping_facts *m);
/* Findings on it: does it name a VF that is there, with the ids that PVE compares? */
void judge_mapping(const struct mapping_facts *m, struct report *r);
/* Both for every port of this node's guests, whom `guests` lists for the whole cluster. */
void check_mappings(struct hook *h, const struct config *c, const struct guest_ref *guests,
		    size_t n_guests, struct report *r);
/* Has each port's mapping an entry for every other node of its pool? */
void check_nodes(struct hook *h, const struct config *c, struct report *r);

#endif
