/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unplugging and plugging VFs, as plans: what QEMU, the VF and its lease become in one go. */
#include "src/port/plugging.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/reservations.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/apply.h"
#include "src/port/device.h"
#include "src/port/device_words.h"
#include "src/port/events.h"
#include "src/port/foreseen.h"
#include "src/port/give_back.h"
#include "src/port/keep_driver.h"
#include "src/port/mapping_plan.h"
#include "src/port/objects.h"
#include "src/port/vm_ports.h"
#include "src/vf/plan.h"
#include "src/vf/plan_choice.h"
#include "src/vf/plan_release.h"
#include "src/vf/plan_start.h"
#include "src/vf/snapshot.h"

/* Other VMs' starts may take one VF after the other before us. */
#define MAX_RACES 64

static struct step write_lease(struct hook *h, const struct lease *from, const struct lease *to)
{
	struct step s = {.kind = STEP_LEASE_WRITE,
			 .vf = to->vf,
			 .pf = to->pf,
			 .index = to->index,
			 .has_old_lease = true,
			 .old_lease = *from,
			 .lease = *to};
	struct pf_info pf;

	/* For a person. */
	if (!sysfs_pf_glance(h->root, &to->pf, to->no_net, &pf, NULL))
		memcpy(s.pf_name, pf.ifname, sizeof(s.pf_name));
	return s;
}

/* --- Unplugging --- */

static int plan_unplug(struct hook *h, const struct lease *l, const struct unplug_reason *reason,
		       struct plan *p, struct error *err)
{
	const struct proc_id qemu = {.pid = l->qemu_pid, .start = l->qemu_start};
	const struct device_name name = {l->vmid, l->slot, qemu, l->vf};
	CLEANUP(str_free) struct str words = STR_INIT;
	struct lease to = *l;
	struct step s;

	if (device_words(h, &name, &words, err) < 0)
		return error_code(err);
	to.phase = LEASE_UNPLUGGED;
	to.asked = 0;
	snprintf(to.peer, sizeof(to.peer), "%s", reason->peer ? reason->peer : "");
	snprintf(to.why, sizeof(to.why), "%s", reason->why);
	s = write_lease(h, l, &to);
	if (plan_device(&name, str_get(&words), false, p, err) < 0)
		return error_code(err);
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}

int plan_unplugged_parking(struct hook *h, const struct lease *l, struct plan *p, struct error *err)
{
	struct observer look = {.root = h->root, .vmid = l->vmid};
	CLEANUP(snapshot_free) struct snapshot s = {0};
	const struct pf_id of = lease_pf_id(l);
	const struct pf_state *pf = NULL;
	const struct vf_state *v;

	if (hook_kernel(h, err) < 0)
		return error_code(err);
	look.kernel = h->kernel;
	if (foreseen_snapshot(h, &look, &of, 1, &l->vf, 1, false, &s, err) < 0)
		return error_code(err);
	v = snapshot_find(&s, &l->vf, &pf);
	if (!v || v->unread)
		return fail(err, EIO, "%s", v ? v->unread_why : "the VF cannot be read");
	return plan_add_parking(pf, v, l, p, err) < 0 ? error_code(err) : 0;
}

int park_unplugged(struct hook *h, const struct owner *o, const struct lease *l, struct error *err)
{
	CLEANUP(plan_free) struct plan p;

	plan_init(&p, PLAN_MEND, l->vmid);
	if (plan_unplugged_parking(h, l, &p, err) < 0)
		return error_code(err);
	return apply_plan(h, o, &p, err);
}

/*
 * The lease as it is while the guest is asked, and after a run that was killed meanwhile: a guest
 * may let go of the VF later, and then its live job, or repair, puts it back.
 */
static int note_asked(struct hook *h, const struct owner *o, struct lease *l, struct error *err)
{
	if (h->dry_run)
		return 0;
	l->asked = time(NULL);
	return apply_lease(h, o, l, err);
}

/* It was not asked, or its QEMU has ended. */
static void note_not_asked(struct hook *h, const struct owner *o, const struct lease *before)
{
	struct error err = ERROR_INIT;

	if (!h->dry_run && apply_lease(h, o, before, &err) < 0)
		complain("%s", err.text);
}

int unplug_vf(struct hook *h, const struct owner *o, const struct lease *l,
	      const struct unplug_reason *reason, struct error *err)
{
	CLEANUP(plan_free) struct plan p;
	struct error why = ERROR_INIT;
	struct lease asked = *l;
	char addr[PCI_ADDR_LEN];

	plan_init(&p, PLAN_UNPLUG, l->vmid);
	pci_addr_format(&l->vf, addr);
	if (note_asked(h, o, &asked, err) < 0)
		return fail_context(err, "VM %u hostpci%u", l->vmid, l->slot);
	if (plan_unplug(h, &asked, reason, &p, err) < 0 || apply_plan(h, o, &p, err) < 0) {
		if (err->code != ETIMEDOUT)
			note_not_asked(h, o, l);
		return fail_context(err, "VM %u hostpci%u", l->vmid, l->slot);
	}
	if (park_unplugged(h, o, l, &why) < 0)
		complain("VM %u hostpci%u: VF %s is unplugged, and cannot be cleared (%s): it "
			 "stays leased to the VM; vfhook repair clears it",
			 l->vmid, l->slot, addr, why.text);
	say("VM %u hostpci%u: VF %s %s unplugged and kept for the VM (%s)", l->vmid, l->slot, addr,
	    h->dry_run ? "would be" : "is", reason->why);
	event_add(h, l->vmid, EVENT_UNPLUG, "hostpci%u: VF %s was unplugged: %s", l->slot, addr,
		  reason->why);
	return 0;
}

/* --- Plugging --- */

/* What one try to plug works with. */
struct plugging {
	struct hook *h;
	const struct owner *o;
	const struct proc_id *qemu;
	unsigned slot;
	struct vm_ports v; /* with the wish of that slot alone */
	bool kept;	   /* a VF is kept for it: its lease */
	struct lease lease;
};

/* The wish of that port alone, for the VF that is kept for it if there is one. */
static int wish_for(struct plugging *g, struct error *err)
{
	uint32_t vmid = owner_vmid(g->o);
	struct vm_ports *v = &g->v;
	int r = vm_ports_load(g->h, vmid, v, err);

	if (r < 0 || vm_ports_wishes(g->h, v, true, err) < 0)
		return error_code(err);
	for (size_t i = 0; r && i < v->n_wishes; i++) {
		if (v->wishes[i].slot != g->slot)
			continue;
		v->wishes[0] = v->wishes[i];
		v->n_wishes = 1;
		if (g->kept) {
			v->wishes[0].has_last = true;
			v->wishes[0].last = g->lease.vf;
		}
		return 0;
	}
	return fail(err, ENOENT,
		    "VM %u has no port for hostpci%u that is in use: vfhook attach %u --slot %u",
		    vmid, g->slot, vmid, g->slot);
}

/* The lease as the plan's first step makes it. */
static const struct lease *planned_lease(const struct plan *p, const struct pci_addr *vf)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step *s = &p->steps[i];

		if ((s->kind == STEP_LEASE_TAKE || s->kind == STEP_LEASE_WRITE) &&
		    !pci_addr_cmp(&s->vf, vf))
			return &s->lease;
	}
	return NULL;
}

/* Behind the steps that set the VF: into QEMU, and the lease says so. */
static int plan_into_qemu(struct plugging *g, const struct vf_info *vf, struct plan *p,
			  struct error *err)
{
	const struct device_name name = {owner_vmid(g->o), g->slot, *g->qemu, vf->addr};
	const struct lease *planned = planned_lease(p, &vf->addr);
	CLEANUP(str_free) struct str words = STR_INIT;
	struct lease from;
	struct lease to;
	struct step s;

	if (!planned)
		return fail(err, EINVAL, "the plan has no lease for the VF");
	from = to = *planned;
	to.phase = LEASE_RUNNING;
	to.qemu_pid = g->qemu->pid;
	to.qemu_start = g->qemu->start;
	to.hot = true;
	if (device_words(g->h, &name, &words, err) < 0 ||
	    plan_device(&name, str_get(&words), true, p, err) < 0)
		return error_code(err);
	s = write_lease(g->h, &from, &to);
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}

/* PVE is told, as a start tells it: or it might start another VM on it. */
static int plan_reservation(struct plugging *g, const struct pci_addr *vf, struct plan *p,
			    struct error *err)
{
	char addr[PCI_ADDR_LEN];
	char name[64];
	char what[120];
	char to[32];

	snprintf(name, sizeof(name), "%u %s", owner_vmid(g->o), pci_addr_format(vf, addr));
	snprintf(to, sizeof(to), "pid:%d", (int)g->qemu->pid);
	snprintf(what, sizeof(what), "VF %s: PVE's reservation for VM %u, %s", addr,
		 owner_vmid(g->o), to);
	return plan_object(g->h, OBJECT_RESERVATION, name, to, what, p, err);
}

static void tell_plugged(struct plugging *g, const struct pf_state *pf, const struct vf_info *vf)
{
	const struct port_wish *w = &g->v.wishes[0];
	char addr[PCI_ADDR_LEN];
	char line[400];
	char set[256];

	snprintf(line, sizeof(line), "hostpci%u: VF %s (VF %u of %s, pool %s) %s plugged in: %s",
		 g->slot, pci_addr_format(&vf->addr, addr), vf->index, pf->info.ifname, w->pool,
		 g->h->dry_run ? "would be" : "is",
		 vf_settings_describe(&w->want, set, sizeof(set)));
	say("VM %u %s", w->vmid, line);
	event_add(g->h, w->vmid, EVENT_PLUG, "%s", line);
}

/* One look, one plan, one try; as try_start() of a pre-start. */
static int try_plug(struct plugging *g, bool all, struct error *err)
{
	CLEANUP(snapshot_free) struct snapshot s = {0};
	AUTO_FREE struct vf_claim *claims = NULL;
	CLEANUP(plan_free) struct plan p;
	struct port_choice choice = {0};
	const struct pf_state *pf;
	int r;

	plan_init(&p, PLAN_PLUG, owner_vmid(g->o));
	r = observe_wishes(g->h, &g->v, all, &claims, &s, err);
	if (!r)
		r = plan_start(&s, g->v.wishes, 1, time(NULL), &choice, &p, err);
	if (r < 0)
		return r;
	pf = &s.pfs[choice.pf];
	if (plan_reservation(g, &pf->vfs[choice.vf].info.addr, &p, err) < 0 ||
	    plan_driver(&g->v.wishes[0], pf, &pf->vfs[choice.vf].info, &p, err) < 0 ||
	    plan_mapping(g->h, &g->v, g->slot, &pf->vfs[choice.vf].info, true, &p, err) < 0 ||
	    plan_into_qemu(g, &pf->vfs[choice.vf].info, &p, err) < 0)
		return error_code(err);
	r = apply_plan(g->h, g->o, &p, err);
	if (!r)
		tell_plugged(g, pf, &pf->vfs[choice.vf].info);
	return r;
}

static int find_kept(struct plugging *g, struct error *err)
{
	struct lease live[2 * PVE_HOSTPCI_MAX] = {0};
	int n = live_leases(g->h, owner_vmid(g->o), live, ARRAY_SIZE(live), err);

	for (int i = 0; i < n; i++) {
		if (live[i].slot != g->slot)
			continue;
		g->kept = true;
		g->lease = live[i];
	}
	return n < 0 ? n : 0;
}

int plug_port(struct hook *h, const struct owner *o, unsigned slot, const struct proc_id *qemu,
	      struct error *err)
{
	struct plugging g = {.h = h, .o = o, .qemu = qemu, .slot = slot};
	struct error spare = ERROR_INIT;
	int r = give_up_spare(h, o, slot, err);

	if (r >= 0)
		r = find_kept(&g, err);
	if (!r)
		r = wish_for(&g, err);
	if (!r)
		r = hook_kernel(h, err);
	if (!r)
		r = try_plug(&g, false, err);
	for (unsigned race = 0; (r == -EAGAIN || r == -EEXIST) && race < MAX_RACES; race++) {
		error_clear(err);
		r = try_plug(&g, true, err);
	}
	if (!r && give_up_spare(h, o, slot, &spare) < 0)
		complain("VM %u: %s; vfhook repair", owner_vmid(o), spare.text);
	vm_ports_free(&g.v);
	return r < 0 ? fail_context(err, "VM %u hostpci%u", owner_vmid(o), slot) : 0;
}

/* --- A VF that was kept, and is not wanted any more --- */

/*
 * What gives VFs back (give_back_vm()) is told what the VM keeps, not what it loses: here all that
 * is leased but this one. That other VMs' VFs are among them changes nothing: only the owner's go.
 */
static int give_back_one(struct hook *h, const struct owner *o, const struct pci_addr *vf,
			 struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	AUTO_FREE struct pci_addr *keep = NULL;
	size_t n_keep = 0;
	size_t n;

	if (foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	keep = calloc(n + 1, sizeof(*keep));
	if (!keep)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		if (pci_addr_cmp(&all[i].vf, vf) != 0)
			keep[n_keep++] = all[i].vf;
	}
	/* And PVE's reservation of it, which would keep others off until the VM stops. It goes
	 * first: by the lease it is found again. */
	if (!h->dry_run && pci_unreserve(h->root, vf, owner_vmid(o), err) < 0)
		return error_code(err);
	return give_back_vm(h, o, keep, n_keep, NULL, err);
}

int give_up_spare(struct hook *h, const struct owner *o, unsigned slot, struct error *err)
{
	struct lease live[2 * PVE_HOSTPCI_MAX] = {0};
	const struct lease *spare = NULL;
	bool has = false;
	int n = live_leases(h, owner_vmid(o), live, ARRAY_SIZE(live), err);

	for (int i = 0; i < n; i++) {
		if (live[i].slot != slot)
			continue;
		if (live[i].phase == LEASE_UNPLUGGED)
			spare = &live[i];
		else
			has = true;
	}
	if (n < 0 || !has || !spare)
		return n < 0 ? n : 0;
	if (give_back_one(h, o, &spare->vf, err) < 0)
		return fail_context(err, "the VF that was kept for hostpci%u is not given back",
				    slot);
	return 1;
}

/* --- Leases --- */

int live_leases(struct hook *h, uint32_t vmid, struct lease *list, size_t max, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t found = 0;
	size_t n;

	if (foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		for (size_t i = 0; i < n && found < max; i++) {
			if (!all[i].broken && all[i].lease.vmid == vmid &&
			    all[i].lease.slot == slot && lease_phase_is_live(all[i].lease.phase))
				list[found++] = all[i].lease;
		}
	}
	return (int)found;
}
