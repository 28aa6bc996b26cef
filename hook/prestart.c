/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pre-start: each port of the VM gets its VF, set as asked, and its mapping
 * names it. Anything else refuses the start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "hook/handover.h"
#include "hook/hook.h"
#include "hook/mac.h"
#include "hook/reclaim.h"
#include "hook/say.h"
#include "hook/wish.h"
#include "pveapi/vmstate.h"

/* How long another run of ours for the same VM may take: a release with a slow driver. */
#define LOCK_WAIT_MS 30000
/* With 64 VMs after one VF at the same moment each may lose many races. */
#define MAX_RACES 256
/* A page of reasons helps; hundreds do not. */
#define MAX_NOTES 40

static int refuse(uint32_t vmid, const struct error *err)
{
	complain("VM %u is not started: %s", vmid, err->text);
	return 1;
}

/* Someone must change hostpciN, and it cannot be this start: tell why, and hand over. */
static int hand_over(struct hook *h, uint32_t vmid, const struct vm_ports *v)
{
	struct error err = ERROR_INIT;
	enum job_state state = job_state(h, vmid);
	char where[128];

	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		const struct entry *e = &v->entries[slot];

		if (e->verdict == ENTRY_REWRITE || e->verdict == ENTRY_ADOPT)
			complain("VM %u hostpci%u must become '%s': %s", vmid, slot, e->value,
				 e->why);
	}
	if (h->migrated_from && h->migrated_from[0]) {
		complain("VM %u is not started: hostpci cannot be changed during a migration; "
			 "start the VM once on %s, then migrate it",
			 vmid, h->migrated_from);
		return 1;
	}
	if (state == JOB_RESTARTING) {
		complain("VM %u is not started: this was changed just now and is not right even "
			 "so; not trying again (see journalctl -u vfhook-start-%u)",
			 vmid, vmid);
		return 1;
	}
	if (state == JOB_WAITING) {
		complain("VM %u is not started: a job is changing it already and starts it then; "
			 "nothing to do",
			 vmid);
		return 1;
	}
	if (rest_token_check(h->root, &err) < 0 ||
	    job_spawn(h, vmid, where, sizeof(where), &err) < 0)
		return refuse(vmid, &err);
	complain("PVE has read the config before this hook and does not see a change now, so this "
		 "start is refused; hostpci is written as soon as it is over and VM %u is started "
		 "again, once (%s)",
		 vmid, where);
	return 1;
}

/* `mac auto` becomes an address that is kept for ever. */
static int settle_macs(struct hook *h, struct vm_ports *v, struct error *err)
{
	for (size_t i = 0; i < v->config.n_ports; i++) {
		struct port *p = &v->config.ports[i];
		char mac[MAC_LEN];

		if (p->vmid != v->guest.vmid || !p->mac_auto ||
		    v->entries[p->slot].verdict != ENTRY_GOOD)
			continue;
		if (mac_make(h->root, &v->config, p->want.mac, err) < 0 ||
		    config_set_mac(h->root, p->vmid, p->slot, p->want.mac, err) < 0)
			return error_code(err);
		p->mac_auto = false;
		p->want.has |= HAS_MAC;
		say("VM %u hostpci%u: MAC %s made, and kept in /" VFHOOK_CFG, p->vmid, p->slot,
		    mac_format(p->want.mac, mac));
	}
	return 0;
}

static void tell_notes(const struct plan *p)
{
	char addr[PCI_ADDR_LEN];
	size_t told = 0;

	for (size_t i = 0; i < p->n_notes; i++) {
		if (p->notes[i].taken)
			continue;
		if (told++ == MAX_NOTES) {
			complain("  ... and more");
			return;
		}
		complain("  %s: %s", pci_addr_format(&p->notes[i].vf, addr), p->notes[i].text);
	}
}

static void tell_success(const struct vm_ports *v, const struct snapshot *s,
			 const struct port_choice *choices)
{
	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];
		const struct pf_state *pf = &s->pfs[choices[i].pf];
		const struct vf_info *vf = &pf->vfs[choices[i].vf].info;
		bool kept = w->has_last && !pci_addr_cmp(&w->last, &vf->addr);
		char addr[PCI_ADDR_LEN];
		char set[256];

		say("VM %u hostpci%u: VF %s (VF %u of %s, pool %s) %s: %s", w->vmid, w->slot,
		    pci_addr_format(&vf->addr, addr), vf->index, pf->info.ifname, w->pool,
		    kept ? "kept" : "taken", vf_settings_describe(&w->want, set, sizeof(set)));
		if (!pf->link.carrier)
			say("VM %u hostpci%u: note: %s has no carrier; the guest's link is likely "
			    "down",
			    w->vmid, w->slot, pf->info.ifname);
	}
}

/* One look, one plan, one try. -EAGAIN: look at everything. -EEXIST: a race was lost. */
static int try_start(struct hook *h, struct vm_ports *v, bool all, struct error *err)
{
	struct port_choice choices[PVE_HOSTPCI_MAX];
	CLEANUP(snapshot_free) struct snapshot s = {0};
	AUTO_FREE struct vf_claim *claims = NULL;
	CLEANUP(plan_free) struct plan p;
	int r;

	plan_init(&p, PLAN_START, v->guest.vmid);
	r = observe_wishes(h, v, all, &claims, &s, err);
	if (!r)
		r = plan_start(&s, v->wishes, v->n_wishes, time(NULL), choices, &p, err);
	if (r == -ENOSPC) {
		complain("VM %u: %s:", v->guest.vmid, err->text);
		tell_notes(&p);
		return fail(err, ENOSPC, "stop one of these VMs, or give the pool more VFs");
	}
	if (!r)
		r = plan_mappings(h, v, &s, choices, &p, err);
	if (!r)
		r = execute(&h->exec, &p, err);
	if (!r)
		tell_success(v, &s, choices);
	return r;
}

static void spread_wishes(struct vm_ports *v, unsigned race)
{
	for (size_t i = 0; i < v->n_wishes; i++)
		v->wishes[i].spread = v->guest.vmid + race * 31 + 1;
}

/* Before anyone chooses anew: what failed starts of this VM and dead VMs left behind. */
static void take_back(struct hook *h, const struct vm_ports *v)
{
	struct pci_addr keep[PVE_HOSTPCI_MAX];
	struct error err = ERROR_INIT;
	size_t n = 0;

	for (size_t i = 0; i < v->n_wishes; i++) {
		if (v->wishes[i].has_last)
			keep[n++] = v->wishes[i].last;
	}
	/* Told as it happens; a VF that stays out of use is no reason not to start with another. */
	release_vm(h, v->guest.vmid, keep, n, NULL, &err);
	error_clear(&err);
	if (reclaim_stale(h, v->guest.vmid, &err) < 0)
		complain("%s", err.text);
}

static int get_vfs(struct hook *h, struct vm_ports *v, struct error *err)
{
	int r = try_start(h, v, false, err);

	for (unsigned race = 0; r == -EAGAIN || r == -EEXIST; race++) {
		if (race == MAX_RACES)
			return fail(err, EBUSY,
				    "other VMs were faster %u times; start it again in a moment",
				    race);
		if (!race) {
			take_back(h, v);
		} else {
			spread_wishes(v, race);
		}
		error_clear(err);
		r = try_start(h, v, true, err);
	}
	return r;
}

static int start_ports(struct hook *h, struct vm_ports *v, struct error *err)
{
	struct proc_id qemu;

	if (vm_process(h->root, v->guest.vmid, &qemu, err) == 1)
		return fail(err, EBUSY, "it is running already (QEMU process %d)", (int)qemu.pid);
	if (settle_macs(h, v, err) < 0 || vm_ports_wishes(h, v, false, err) < 0 ||
	    hook_kernel(h, err) < 0)
		return error_code(err);
	return get_vfs(h, v, err);
}

int phase_pre_start(struct hook *h, uint32_t vmid)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	struct error err = ERROR_INIT;
	AUTO_CLOSE int lock = -1;
	int slot;
	int r = vm_ports_load(h, vmid, &v, &err);

	if (r < 0)
		return refuse(vmid, &err);
	if (!r)
		return 0;
	lock = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &err);
	if (lock < 0 || recover_all(h, vmid, &err) < 0)
		return refuse(vmid, &err);
	slot = vm_ports_first(&v, ENTRY_REFUSE);
	if (slot >= 0) {
		complain("VM %u is not started: hostpci%d: %s", vmid, slot, v.entries[slot].why);
		return 1;
	}
	if (vm_ports_first(&v, ENTRY_REWRITE) >= 0 || vm_ports_first(&v, ENTRY_ADOPT) >= 0)
		return hand_over(h, vmid, &v);
	if (start_ports(h, &v, &err) < 0)
		return refuse(vmid, &err);
	return 0;
}
