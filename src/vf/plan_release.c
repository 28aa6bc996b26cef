/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VF that its VM gives back: parked, and its lease dropped. */
#include "src/vf/plan_release.h"

#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/vf/plan_steps.h"

static bool has_changed(const struct vf_state *v, const struct lease *l, enum vf_attr attr)
{
	struct vf_settings before = l->before;

	before.has &= vf_attr_bits(attr) & v->now.has;
	return (l->want.has & vf_attr_bits(attr)) && before.has &&
	       !vf_attr_equal(attr, &before, &v->now);
}

int plan_add_parking(const struct pf_state *pf, const struct vf_state *v, const struct lease *l,
		     struct plan *p, struct error *err)
{
	static const enum vf_attr restored[] = {VF_RATE, VF_LINK_STATE, VF_QUERY_RSS};
	struct vf_settings parked = {.has = HAS_VLAN, .proto = VLAN_PROTO_8021Q};
	bool mac_set = (v->now.has & HAS_MAC) && !mac_is_zero(v->now.mac);
	struct step s;

	/* First of all: what comes after it happens to a VF that nobody hears. */
	if (link_may_be_cut(pf, v) && plan_add_cut(pf, v, p, err) < 0)
		return -ENOMEM;
	if ((v->now.has & HAS_VLAN) && (v->now.vlan || v->now.qos) &&
	    plan_add_set(pf, v, VF_VLAN, &parked, p, err) < 0)
		return -ENOMEM;
	if (mac_set) {
		s = step_on_vf(STEP_CLEAR_MAC, pf, v);
		s.from = v->now;
		if (!plan_add_step(p, &s, err))
			return -ENOMEM;
	}
	parked.has = HAS_TRUST;
	if ((v->now.has & HAS_TRUST) && v->now.trust &&
	    plan_add_set(pf, v, VF_TRUST, &parked, p, err) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(restored); i++) {
		if (restored[i] == VF_LINK_STATE && link_may_be_cut(pf, v))
			continue;
		if (has_changed(v, l, restored[i]) &&
		    plan_add_set(pf, v, restored[i], &l->before, p, err) < 0)
			return -ENOMEM;
	}
	/* Clearing the MAC may have needed spoofchk off: then it has to come back. */
	if ((v->now.has & HAS_SPOOFCHK) && (!v->now.spoofchk || mac_set))
		return plan_add_guard(pf, v, p, err);
	return 0;
}

int plan_release(const struct pf_state *pf, const struct vf_state *state, const struct lease *lease,
		 struct plan *p, struct error *err)
{
	struct step drop = {
		.kind = STEP_LEASE_DROP, .vf = lease->vf, .pf = lease->pf, .index = lease->index};

	/* It may have anything: nobody gets it before it could be looked at. */
	if (state && state->unread)
		return vf_refuse_unread(state, err);
	if (state && plan_add_parking(pf, state, lease, p, err) < 0)
		return -ENOMEM;
	drop.old_lease = *lease;
	drop.has_old_lease = true;
	return plan_add_step(p, &drop, err) ? 0 : -ENOMEM;
}
