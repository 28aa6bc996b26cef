/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases of a container. pre-start: each port gets its VF, set as asked, bound to its network
 * driver, its interface called as LXC looks for it; nothing of PVE's is changed. post-stop takes
 * all of that back, by the leases alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hook/guest_off.h"
#include "hook/phases.h"
#include "hook/start_vfs.h"
#include "pveapi/ct_config.h"
#include "pveapi/ct_state.h"
#include "pveapi/limits.h"
#include "pveapi/process.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/say.h"
#include "src/port/apply.h"
#include "src/port/context.h"
#include "src/port/ct_ports.h"
#include "src/port/foreseen.h"
#include "src/port/give_back.h"
#include "src/port/hook_lock.h"
#include "src/port/reclaim.h"
#include "src/port/vm_ports.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"

/* How long another run of ours for the same container may take. */
#define LOCK_WAIT_MS	  30000
#define STOP_LOCK_WAIT_MS 15000
/* systemd says that a container is started before its monitor is there (Type=simple). */
#define MONITOR_WAIT_MS 5000
#define MONITOR_NAP_MS	50

/* --- pre-start --- */

static int start_ports(struct hook *h, const struct owner *o, struct vm_ports *v, struct error *err)
{
	if (recover_all(h, o, err) < 0 || guest_off_for_start(h, v->guest.vmid, err) < 0 ||
	    start_settle_macs(h, v, err) < 0 || ct_ports_wishes(h, v, err) < 0 ||
	    hook_kernel(h, err) < 0)
		return error_code(err);
	return start_get_vfs(h, o, v, err);
}

int ct_pre_start(struct hook *h, uint32_t vmid)
{
	CLEANUP(ct_config_free) struct ct_config c = {0};
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	struct error err = ERROR_INIT;
	AUTO_OWNER struct owner *o = NULL;
	int r = ct_ports_load(h, vmid, &v, &c, &err);

	if (r < 0)
		return start_refuse(h, vmid, "%s", err.text);
	if (!r) {
		if (h->dry_run)
			say("CT %u: nothing to do: it has no port, or is a template", vmid);
		return 0;
	}
	if (hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, &err) < 0 || start_ports(h, o, &v, &err) < 0)
		return start_refuse(h, vmid, "%s", err.text);
	start_tell_filters(h, &v);
	return 0;
}

/* --- post-start --- */

static enum answer wait_until_runs(struct hook *h, uint32_t vmid, struct proc_id *monitor,
				   struct error *err)
{
	struct deadline end = deadline_in(h->dry_run ? 0 : MONITOR_WAIT_MS);
	enum answer runs;

	while ((runs = ct_runs(h->root, vmid, monitor, err)) == ANSWER_NO && deadline_left(&end))
		nap_ms(MONITOR_NAP_MS);
	return runs;
}

static int write_running(struct hook *h, const struct owner *o, const struct lease_entry *all,
			 size_t n, const struct proc_id *monitor)
{
	struct error err = ERROR_INIT;
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		struct lease l = all[i].lease;

		if (all[i].broken || l.vmid != owner_vmid(o) || l.phase == LEASE_DIRTY)
			continue;
		l.phase = LEASE_RUNNING;
		l.qemu_pid = monitor->pid;
		l.qemu_start = monitor->start;
		if (apply_lease(h, o, &l, &err) >= 0)
			continue;
		complain("CT %u: %s", l.vmid, err.text);
		error_clear(&err);
		bad++;
	}
	return bad > 0;
}

static bool has_lease(const struct lease_entry *all, size_t n, uint32_t vmid)
{
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid == vmid)
			return true;
	}
	return false;
}

int ct_post_start(struct hook *h, uint32_t vmid)
{
	AUTO_FREE struct lease_entry *all = NULL;
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	struct proc_id monitor;
	enum answer runs;
	size_t n = 0;

	if (foreseen_leases(h, &all, &n, &err) < 0) {
		complain("CT %u: %s", vmid, err.text);
		return 1;
	}
	if (!has_lease(all, n, vmid))
		return 0;
	/* Its own post-stop, of a start that LXC gives up, must not wait for this. */
	runs = wait_until_runs(h, vmid, &monitor, &err);
	if (runs != ANSWER_YES) {
		complain("CT %u %s: its VFs are taken back when LXC gives it up, or at its next "
			 "start",
			 vmid, runs == ANSWER_NO ? "does not run" : err.text);
		return 1;
	}
	if (hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, &err) < 0) {
		complain("CT %u: %s", vmid, err.text);
		return 1;
	}
	free(all);
	all = NULL;
	if (foreseen_leases(h, &all, &n, &err) < 0) {
		complain("CT %u: %s", vmid, err.text);
		return 1;
	}
	return write_running(h, o, all, n, &monitor);
}

/* --- post-stop --- */

/* Epoch seconds at which that process began. */
static int64_t began(const struct proc_id *p)
{
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	return time(NULL) - (up.tv_sec - (int64_t)(p->start / (unsigned long)sysconf(_SC_CLK_TCK)));
}

/*
 * LXC has closed the container's socket before it runs post-stop, so that PVE may have begun to
 * start it again: what was leased after the monitor began that calls us is that start's.
 */
static size_t of_next_start(struct hook *h, uint32_t vmid, const struct proc_id *monitor,
			    struct pci_addr *keep, size_t max)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t kept = 0;
	size_t n;

	if (!monitor->pid || foreseen_leases(h, &all, &n, NULL) < 0)
		return 0;
	for (size_t i = 0; i < n && kept < max; i++) {
		const struct lease *l = &all[i].lease;

		/* Whole seconds on both sides. */
		if (!all[i].broken && l->vmid == vmid && l->phase == LEASE_STARTING &&
		    l->taken > began(monitor) + 1)
			keep[kept++] = l->vf;
	}
	return kept;
}

int ct_post_stop(struct hook *h, uint32_t vmid)
{
	struct pci_addr keep[PVE_HOSTPCI_MAX];
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	struct proc_id monitor;
	size_t n_keep;
	size_t found = 0;
	int r;

	/* LXC logs what its hooks print at level DEBUG only (conf.c: run_buffer). */
	ct_calling_monitor(h->root, &monitor);
	if (monitor.pid)
		say_to_syslog(h->root);
	r = hook_lock_vm(h, vmid, STOP_LOCK_WAIT_MS, &o, &err);
	if (!r && guest_off_for_release(h, vmid))
		return 1;
	n_keep = r ? 0 : of_next_start(h, vmid, &monitor, keep, PVE_HOSTPCI_MAX);
	/* The journal there is then is that start's, too. */
	if (n_keep)
		return 0;
	if (!r)
		r = give_back_vm(h, o, NULL, 0, &found, &err);
	if (r < 0) {
		complain("%s; the next start that needs a VF tries again, or run: vfhook release "
			 "%u",
			 err.text, vmid);
		return 1;
	}
	if (h->dry_run && !found)
		say("CT %u: nothing to release", vmid);
	return 0;
}
