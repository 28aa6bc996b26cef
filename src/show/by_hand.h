/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs of this node that name something of a pool's PF by hand: VFs, by raw addresses or a mapping
 * of the user's own, or the PF itself. PVE starts them without us, and so it must stay.
 */
#ifndef VFHOOK_SHOW_BY_HAND_H
#define VFHOOK_SHOW_BY_HAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/port/config.h"
#include "src/port/context.h"
#include "src/show/inventory.h"
#include "src/vf/sysfs.h"

/* One hostpciN that is no port, and will be none by itself. */
struct byhand {
	uint32_t vmid;
	unsigned slot;
	char mapping[NAME_LEN]; /* "": raw addresses */
	bool keep_driver;
	const struct pool *pool; /* of the first PF or VF that it means; points into the config */
	struct pci_addr pf;
	char pf_name[IFNAME_LEN];
	unsigned pf_vfs;       /* how many VFs that PF has now */
	bool means_pf;	       /* the PF itself */
	struct pci_addr vf;    /* the first VF, */
	unsigned n_vfs;	       /* of so many: all of them, or of a mapping one */
	unsigned n_unbound;    /* VFs that PVE cannot bind to vfio-pci, */
	unsigned n_driverless; /* or that have no driver to keep */
};

/*
 * All of them, in the order of guests and slots. *list is the caller's to free(). 0, or a negative
 * errno with err. What cannot be read of one guest is left out.
 */
int byhand_read(struct hook *h, const struct config *c, struct byhand **list, size_t *n,
		struct error *err);

/* A line for each, and how to bring it over. */
void byhand_tell(struct hook *h, const struct config *c);

/* "VM 300 hostpci0, VM 301 hostpci1 (mapping 'nic')": who names the PF itself. False: nobody. */
bool byhand_names_pf(const struct byhand *list, size_t n, const struct pci_addr *pf, char *buf,
		     size_t size);

/* " (mapping 'mine')", or "" for raw addresses. Returns buf. */
const char *byhand_mapping(const struct byhand *b, char buf[NAME_LEN + 16]);
/* "names VF 0000:06:02.2 of pool 'wan' by hand (mapping 'mine')". Returns buf. */
const char *byhand_describe(const struct byhand *b, char *buf, size_t size);
/* The command that makes it a port. Returns buf. */
const char *byhand_way_over(const struct byhand *b, char *buf, size_t size);

#endif
