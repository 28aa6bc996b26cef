/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps that plans on VFs are put together from: for the other files src/vf/plan_*.c alone. All
 * that are called plan_add_... append to the plan and return 0, or -ENOMEM with err.
 */
#ifndef VFHOOK_VF_PLAN_STEPS_H
#define VFHOOK_VF_PLAN_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"
#include "src/vf/vf.h"

/* A step about one VF, with all that a message needs to name it. */
struct step step_on_vf(enum step_kind kind, const struct pf_state *pf, const struct vf_state *vf);

/*
 * A wish for one of min and max rate keeps the other as it is: they travel
 * together. On a leftover it is what it was before us, if we had set it.
 */
struct vf_settings wish_in_full(const struct port_wish *w, const struct vf_state *v);

/* -EBUSY: what would be set, and what it goes back to, is not known. */
int vf_refuse_unread(const struct vf_state *v, struct error *err);

/* As a driver makes a VF: no rate, the link as the PF's, no RSS query; of these, what `has` names.
 */
void settings_as_made(struct vf_settings *s, enum vf_attr attr, uint32_t has);

/* Is its link set to "disable"? */
bool link_is_cut(const struct vf_state *v);
/* May its link be set so? A driver that is known to have no such thing is not asked at every stop.
 */
bool link_may_be_cut(const struct pf_state *pf, const struct vf_state *v);
/* What a link becomes that nobody has a wish about: never the one of a parked VF. */
struct vf_settings link_when_free(const struct vf_settings *before);

/* The lease that w wants of the VF; where it is leased already, that lease anew. now: epoch s. */
int plan_add_lease(const struct pf_state *pf, const struct vf_state *v, const struct port_wish *w,
		   int64_t now, struct plan *p, struct error *err);
/* No other driver may take it: driver_override, unless it is so. keep: vfio_driver(). */
int plan_add_override(const struct pf_state *pf, const struct vf_state *v, bool keep,
		      struct plan *p, struct error *err);
int plan_add_set(const struct pf_state *pf, const struct vf_state *v, enum vf_attr attr,
		 const struct vf_settings *to, struct plan *p, struct error *err);
/* spoofchk on (STEP_GUARD). */
int plan_add_guard(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
		   struct error *err);
/* Its link down (STEP_CUT). */
int plan_add_cut(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
		 struct error *err);
/* Its MAC to zero. That may need spoofchk off: where it was on it comes back. */
int plan_add_clear_mac(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
		       struct error *err);

#endif
