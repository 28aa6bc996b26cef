/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VFs that VMs name by hand (src/show/by_hand.h), and that PVE's own bind would not get as the VM
 * needs them: vfio-pci may not have them, or they are parked and have no link.
 */
#ifndef VFHOOK_SHOW_UNARMED_H
#define VFHOOK_SHOW_UNARMED_H

#include <stdbool.h>
#include <stdint.h>

#include "src/port/context.h"
#include "src/show/inventory.h"

/* Points into what unarmed_each() has read, until fn returns. */
struct unarmed {
	const struct pf_report *pf;
	const struct vf_report *vf;
	uint32_t vmid;	   /* the VM that names it */
	bool keeps_driver; /* its hostpciN has driver=keep, or its config cannot be read */
	bool parked;	   /* it has no link */
};

/*
 * fn is called for each such VF of this node's pools, one at a time; not for those that this host
 * or a container uses. 0, or a negative errno with err: what there is cannot be told.
 */
int unarmed_each(struct hook *h, void (*fn)(void *arg, const struct unarmed *u), void *arg,
		 struct error *err);

#endif
