/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interface of a container's VF: the VF bound to its network driver, and its interface on this
 * host called as LXC looks for it (OBJECT_NETDEV); and the way back, parked.
 */
#ifndef VFHOOK_PORT_NETDEV_H
#define VFHOOK_PORT_NETDEV_H

#include <stdbool.h>

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/plan_choice.h"
#include "src/vf/snapshot.h"

/*
 * The steps that give what was chosen for a container's ports its driver and name, behind those of
 * plan_start(): the driver takes the MAC that the VF has when it is bound. Before that the VF is
 * reserved with PVE, which takes a VF from its driver for a VM with an old mapping.
 */
int plan_netdevs(const struct vm_ports *v, const struct snapshot *s,
		 const struct port_choice *choices, struct plan *p, struct error *err);

/* A network driver has it that vfhook asked for: nobody else names one in driver_override. */
bool netdev_is_ours(const struct vf_info *vf);

/*
 * The steps that take a container's VF from its network driver, before it is cleaned, and out of
 * PVE's list; none that is not needed. The lease may be vfhook's own, where a container's was lost.
 * vf: NULL: it is gone. -EBUSY: its interface is not on this host, however long it is waited for
 * (it is still in a network namespace, which would lose it): nobody may have it.
 */
int plan_netdev_parking(struct hook *h, const struct lease *l, const struct vf_info *vf,
			struct plan *p, struct error *err);

#endif
