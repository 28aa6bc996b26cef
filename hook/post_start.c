/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * post-start: which VF did QEMU really get? A pvedaemon worker may have served
 * an old mapping from its cache (PVE/Cluster.pm: cfs_read_file), and then the
 * VM runs on another VF than the one that was set up for it. That is mended, or
 * made harmless and told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hook/job_control.h"
#include "hook/phases.h"
#include "hook/restart_job.h"
#include "pveapi/limits.h"
#include "pveapi/process.h"
#include "pveapi/qmp.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/port/apply.h"
#include "src/port/context.h"
#include "src/port/device.h"
#include "src/port/events.h"
#include "src/port/hook_lock.h"
#include "src/port/give_back.h"
#include "src/port/reclaim.h"
#include "src/port/running_vf.h"
#include "src/port/foreseen.h"
#include "src/port/vm_ports.h"
#include "src/vf/card.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_cut_off.h"
#include "src/vf/port_wish.h"
#include "src/vf/sysfs.h"

#define LOCK_WAIT_MS 30000
/* For a run that is clearing a VF at the same moment: settings take a second or two. */
#define OTHERS_WAIT_MS 10000
/* PVE's own calls to the monitor take turns with ours. */
#define QMP_WAIT_MS 5000

/* 0: the VF has no link now, or a negative errno with err: it is no VF, or it still has. */
static int take_link_down(struct hook *h, const struct owner *o, const struct pci_addr *vf,
			  struct error *err)
{
	CLEANUP(plan_free) struct plan p;
	struct pci_addr pf;
	struct pf_info info;
	unsigned index;

	plan_init(&p, PLAN_CUT_OFF, owner_vmid(o));
	if (sysfs_vf_identify(h->root, vf, &pf, &index) < 0)
		return fail(err, ENODEV, "it is no VF");
	if (card_is_without_network(h->root, &pf))
		return fail(err, EOPNOTSUPP, "it is no network card's, and has none");
	if (sysfs_pf_read(h->root, &pf, &info, err) < 0 ||
	    plan_cut_off(&info, vf, index, &p, err) < 0)
		return error_code(err);
	return apply_plan(h, o, &p, err);
}

/* Its processors stand still: it sends nothing more, and can be looked at. */
static enum cut_off pause_vm(struct hook *h, uint32_t vmid, const struct pci_addr *vf,
			     const struct error *no_link, const char *why)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	pci_addr_format(vf, addr);
	if (!h->dry_run && qmp_run(h->root, vmid, "stop", QMP_WAIT_MS, &err) < 0) {
		event_add(h, vmid, EVENT_CUT_OFF,
			  "the link of VF %s could NOT be taken down, and the VM could NOT be "
			  "paused: %s",
			  addr, why);
		complain("VM %u: the link of VF %s CANNOT be taken down (%s), and the VM cannot be "
			 "paused (%s): stop the VM now: qm stop %u",
			 vmid, addr, no_link->text, err.text, vmid);
		return CUT_OFF_FAILED;
	}
	event_add(h, vmid, EVENT_CUT_OFF,
		  "the link of VF %s could not be taken down, so the VM was paused: %s", addr, why);
	complain("VM %u: the link of VF %s cannot be taken down (%s), so the VM %s PAUSED: it must "
		 "not use another VM's VF",
		 vmid, addr, no_link->text, h->dry_run ? "would be" : "is");
	return CUT_OFF_PAUSED;
}

/*
 * Whoever is clearing that VF for another VM, under that VM's lock, has planned it before the link
 * was down and may put the link back. Wait for him, and take it down behind him. A lease goes last:
 * where there is none any more, nobody clears it, but somebody may have since we took it down.
 */
static int take_link_down_behind(struct hook *h, const struct owner *o, const struct pci_addr *vf,
				 struct error *err)
{
	AUTO_OWNER struct owner *theirs = NULL;
	struct error busy = ERROR_INIT;
	struct lease l;
	int r;

	if (h->dry_run)
		return 0;
	r = lease_read(h->root, vf, &l, &busy);
	if (!r && l.vmid == owner_vmid(o))
		return 0;
	/* Without it after that time: two post-starts may wait for each other. */
	if (!r)
		(void)owner_lock(h->root, l.vmid, OTHERS_WAIT_MS, &theirs, &busy);
	return take_link_down(h, o, vf, err);
}

/* A VM on a VF that is not its own, or not as asked, must not reach the network through it. */
static enum cut_off cut_off(struct hook *h, const struct owner *o, const struct pci_addr *vf,
			    const char *why)
{
	uint32_t vmid = owner_vmid(o);
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	if (take_link_down(h, o, vf, &err) < 0 || take_link_down_behind(h, o, vf, &err) < 0)
		return pause_vm(h, vmid, vf, &err, why);
	pci_addr_format(vf, addr);
	complain("VM %u: the link of VF %s %s taken down", vmid, addr,
		 h->dry_run ? "would be" : "is");
	event_add(h, vmid, EVENT_CUT_OFF, "the link of VF %s was taken down: %s", addr, why);
	return CUT_OFF_LINK;
}

/* What post-start works with: the VM's ports, its process, and what that has. */
struct started {
	struct hook *h;
	const struct owner *o;
	const struct vm_ports *v;
	struct proc_id qemu;
	struct vm_hostpci has;
	enum cut_off cut; /* the worst that had to be done */
};

/* The node that a VM comes from in a live migration for which its VF was taken from it there. */
static const char *came_from(const struct started *st, const struct port_wish *w)
{
	const struct port *port = config_port(&st->v->config, w->vmid, w->slot);
	const char *from = st->h->migrated_from;

	return from && from[0] && port && port->live_migration ? from : NULL;
}

static int take_over(const struct started *st, const struct port_wish *w,
		     const struct pci_addr *actual, struct error *err)
{
	CLEANUP(plan_free) struct plan p;

	plan_init(&p, PLAN_MEND, w->vmid);
	return plan_take_over(st->h, st->v, w, actual, &p, err) < 0
		       ? error_code(err)
		       : apply_plan(st->h, st->o, &p, err);
}

/* 0: mended. 1: not; it was told. meant may be NULL. */
static int mend(struct started *st, const struct port_wish *w, const struct lease *meant,
		const struct pci_addr *actual)
{
	struct error err = ERROR_INIT;
	struct hook *h = st->h;
	struct lease lease;
	char want[PCI_ADDR_LEN];
	char got[PCI_ADDR_LEN];
	char set[256];
	enum cut_off cut;

	pci_addr_format(actual, got);
	complain("VM %u hostpci%u: QEMU has VF %s, meant was %s (PVE served an old mapping from a "
		 "worker's cache)",
		 w->vmid, w->slot, got, meant ? pci_addr_format(&meant->vf, want) : "none");
	if (take_over(st, w, actual, &err) < 0) {
		complain("VM %u hostpci%u: %s: %s", w->vmid, w->slot,
			 h->dry_run ? "could NOT be mended" : "NOT mended", err.text);
		cut = cut_off(h, st->o, actual, err.text);
		st->cut = cut > st->cut ? cut : st->cut;
		return 1;
	}
	if (foreseen_lease(h, actual, &lease, &err) < 0 ||
	    mark_running(h, st->o, &lease, &st->qemu, came_from(st, w), &err) < 0) {
		complain("VM %u hostpci%u: %s", w->vmid, w->slot, err.text);
		return 1;
	}
	vf_settings_describe(&w->want, set, sizeof(set));
	say("VM %u hostpci%u: %s: VF %s is set as asked and leased to this VM: %s", w->vmid,
	    w->slot, h->dry_run ? "would be mended" : "mended", got, set);
	event_add(h, w->vmid, EVENT_MENDED, "hostpci%u: QEMU had VF %s, meant was %s; mended: %s",
		  w->slot, got, meant ? pci_addr_format(&meant->vf, want) : "none", set);
	return 0;
}

/* 0 or 1, as the exit status. *unsure: whose its VF is cannot be told. */
static int check_port(struct started *st, const struct port_wish *w, bool *unsure)
{
	const struct pci_addr *actual = &st->has.vf[w->slot];
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease lease;
	enum answer leased = port_lease(st->h, w, &lease, &err);

	if (leased == ANSWER_UNKNOWN) {
		*unsure = true;
		complain("VM %u hostpci%u: which VF was meant for it cannot be told: %s", w->vmid,
			 w->slot, err.text);
		return 1;
	}
	/* Of a VM that has been running for long (a call by hand) the lease knows better. */
	if (leased == ANSWER_YES && lease_is_unplugged(&lease, &st->qemu))
		return 0;
	if (leased == ANSWER_YES && lease_is_hot(&lease, &st->qemu)) {
		st->has.has[w->slot] = true;
		st->has.vf[w->slot] = lease.vf;
	}
	if (!st->has.has[w->slot]) {
		complain("VM %u hostpci%u: QEMU runs without this device", w->vmid, w->slot);
		return 1;
	}
	if (leased == ANSWER_NO || pci_addr_cmp(&lease.vf, actual) != 0)
		return mend(st, w, leased == ANSWER_YES ? &lease : NULL, actual);
	if (st->h->dry_run)
		say("VM %u hostpci%u: QEMU has VF %s, as leased", w->vmid, w->slot,
		    pci_addr_format(actual, addr));
	if (mark_running(st->h, st->o, &lease, &st->qemu, came_from(st, w), &err) < 0) {
		complain("VM %u hostpci%u: %s", w->vmid, w->slot, err.text);
		return 1;
	}
	return 0;
}

/* What was set up for this VM and is not what it runs on. Every VF that it has is kept. */
static int give_others_back(const struct started *st)
{
	AUTO_FREE struct pci_addr *keep = NULL;
	struct error err = ERROR_INIT;
	int r = running_keeps(st->h, owner_vmid(st->o), &st->qemu, &st->has, &keep, &err);

	if (r >= 0)
		r = give_back_vm(st->h, st->o, keep, (size_t)r, NULL, &err);
	if (r == -ETIMEDOUT)
		fail_context(&err, "VM %u", owner_vmid(st->o));
	if (r < 0)
		complain("%s; vfhook repair, or a start that needs a VF, cleans it", err.text);
	return r < 0;
}

static int check_ports(struct started *st)
{
	bool unsure = false;
	bool moved = false;
	int status = 0;

	for (size_t i = 0; i < st->v->n_wishes; i++) {
		const struct port_wish *w = &st->v->wishes[i];

		status |= check_port(st, w, &unsure);
		moved = moved || !st->has.has[w->slot] || !w->has_last ||
			pci_addr_cmp(&w->last, &st->has.vf[w->slot]) != 0;
	}
	if (moved && !unsure)
		status |= give_others_back(st);
	/* What such a port needs once the VM runs, and nobody waits for. */
	if (vm_ports_migrate_live(st->v))
		live_job_begin_or_tell(st->h, owner_vmid(st->o));
	if (st->cut != CUT_OFF_NOT)
		restart_begin(st->h, owner_vmid(st->o), &st->v->guest,
			      &(struct restart){st->qemu, st->cut});
	return status;
}

/* The process, and all that it has: with less nothing can be compared, and nothing given back. */
static int look_at_qemu(struct started *st, uint32_t vmid, struct error *err)
{
	switch (vm_runs(st->h->root, vmid, &st->qemu, err)) {
	case ANSWER_YES:
		return vm_hostpci_all(st->h->root, &st->qemu, &st->has, err);
	case ANSWER_NO:
		return fail(err, ESRCH, "no QEMU process of it is running");
	default:
		return error_code(err);
	}
}

int phase_post_start(struct hook *h, uint32_t vmid)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	AUTO_OWNER struct owner *o = NULL;
	struct started st = {.h = h, .v = &v};
	struct error err = ERROR_INIT;
	int r = vm_ports_load(h, vmid, &v, &err);

	if (!r) {
		if (h->dry_run)
			say("VM %u: nothing to do: it has no port, or is a template", vmid);
		return 0;
	}
	if (r > 0)
		r = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, &err);
	if (!r)
		r = recover_own(h, o, &err);
	if (!r)
		r = look_at_qemu(&st, vmid, &err);
	if (!r)
		r = vm_ports_wishes(h, &v, false, &err);
	if (!r)
		r = hook_kernel(h, &err);
	if (r < 0) {
		complain("VM %u: which VFs it got cannot be checked, and nothing is changed: %s; "
			 "once that is right: vfhook repair",
			 vmid, err.text);
		return 1;
	}
	st.o = o;
	return check_ports(&st);
}
