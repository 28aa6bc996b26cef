/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs that no VM has, set under a lease of vfhook's own: parked, opened for PVE alone, or the
 * host's. */
#include "src/vf/plan_park.h"

#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/vf/plan_release.h"
#include "src/vf/plan_steps.h"
#include "src/vf/port_wish.h"

bool vf_has_guest_settings(const struct vf_state *v)
{
	const struct vf_settings *s = &v->now;
	uint8_t parked[6];

	vf_parking_mac(&v->info.addr, parked);
	return ((s->has & HAS_VLAN) && (s->vlan || s->qos)) || ((s->has & HAS_TRUST) && s->trust) ||
	       ((s->has & HAS_SPOOFCHK) && !s->spoofchk) ||
	       ((s->has & HAS_MAC) && !mac_is_zero(s->mac) &&
		memcmp(s->mac, parked, sizeof(parked)) != 0);
}

bool vf_is_parked(const struct vf_state *v)
{
	const struct vf_settings *s = &v->now;
	uint8_t parked[6];

	vf_parking_mac(&v->info.addr, parked);
	return !v->unread && link_is_cut(v) && !s->vlan && !s->qos && !s->trust &&
	       (s->spoofchk || !(s->has & HAS_SPOOFCHK)) &&
	       (mac_is_zero(s->mac) || !memcmp(s->mac, parked, sizeof(parked)));
}

void lease_set_unknown_owner(struct lease *l, uint32_t has)
{
	static const enum vf_attr kept[] = {VF_RATE, VF_QUERY_RSS};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		settings_as_made(&l->before, kept[i], has);
		settings_as_made(&l->want, kept[i], has);
	}
}

int plan_park(const struct pf_state *pf, const struct vf_state *v, int64_t now, struct plan *p,
	      struct error *err)
{
	const struct port_wish self = {.vmid = LEASE_SELF};
	const struct step unused = step_on_vf(STEP_UNUSED, pf, v);
	struct step drop = step_on_vf(STEP_LEASE_DROP, pf, v);
	size_t first = p->n_steps;
	struct step *take;

	if (v->unread)
		return vf_refuse_unread(v, err);
	if (plan_add_lease(pf, v, &self, now, p, err) < 0)
		return -ENOMEM;
	take = &p->steps[first];
	if (vf_has_guest_settings(v)) {
		take->from = v->now;
		lease_set_unknown_owner(&take->lease, v->now.has);
	}
	drop.has_old_lease = true;
	drop.old_lease = take->lease;
	/* A VM may have been started on it, by an old mapping, since it was looked at. */
	if (!plan_add_step(p, &unused, err) || plan_add_override(pf, v, false, p, err) < 0 ||
	    plan_add_parking(pf, v, &p->steps[first].lease, p, err) < 0)
		return -ENOMEM;
	if (p->n_steps == first + 2) { /* it is as it should be: not even a lease */
		p->n_steps = first;
		return 0;
	}
	return plan_add_step(p, &drop, err) ? 0 : -ENOMEM;
}

int plan_hold(const struct pf_state *pf, const struct vf_state *v, int64_t now, struct plan *p,
	      struct error *err)
{
	const struct port_wish self = {.vmid = LEASE_SELF};

	if (v->leased)
		return fail(err, EEXIST, "it is leased already");
	return plan_add_lease(pf, v, &self, now, p, err);
}

int plan_let_go(const struct lease *held, struct plan *p, struct error *err)
{
	return plan_release(NULL, NULL, held, p, err);
}

int plan_ready_for_pve(const struct pf_state *pf, const struct vf_state *v, bool keep, int64_t now,
		       struct plan *p, struct error *err)
{
	const struct vf_settings open = {.has = HAS_LINK_STATE, .link_state = VF_LINK_AUTO};
	size_t first = p->n_steps;

	if (plan_hold(pf, v, now, p, err) < 0 ||
	    (!keep && plan_add_override(pf, v, false, p, err) < 0) ||
	    (vf_is_parked(v) && plan_add_set(pf, v, VF_LINK_STATE, &open, p, err) < 0))
		return error_code(err);
	if (p->n_steps == first + 1) {
		p->n_steps = first;
		return 0;
	}
	return plan_let_go(&p->steps[first].lease, p, err);
}

int plan_host_vf(const struct pf_state *pf, const struct vf_state *v,
		 const struct vf_settings *want, int64_t now, struct plan *p, struct error *err)
{
	const struct port_wish self = {.vmid = LEASE_SELF, .want = *want};
	struct step drop = step_on_vf(STEP_LEASE_DROP, pf, v);
	struct step override = step_on_vf(STEP_OVERRIDE, pf, v);
	struct step verify = step_on_vf(STEP_VERIFY, pf, v);
	struct vf_settings to = *want;
	size_t first = p->n_steps;

	if (v->unread)
		return vf_refuse_unread(v, err);
	if (v->leased)
		return fail(err, EEXIST, "it is leased");
	/* Who gave it back last took its link down. */
	if (link_is_cut(v) && !(to.has & HAS_LINK_STATE)) {
		to.has |= HAS_LINK_STATE;
		to.link_state = VF_LINK_AUTO;
	}
	if (plan_add_lease(pf, v, &self, now, p, err) < 0)
		return -ENOMEM;
	drop.has_old_lease = true;
	drop.old_lease = p->steps[first].lease;
	memcpy(override.from_text, v->info.driver_override, sizeof(override.from_text));
	if (v->info.driver_override[0] && !plan_add_step(p, &override, err))
		return -ENOMEM;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		if ((to.has & vf_attr_bits((enum vf_attr)a)) &&
		    !vf_attr_equal((enum vf_attr)a, &to, &v->now) &&
		    plan_add_set(pf, v, (enum vf_attr)a, &to, p, err) < 0)
			return -ENOMEM;
	}
	if (p->n_steps == first + 1) { /* it is as it should be: not even a lease */
		p->n_steps = first;
		return 0;
	}
	verify.to = to;
	return plan_add_step(p, &verify, err) && plan_add_step(p, &drop, err) ? 0 : -ENOMEM;
}
