/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is around a PF: the card that it is on, how fast its link is, which bond and bridges it is
 * below. For who shows it; nothing is decided by it. */
#ifndef VFHOOK_HOST_PF_AROUND_H
#define VFHOOK_HOST_PF_AROUND_H

#include "src/host/bridges_above.h"
#include "src/host/pf_master.h"
#include "src/vf/sysfs.h"

struct pf_around {
	struct card_id card; /* what cannot be read of it is "" */
	unsigned speed;	     /* Mbit/s; 0: there is no link, or its driver does not tell */
	struct pf_master master;
	struct bridges_above bridges;
	struct bridge_above ovs; /* name "": it is not below Open vSwitch */
	bool bridges_unknown;	 /* there may be more */
};

/* ifname "": a card without a network. */
void pf_around_read(int root, const struct pci_addr *addr, const char *ifname,
		    struct pf_around *out);

/* "bond0 (802.3ad), vmbr0, vmbr20 (over bond0.20)"; "" if there is nothing. Returns buf. */
const char *pf_above_text(const struct pf_around *a, char *buf, size_t size);

#endif
