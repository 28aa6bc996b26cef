/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The detached job: `vfhook job <vmid>` or `vfhook write-job <vmid>`, started by a pre-start that
 * had to refuse. See job_control.h for why it exists.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hook/job_control.h"
#include "hook/phases.h"
#include "hook/start_vm.h"
#include "pveapi/guest.h"
#include "pveapi/limits.h"
#include "pveapi/process.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/answer.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/run_dir.h"
#include "src/base/say.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/events.h"
#include "src/port/hostpci_judge.h"
#include "src/port/mac.h"
#include "src/port/objects.h"
#include "src/port/port_plan.h"
#include "src/port/vm_ports.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_words.h"

/* The start that refused is over in a moment; a stop or backup that comes between may take longer.
 */
#define VM_LOCK_WAIT_MS 300000
#define NAP_MS		500
/* For another job of this VM; one that leaves the VM off may have to wait for the VM itself. */
#define TURN_MS	     3000
#define MAX_TURNS_MS (VM_LOCK_WAIT_MS + 60000)
#define MAX_TRIES    3

/* A clone runs the hookscript that its original has chained behind ours, too. */
static int adopt_chain(struct hook *h, const struct vm_ports *v, uint32_t origin, struct plan *p,
		       struct error *err)
{
	uint32_t vmid = v->guest.vmid;
	const struct guest_note *from = origin ? config_guest(&v->config, origin) : NULL;

	if (!from || from->bad || !from->chain[0] || config_guest(&v->config, vmid) ||
	    plan_has_object(p, OBJECT_GUEST))
		return 0;
	return plan_chain(h, vmid, from->chain, p, err);
}

/* Make the ports that a clone, a pool's name or a raw address ask for. */
static int adopt_ports(struct hook *h, struct vm_ports *v, struct plan *plan, struct error *err)
{
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		struct port *p = &v->entries[slot].adopt;

		if (v->entries[slot].verdict != ENTRY_ADOPT)
			continue;
		if (adopt_chain(h, v, v->entries[slot].origin, plan, err) < 0)
			return error_code(err);
		if (p->mac_auto && mac_make(h->root, &v->config, p->want.mac, err) < 0)
			return error_code(err);
		p->want.has |= p->mac_auto ? HAS_MAC : 0;
		p->mac_auto = false;
		if (vm_ports_add(v, p, err) < 0 || plan_port_section(p, plan, err) < 0)
			return error_code(err);
	}
	/* A new port makes an adoption a rewrite. */
	vm_ports_judge(h, v);
	return 0;
}

static int plan_entries(const struct vm_ports *v, struct plan *p, struct error *err)
{
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (v->entries[slot].verdict == ENTRY_REWRITE &&
		    plan_hostpci(&v->guest, slot, v->entries[slot].value, p, err) < 0)
			return error_code(err);
	}
	return 0;
}

static void tell_steps(const struct plan *p)
{
	char text[600];

	for (size_t i = 0; i < p->n_steps; i++)
		say("%s", step_describe(&p->steps[i], text, sizeof(text)));
}

/* One look, one plan, one try. */
static int prepare_once(struct hook *h, const struct owner *o, uint32_t vmid, struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	CLEANUP(plan_free) struct plan p;
	int slot;
	int r;

	plan_init(&p, PLAN_CONFIG, vmid);
	if (!h->dry_run && vm_still_here(h, vmid, err) < 0)
		return error_code(err);
	if (vm_ports_load(h, vmid, &v, err) < 0 || adopt_ports(h, &v, &p, err) < 0)
		return error_code(err);
	slot = vm_ports_first(&v, ENTRY_REFUSE);
	if (slot >= 0)
		return fail(err, EINVAL, "hostpci%d: %s", slot, v.entries[slot].why);
	if (vm_ports_first(&v, ENTRY_REWRITE) < 0)
		return 0;
	if (vm_ports_wishes(h, &v, true, err) < 0 || hook_kernel(h, err) < 0 ||
	    plan_port_mappings(h, &v, -1, &p, err) < 0 || plan_entries(&v, &p, err) < 0)
		return error_code(err);
	r = apply_plan(h, o, &p, err);
	if (!r && !h->dry_run)
		tell_steps(&p);
	return r;
}

static int prepare(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_OWNER struct owner *o = NULL;
	int r = config_begin(h, vmid, &o, err);

	if (!r)
		r = -EAGAIN;
	/* A config that somebody changed meanwhile is looked at again. */
	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		error_clear(err);
		r = prepare_once(h, o, vmid, err);
	}
	return r;
}

/*
 * PVE's lock on the VM, which the refused start has, and then its mark in the config: while a
 * backup's is there nothing in it can be changed.
 */
static int wait_for_vm(struct hook *h, uint32_t vmid, struct error *err)
{
	int lock = vm_lock(h->root, vmid, VM_LOCK_WAIT_MS, err);

	if (lock < 0)
		return lock;
	close(lock);
	for (int waited = 0;; waited += NAP_MS) {
		CLEANUP(guest_config_free) struct guest_config g = {0};

		if (vm_still_here(h, vmid, err) < 0 ||
		    guest_config_load(h->root, h->node, NULL, vmid, &g, err) < 0)
			return error_code(err);
		if (!g.lock)
			return 0;
		if (waited >= VM_LOCK_WAIT_MS)
			return fail(err, EBUSY,
				    "PVE has it locked (%s): if nothing works on it any more, "
				    "qm unlock %u, then qm start %u",
				    g.lock, vmid, vmid);
		nap_ms(NAP_MS);
	}
}

static int start_again(struct hook *h, uint32_t vmid, int job, struct error *err)
{
	struct proc_id qemu;
	enum answer running;

	if (job_set_state(job, JOB_RESTARTING, err) < 0 || hook_rest(h, err) < 0)
		return error_code(err);
	running = vm_runs(h->root, vmid, &qemu, err);
	if (running == ANSWER_UNKNOWN || (running == ANSWER_NO && vm_start_wait(h, vmid, err) < 0))
		return error_code(err);
	say("VM %u: running", vmid);
	return 0;
}

int job_preview(struct hook *h, uint32_t vmid, enum job_kind kind, struct error *err)
{
	int r = prepare(h, vmid, err);

	if (r < 0)
		return r;
	if (kind == JOB_WRITE) {
		say("  VM %u stays off", vmid);
		return 0;
	}
	say("  VM %u is started again:", vmid);
	say("    REST: POST /nodes/%s/qemu/%u/status/start", h->node, vmid);
	return 0;
}

/*
 * Be the one job of that VM. -EWOULDBLOCK: another does all that this one is for. One that leaves
 * the VM off does not: a start waits for its end.
 */
static int take_turn(struct hook *h, uint32_t vmid, enum job_kind kind, struct error *err)
{
	char log[128];
	int job = -EWOULDBLOCK;

	for (int waited = 0; job == -EWOULDBLOCK && waited < MAX_TURNS_MS; waited += TURN_MS) {
		enum job_state other;

		error_clear(err);
		job = job_lock(h, vmid, kind, TURN_MS, err);
		if (job != -EWOULDBLOCK)
			return job;
		other = job_state(h, vmid);
		if (other == JOB_WAITING || other == JOB_RESTARTING ||
		    (other == JOB_WRITING && kind == JOB_WRITE))
			return fail(err, EWOULDBLOCK,
				    "another job writes its hostpci already (%s); nothing to do",
				    job_log(h, vmid, other == JOB_WRITING ? JOB_WRITE : JOB_START,
					    log, sizeof(log)));
	}
	return fail(err, EBUSY, "/" LOCKS_DIR "/job-%u is locked by somebody who does not end",
		    vmid);
}

static int do_job(struct hook *h, uint32_t vmid, enum job_kind kind, int job, struct error *err)
{
	int r = wait_for_vm(h, vmid, err);

	if (!r)
		r = prepare(h, vmid, err);
	if (r < 0)
		return r;
	if (kind == JOB_START)
		return start_again(h, vmid, job, err);
	say("VM %u: hostpci is right now; the VM stays off, since it was started for a backup "
	    "alone: run the backup again",
	    vmid);
	event_add(h, vmid, EVENT_REPAIR,
		  "hostpci was written after a backup's start was refused; the VM stays off");
	return 0;
}

static int failed(struct hook *h, uint32_t vmid, enum job_kind kind, const struct error *err)
{
	complain("VM %u %s: %s", vmid,
		 kind == JOB_START ? "is not started" : "cannot be backed up yet", err->text);
	event_add(h, vmid, EVENT_REFUSED, "the job that was to write hostpci%s failed: %s",
		  kind == JOB_START ? " and to start the VM" : "", err->text);
	return 1;
}

static int run_kind(struct hook *h, uint32_t vmid, enum job_kind kind)
{
	struct error moved = ERROR_INIT;
	struct error err = ERROR_INIT;
	AUTO_CLOSE int job = -1;
	int r;

	if (h->dry_run) {
		r = job_preview(h, vmid, kind, &err);
		if (r < 0)
			complain("%s", err.text);
		return r < 0;
	}
	job = take_turn(h, vmid, kind, &err);
	if (job == -EWOULDBLOCK) {
		say("VM %u: %s", vmid, err.text);
		return 0;
	}
	r = job < 0 ? job : do_job(h, vmid, kind, job, &err);
	/* Whatever went wrong, it is all told with where the VM is by now. */
	if (r < 0 && job >= 0 && vm_still_here(h, vmid, &moved) < 0)
		err = moved;
	/* From here on it has not been killed. */
	if (job >= 0)
		job_set_state(job, JOB_NONE, NULL);
	return r < 0 ? failed(h, vmid, kind, &err) : 0;
}

int run_job(struct hook *h, uint32_t vmid)
{
	return run_kind(h, vmid, JOB_START);
}

int run_write_job(struct hook *h, uint32_t vmid)
{
	return run_kind(h, vmid, JOB_WRITE);
}
