/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VFs that are taken from running VMs, and given to them. Under our lock on the VM alone: PVE's own
 * is held by its migration all the while, and nobody starts a VM that runs. Its QEMU is looked for
 * under the lock, so a stop that comes meanwhile finds the leases as they are.
 */
#ifndef VFHOOK_PORT_PLUGGING_H
#define VFHOOK_PORT_PLUGGING_H

#include <stdbool.h>
#include <stdint.h>

#include "pveapi/process.h"
#include "src/base/error.h"
#include "src/port/context.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"

/* Why a VF is unplugged. */
struct unplug_reason {
	const char *peer; /* for a migration to, or from, that node; or NULL */
	const char *why;  /* in words */
};

/*
 * Take the VF of that lease, which the owner's VM runs on, from the running VM: the guest is asked
 * to let go and waited for, then the VF is parked, and kept for the VM (LEASE_UNPLUGGED). 0, or a
 * negative errno with err, and the VM has its VF as before: -ETIMEDOUT if the guest was asked and
 * has not let go, which it may do later (lease.asked). A VF that could not be parked is told of,
 * and nobody's else.
 */
int unplug_vf(struct hook *h, const struct owner *o, const struct lease *l,
	      const struct unplug_reason *reason, struct error *err);

/* The steps that park what is unplugged; none if it is parked. p is a PLAN_MEND. */
int plan_unplugged_parking(struct hook *h, const struct lease *l, struct plan *p,
			   struct error *err);
/* The same, carried out. */
int park_unplugged(struct hook *h, const struct owner *o, const struct lease *l, struct error *err);

/*
 * Give the owner's VM, which runs as that process, a VF for its port in that slot: the one that is
 * kept for it, or another one of its pool if that one cannot be had; set as the port wishes,
 * plugged in, leased, and named by the mapping. 0 or a negative errno with err, and nothing is
 * changed.
 */
int plug_port(struct hook *h, const struct owner *o, unsigned slot, const struct proc_id *qemu,
	      struct error *err);

/*
 * The VF that was kept for a slot of the owner's VM is anybody's again, if the VM has got another
 * one for it: also after a run that was killed between the two. 1: it was given back; 0: there is
 * none; or a negative errno with err.
 */
int give_up_spare(struct hook *h, const struct owner *o, unsigned slot, struct error *err);

/* The leases of that VM on VFs that it is to have while it runs, in order of their slots. Returns
 * how many (of at most max), or a negative errno with err. */
int live_leases(struct hook *h, uint32_t vmid, struct lease *list, size_t max, struct error *err);

#endif
