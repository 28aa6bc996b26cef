/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/execute.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "src/journal.h"

static void __attribute__((format(printf, 2, 3)))
say(const struct executor *x, const char *fmt, ...)
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

static int read_now(const struct executor *x, const struct step *s, struct vf_settings *now,
		    struct error *err)
{
	struct pf_link link;
	int r = kernel_pf_read(x->kernel, s->ifindex, &link, err);

	if (r < 0)
		return r;
	if (s->index >= link.n_vfs) {
		pf_link_free(&link);
		return fail(err, ENODEV, "the PF has no VF %u any more", s->index);
	}
	*now = link.vfs[s->index];
	pf_link_free(&link);
	return 0;
}

static int set(const struct executor *x, const struct step *s, enum vf_attr attr,
	       const struct vf_settings *to, struct error *err)
{
	return kernel_vf_set(x->kernel, s->ifindex, s->index, attr, to, err);
}

static int set_spoofchk(const struct executor *x, const struct step *s, bool on, struct error *err)
{
	return set(x, s, VF_SPOOFCHK, &(struct vf_settings){.has = HAS_SPOOFCHK, .spoofchk = on},
		   err);
}

static int set_parking_mac(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings parked = {.has = HAS_MAC};

	vf_parking_mac(&s->vf, parked.mac);
	return set(x, s, VF_MAC, &parked, err);
}

/*
 * MAC to zero. Drivers differ: some refuse zero while spoofchk is on, some
 * refuse it always; then the VF gets an address that nobody else has.
 */
static int clear_mac(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings zero = {.has = HAS_MAC};
	int r = set(x, s, VF_MAC, &zero, err);

	if (!r || r == -ENODEV)
		return r;
	if ((s->from.has & HAS_SPOOFCHK) && s->from.spoofchk && !set_spoofchk(x, s, false, NULL)) {
		r = set(x, s, VF_MAC, &zero, err);
		if (!r)
			return 0;
		set_spoofchk(x, s, true, NULL);
	}
	return set_parking_mac(x, s, err);
}

/* spoofchk on; where the driver wants an address for that, one that nobody else has. */
static int guard(const struct executor *x, const struct step *s, struct error *err)
{
	int r = set_spoofchk(x, s, true, err);

	if (!r || r == -ENODEV)
		return r;
	r = set_parking_mac(x, s, err);
	return r < 0 ? r : set_spoofchk(x, s, true, err);
}

/* Not every driver can, and a VF is as clean without. */
static int cut(const struct executor *x, const struct step *s, struct error *err)
{
	int r = set(x, s, VF_LINK_STATE,
		    &(struct vf_settings){.has = HAS_LINK_STATE, .link_state = VF_LINK_DISABLE},
		    err);

	if (r != -EOPNOTSUPP)
		return r;
	error_clear(err);
	return 0;
}

static int verify(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings now;
	int r = read_now(x, s, &now, err);

	if (r < 0)
		return r;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		enum vf_attr attr = (enum vf_attr)a;
		char want[64];
		char got[64];

		if (!(s->to.has & vf_attr_bits(attr)) || vf_attr_equal(attr, &s->to, &now))
			continue;
		return fail(err, EIO,
			    "the driver accepted %s %s, but reads back %s: it does not really "
			    "support it",
			    vf_attr_name(attr), vf_attr_value(attr, &s->to, want, sizeof(want)),
			    (now.has & vf_attr_bits(attr))
				    ? vf_attr_value(attr, &now, got, sizeof(got))
				    : "nothing");
	}
	return 0;
}

static int do_step(const struct executor *x, const struct step *s, struct error *err)
{
	switch (s->kind) {
	case STEP_LEASE_TAKE:
		return lease_take(x->root, &s->lease, err);
	case STEP_LEASE_WRITE:
		return lease_write(x->root, &s->lease, err);
	case STEP_LEASE_DROP:
		return lease_drop(x->root, &s->vf, err);
	case STEP_OVERRIDE:
		return sysfs_set_driver_override(x->root, &s->vf, s->to_text, err);
	case STEP_SET:
		return set(x, s, s->attr, &s->to, err);
	case STEP_CLEAR_MAC:
		return clear_mac(x, s, err);
	case STEP_GUARD:
		return guard(x, s, err);
	case STEP_CUT:
		return cut(x, s, err);
	case STEP_VERIFY:
		return verify(x, s, err);
	case STEP_CALL:
		return x->call(x->arg, s, err);
	}
	return fail(err, EINVAL, "unknown step");
}

/* --- Undo --- */

/* MAC back to zero; the way there may have led over spoofchk off. */
static int undo_mac(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings now;
	int r = clear_mac(x, s, err);

	if (r < 0 || !(s->from.has & HAS_SPOOFCHK) || !s->from.spoofchk)
		return r;
	r = read_now(x, s, &now, err);
	return r < 0 || now.spoofchk ? r : guard(x, s, err);
}

/* Put one attribute back, if it is not what it was. */
static int undo_set(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings from = s->from;
	struct vf_settings now;
	int r;

	from.has &= vf_attr_bits(s->attr);
	if (!from.has) /* the driver does not tell what it was */
		return 0;
	r = read_now(x, s, &now, err);
	if (r < 0 || vf_attr_equal(s->attr, &from, &now))
		return r;
	if (s->attr == VF_MAC && mac_is_zero(from.mac))
		return undo_mac(x, s, err);
	r = set(x, s, s->attr, &from, err);
	/* What the driver cannot set, it has not changed either. */
	return r == -EOPNOTSUPP ? 0 : r;
}

/*
 * Only VFs that are leased to this VM are touched: another one's may be anybody's by now.
 * 1: it is, 0: it is not, or a negative errno: that cannot be told now.
 */
static int ask_owner(const struct executor *x, const struct plan *p, const struct pci_addr *vf,
		     struct error *err)
{
	struct error why = ERROR_INIT;
	struct lease l;
	int r = lease_read(x->root, vf, &l, &why);

	if (!r)
		return l.vmid == p->vmid;
	if (r == -ENOENT || r == -EINVAL)
		return 0;
	return fail(err, why.code, "%s", why.text);
}

static bool is_ours(const struct executor *x, const struct plan *p, const struct pci_addr *vf)
{
	return ask_owner(x, p, vf, NULL) == 1;
}

static bool vf_is_gone(const struct executor *x, const struct pci_addr *vf)
{
	struct pci_addr pf;
	unsigned index;

	return sysfs_vf_identify(x->root, vf, &pf, &index) == -ENODEV;
}

/* Nobody may have a VF in an unknown state: its lease stays, marked. */
static int mark_dirty(const struct executor *x, const struct lease *lease, struct error *err)
{
	struct lease l = *lease;

	l.phase = LEASE_DIRTY;
	l.qemu_pid = 0;
	l.qemu_start = 0;
	return lease_write(x->root, &l, err);
}

static int undo_lease(const struct executor *x, const struct step *s, bool clean, struct error *err)
{
	bool was_running = s->kind == STEP_LEASE_WRITE && s->has_old_lease &&
			   s->old_lease.phase == LEASE_RUNNING;

	/* A VM that runs on it has it, however it is set: nobody else gets it, and repair sets it.
	 */
	if (!clean && !was_running && !vf_is_gone(x, &s->vf))
		return mark_dirty(x, &s->lease, err);
	if (s->kind == STEP_LEASE_WRITE && s->has_old_lease)
		return lease_write(x->root, &s->old_lease, err);
	return lease_drop(x->root, &s->vf, err);
}

static bool same_vf_failed(const struct plan *p, const bool *failed, size_t i)
{
	for (size_t k = i + 1; k < p->n_steps; k++) {
		if (failed[k] && !pci_addr_cmp(&p->steps[k].vf, &p->steps[i].vf))
			return true;
	}
	return false;
}

static int undo_step(const struct executor *x, const struct plan *p, const bool *failed, size_t i,
		     struct error *err)
{
	const struct step *s = &p->steps[i];
	int ours = s->kind == STEP_CALL ? 0 : ask_owner(x, p, &s->vf, err);

	/* A step that is passed over for nothing would leave a VF free that is not clean. */
	if (ours < 0)
		return ours;
	switch (s->kind) {
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
		return ours ? undo_lease(x, s, !same_vf_failed(p, failed, i), err) : 0;
	case STEP_OVERRIDE:
		return ours ? sysfs_set_driver_override(x->root, &s->vf, s->from_text, err) : 0;
	case STEP_SET:
		return ours ? undo_set(x, s, err) : 0;
	case STEP_CALL:
		/* What a call did outside is harmless without a lease, and the next start sees it.
		 */
		say(x, "kept, and harmless: %s", s->what);
		return 0;
	case STEP_LEASE_DROP:
	case STEP_CLEAR_MAC:
	case STEP_GUARD:
	case STEP_CUT:
	case STEP_VERIFY:
		return 0;
	}
	return 0;
}

/* Undo the first n steps, last one first. Returns how many could not be undone. */
static unsigned undo(const struct executor *x, const struct plan *p, size_t n)
{
	bool failed[JOURNAL_STEPS] = {false};
	unsigned bad = 0;

	for (size_t i = n; i-- > 0;) {
		struct error why = ERROR_INIT;
		char what[600];

		if (undo_step(x, p, failed, i, &why) >= 0)
			continue;
		failed[i] = true;
		if (vf_is_gone(x, &p->steps[i].vf))
			continue;
		bad++;
		say(x, "could not undo \"%s\": %s", step_describe(&p->steps[i], what, sizeof(what)),
		    why.text);
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
static int take(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings now;
	int r = lease_take(x->root, &s->lease, err);

	if (r < 0)
		return r;
	if (is_clean(&s->vf, &s->lease.before))
		return 0;
	r = read_now(x, s, &now, err);
	if (!r && !same_settings(&s->lease.before, &now))
		r = fail(err, EEXIST, "its settings were changed while it was looked at");
	if (r < 0)
		lease_drop(x->root, &s->vf, NULL);
	return r;
}

static int start_step(const struct executor *x, const struct step *s, struct error *err)
{
	return s->kind == STEP_LEASE_TAKE ? take(x, s, err) : do_step(x, s, err);
}

static int failed_at(const struct executor *x, const struct plan *p, size_t i, struct error *err)
{
	const struct step *s = &p->steps[i];
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
	 * "Look again" and "somebody was faster" are for who lost a lease. From a
	 * driver or from outside they come after long patience: once is enough.
	 */
	if (s->kind != STEP_LEASE_TAKE && (code == EAGAIN || code == EEXIST))
		code = err->code = EBUSY;
	/* A single attribute that was refused has not changed; nothing else is done by halves. */
	bad = undo(x, p, i);
	if (bad)
		say(x,
		    "%u step%s could not be undone: the VF stays out of use until `vfhook %u "
		    "post-stop` or a later start cleans it",
		    bad, bad == 1 ? "" : "s", p->vmid);
	return -code;
}

static int execute_start(const struct executor *x, const struct plan *p, struct error *err)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		if (start_step(x, &p->steps[i], err) < 0)
			return failed_at(x, p, i, err);
	}
	return 0;
}

/* --- Release: go on to the end --- */

/* A kernel that does not answer costs its time-out each time: a VM's stop is kept from that. */
static bool needs_kernel(const struct step *s)
{
	return s->kind == STEP_SET || s->kind == STEP_CLEAR_MAC || s->kind == STEP_GUARD ||
	       s->kind == STEP_CUT || s->kind == STEP_VERIFY;
}

static int execute_release(const struct executor *x, const struct plan *p, struct error *err)
{
	bool stuck = false;
	int result = 0;

	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step *s = &p->steps[i];
		struct error why = ERROR_INIT;
		char what[600];

		if (s->kind == STEP_LEASE_DROP && result < 0 && !vf_is_gone(x, &s->vf)) {
			mark_dirty(x, &s->old_lease, NULL);
			return result;
		}
		if ((stuck && needs_kernel(s)) || do_step(x, s, &why) >= 0)
			continue;
		if (vf_is_gone(x, &s->vf))
			continue;
		stuck = stuck || why.code == ETIMEDOUT;
		if (!result) {
			result = fail(err, why.code, "%s: %s", step_describe(s, what, sizeof(what)),
				      why.text);
		} else {
			say(x, "%s: %s", step_describe(s, what, sizeof(what)), why.text);
		}
	}
	return result;
}

/* --- Mend: the VM runs on it already --- */

/* -EEXIST: it is somebody else's, or its lease tells nobody whose. */
static int check_not_anothers(const struct executor *x, const struct plan *p,
			      const struct pci_addr *vf, struct error *err)
{
	struct error why = ERROR_INIT;
	struct lease l;
	int r = lease_read(x->root, vf, &l, &why);

	if (r == -ENOENT || (!r && l.vmid == p->vmid))
		return 0;
	if (!r || r == -EINVAL)
		return fail(err, EEXIST, "the VF is another VM's by now");
	return fail(err, why.code, "%s", why.text);
}

/* Between a crash and its recovery a VF of the plan may have gone to another VM. */
static int mend_step(const struct executor *x, const struct plan *p, const struct step *s,
		     struct error *err)
{
	bool touches = s->kind != STEP_LEASE_TAKE && s->kind != STEP_VERIFY && s->kind != STEP_CALL;

	if (touches && check_not_anothers(x, p, &s->vf, err) < 0)
		return error_code(err);
	return do_step(x, s, err);
}

static int execute_mend(const struct executor *x, const struct plan *p, struct error *err)
{
	int result = 0;

	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step *s = &p->steps[i];
		struct error why = ERROR_INIT;
		char what[600];
		int r = mend_step(x, p, s, &why);

		/* A mend that is finished after a crash finds its own lease. */
		if (r >= 0 || (r == -EEXIST && is_ours(x, p, &s->vf)))
			continue;
		if (!result)
			result = fail(err, why.code, "%s: %s", step_describe(s, what, sizeof(what)),
				      why.text);
		else
			say(x, "%s: %s", step_describe(s, what, sizeof(what)), why.text);
		if (r == -EEXIST)
			break;
	}
	return result;
}

static int carry_out(const struct executor *x, const struct plan *p, struct error *err)
{
	switch (p->kind) {
	case PLAN_START:
		return execute_start(x, p, err);
	case PLAN_RELEASE:
		return execute_release(x, p, err);
	case PLAN_MEND:
		return execute_mend(x, p, err);
	}
	return fail(err, EINVAL, "unknown plan");
}

int execute(const struct executor *x, const struct plan *p, struct error *err)
{
	struct error late = ERROR_INIT;
	int r;

	if (!p->n_steps)
		return 0;
	r = journal_write(x->root, p, err);
	/* -EEXIST would be taken for a lost race, and tried again in vain. */
	if (r == -EEXIST)
		return fail(err, EBUSY,
			    "an earlier run for VM %u left its journal, and it could not "
			    "be recovered",
			    p->vmid);
	if (r < 0)
		return r;
	r = carry_out(x, p, err);
	/* A journal that stays would undo a good start: this failure is the start's. */
	if (journal_drop(x->root, p->vmid, &late) < 0 && !r) {
		if (p->kind == PLAN_START)
			undo(x, p, p->n_steps);
		*err = late;
		return -late.code;
	}
	return r;
}

/* --- After a crash --- */

/* Interface names and numbers of then may not be those of now. */
static void refresh(const struct executor *x, struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		struct step *s = &p->steps[i];
		struct pf_info pf;

		if (sysfs_pf_read(x->root, &s->pf, &pf, NULL) < 0)
			continue;
		s->ifindex = pf.ifindex;
		memcpy(s->pf_name, pf.ifname, sizeof(s->pf_name));
		memcpy(s->driver, pf.driver, sizeof(s->driver));
	}
}

/* A temporary file of a lease that was being replaced when its writer died. */
static void sweep(const struct executor *x, const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		char addr[PCI_ADDR_LEN];
		char path[128];

		snprintf(path, sizeof(path), LEASE_DIR "/.tmp-%s",
			 pci_addr_format(&p->steps[i].vf, addr));
		unlinkat(x->root, path, 0);
	}
}

/* A call is known by its number to the run that planned it, and to no other. */
static void forget_calls(const struct executor *x, struct plan *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_steps; i++) {
		if (p->steps[i].kind == STEP_CALL)
			say(x, "left to the next start: %s", p->steps[i].what);
		else
			p->steps[kept++] = p->steps[i];
	}
	p->n_steps = kept;
}

static int finish_release(const struct executor *x, const struct plan *p, struct error *err)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		/* The lease went last: without it the release was over, and the VF may be
		 * another's. */
		if (p->steps[i].kind == STEP_LEASE_DROP && !is_ours(x, p, &p->steps[i].vf))
			return 0;
	}
	return execute_release(x, p, err);
}

int recover(const struct executor *x, uint32_t vmid, struct error *err)
{
	CLEANUP(plan_free) struct plan p;
	int r = journal_read(x->root, vmid, &p, err);

	if (r == -ENOENT) {
		error_clear(err);
		return 0;
	}
	if (r < 0 && r != -EINVAL)
		return r;
	if (r < 0) {
		say(x, "%s; put aside as %u.broken", err->text, vmid);
		error_clear(err);
		return journal_put_aside(x->root, vmid, err) < 0 ? error_code(err) : 1;
	}
	refresh(x, &p);
	sweep(x, &p);
	if (p.kind == PLAN_START) {
		if (vmid == LEASE_SELF)
			say(x, "earlier parking of VFs was cut off in the middle: undoing it");
		else
			say(x, "an earlier start of VM %u was cut off in the middle: undoing it",
			    vmid);
		undo(x, &p, p.n_steps);
	} else {
		say(x, "an earlier %s for VM %u was cut off in the middle: finishing it",
		    p.kind == PLAN_MEND ? "mending" : "release", vmid);
		forget_calls(x, &p);
		r = p.kind == PLAN_MEND ? execute_mend(x, &p, err) : finish_release(x, &p, err);
		if (r < 0)
			say(x, "%s", err->text);
	}
	if (journal_drop(x->root, vmid, err) < 0)
		return error_code(err);
	return 1;
}
