/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A start is all or nothing, a release goes on to the end, a mend undoes nothing, a removal ends
 * where it fails. */
#include "src/vf/carry_out.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "src/vf/executor.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/plan_words.h"
#include "src/vf/sysfs.h"
#include "src/vf/undo.h"
#include "src/vf/vf_step.h"

/* "VF 0000:06:10.1 (VF 0 of enp6s0f0, igb)" */
static const char *vf_name(const struct step *s, char *buf, size_t size)
{
	char addr[PCI_ADDR_LEN];

	snprintf(buf, size, "VF %s (VF %u of %s, %s)", pci_addr_format(&s->vf, addr), s->index,
		 s->pf_name[0] ? s->pf_name : "?", s->driver[0] ? s->driver : "no driver");
	return buf;
}

/* All or nothing: a set that is refused is refused. */
static bool is_whole(enum plan_kind kind)
{
	return plan_kind_is_undone(kind) || kind == PLAN_PLUG;
}

static int do_step(struct run *r, const struct step *s, struct error *err)
{
	const struct executor *x = r->x;

	if (run_may_do(r, s, err) < 0)
		return error_code(err);
	switch (s->kind) {
	case STEP_LEASE_TAKE:
		return lease_take(x->root, r->owner, &s->lease, err);
	case STEP_LEASE_WRITE:
		return lease_write(x->root, r->owner, &s->lease, err);
	case STEP_LEASE_DROP:
		return lease_drop(x->root, r->owner, &s->vf, &r->seen, err);
	case STEP_LEASE_SEIZE:
		return lease_replace_broken(x->root, r->owner, &s->lease, err);
	case STEP_OVERRIDE:
		return sysfs_set_driver_override(x->root, &s->vf, s->to_text, err);
	case STEP_SET:
		return is_whole(r->p->kind) ? step_set(x, s, err) : step_set_surely(x, s, err);
	case STEP_CLEAR_MAC:
		return step_clear_mac(x, s, err);
	case STEP_GUARD:
		return step_guard(x, s, err);
	case STEP_CUT:
		return step_cut(x, s, err);
	case STEP_VERIFY:
		return step_verify(x, s, err);
	case STEP_UNUSED:
		return step_unused(x, s, err);
	case STEP_CALL:
		return x->call(x->arg, s, false, err);
	}
	return fail(err, EINVAL, "unknown step");
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
static int take_lease(struct run *run, const struct step *s, struct error *err)
{
	const struct vf_settings *seen = s->from.has ? &s->from : &s->lease.before;
	const struct executor *x = run->x;
	struct vf_settings now;
	int r = lease_take(x->root, run->owner, &s->lease, err);

	if (r < 0)
		return r;
	lease_stamp_read(x->root, &s->vf, &run->seen);
	if (is_clean(&s->vf, seen)) {
		run->just_taken = run->seen.known;
		return 0;
	}
	r = step_read_now(x, s, &now, err);
	if (!r && !same_settings(seen, &now))
		r = fail(err, EEXIST, "its settings were changed while it was looked at");
	if (r < 0)
		lease_drop(x->root, run->owner, &s->vf, NULL, NULL);
	return r;
}

/*
 * What is undone when step i failed. That step too: it may have been done all the same. Not a
 * lease that was not taken, which is another's, and not what is harmless.
 */
static size_t steps_to_undo(const struct plan *p, size_t i)
{
	const struct step *s = &p->steps[i];
	bool keep = s->kind == STEP_LEASE_TAKE || (s->kind == STEP_CALL && s->object.harmless);

	return keep ? i : i + 1;
}

static void tell_not_undone(const struct run *r, unsigned bad)
{
	if (plan_kind_is_config(r->p->kind))
		executor_say(
			r->x,
			"%u step%s could not be undone: the next vfhook command for guest %u, or "
			"`vfhook repair`, tries again",
			bad, bad == 1 ? "" : "s", r->p->vmid);
	else if (r->p->kind == PLAN_VFS)
		executor_say(r->x,
			     "%u step%s could not be undone: the next `vfhook boot` tries again",
			     bad, bad == 1 ? "" : "s");
	else if (r->p->kind == PLAN_UNPLUG || r->p->kind == PLAN_PLUG)
		executor_say(r->x, "%u step%s could not be undone: vfhook repair", bad,
			     bad == 1 ? "" : "s");
	else
		executor_say(r->x,
			     "%u step%s could not be undone: the VF stays out of use until `vfhook "
			     "release "
			     "%u` or a later start cleans it",
			     bad, bad == 1 ? "" : "s", r->p->vmid);
}

static int undo_from(struct run *r, size_t i, struct error *err)
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
	bad = run_undo(r, steps_to_undo(r->p, i));
	if (bad)
		tell_not_undone(r, bad);
	r->undone = !bad;
	return -code;
}

/* Plugging that is finished after a crash finds its own lease. */
static bool is_own_lease(struct run *r, const struct step *s, int done)
{
	return done == -EEXIST && s->kind == STEP_LEASE_TAKE && r->p->kind == PLAN_PLUG &&
	       run_owns_vf(r, &s->vf, NULL) == ANSWER_YES;
}

static int execute_start(struct run *r, struct error *err)
{
	for (size_t i = 0; i < r->p->n_steps; i++) {
		const struct step *s = &r->p->steps[i];
		int done = s->kind == STEP_LEASE_TAKE ? take_lease(r, s, err) : do_step(r, s, err);

		if (done < 0 && is_own_lease(r, s, done)) {
			error_clear(err);
			continue;
		}
		if (done < 0)
			return undo_from(r, i, err);
	}
	return 0;
}

/* --- Release: go on to the end --- */

/* A kernel that does not answer costs its time-out each time: a VM's stop is kept from that. */
static bool needs_kernel(const struct step *s)
{
	return step_touches_vf(s) ? s->kind != STEP_OVERRIDE : s->kind == STEP_VERIFY;
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

		if (s->kind == STEP_LEASE_DROP && result < 0 && !run_vf_is_gone(r, &s->vf)) {
			run_mark_dirty(r, &s->old_lease, NULL);
			return result;
		}
		done = stuck && needs_kernel(s) ? 0 : do_step(r, s, &why);
		/* Not this VM's any more: whoever has it now cleans it when he gives it back. */
		if (done == -EEXIST)
			return fail(err, EEXIST, "%s: left alone", why.text);
		if (done >= 0 || run_step_is_moot(r, s))
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
				  run_owns_vf(r, &s->vf, NULL) == ANSWER_YES))
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
	case PLAN_UNPLUG:
	case PLAN_PLUG:
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
