/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VF that its VM gives back: parked, and its lease dropped. */
#ifndef VFHOOK_VF_PLAN_RELEASE_H
#define VFHOOK_VF_PLAN_RELEASE_H

#include "src/base/error.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/snapshot.h"

/*
 * The steps that park a leased VF and drop its lease. state may be NULL: the VF
 * is no longer there, and only its lease has to go. -EBUSY: it is there, but what it is set to
 * cannot be read now.
 */
int plan_release(const struct pf_state *pf, const struct vf_state *state, const struct lease *lease,
		 struct plan *p, struct error *err);

/*
 * The steps that park a VF under its lease l: link down, VLAN, MAC and trust off, spoofchk on, and
 * what the lease changed beside them as it was before. Only what the VF does not have yet: one that
 * is parked is left alone. 0 or -ENOMEM.
 */
int plan_add_parking(const struct pf_state *pf, const struct vf_state *v, const struct lease *l,
		     struct plan *p, struct error *err);

#endif
