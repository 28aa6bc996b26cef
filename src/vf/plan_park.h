/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs that no VM has, set under a lease of vfhook's own (LEASE_SELF). */
#ifndef VFHOOK_VF_PLAN_PARK_H
#define VFHOOK_VF_PLAN_PARK_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/snapshot.h"
#include "src/vf/vf.h"

/* Something of a guest's is on it: a lease that was removed by hand leaves a free VF so. */
bool vf_has_guest_settings(const struct vf_state *v);

/*
 * For vfhook's own lease of a VF whose last owner's lease is lost: what that guest may have had
 * beside MAC, VLAN and trust (rates, RSS query, as far as `has` names them) is taken off by its
 * release too. What they were before is not known, and the next guest must not get them.
 */
void lease_set_unknown_owner(struct lease *l, uint32_t has);

/*
 * The steps that make a free VF one that is parked, under a lease of our own
 * (LEASE_SELF) meanwhile; none if it is parked already. The plan is a PLAN_START of
 * LEASE_SELF: whoever was faster has the VF (-EEXIST from execute()).
 */
int plan_park(const struct pf_state *pf, const struct vf_state *vf, int64_t now, struct plan *p,
	      struct error *err);

/* Is it as plan_park() leaves a VF, with its link cut? A person's own setting looks otherwise. */
bool vf_is_parked(const struct vf_state *vf);

/*
 * For VMs that PVE starts without us: the steps that let no driver but vfio-pci have a VF that
 * nobody has a lease of, and give it back the link that parking has cut, under a lease of our own
 * meanwhile. Nothing else of it is set; no steps if it is so already. keep: its driver is not ours
 * to say (driver=keep). A PLAN_START of LEASE_SELF.
 */
int plan_ready_for_pve(const struct pf_state *pf, const struct vf_state *vf, bool keep, int64_t now,
		       struct plan *p, struct error *err);

/*
 * The step that leases a VF that nobody has to vfhook itself (LEASE_SELF), and the one that drops
 * that lease again: nobody gets it in between. Nothing of it is set.
 */
int plan_hold(const struct pf_state *pf, const struct vf_state *vf, int64_t now, struct plan *p,
	      struct error *err);
int plan_let_go(const struct lease *held, struct plan *p, struct error *err);

/*
 * A VF that is this host's, before its network driver gets it: driver_override cleared, set as
 * wished, under a lease of vfhook's own. No step if it is so already. p is a PLAN_START,
 * undone if it fails. -EEXIST: it is leased; -EBUSY: it cannot be read.
 */
int plan_host_vf(const struct pf_state *pf, const struct vf_state *vf,
		 const struct vf_settings *want, int64_t now, struct plan *p, struct error *err);

#endif
