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

/*
 * fn is called for each such VF of this node's pools, one at a time; not for those that this host
 * or a container uses. 0, or a negative errno with err: what there is cannot be told.
 */
int unarmed_each(struct hook *h,
		 void (*fn)(void *arg, const struct pf_report *pf, const struct vf_report *r),
		 void *arg, struct error *err);

/* Which VM names it. */
uint32_t unarmed_vm(const struct vf_report *r);
/* Does that VM's hostpciN have driver=keep? Yes, too, if its config cannot be read. */
bool unarmed_keeps_driver(const struct hook *h, const struct vf_report *r);

#endif
