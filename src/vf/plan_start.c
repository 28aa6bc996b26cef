/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's VFs as its ports wish: at a start, for a VM that runs, and when the wishes change. */
#include "src/vf/plan_start.h"

#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/vf/plan_mac.h"
#include "src/vf/plan_steps.h"
#include "src/vf/why_not_free.h"

/*
 * An attribute that this port does not wish for, on a leftover of its VM whose
 * port did wish for it then: it goes back to what a parked VF has, or had before us.
 */
static int add_leftover(const struct pf_state *pf, const struct vf_state *v, enum vf_attr attr,
			struct plan *p, struct error *err)
{
	struct vf_settings to = {.has = vf_attr_bits(attr), .proto = VLAN_PROTO_8021Q};

	if (!(v->lease.want.has & vf_attr_bits(attr)) || !(v->now.has & vf_attr_bits(attr)))
		return 0;
	switch (attr) {
	case VF_MAC:
		return mac_is_zero(v->now.mac) ? 0 : plan_add_clear_mac(pf, v, p, err);
	case VF_SPOOFCHK:
		return v->now.spoofchk ? 0 : plan_add_guard(pf, v, p, err);
	case VF_VLAN:
	case VF_TRUST:
		break;
	case VF_LINK_STATE:
		to = link_when_free(&v->lease.before);
		break;
	default:
		to = v->lease.before;
		to.has &= vf_attr_bits(attr);
	}
	return vf_attr_equal(attr, &to, &v->now) ? 0 : plan_add_set(pf, v, attr, &to, p, err);
}

/*
 * An attribute that this port does not wish for, on a VF that nobody has a lease of: as a parked
 * one has it. It is otherwise if the lease of whoever had it was lost: his VLAN is not this VM's.
 */
static int add_parked(const struct pf_state *pf, const struct vf_state *v, enum vf_attr attr,
		      struct plan *p, struct error *err)
{
	const struct vf_settings to = {.has = vf_attr_bits(attr), .proto = VLAN_PROTO_8021Q};

	if (!(v->now.has & vf_attr_bits(attr)))
		return 0;
	switch (attr) {
	case VF_SPOOFCHK:
		return v->now.spoofchk ? 0 : plan_add_guard(pf, v, p, err);
	case VF_VLAN:
	case VF_TRUST:
		return vf_attr_equal(attr, &to, &v->now) ? 0
							 : plan_add_set(pf, v, attr, &to, p, err);
	default:
		return 0;
	}
}

static int add_port(const struct snapshot *s, const struct pf_state *pf, const struct vf_state *v,
		    const struct port_wish *w, int64_t now, struct plan *p, struct error *err)
{
	struct vf_settings to = wish_in_full(w, v);
	uint32_t opened = 0;
	struct step step;
	int r;

	r = plan_clear_double_macs(s, pf, v, w, now, p, err);
	if (r < 0)
		return r;
	if (plan_add_lease(pf, v, w, now, p, err) < 0 ||
	    (!w->netname[0] && plan_add_override(pf, v, w->keep_driver, p, err) < 0))
		return -ENOMEM;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		if (!(w->want.has & vf_attr_bits((enum vf_attr)a))) {
			if (a == VF_LINK_STATE && link_is_cut(v)) {
				opened = HAS_LINK_STATE;
				if (plan_add_set(pf, v, VF_LINK_STATE,
						 &(struct vf_settings){.has = HAS_LINK_STATE}, p,
						 err) < 0)
					return -ENOMEM;
				continue;
			}
			if (vf_is_leased_to(v, w->vmid) &&
			    add_leftover(pf, v, (enum vf_attr)a, p, err) < 0)
				return -ENOMEM;
			if (!v->leased && add_parked(pf, v, (enum vf_attr)a, p, err) < 0)
				return -ENOMEM;
			continue;
		}
		if (vf_attr_equal((enum vf_attr)a, &to, &v->now))
			continue;
		if (plan_add_set(pf, v, (enum vf_attr)a, &to, p, err) < 0)
			return -ENOMEM;
	}
	/* Of what was not set nothing reads back, and nobody could be asked. */
	if (pf->info.no_net)
		return 0;
	step = step_on_vf(STEP_VERIFY, pf, v);
	step.to = w->want;
	step.to.has |= opened;
	return plan_add_step(p, &step, err) ? 0 : -ENOMEM;
}

int plan_start(const struct snapshot *s, const struct port_wish *wishes, size_t n, int64_t now,
	       struct port_choice *choices, struct plan *p, struct error *err)
{
	int r = port_wishes_check(wishes, n, err);

	if (!r)
		r = plan_choose(s, wishes, n, choices, p, err);
	for (size_t i = 0; !r && i < n; i++) {
		const struct pf_state *pf = &s->pfs[choices[i].pf];

		r = add_port(s, pf, &pf->vfs[choices[i].vf], &wishes[i], now, p, err);
	}
	return r;
}

/*
 * What a VF that the port's VM runs on goes back to one day. If its lease was lost, what is set as
 * the port wishes was set for the port: what it was before is not known, and not that.
 */
static struct vf_settings before_of(const struct vf_state *v, const struct port_wish *w)
{
	static const enum vf_attr restored[] = {VF_RATE, VF_LINK_STATE, VF_QUERY_RSS};
	struct vf_settings before = v->leased ? v->lease.before : v->now;
	struct vf_settings want = wish_in_full(w, v);

	for (size_t i = 0; i < ARRAY_SIZE(restored); i++) {
		uint32_t bits = vf_attr_bits(restored[i]);
		bool known = v->leased ? (before.has & bits) != 0
				       : !vf_attr_equal(restored[i], &want, &v->now);

		if ((w->want.has & bits) && !known)
			settings_as_made(&before, restored[i], v->now.has);
	}
	return before;
}

static int add_port_on(const struct snapshot *s, const struct pf_state *pf,
		       const struct vf_state *v, const struct port_wish *w, int64_t now,
		       struct plan *p, struct error *err)
{
	size_t first = p->n_steps;
	int r = add_port(s, pf, v, w, now, p, err);

	for (size_t i = first; !r && i < p->n_steps; i++) {
		struct step *step = &p->steps[i];

		if ((step->kind != STEP_LEASE_TAKE && step->kind != STEP_LEASE_WRITE) ||
		    pci_addr_cmp(&step->vf, &v->info.addr) != 0)
			continue;
		step->lease.before = before_of(v, w);
		/* Its guest comes from there, and has not seen it. */
		if (vf_is_leased_to(v, w->vmid) && v->lease.phase == LEASE_STARTING)
			memcpy(step->lease.peer, v->lease.peer, sizeof(step->lease.peer));
		step->from = v->now;
	}
	return r;
}

int plan_port_on(const struct snapshot *s, const struct port_wish *wish, const struct pci_addr *vf,
		 int64_t now, struct plan *p, struct error *err)
{
	const struct pf_state *pf;
	const struct vf_state *v = snapshot_find(s, vf, &pf);
	char addr[PCI_ADDR_LEN];
	char why[320];

	pci_addr_format(vf, addr);
	if (!v)
		return fail(err, EBUSY, "%s is no VF of pool '%s'", addr, wish->pool);
	if (vf_why_not_lease(v, wish->vmid, why, sizeof(why)) ||
	    (v->claim && v->claim->firm && snprintf(why, sizeof(why), "%s", v->claim->who) > 0))
		return fail(err, EBUSY, "VF %s is not free: %s", addr, why);
	if (v->host && !v->leased)
		return fail(err, EBUSY, "VF %s is set aside for this host (`host-vfs` of its pool)",
			    addr);
	if (v->unread)
		return vf_refuse_unread(v, err);
	return add_port_on(s, pf, v, wish, now, p, err);
}

/* What an attribute becomes that is no longer wished for; has is 0 if nothing is known. */
static struct vf_settings without_wish(const struct vf_state *v, enum vf_attr attr)
{
	struct vf_settings to = {.proto = VLAN_PROTO_8021Q, .spoofchk = true};

	to.has =
		attr == VF_VLAN || attr == VF_TRUST || attr == VF_SPOOFCHK ? vf_attr_bits(attr) : 0;
	if (!to.has) {
		to = v->lease.before;
		to.has &= vf_attr_bits(attr);
	}
	return attr == VF_LINK_STATE ? link_when_free(&to) : to;
}

int plan_change(const struct pf_state *pf, const struct vf_state *v, const struct vf_settings *want,
		struct plan *p, struct error *err)
{
	struct port_wish w = {.vmid = v->lease.vmid, .want = *want};
	struct vf_settings to = wish_in_full(&w, v);
	struct step s = step_on_vf(STEP_LEASE_WRITE, pf, v);

	if (v->unread)
		return vf_refuse_unread(v, err);
	s.has_old_lease = true;
	s.old_lease = v->lease;
	s.lease = v->lease;
	s.lease.want = *want;
	s.lease.want.has &= ~(uint32_t)HAS_MAC;
	s.lease.want.has |= v->lease.want.has & HAS_MAC;
	memcpy(s.lease.want.mac, v->lease.want.mac, sizeof(s.lease.want.mac));
	if (!plan_add_step(p, &s, err))
		return -ENOMEM;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		enum vf_attr attr = (enum vf_attr)a;
		struct vf_settings one = to;

		if (attr == VF_MAC)
			continue;
		if (!(want->has & vf_attr_bits(attr))) {
			if (!(v->lease.want.has & vf_attr_bits(attr)))
				continue;
			one = without_wish(v, attr);
		}
		if (!(one.has & vf_attr_bits(attr)) || vf_attr_equal(attr, &one, &v->now))
			continue;
		if (plan_add_set(pf, v, attr, &one, p, err) < 0)
			return -ENOMEM;
	}
	s = step_on_vf(STEP_VERIFY, pf, v);
	s.to = *want;
	s.to.has &= ~(uint32_t)HAS_MAC;
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}
