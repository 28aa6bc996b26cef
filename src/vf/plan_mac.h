/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A MAC that a port is to have must be on no other VF of the same PF. For src/vf/plan_start.c. */
#ifndef VFHOOK_VF_PLAN_MAC_H
#define VFHOOK_VF_PLAN_MAC_H

#include <stdint.h>

#include "src/base/error.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"

/*
 * Two VFs of one PF with the same MAC make the NIC's switch deliver to either. The steps that take
 * the MAC which w wants for v from every other VF of the PF that is free, or this VM's. 0;
 * -EAGAIN: the snapshot is not complete, and that has to be known; -EINVAL: somebody has a VF with
 * that MAC; -EBUSY: one that was given it cannot be read now; -ENOMEM. now: epoch seconds, for
 * leases. A VF that cannot be read, and has no lease, gets a note that is to be told.
 */
int plan_clear_double_macs(const struct snapshot *s, const struct pf_state *pf,
			   const struct vf_state *v, const struct port_wish *w, int64_t now,
			   struct plan *p, struct error *err);

#endif
