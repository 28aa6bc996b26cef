/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A MAC that a port is to have is on no other VF of the same PF: the steps that see to it, or why
 * not. */
#include "src/vf/plan_mac.h"

#include <errno.h>
#include <string.h>

#include "src/base/text.h"
#include "src/vf/lease.h"
#include "src/vf/plan_steps.h"
#include "src/vf/why_not_free.h"

static const struct vf_state *vf_by_index(const struct pf_state *pf, unsigned index)
{
	for (size_t k = 0; k < pf->n_vfs; k++) {
		if (pf->vfs[k].info.index == index)
			return &pf->vfs[k];
	}
	return NULL;
}

/* Does the plan so far hold a lease on that VF? */
static bool plan_holds(const struct plan *p, const struct vf_state *v)
{
	bool holds = false;

	for (size_t i = 0; i < p->n_steps; i++) {
		enum step_kind kind = p->steps[i].kind;

		if (pci_addr_cmp(&p->steps[i].vf, &v->info.addr) != 0)
			continue;
		if (kind == STEP_LEASE_TAKE || kind == STEP_LEASE_WRITE)
			holds = true;
		else if (kind == STEP_LEASE_DROP)
			holds = false;
	}
	return holds;
}

/* Does the plan so far give that VF another MAC, or take the one away that it has? */
static bool plan_changes_mac(const struct plan *p, const struct vf_state *v)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step *s = &p->steps[i];

		if (!pci_addr_cmp(&s->vf, &v->info.addr) &&
		    (s->kind == STEP_CLEAR_MAC || (s->kind == STEP_SET && s->attr == VF_MAC)))
			return true;
	}
	return false;
}

/* Under a lease of its own, so that nobody gets the VF while its MAC goes. */
static int add_mac_clearing(const struct pf_state *pf, const struct vf_state *v,
			    const struct port_wish *w, int64_t now, struct plan *p,
			    struct error *err)
{
	struct port_wish nothing = *w;
	struct step drop = step_on_vf(STEP_LEASE_DROP, pf, v);

	nothing.want = (struct vf_settings){0};
	if (plan_add_lease(pf, v, &nothing, now, p, err) < 0)
		return -ENOMEM;
	drop.has_old_lease = true;
	drop.old_lease = p->steps[p->n_steps - 1].lease;
	if (plan_add_clear_mac(pf, v, p, err) < 0)
		return -ENOMEM;
	return plan_add_step(p, &drop, err) ? 0 : -ENOMEM;
}

/*
 * A VF whose MAC cannot be read now (in reset, as a rule). Its lease tells what it has been set to.
 * Without a lease it has been left clean, or somebody has set it by hand: one VF that hangs must
 * not keep every VM from starting, so that is told. What no list of the kernel can hold is passed
 * over: it is never ours.
 */
static int judge_unread_mac(const struct snapshot *s, const struct pf_state *pf, unsigned index,
			    const struct port_wish *w, struct plan *p, struct error *err)
{
	const struct vf_state *other;
	const struct lease *l;
	char addr[PCI_ADDR_LEN];
	char mac[MAC_LEN];
	char device[WISH_DEVICE_LEN];
	char who[LEASE_HOLDER_LEN];

	wish_device(w, device);
	if (!pf->link.has_list || index >= pf->link.n_listed)
		return 0;
	if (!s->complete)
		return -EAGAIN;
	other = vf_by_index(pf, index);
	l = other && other->leased ? &other->lease : NULL;
	mac_format(w->want.mac, mac);
	if (l && (l->want.has & HAS_MAC) && !memcmp(l->want.mac, w->want.mac, 6))
		return fail(err, EBUSY,
			    "MAC %s of %s was given to VF %u (%s) of %s for %s, and what "
			    "that VF has now cannot be read (%s): start it again once it can, or "
			    "give the port another MAC",
			    mac, device, index, pci_addr_format(&other->info.addr, addr),
			    pf->info.ifname, lease_holder(l, who), other->unread_why);
	if (!l &&
	    !plan_add_note(p, false, other ? &other->info.addr : &pf->info.addr,
			   "VF %u of %s cannot be read now: whether it has MAC %s of %s, too, "
			   "cannot be told; if the guest is not reached: ip link show %s",
			   index, pf->info.ifname, mac, device, pf->info.ifname))
		p->notes[p->n_notes - 1].aloud = true;
	return 0;
}

int plan_clear_double_macs(const struct snapshot *s, const struct pf_state *pf,
			   const struct vf_state *v, const struct port_wish *w, int64_t now,
			   struct plan *p, struct error *err)
{
	char mac[MAC_LEN];
	char addr[PCI_ADDR_LEN];
	char why[320];

	if (!(w->want.has & HAS_MAC))
		return 0;
	for (unsigned i = 0; i < pf->link.n_vfs; i++) {
		const struct vf_state *other;
		const char *reason;
		int r;

		if (i == v->info.index)
			continue;
		if (!(pf->link.vfs[i].has & HAS_MAC)) {
			r = judge_unread_mac(s, pf, i, w, p, err);
			if (r < 0)
				return r;
			continue;
		}
		if (memcmp(pf->link.vfs[i].mac, w->want.mac, 6) != 0)
			continue;
		if (!s->complete)
			return -EAGAIN;
		other = vf_by_index(pf, i);
		if (other && plan_changes_mac(p, other))
			continue;
		if (other && (vf_is_leased_to(other, w->vmid) || plan_holds(p, other))) {
			if (plan_add_clear_mac(pf, other, p, err) < 0)
				return -ENOMEM;
			continue;
		}
		reason = other ? vf_why_not_free(s, pf, other, w, why, sizeof(why)) : "unknown VF";
		if (!reason) {
			if (add_mac_clearing(pf, other, w, now, p, err) < 0)
				return -ENOMEM;
			continue;
		}
		return fail(err, EINVAL,
			    "MAC %s of hostpci%u is already on VF %u (%s) of %s: %s; give the port "
			    "another MAC or free that VF",
			    mac_format(w->want.mac, mac), w->slot, i,
			    other ? pci_addr_format(&other->info.addr, addr) : "?", pf->info.ifname,
			    reason);
	}
	return 0;
}
