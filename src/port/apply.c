/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/port/apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/port/config.h"
#include "src/port/config_ports.h"
#include "src/port/events.h"
#include "src/port/mac.h"
#include "src/port/objects.h"
#include "src/base/say.h"
#include "pveapi/rest.h"
#include "src/vf/execute.h"
#include "src/vf/journal.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan_outcome.h"
#include "src/vf/plan_words.h"
#include "src/vf/recover.h"

/* --- In words --- */

void notes_print(const struct plan *p)
{
	char addr[PCI_ADDR_LEN];

	for (size_t i = 0; i < p->n_notes; i++) {
		const struct plan_note *n = &p->notes[i];

		if (!n->aloud)
			say("  %s %s: %s", pci_addr_format(&n->vf, addr),
			    n->taken ? "would be taken" : "not taken", n->text);
	}
}

static void step_print(struct hook *h, const struct step *s)
{
	char text[1200];

	say("  %s", step_describe(s, text, sizeof(text)));
	if (s->kind == STEP_CALL)
		object_tell(h, &s->object);
}

void plan_print(struct hook *h, const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		step_print(h, &p->steps[i]);
}

/* --- Out --- */

int foresee(struct hook *h, const struct plan *p, struct error *err)
{
	return plan_append(&h->foreseen, p, err);
}

int apply_plan(struct hook *h, const struct owner *o, const struct plan *p, struct error *err)
{
	int r;

	if (!h->dry_run) {
		r = execute(&h->exec, o, p, err);
		if (plan_kind_is_config(p->kind))
			objects_unlock(h);
		return r;
	}
	if (p->n_steps)
		say("would do, in this order:");
	plan_print(h, p);
	/* The one thing about a REST call that can be known without making it. */
	if (plan_needs_rest(p) && rest_token_check(h->root, err) < 0)
		return error_code(err);
	return foresee(h, p, err);
}

static bool is_leased_to(struct hook *h, const struct pci_addr *vf, uint32_t vmid)
{
	struct lease l;

	return !seen_lease(h, vf, &l, NULL) && l.vmid == vmid;
}

/* Would a recovery do this step of what it undoes or finishes? As recover(). */
static bool is_recovered(struct hook *h, const struct step *s, uint32_t vmid)
{
	if (s->kind == STEP_CALL)
		return !s->object.harmless && object_is_from(h, &s->object);
	/* A VF that is another's by now is left alone. */
	return s->kind == STEP_LEASE_TAKE || s->kind == STEP_LEASE_SEIZE ||
	       is_leased_to(h, &s->vf, vmid);
}

/* The same stop as recover()'s: see object_numvfs. */
static bool is_left_to_boot(struct hook *h, const struct step *s)
{
	return !h->maker && s->kind == STEP_CALL && s->object.kind &&
	       !strcmp(s->object.kind, OBJECT_NUMVFS) && object_is_from(h, &s->object);
}

static void tell_left(const struct plan *left, uint32_t vmid)
{
	const char *would = plan_kind_is_undone(left->kind) ? "undone" : "finished";

	if (left->kind == PLAN_VFS)
		say("earlier making of VFs was cut off in the middle: would be %s:", would);
	else
		say("an earlier %s %s VM %u was cut off in the middle: would be %s:",
		    plan_kind_name(left->kind), left->kind == PLAN_START ? "of" : "for", vmid,
		    would);
}

/* recover() in words: what of the journal's plan would be undone, or done again. */
static int foresee_recovery(struct hook *h, enum journal which, uint32_t vmid, struct error *err)
{
	CLEANUP(plan_free) struct plan left;
	CLEANUP(plan_free) struct plan all;
	CLEANUP(plan_free) struct plan todo;
	bool undone;
	int r;

	plan_init(&all, PLAN_START, vmid);
	plan_init(&todo, PLAN_START, vmid);
	r = journal_read(h->root, which, vmid, &left, err);
	if (r == -ENOENT) {
		error_clear(err);
		return 0;
	}
	if (r < 0 && r != -EINVAL)
		return r;
	if (r < 0) {
		say("%s; would be put aside as %u.broken", err->text, vmid);
		error_clear(err);
		return 1;
	}
	undone = plan_kind_is_undone(left.kind);
	tell_left(&left, vmid);
	r = undone ? plan_undoing(&left, &all, err) : plan_append(&all, &left, err);
	for (size_t i = 0; !r && i < all.n_steps; i++) {
		const struct plan one = {.steps = &all.steps[i], .n_steps = 1};

		/* As recover(), which keeps the journal then, and the leases. */
		if (is_left_to_boot(h, &all.steps[i]))
			return fail(err, EBUSY,
				    "a PF has no VFs since then, and a start makes none: vfhook "
				    "boot");
		if (is_recovered(h, &all.steps[i], vmid))
			r = plan_append(&todo, &one, err);
	}
	if (r < 0)
		return r;
	plan_print(h, &todo);
	return foresee(h, &todo, err) < 0 ? error_code(err) : 1;
}

static int recovered(struct hook *h, uint32_t vmid, int r)
{
	if (r > 0)
		event_add(h, vmid, EVENT_REPAIR,
			  "what a run that was cut off in the middle had left was put right");
	return r;
}

int apply_recovery(struct hook *h, const struct owner *o, struct error *err)
{
	uint32_t vmid = owner_vmid(o);

	if (h->dry_run)
		return foresee_recovery(h, JOURNAL_VFS, vmid, err);
	return recovered(h, vmid, recover(&h->exec, o, err));
}

int apply_config_recovery(struct hook *h, const struct owner *o, struct error *err)
{
	uint32_t vmid = owner_vmid(o);
	int r;

	if (h->dry_run)
		return foresee_recovery(h, JOURNAL_CONFIG, vmid, err);
	r = recovered(h, vmid, recover(&h->exec, o, err));
	objects_unlock(h);
	return r;
}

int apply_lease(struct hook *h, const struct owner *o, const struct lease *l, struct error *err)
{
	struct step s = {.kind = STEP_LEASE_WRITE, .vf = l->vf, .pf = l->pf, .lease = *l};
	const struct plan p = {.steps = &s, .n_steps = 1};
	char addr[PCI_ADDR_LEN];

	if (!h->dry_run)
		return lease_write(h->root, o, l, err);
	if (seen_lease(h, &l->vf, &s.old_lease, NULL) < 0 || s.old_lease.qemu_pid != l->qemu_pid ||
	    s.old_lease.phase != l->phase)
		say("  VF %s: lease of VM %u hostpci%u -> %s, QEMU process %d",
		    pci_addr_format(&l->vf, addr), l->vmid, l->slot, lease_phase_name(l->phase),
		    (int)l->qemu_pid);
	return foresee(h, &p, err);
}

int apply_mac(struct hook *h, struct config *c, struct port *p, struct error *err)
{
	char mac[MAC_LEN];

	if (mac_make(h->root, c, p->want.mac, err) < 0 ||
	    (!h->dry_run && config_set_mac(h->root, p->vmid, p->slot, p->want.mac, err) < 0))
		return error_code(err);
	p->mac_auto = false;
	p->want.has |= HAS_MAC;
	mac_format(p->want.mac, mac);
	if (h->dry_run)
		say("VM %u hostpci%u: a MAC would be made below the datacenter's prefix, and kept "
		    "in /" VFHOOK_CFG "; %s stands for it here",
		    p->vmid, p->slot, mac);
	else
		say("VM %u hostpci%u: MAC %s made, and kept in /" VFHOOK_CFG, p->vmid, p->slot,
		    mac);
	return 0;
}

/* --- In --- */

/* What the foreseen steps make of the lease on a VF: 1 it has *out, -1 none, 0 they say nothing. */
static int foreseen_lease(const struct hook *h, const struct pci_addr *vf, struct lease *out)
{
	int what = 0;

	for (size_t i = 0; i < h->foreseen.n_steps; i++) {
		const struct step *s = &h->foreseen.steps[i];

		if (s->kind == STEP_CALL || pci_addr_cmp(&s->vf, vf) != 0)
			continue;
		if (s->kind == STEP_LEASE_TAKE || s->kind == STEP_LEASE_WRITE ||
		    s->kind == STEP_LEASE_SEIZE) {
			what = 1;
			*out = s->lease;
		} else if (s->kind == STEP_LEASE_DROP) {
			what = -1;
		}
	}
	return what;
}

int seen_lease(struct hook *h, const struct pci_addr *vf, struct lease *out, struct error *err)
{
	switch (foreseen_lease(h, vf, out)) {
	case 1:
		return 0;
	case -1:
		return fail(err, ENOENT, "it is not leased");
	default:
		return lease_read(h->root, vf, out, err);
	}
}

int seen_leases(struct hook *h, struct lease_entry **list, size_t *n, struct error *err)
{
	size_t kept = 0;
	int r = lease_list(h->root, list, n, err);

	for (size_t i = 0; !r && i < *n; i++) {
		struct lease_entry e = (*list)[i];
		int what = foreseen_lease(h, &e.vf, &e.lease);

		e.broken = e.broken && !what;
		if (what >= 0)
			(*list)[kept++] = e;
	}
	if (!r)
		*n = kept;
	return r;
}

int seen_snapshot(struct hook *h, const struct observer *o, const struct pf_id *pfs, size_t n_pfs,
		  const struct pci_addr *only, size_t n_only, bool all, struct snapshot *out,
		  struct error *err)
{
	int r = snapshot_read(o, pfs, n_pfs, only, n_only, all, out, err);

	if (!r)
		plan_foresee(&h->foreseen, out);
	return r;
}
