/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A journal that a run left: read, undone or finished, and dropped; or put aside. */
#include "src/vf/recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/run_dir.h"
#include "src/vf/carry_out.h"
#include "src/vf/journal.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_run.h"
#include "src/vf/plan_words.h"
#include "src/vf/sysfs.h"
#include "src/vf/undo.h"

/* Interface names and numbers of then may not be those of now. */
static void renew_pf_names(const struct executor *x, struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		struct step *s = &p->steps[i];
		struct pf_info pf;

		if (s->kind == STEP_CALL || sysfs_pf_read(x->root, &s->pf, &pf, NULL) < 0)
			continue;
		s->ifindex = pf.ifindex;
		memcpy(s->pf_name, pf.ifname, sizeof(s->pf_name));
		memcpy(s->driver, pf.driver, sizeof(s->driver));
	}
}

/* A temporary file of a lease that was being replaced when its writer died. */
static void sweep_lease_files(const struct executor *x, const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		char addr[PCI_ADDR_LEN];
		char path[128];

		if (p->steps[i].kind == STEP_CALL)
			continue;
		snprintf(path, sizeof(path), LEASE_DIR "/%s",
			 pci_addr_format(&p->steps[i].vf, addr));
		file_sweep(x->root, path);
	}
}

/* What a harmless step was for may be over: whoever comes next does what he needs. */
static void drop_harmless_steps(const struct executor *x, struct plan *p)
{
	size_t kept = 0;
	char what[600];

	for (size_t i = 0; i < p->n_steps; i++) {
		struct step *s = &p->steps[i];

		if (s->kind == STEP_CALL && s->object.harmless) {
			executor_say(x, "left to the next start: %s",
				     step_describe(s, what, sizeof(what)));
			step_object_free(&s->object);
		} else {
			p->steps[kept++] = *s;
		}
	}
	p->n_steps = kept;
}

/*
 * Undo or finish what the journal says. What cannot be is told; for a plan on VFs it is no reason
 * to stop what comes after it, and 0: their leases keep what is not clean from everybody. 1: a PF
 * has fewer VFs than it had.
 */
static int recover_plan(const struct executor *x, const struct owner *owner, struct plan *p,
			struct error *err)
{
	struct run run = {.x = x, .owner = owner, .p = p};
	bool undone = plan_kind_is_undone(p->kind);
	struct error why = ERROR_INIT;
	unsigned bad = 0;
	int r;

	if (p->kind == PLAN_VFS)
		executor_say(x, "earlier making of VFs was cut off in the middle: undoing it");
	else if (p->vmid == LEASE_SELF)
		executor_say(x, "earlier parking of VFs was cut off in the middle: %s it",
			     undone ? "undoing" : "finishing");
	else
		executor_say(x, "an earlier %s %s guest %u was cut off in the middle: %s it",
			     plan_kind_name(p->kind), p->kind == PLAN_START ? "of" : "for", p->vmid,
			     undone ? "undoing" : "finishing");
	if (undone)
		bad = run_undo(&run, p->n_steps);
	if (run.not_ours)
		return fail(err, EBUSY,
			    "a PF has no VFs since then, and a start makes none: vfhook boot");
	if (undone && bad && p->kind == PLAN_CONFIG)
		return fail(err, EBUSY,
			    "what an earlier run for guest %u left cannot be undone now: see above",
			    p->vmid);
	/* There is nothing that a kept journal would be good for: boot makes them as the pool
	 * wants. */
	if (undone)
		return p->kind == PLAN_VFS && bad;
	drop_harmless_steps(x, p);
	r = run_carry_out(&run, &why);
	/* The lease goes last: without it the release was over, and the VF may be another's. */
	if (r < 0 && !(p->kind == PLAN_RELEASE && r == -EEXIST))
		executor_say(x, "%s", why.text);
	return 0;
}

int recover(const struct executor *x, const struct owner *owner, struct error *err)
{
	enum journal which = owner_is_config(owner) ? JOURNAL_CONFIG : JOURNAL_VFS;
	CLEANUP(plan_free) struct plan p;
	uint32_t vmid = owner_vmid(owner);
	int r = journal_read(x->root, which, vmid, &p, err);

	if (r == -ENOENT) {
		error_clear(err);
		return 0;
	}
	if (r < 0 && r != -EINVAL)
		return r;
	if (!owner_is_real(owner) && !owner_is_config(owner))
		return fail(err, EPERM, "the journal of guest %u without its lock", vmid);
	if (r < 0) {
		executor_say(x, "%s; put aside as %u.broken", err->text, vmid);
		error_clear(err);
		return journal_put_aside(x->root, which, vmid, err) < 0 ? error_code(err) : 1;
	}
	renew_pf_names(x, &p);
	sweep_lease_files(x, &p);
	r = recover_plan(x, owner, &p, err);
	if (r < 0 || journal_drop(x->root, which, vmid, err) < 0)
		return error_code(err);
	return 1 + r;
}
