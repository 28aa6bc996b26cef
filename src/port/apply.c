/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carrying a plan out, recovering from one that was cut off; in a dry run, telling what that would
 * do. */
#include "src/port/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/rest_token.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/config.h"
#include "src/port/events.h"
#include "src/port/objects.h"
#include "src/port/plan_print.h"
#include "src/port/foreseen.h"
#include "src/port/vm_locks.h"
#include "src/vf/execute.h"
#include "src/vf/journal.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan_outcome.h"
#include "src/vf/recover.h"

static struct executor executor_of(struct hook *h)
{
	return (struct executor){.root = h->root,
				 .kernel = h->kernel,
				 .call = object_call,
				 .say = say_line,
				 .arg = h};
}

int apply_plan(struct hook *h, const struct owner *o, const struct plan *p, struct error *err)
{
	struct executor x = executor_of(h);
	int r;

	if (!h->dry_run) {
		r = execute(&x, o, p, err);
		if (plan_kind_is_config(p->kind))
			vm_locks_drop(&h->off);
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

	return !foreseen_lease(h, vf, &l, NULL) && l.vmid == vmid;
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
		say("an earlier %s %s guest %u was cut off in the middle: would be %s:",
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
	if (r == 1)
		event_add(h, vmid, EVENT_REPAIR,
			  "what a run that was cut off in the middle had left was put right");
	return r;
}

int apply_recovery(struct hook *h, const struct owner *o, struct error *err)
{
	struct executor x = executor_of(h);
	uint32_t vmid = owner_vmid(o);

	if (h->dry_run)
		return foresee_recovery(h, JOURNAL_VFS, vmid, err);
	return recovered(h, vmid, recover(&x, o, err));
}

int apply_config_recovery(struct hook *h, const struct owner *o, struct error *err)
{
	struct executor x = executor_of(h);
	uint32_t vmid = owner_vmid(o);
	int r;

	if (h->dry_run)
		return foresee_recovery(h, JOURNAL_CONFIG, vmid, err);
	r = recovered(h, vmid, recover(&x, o, err));
	vm_locks_drop(&h->off);
	return r;
}

int apply_lease(struct hook *h, const struct owner *o, const struct lease *l, struct error *err)
{
	struct step s = {.kind = STEP_LEASE_WRITE, .vf = l->vf, .pf = l->pf, .lease = *l};
	const struct plan p = {.steps = &s, .n_steps = 1};
	char who[LEASE_HOLDER_LEN];
	char addr[PCI_ADDR_LEN];

	if (!h->dry_run)
		return lease_write(h->root, o, l, err);
	if (foreseen_lease(h, &l->vf, &s.old_lease, NULL) < 0 ||
	    s.old_lease.qemu_pid != l->qemu_pid || s.old_lease.phase != l->phase)
		say("  VF %s: lease of %s -> %s, process %d", pci_addr_format(&l->vf, addr),
		    lease_holder(l, who), lease_phase_name(l->phase), (int)l->qemu_pid);
	return foresee(h, &p, err);
}
