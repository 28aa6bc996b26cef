/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The detached job: `vfhook job <vmid>` or `vfhook write-job <vmid>`, started by a pre-start that
 * had to refuse. See handover.h for why it exists.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/answer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "hook/apply.h"
#include "hook/events.h"
#include "hook/handover.h"
#include "hook/hook.h"
#include "hook/mac.h"
#include "hook/objects.h"
#include "hook/portplan.h"
#include "hook/ports.h"
#include "hook/say.h"
#include "hook/wish.h"
#include "pveapi/api.h"
#include "pveapi/ha.h"
#include "pveapi/task.h"
#include "pveapi/vmstate.h"
#include "src/lease.h"

/* The start that refused is over in a moment; a stop or backup that comes between may take longer.
 */
#define VM_LOCK_WAIT_MS 300000
#define START_WAIT_MS	600000
/* The cluster's master and the node's LRM look at their VMs some ten seconds apart (PVE::HA::LRM).
 */
#define HA_WAIT_MS 120000
#define NAP_MS	   500
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
		if (mac_make(h->root, &v->config, p->want.mac, err) < 0)
			return error_code(err);
		p->want.has |= HAS_MAC;
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

/* A VM that is started elsewhere, by HA say, gets there what it needs. */
static int still_here(struct hook *h, uint32_t vmid, struct error *err)
{
	char path[GUEST_PATH_LEN];
	char node[NAME_LEN];

	if (path_exists(h->root, guest_config_path(h->node, vmid, path)))
		return 0;
	if (guest_elsewhere(h, vmid, node) == 1)
		return fail(err, ENOENT,
			    "it has moved to node %s, where a start makes what it needs", node);
	if (guest_exists(h->root, vmid, err) == ANSWER_NO)
		return fail(err, ENOENT, "there is no VM %u any more", vmid);
	return fail(err, ENOENT, "it is not on this node now, and may be moving");
}

/* One look, one plan, one try. */
static int prepare_once(struct hook *h, const struct owner *o, uint32_t vmid, struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	CLEANUP(plan_free) struct plan p;
	int slot;
	int r;

	plan_init(&p, PLAN_CONFIG, vmid);
	if (!h->dry_run && still_here(h, vmid, err) < 0)
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

static void nap(void)
{
	nanosleep(&(struct timespec){0, NAP_MS * 1000000L}, NULL);
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

		if (still_here(h, vmid, err) < 0 ||
		    guest_config_load(h->root, h->node, NULL, vmid, &g, err) < 0)
			return error_code(err);
		if (!g.lock)
			return 0;
		if (waited >= VM_LOCK_WAIT_MS)
			return fail(err, EBUSY,
				    "PVE has it locked (%s): if nothing is at work on it any more, "
				    "qm unlock %u, then qm start %u",
				    g.lock, vmid, vmid);
		nap();
	}
}

static enum answer runs(struct hook *h, uint32_t vmid, struct error *err)
{
	struct proc_id qemu;

	return vm_runs(h->root, vmid, &qemu, err);
}

/* The task only tells HA; it starts the VM in its own time, here or elsewhere, or never. */
static int wait_for_ha(struct hook *h, uint32_t vmid, struct error *err)
{
	char state[HA_STATE_LEN] = "unknown";

	say("VM %u: HA starts it; waiting for that", vmid);
	for (int waited = 0; waited < HA_WAIT_MS; waited += NAP_MS) {
		enum answer running = runs(h, vmid, err);

		if (running != ANSWER_NO)
			return running == ANSWER_YES ? 0 : error_code(err);
		if (still_here(h, vmid, err) < 0)
			return error_code(err);
		if (ha_vm_state(h->root, vmid, state) == 1 && !strcmp(state, "error"))
			return fail(err, EREMOTEIO,
				    "HA has given it up (state error): ha-manager set vm:%u "
				    "--state disabled, then --state started",
				    vmid);
		nap();
	}
	return fail(
		err, ETIMEDOUT,
		"HA was asked to start it and has not within %d s (its state there: %s); hostpci "
		"is right now, so its next try needs no job: ha-manager status",
		HA_WAIT_MS / 1000, state);
}

/* Somebody else may have been faster, and holds the VM's lock while he starts it. */
static bool was_started(struct hook *h, uint32_t vmid)
{
	struct error ignored = ERROR_INIT;
	int lock = vm_lock(h->root, vmid, VM_LOCK_WAIT_MS, &ignored);

	if (lock >= 0)
		close(lock);
	return runs(h, vmid, &ignored) == ANSWER_YES;
}

static int start_by_task(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_FREE char *upid = NULL;
	char type[TASK_TYPE_LEN] = "";
	enum answer running;
	int r = api_vm_start(h->rest, h->node, vmid, &upid, err);

	if (r < 0)
		return r;
	say("VM %u: started again: %s", vmid, upid);
	r = api_task_wait(h->rest, h->node, upid, START_WAIT_MS, err);
	if (r == -EREMOTEIO && was_started(h, vmid)) {
		error_clear(err);
		say("VM %u: somebody else has started it", vmid);
		return 0;
	}
	if (r < 0)
		return r;
	if (upid_type(upid, type) && !strcmp(type, "hastart"))
		return wait_for_ha(h, vmid, err);
	running = runs(h, vmid, err);
	if (running == ANSWER_NO)
		return fail(err, ESRCH, "its start went well, and its QEMU has ended since");
	return running == ANSWER_YES ? 0 : error_code(err);
}

static int start_again(struct hook *h, uint32_t vmid, int job, struct error *err)
{
	enum answer running;

	if (job_set_state(job, JOB_RESTARTING, err) < 0 || hook_rest(h, err) < 0)
		return error_code(err);
	running = runs(h, vmid, err);
	if (running == ANSWER_UNKNOWN || (running == ANSWER_NO && start_by_task(h, vmid, err) < 0))
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
	return fail(err, EBUSY, "/" RUN_DIR "/locks/job-%u is locked by somebody who does not end",
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
	if (r < 0 && job >= 0 && still_here(h, vmid, &moved) < 0)
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
