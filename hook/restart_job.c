/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The detached job that stops a VM, which runs on a VF of another's, and starts it on its own. */
#include "hook/restart_job.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#include "hook/job_control.h"
#include "hook/start_vm.h"
#include "pveapi/ha.h"
#include "pveapi/limits.h"
#include "pveapi/qmp.h"
#include "pveapi/rest.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/port/device.h"
#include "src/port/events.h"
#include "src/port/hostpci_judge.h"
#include "src/port/vm_ports.h"
#include "src/vf/lease.h"

/* The start under way is over in a moment. Who has the lock for longer does something else. */
#define VM_LOCK_WAIT_MS 60000
/* For a job whose start this was: it ends with it. */
#define JOB_LOCK_WAIT_MS 60000
#define QMP_WAIT_MS	 5000
#define QUIT_WAIT_MS	 10000
/* `qm cleanup`, which qmeventd begins when QEMU has ended; without qmeventd nobody does. */
#define CLEANUP_WAIT_MS 15000
#define NAP_MS		100

static const char *const words[] = {
	[CUT_OFF_LINK] = "link", [CUT_OFF_PAUSED] = "paused", [CUT_OFF_FAILED] = "failed"};

/* Digits up to a colon, and no zero in front. Returns what is behind it, or NULL. */
static const char *parse_part(const char *at, unsigned long long max, unsigned long long *out)
{
	char *end;

	if (*at < '1' || *at > '9')
		return NULL;
	errno = 0;
	*out = strtoull(at, &end, 10);
	return *end == ':' && !errno && *out <= max ? end + 1 : NULL;
}

bool restart_parse(const char *word, struct restart *out)
{
	unsigned long long pid;
	const char *how = parse_part(word, INT_MAX, &pid);

	*out = (struct restart){0};
	how = how ? parse_part(how, ULLONG_MAX, &out->qemu.start) : NULL;
	if (!how || pid == 1)
		return false;
	out->qemu.pid = (pid_t)pid;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i] && !strcmp(words[i], how))
			out->how = (enum cut_off)i;
	}
	return out->how != CUT_OFF_NOT;
}

/* --- Beginning it --- */

/* Why nobody starts it by itself; NULL: nothing speaks against it. */
static const char *why_not(struct hook *h, uint32_t vmid, const struct guest_config *g)
{
	if (job_state(h, vmid) == JOB_ANEW)
		return "this start was to mend the same, and is not tried again";
	if (h->migrated_from && h->migrated_from[0])
		return "it comes from another node";
	switch (start_reason(h, g)) {
	case START_FOR_BACKUP:
		return "this start is a backup's, which stops it again";
	case START_RESUME:
		return "it comes out of hibernation";
	default:
		return NULL;
	}
}

void restart_begin(struct hook *h, uint32_t vmid, const struct guest_config *g,
		   const struct restart *what)
{
	const char *why = why_not(h, vmid, g);
	struct error err = ERROR_INIT;
	char where[128];
	char word[80];

	if (why) {
		complain("VM %u is not stopped and started by itself (%s): stop it (qm stop %u), "
			 "set "
			 "things right, and start it again",
			 vmid, why, vmid);
		return;
	}
	if (h->dry_run) {
		say("VM %u: a job would stop it and start it again, once", vmid);
		return;
	}
	snprintf(word, sizeof(word), "%d:%llu:%s", (int)what->qemu.pid, what->qemu.start,
		 words[what->how]);
	if (job_spawn(h, vmid, JOB_RESTART, word, where, sizeof(where), &err) < 0) {
		complain(
			"VM %u: no job could be started that stops and starts it (%s): stop it (qm "
			"stop %u), and start it again",
			vmid, err.text, vmid);
		return;
	}
	complain("VM %u: a job stops it and starts it again, once, so that PVE reads its mapping "
		 "anew (%s); if it does not: qm stop %u, then qm start %u",
		 vmid, where, vmid, vmid);
}

/* --- Is it as it was left? --- */

/* Has QEMU a VF for one of our ports that is not leased to that port? */
static enum answer runs_on_anothers(struct hook *h, uint32_t vmid, const struct proc_id *qemu,
				    struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	struct vm_hostpci has;
	struct lease l;

	if (vm_ports_load(h, vmid, &v, err) < 0 || running_hostpci(h, vmid, qemu, &has, err) < 0)
		return ANSWER_UNKNOWN;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		int r;

		if (v.entries[slot].verdict != ENTRY_GOOD || !has.has[slot])
			continue;
		r = lease_read(h->root, &has.vf[slot], &l, err);
		if (r < 0 && r != -ENOENT)
			return ANSWER_UNKNOWN;
		error_clear(err);
		if (r < 0 || l.vmid != vmid || l.slot != slot)
			return ANSWER_YES;
	}
	return ANSWER_NO;
}

/* What somebody has done to it meanwhile, or is doing. 0: nothing. */
static int check_untouched(struct hook *h, uint32_t vmid, const struct restart *what,
			   struct error *err)
{
	char status[QMP_STATUS_LEN] = "";
	CLEANUP(guest_config_free) struct guest_config g = {0};
	struct proc_id qemu;
	const char *left = what->how == CUT_OFF_PAUSED ? "paused" : "running";

	if (vm_still_here(h, vmid, err) < 0 ||
	    guest_config_load(h->root, h->node, NULL, vmid, &g, err) < 0)
		return error_code(err);
	if (g.lock)
		return fail(err, EBUSY, "PVE has it locked by now (%s)", g.lock);
	switch (vm_runs(h->root, vmid, &qemu, err)) {
	case ANSWER_UNKNOWN:
		return error_code(err);
	case ANSWER_NO:
		return fail(err, ESTALE, "somebody has stopped it");
	default:
		break;
	}
	if (qemu.pid != what->qemu.pid || qemu.start != what->qemu.start)
		return fail(err, ESTALE, "somebody has stopped and started it");
	/* Its monitor has refused us before. */
	if (what->how == CUT_OFF_FAILED)
		return 0;
	if (qmp_status(h->root, vmid, QMP_WAIT_MS, status, err) < 0)
		return error_code(err);
	return strcmp(status, left) != 0
		       ? fail(err, ESTALE, "it was left %s, and somebody has made it %s", left,
			      status)
		       : 0;
}

/* HA starts only what it means to run. *ha: it is HA's. */
static int check_ha(struct hook *h, uint32_t vmid, bool *ha, struct error *err)
{
	char state[HA_STATE_LEN] = "";
	int r = ha_vm_state(h->root, vmid, state);

	*ha = r == 1;
	if (r < 0)
		return fail(err, -r, "what HA means to do with it cannot be told");
	return *ha && strcmp(state, "started") != 0
		       ? fail(err, EBUSY, "HA is changing it (its state there: %s)", state)
		       : 0;
}

/* A VM that could not be started again would be off for nothing. HA needs nothing of us for it. */
static int check_api(struct hook *h, uint32_t vmid, struct error *err)
{
	char state[HA_STATE_LEN];

	if (ha_vm_state(h->root, vmid, state) == 1)
		return 0;
	return hook_rest(h, err) < 0 ? error_code(err)
				     : rest_call(h->rest, "GET", "/version", NULL, 0, NULL, err);
}

/* --- Stopping it --- */

static bool has_ended(int pidfd, int wait_ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, wait_ms) == 1;
}

/* As PVE's stop does it (_do_vm_stop): quit, then SIGTERM. Never SIGKILL: that is a person's. */
static int end_qemu(struct hook *h, uint32_t vmid, const struct proc_id *qemu, struct error *err)
{
	AUTO_CLOSE int pidfd = pidfd_open(qemu->pid, 0);
	struct error ignored = ERROR_INIT;

	if (pidfd < 0 && errno == ESRCH)
		return 0;
	if (pidfd < 0)
		return fail_errno(err, errno, "reach QEMU, process %d", (int)qemu->pid);
	/* Now the descriptor is that process's and no later one's. */
	if (proc_alive(h->root, qemu) != ANSWER_YES)
		return fail(err, ESTALE, "its QEMU is another one by now");
	if (!qmp_run(h->root, vmid, "quit", QMP_WAIT_MS, &ignored) &&
	    has_ended(pidfd, QUIT_WAIT_MS))
		return 0;
	if (has_ended(pidfd, 0))
		return 0;
	if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		return fail_errno(err, errno, "end QEMU, process %d", (int)qemu->pid);
	return has_ended(pidfd, QUIT_WAIT_MS)
		       ? 0
		       : fail(err, ETIMEDOUT, "its QEMU, process %d, does not end: qm stop %u",
			      (int)qemu->pid, vmid);
}

/* -ESTALE or -EBUSY: it is somebody else's by now, and left alone. */
static int stop(struct hook *h, uint32_t vmid, const struct restart *what, bool *ha,
		struct error *err)
{
	AUTO_CLOSE int lock = vm_lock(h->root, vmid, VM_LOCK_WAIT_MS, err);

	if (lock < 0)
		return fail(err, EBUSY, "another command is changing it");
	if (check_untouched(h, vmid, what, err) < 0 || check_ha(h, vmid, ha, err) < 0)
		return error_code(err);
	switch (runs_on_anothers(h, vmid, &what->qemu, err)) {
	case ANSWER_UNKNOWN:
		return error_code(err);
	case ANSWER_NO:
		return fail(err, ESTALE, "it runs on its own VFs by now");
	default:
		break;
	}
	if (end_qemu(h, vmid, &what->qemu, err) < 0)
		return error_code(err);
	event_add(h, vmid, EVENT_REPAIR,
		  "stopped, since it ran on a VF that is not its own; it is started again%s",
		  *ha ? " by HA" : "");
	say("VM %u: stopped, since it ran on a VF that is not its own", vmid);
	return 0;
}

/*
 * PVE's clean-up has its lock for up to 30 s if it meets a new QEMU (qm cleanup, qemu-server
 * 9.1.13 on), and all else must wait. It is over when its mark is gone (QemuServer.pm:
 * vm_stop_cleanup); before 9.1.13 there was none.
 */
static void wait_for_cleanup(struct hook *h, uint32_t vmid)
{
	struct deadline end = deadline_in(CLEANUP_WAIT_MS);
	char mark[64];

	snprintf(mark, sizeof(mark), "run/qemu-server/%u.cleanup", vmid);
	while (path_exists(h->root, mark) && deadline_left(&end))
		nap_ms(NAP_MS);
}

/* --- Starting it --- */

/* The start, with its post-start, is over when PVE's lock is free. */
static int look_again(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_CLOSE int lock = vm_lock(h->root, vmid, VM_LOCK_WAIT_MS, err);
	struct proc_id qemu;

	if (lock < 0)
		return lock;
	switch (vm_runs(h->root, vmid, &qemu, err)) {
	case ANSWER_UNKNOWN:
		return error_code(err);
	case ANSWER_NO:
		return fail(err, ESRCH, "its QEMU has ended");
	default:
		break;
	}
	switch (runs_on_anothers(h, vmid, &qemu, err)) {
	case ANSWER_UNKNOWN:
		return error_code(err);
	case ANSWER_YES:
		return fail(err, EBUSY,
			    "it runs on a VF that is not its own again, and is not stopped once "
			    "more: vfhook explain %u",
			    vmid);
	default:
		return 0;
	}
}

static int start(struct hook *h, uint32_t vmid, bool ha, struct error *err)
{
	int r;

	wait_for_cleanup(h, vmid);
	r = ha ? vm_wait_for_ha(h, vmid, err) : vm_start_wait(h, vmid, err);
	if (!r)
		r = look_again(h, vmid, err);
	if (!r)
		say("VM %u: running, on its own VF", vmid);
	return r;
}

static int failed(struct hook *h, uint32_t vmid, bool stopped, const struct error *err)
{
	if (!stopped) {
		complain("VM %u is left as it is: %s", vmid, err->text);
		event_add(h, vmid, EVENT_CUT_OFF,
			  "it was to be stopped and started, and is left as it is: %s", err->text);
		return 1;
	}
	complain("VM %u was stopped and is to be started by hand (qm start %u): %s", vmid, vmid,
		 err->text);
	event_add(h, vmid, EVENT_REFUSED,
		  "stopped, since it ran on a VF that is not its own; then: %s; next: qm start %u",
		  err->text, vmid);
	return 1;
}

int run_restart(struct hook *h, uint32_t vmid, const struct restart *what)
{
	struct error err = ERROR_INIT;
	AUTO_CLOSE int job = -1;
	bool ha = false;
	bool stopped;
	int r;

	if (h->dry_run) {
		say("VM %u: it would be stopped and started again, if it is as it was left", vmid);
		return 0;
	}
	job = job_lock(h, vmid, JOB_RESTART, JOB_LOCK_WAIT_MS, &err);
	r = job < 0 ? job : check_api(h, vmid, &err);
	if (!r)
		r = stop(h, vmid, what, &ha, &err);
	stopped = !r;
	if (!r)
		r = start(h, vmid, ha, &err);
	/* From here on it has not been killed. */
	if (job >= 0)
		job_set_state(job, JOB_NONE, NULL);
	return r < 0 ? failed(h, vmid, stopped, &err) : 0;
}
