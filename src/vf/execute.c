/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/vf/execute_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/vf/journal.h"
#include "src/vf/plan_words.h"
#include "src/vf/steps.h"

void executor_say(const struct executor *x, const char *fmt, ...)
{
	char line[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	x->say(x->arg, line);
}

/* "VF 0000:06:10.1 (VF 0 of enp6s0f0, igb)" */
static const char *vf_name(const struct step *s, char *buf, size_t size)
{
	char addr[PCI_ADDR_LEN];

	snprintf(buf, size, "VF %s (VF %u of %s, %s)", pci_addr_format(&s->vf, addr), s->index,
		 s->pf_name[0] ? s->pf_name : "?", s->driver[0] ? s->driver : "no driver");
	return buf;
}

/*
 * Asked before each step that touches a VF, since a lease can go in two ways only: by its owner's
 * hand, and we are that, or by a person's, who removes the file.
 */
static enum answer is_ours(struct run *r, const struct pci_addr *vf, struct error *err)
{
	return lease_owned(r->x->root, r->owner, vf, &r->seen, err);
}

static bool touches_vf(const struct step *s)
{
	switch (s->kind) {
	case STEP_OVERRIDE:
	case STEP_SET:
	case STEP_CLEAR_MAC:
	case STEP_GUARD:
	case STEP_CUT:
		return true;
	default: /* leases ask for themselves, and reading harms nobody */
		return false;
	}
}

/* 0, -EEXIST if the VF is not the owner's (any more), or that cannot be told. */
static int check_ours(struct run *r, const struct step *s, struct error *err)
{
	struct error why = ERROR_INIT;

	/* The one exception: its VM runs on a VF that is another's. */
	if (!touches_vf(s) || r->p->kind == PLAN_CUT_OFF)
		return 0;
	switch (is_ours(r, &s->vf, &why)) {
	case ANSWER_YES:
		return 0;
	case ANSWER_NO:
		return fail(err, EEXIST, "%s", why.text);
	default:
		return fail(err, why.code, "%s", why.text);
	}
}

static int do_step(struct run *r, const struct step *s, struct error *err)
{
	const struct executor *x = r->x;

	if (check_ours(r, s, err) < 0)
		return error_code(err);
	switch (s->kind) {
	case STEP_LEASE_TAKE:
		return lease_take(x->root, r->owner, &s->lease, err);
	case STEP_LEASE_WRITE:
		return lease_write(x->root, r->owner, &s->lease, err);
	case STEP_LEASE_DROP:
		return lease_drop(x->root, r->owner, &s->vf, err);
	case STEP_LEASE_SEIZE:
		return lease_replace_broken(x->root, r->owner, &s->lease, err);
	case STEP_OVERRIDE:
		return sysfs_set_driver_override(x->root, &s->vf, s->to_text, err);
	case STEP_SET:
		return plan_kind_is_undone(r->p->kind) ? step_set(x, s, err)
						       : step_set_surely(x, s, err);
	case STEP_CLEAR_MAC:
		return step_clear_mac(x, s, err);
	case STEP_GUARD:
		return step_guard(x, s, err);
	case STEP_CUT:
		return step_cut(x, s, err);
	case STEP_VERIFY:
		return step_verify(x, s, err);
	case STEP_CALL:
		return x->call(x->arg, s, false, err);
	}
	return fail(err, EINVAL, "unknown step");
}

/* --- Undo --- */

static bool vf_is_gone(const struct executor *x, const struct pci_addr *vf)
{
	struct pci_addr pf;
	unsigned index;

	return sysfs_vf_identify(x->root, vf, &pf, &index) == -ENODEV;
}

/* Does it not matter that the step failed? */
static bool step_is_moot(const struct executor *x, const struct step *s)
{
	return s->kind != STEP_CALL && vf_is_gone(x, &s->vf);
}

/* Nobody may have a VF in an unknown state: its lease stays, marked. */
static int mark_dirty(struct run *r, const struct lease *lease, struct error *err)
{
	struct lease l = *lease;

	l.phase = LEASE_DIRTY;
	l.qemu_pid = 0;
	l.qemu_start = 0;
	return lease_write(r->x->root, r->owner, &l, err);
}

static int undo_lease(struct run *r, const struct step *s, bool clean, struct error *err)
{
	bool was_running = s->kind == STEP_LEASE_WRITE && s->has_old_lease &&
			   s->old_lease.phase == LEASE_RUNNING;

	/* A VM that runs on it has it, however it is set: nobody else gets it, and repair sets it.
	 */
	if (!clean && !was_running && !vf_is_gone(r->x, &s->vf))
		return mark_dirty(r, &s->lease, err);
	if (s->kind == STEP_LEASE_WRITE && s->has_old_lease)
		return lease_write(r->x->root, r->owner, &s->old_lease, err);
	return lease_drop(r->x->root, r->owner, &s->vf, err);
}

static bool same_vf_failed(const struct plan *p, const bool *failed, size_t i)
{
	for (size_t k = i + 1; k < p->n_steps; k++) {
		if (failed[k] && !pci_addr_cmp(&p->steps[k].vf, &p->steps[i].vf))
			return true;
	}
	return false;
}

static int undo_override(struct run *r, const struct step *s, struct error *err)
{
	int done = sysfs_set_driver_override(r->x->root, &s->vf, s->from_text, err);

	/* Without that file nothing was overridden. */
	return done == -ENOENT ? 0 : done;
}

static int undo_owned(struct run *r, const bool *failed, size_t i, struct error *err)
{
	const struct step *s = &r->p->steps[i];

	switch (s->kind) {
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
		return undo_lease(r, s, !same_vf_failed(r->p, failed, i), err);
	case STEP_OVERRIDE:
		return undo_override(r, s, err);
	case STEP_SET:
		return step_undo_set(r->x, s, err);
	default: /* what cleans a VF, or only looks at it */
		return 0;
	}
}

/*
 * Only VFs that are leased to this VM are touched: another one's may be anybody's by now. Where
 * that cannot be told the step counts as not undone: passed over, it would leave a VF free that
 * is not clean.
 */
static int undo_step(struct run *r, const bool *failed, size_t i, struct error *err)
{
	const struct step *s = &r->p->steps[i];
	struct error why = ERROR_INIT;

	char what[600];

	if (s->kind == STEP_CALL && s->object.harmless) {
		executor_say(r->x, "kept, and harmless: %s", step_describe(s, what, sizeof(what)));
		return 0;
	}
	if (s->kind == STEP_CALL)
		return r->x->call(r->x->arg, s, true, err);
	switch (is_ours(r, &s->vf, &why)) {
	case ANSWER_YES:
		return undo_owned(r, failed, i, err);
	case ANSWER_NO:
		return 0;
	default:
		return fail(err, why.code, "%s", why.text);
	}
}

unsigned run_undo(struct run *r, size_t n)
{
	bool failed[JOURNAL_STEPS] = {false};
	unsigned bad = 0;

	for (size_t i = n; i-- > 0;) {
		const struct step *s = &r->p->steps[i];
		struct error why = ERROR_INIT;
		char what[600];

		if (undo_step(r, failed, i, &why) >= 0)
			continue;
		failed[i] = true;
		if (step_is_moot(r->x, s))
			continue;
		bad++;
		r->not_ours = s->kind == STEP_CALL && why.code == ECANCELED;
		if (r->not_ours)
			return bad;
		executor_say(r->x, "could not undo \"%s\": %s",
			     step_describe(s, what, sizeof(what)), why.text);
	}
	return bad;
}

/* --- Start: all or nothing --- */

static bool same_settings(const struct vf_settings *a, const struct vf_settings *b)
{
	for (int i = 0; i < VF_ATTR_COUNT; i++) {
		if ((a->has & b->has & vf_attr_bits((enum vf_attr)i)) &&
		    !vf_attr_equal((enum vf_attr)i, a, b))
			return false;
	}
	return true;
}

/* As whoever gives a VF back leaves it, unless somebody had set more on it before. */
static bool is_clean(const struct pci_addr *vf, const struct vf_settings *s)
{
	static const struct vf_settings clean = {
		.has = HAS_VLAN | HAS_SPOOFCHK | HAS_TRUST | HAS_MIN_RATE | HAS_MAX_RATE |
		       HAS_QUERY_RSS,
		.proto = VLAN_PROTO_8021Q,
		.spoofchk = true,
	};
	uint8_t parked[6];

	vf_parking_mac(vf, parked);
	return same_settings(&clean, s) && s->link_state != VF_LINK_ENABLE &&
	       (mac_is_zero(s->mac) || !memcmp(s->mac, parked, sizeof(parked)));
}

/*
 * The VF may have been another's when we looked at its settings, and cleaned and given back
 * before we looked at its lease. What is to be set, and what it goes back to one day, was
 * planned from that: it is a race lost, and the next look is a fresh one. A VF that was
 * seen clean is clean: who had it in between has left it so again.
 */
static int take(struct run *run, const struct step *s, struct error *err)
{
	const struct vf_settings *seen = s->from.has ? &s->from : &s->lease.before;
	const struct executor *x = run->x;
	struct vf_settings now;
	int r = lease_take(x->root, run->owner, &s->lease, err);

	if (r < 0)
		return r;
	lease_stamp_read(x->root, &s->vf, &run->seen);
	if (is_clean(&s->vf, seen))
		return 0;
	r = step_read_now(x, s, &now, err);
	if (!r && !same_settings(seen, &now))
		r = fail(err, EEXIST, "its settings were changed while it was looked at");
	if (r < 0)
		lease_drop(x->root, run->owner, &s->vf, NULL);
	return r;
}

/*
 * What is undone when step i failed. That step too: it may have been done all the same. Not a
 * lease that was not taken, which is another's, and not what is harmless.
 */
static size_t to_undo(const struct plan *p, size_t i)
{
	const struct step *s = &p->steps[i];
	bool keep = s->kind == STEP_LEASE_TAKE || (s->kind == STEP_CALL && s->object.harmless);

	return keep ? i : i + 1;
}

static void tell_not_undone(const struct run *r, unsigned bad)
{
	if (plan_kind_is_config(r->p->kind))
		executor_say(r->x,
			     "%u step%s could not be undone: the next vfhook command for VM %u, or "
			     "`vfhook repair`, tries again",
			     bad, bad == 1 ? "" : "s", r->p->vmid);
	else if (r->p->kind == PLAN_VFS)
		executor_say(r->x,
			     "%u step%s could not be undone: the next `vfhook boot` tries again",
			     bad, bad == 1 ? "" : "s");
	else
		executor_say(r->x,
			     "%u step%s could not be undone: the VF stays out of use until `vfhook "
			     "release "
			     "%u` or a later start cleans it",
			     bad, bad == 1 ? "" : "s", r->p->vmid);
}

static int failed_at(struct run *r, size_t i, struct error *err)
{
	const struct step *s = &r->p->steps[i];
	int code = err->code;
	char name[128];
	unsigned bad;

	if (s->kind == STEP_SET && code == EOPNOTSUPP)
		fail(err, code,
		     "the driver %s does not support %s: take it out of the port, or use "
		     "another NIC",
		     s->driver, vf_attr_name(s->attr));
	if (s->kind != STEP_CALL)
		fail_context(err, "%s", vf_name(s, name, sizeof(name)));
	/*
	 * "Look again" and "somebody was faster" are for who lost a lease, or found PVE's side
	 * changed. From a driver they come after long patience: once is enough.
	 */
	if (s->kind != STEP_LEASE_TAKE && !plan_kind_is_config(r->p->kind) &&
	    r->p->kind != PLAN_VFS && (code == EAGAIN || code == EEXIST))
		code = err->code = EBUSY;
	/* It is still being done, and nobody knows how it ends: its leases stay. */
	if (s->kind == STEP_CALL && code == EINPROGRESS)
		return -code;
	bad = run_undo(r, to_undo(r->p, i));
	if (bad)
		tell_not_undone(r, bad);
	r->undone = !bad;
	return -code;
}

static int execute_start(struct run *r, struct error *err)
{
	for (size_t i = 0; i < r->p->n_steps; i++) {
		const struct step *s = &r->p->steps[i];
		int done = s->kind == STEP_LEASE_TAKE ? take(r, s, err) : do_step(r, s, err);

		if (done < 0)
			return failed_at(r, i, err);
	}
	return 0;
}

/* --- Release: go on to the end --- */

/* A kernel that does not answer costs its time-out each time: a VM's stop is kept from that. */
static bool needs_kernel(const struct step *s)
{
	return touches_vf(s) ? s->kind != STEP_OVERRIDE : s->kind == STEP_VERIFY;
}

static void tell_failed(const struct executor *x, const struct step *s, const struct error *why,
			int *result, struct error *err)
{
	char what[600];

	step_describe(s, what, sizeof(what));
	if (!*result)
		*result = fail(err, why->code, "%s: %s", what, why->text);
	else
		executor_say(x, "%s: %s", what, why->text);
}

static int execute_release(struct run *r, struct error *err)
{
	bool stuck = false;
	int result = 0;

	for (size_t i = 0; i < r->p->n_steps; i++) {
		const struct step *s = &r->p->steps[i];
		struct error why = ERROR_INIT;
		int done;

		if (s->kind == STEP_LEASE_DROP && result < 0 && !vf_is_gone(r->x, &s->vf)) {
			mark_dirty(r, &s->old_lease, NULL);
			return result;
		}
		done = stuck && needs_kernel(s) ? 0 : do_step(r, s, &why);
		/* Not this VM's any more: whoever has it now cleans it in his turn. */
		if (done == -EEXIST)
			return fail(err, EEXIST, "%s: left alone", why.text);
		if (done >= 0 || step_is_moot(r->x, s))
			continue;
		stuck = stuck || why.code == ETIMEDOUT;
		tell_failed(r->x, s, &why, &result, err);
	}
	return result;
}

/* --- Mend: the VM runs on it already --- */

static int execute_mend(struct run *r, struct error *err)
{
	int result = 0;

	for (size_t i = 0; i < r->p->n_steps; i++) {
		const struct step *s = &r->p->steps[i];
		struct error why = ERROR_INIT;
		int done = do_step(r, s, &why);

		/* A mend that is finished after a crash finds its own lease. */
		if (done >= 0 || (done == -EEXIST && s->kind != STEP_CALL &&
				  is_ours(r, &s->vf, NULL) == ANSWER_YES))
			continue;
		tell_failed(r->x, s, &why, &result, err);
		if (done == -EEXIST && s->kind != STEP_CALL)
			break;
	}
	return result;
}

/* --- Remove: what comes later may be done only if what is before it was --- */

static int execute_remove(struct run *r, struct error *err)
{
	int done = 0;

	for (size_t i = 0; done >= 0 && i < r->p->n_steps; i++)
		done = do_step(r, &r->p->steps[i], err);
	return done < 0 ? done : 0;
}

int run_carry_out(struct run *r, struct error *err)
{
	switch (r->p->kind) {
	case PLAN_START:
	case PLAN_CHANGE:
	case PLAN_CONFIG:
	case PLAN_VFS:
		return execute_start(r, err);
	case PLAN_RELEASE:
		return execute_release(r, err);
	case PLAN_MEND:
		return execute_mend(r, err);
	case PLAN_CUT_OFF:
	case PLAN_REMOVE:
	case PLAN_SWAP:
		return execute_remove(r, err);
	}
	return fail(err, EINVAL, "unknown plan");
}

/* What PLAN_SWAP changes is nobody's: that it still is what was read is asked where it is set. */
static bool may_execute(const struct owner *o, const struct plan *p)
{
	if (p->kind == PLAN_SWAP)
		return p->n_steps == 1 && p->steps[0].kind == STEP_CALL;
	return owner_vmid(o) == p->vmid &&
	       (plan_kind_is_config(p->kind) ? owner_is_config(o) : owner_is_real(o));
}

/* The journal goes, unless it says what is still to be undone. */
static int end(struct run *run, int r, struct error *err)
{
	const struct plan *p = run->p;
	enum journal which = plan_kind_is_config(p->kind) ? JOURNAL_CONFIG : JOURNAL_VFS;
	struct error late = ERROR_INIT;

	if (r < 0 && p->kind == PLAN_CONFIG && !run->undone)
		return r;
	if (journal_drop(run->x->root, which, p->vmid, &late) >= 0 || r)
		return r;
	/* A journal that stays would undo what is good: this failure is the run's. */
	if (plan_kind_is_undone(p->kind))
		run_undo(run, p->n_steps);
	*err = late;
	return -late.code;
}

int execute(const struct executor *x, const struct owner *owner, const struct plan *p,
	    struct error *err)
{
	struct run run = {.x = x, .owner = owner, .p = p};
	int r;

	if (!p->n_steps)
		return 0;
	if (!may_execute(owner, p))
		return fail(err, EPERM, "a plan for VM %u without its lock", p->vmid);
	if (!plan_kind_has_journal(p->kind))
		return run_carry_out(&run, err);
	r = journal_write(x->root, p, err);
	/* -EEXIST would be taken for a lost race, and tried again for nothing. */
	if (r == -EEXIST)
		return fail(err, EBUSY,
			    "an earlier run for VM %u left its journal, and it could not "
			    "be recovered",
			    p->vmid);
	if (r < 0)
		return r;
	return end(&run, run_carry_out(&run, err), err);
}
