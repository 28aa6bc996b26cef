/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that plans on VFs are put together from, one function for each. */
#include "src/vf/plan_steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "src/vf/drivers.h"
#include "src/vf/lease.h"

struct step step_on_vf(enum step_kind kind, const struct pf_state *pf, const struct vf_state *vf)
{
	struct step s = {
		.kind = kind,
		.vf = vf->info.addr,
		.pf = pf->info.addr,
		.index = vf->info.index,
		.ifindex = pf->info.ifindex,
	};

	memcpy(s.pf_name, pf->info.ifname, sizeof(s.pf_name));
	memcpy(s.driver, pf->info.driver, sizeof(s.driver));
	return s;
}

struct vf_settings wish_in_full(const struct port_wish *w, const struct vf_state *v)
{
	const struct vf_settings *want = &w->want;
	struct vf_settings to = *want;
	uint32_t ours = v->leased ? v->lease.want.has & v->lease.before.has : 0;

	if ((want->has & HAS_MAX_RATE) && !(want->has & HAS_MIN_RATE)) {
		const struct vf_settings *keep = (ours & HAS_MIN_RATE) ? &v->lease.before : &v->now;

		to.min_rate = (keep->has & HAS_MIN_RATE) ? keep->min_rate : 0;
		to.has |= HAS_MIN_RATE;
	} else if ((want->has & HAS_MIN_RATE) && !(want->has & HAS_MAX_RATE)) {
		const struct vf_settings *keep = (ours & HAS_MAX_RATE) ? &v->lease.before : &v->now;

		to.max_rate = (keep->has & HAS_MAX_RATE) ? keep->max_rate : 0;
		to.has |= HAS_MAX_RATE;
	}
	return to;
}

int vf_refuse_unread(const struct vf_state *v, struct error *err)
{
	char addr[PCI_ADDR_LEN];

	return fail(err, EBUSY, "VF %s: %s", pci_addr_format(&v->info.addr, addr), v->unread_why);
}

void settings_as_made(struct vf_settings *s, enum vf_attr attr, uint32_t has)
{
	s->has |= vf_attr_bits(attr) & has;
	switch (attr) {
	case VF_RATE:
		s->min_rate = s->max_rate = 0;
		break;
	case VF_LINK_STATE:
		s->link_state = VF_LINK_AUTO;
		break;
	default:
		s->query_rss = false;
	}
}

bool link_is_cut(const struct vf_state *v)
{
	return (v->now.has & HAS_LINK_STATE) && v->now.link_state == VF_LINK_DISABLE;
}

bool link_may_be_cut(const struct pf_state *pf, const struct vf_state *v)
{
	const struct nic_driver *d = nic_driver(pf->info.driver);

	return (v->now.has & HAS_LINK_STATE) && v->now.link_state != VF_LINK_DISABLE &&
	       (!d || ((d->can | d->maybe) & CAN_LINK_DISABLE));
}

struct vf_settings link_when_free(const struct vf_settings *before)
{
	struct vf_settings to = *before;

	to.has &= HAS_LINK_STATE;
	if (to.link_state == VF_LINK_DISABLE)
		to.link_state = VF_LINK_AUTO;
	return to;
}

int plan_add_lease(const struct pf_state *pf, const struct vf_state *v, const struct port_wish *w,
		   int64_t now, struct plan *p, struct error *err)
{
	struct step s = step_on_vf(v->leased ? STEP_LEASE_WRITE : STEP_LEASE_TAKE, pf, v);

	s.lease = (struct lease){
		.vf = v->info.addr,
		.pf = pf->info.addr,
		.index = v->info.index,
		.vmid = w->vmid,
		.slot = w->slot,
		.phase = LEASE_STARTING,
		.no_net = pf->info.no_net,
		.taken = now,
		/* What it looked like before us, not what a start that failed left. */
		.before = v->leased ? v->lease.before : v->now,
		.want = w->want,
	};
	memcpy(s.lease.pool, w->pool, sizeof(s.lease.pool));
	memcpy(s.lease.name, w->name, sizeof(s.lease.name));
	memcpy(s.lease.peer, w->from, sizeof(s.lease.peer));
	memcpy(s.lease.netname, w->netname, sizeof(s.lease.netname));
	if (v->leased) {
		s.has_old_lease = true;
		s.old_lease = v->lease;
	}
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}

int plan_add_override(const struct pf_state *pf, const struct vf_state *v, bool keep,
		      struct plan *p, struct error *err)
{
	struct step step = step_on_vf(STEP_OVERRIDE, pf, v);
	const char *driver = vfio_driver(pf->info.driver, keep);

	if (!strcmp(v->info.driver, driver) || !strcmp(v->info.driver_override, driver))
		return 0;
	memcpy(step.from_text, v->info.driver_override, sizeof(step.from_text));
	snprintf(step.to_text, sizeof(step.to_text), "%s", driver);
	return plan_add_step(p, &step, err) ? 0 : -ENOMEM;
}

int plan_add_set(const struct pf_state *pf, const struct vf_state *v, enum vf_attr attr,
		 const struct vf_settings *to, struct plan *p, struct error *err)
{
	struct step s = step_on_vf(STEP_SET, pf, v);

	s.attr = attr;
	s.from = v->now;
	s.to = *to;
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}

int plan_add_guard(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
		   struct error *err)
{
	struct step s = step_on_vf(STEP_GUARD, pf, v);

	s.attr = VF_SPOOFCHK;
	s.from = v->now;
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}

int plan_add_cut(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
		 struct error *err)
{
	struct step s = step_on_vf(STEP_CUT, pf, v);

	s.attr = VF_LINK_STATE;
	s.from = v->now;
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}

int plan_add_clear_mac(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
		       struct error *err)
{
	struct step s = step_on_vf(STEP_CLEAR_MAC, pf, v);

	s.from = v->now;
	if (!plan_add_step(p, &s, err))
		return -ENOMEM;
	return (v->now.has & HAS_SPOOFCHK) && v->now.spoofchk ? plan_add_guard(pf, v, p, err) : 0;
}
