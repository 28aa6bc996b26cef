/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VFs that VMs name by hand are made ready for PVE's own bind (src/show/unarmed.h): boot does it to
 * all, vfhook repair to one after the other.
 */
#ifndef VFHOOK_COMMAND_ARM_BY_HAND_H
#define VFHOOK_COMMAND_ARM_BY_HAND_H

#include "src/port/context.h"
#include "src/show/unarmed.h"

/*
 * Let vfio-pci have the VFs that such VMs name, so that PVE can bind them although VFs come without
 * drivers, and give those that were parked before their link back: not one that this host or a
 * container uses. self: the owner of what vfhook itself holds. Told where it fails; returns how
 * often.
 */
unsigned byhand_arm(struct hook *h, const struct owner *self);

/* One of them: 0, or a negative errno with err; -EEXIST: a start was faster, or somebody's run. */
int byhand_arm_one(struct hook *h, const struct owner *self, const struct unarmed *u,
		   struct error *err);

#endif
