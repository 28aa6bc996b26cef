/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be unplugged is judged under our lock, and then done under the same. */
#include "src/command/unplugging.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "hook/job_control.h"
#include "pveapi/guest.h"
#include "pveapi/limits.h"
#include "pveapi/qmp.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/port/device.h"
#include "src/port/foreseen.h"
#include "src/port/hook_lock.h"
#include "src/port/port_changes.h"
#include "src/port/reclaim.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"

#define LOCK_WAIT_MS 30000
#define QMP_WAIT_MS  5000
/* How soon a migration asks a guest again that did not let go. */
#define ASK_AGAIN_S 300
/* Nobody wants to wait longer for a guest, and PVE's task would seem to hang. */
#define WAIT_MAX_S 600

int unplug_wait_parse(struct hook *h, const char *text)
{
	uint32_t seconds;

	if (!text)
		return 0;
	if (parse_u32(text, WAIT_MAX_S, &seconds) < 0 || !seconds) {
		complain("--wait is 1 to %d seconds, not '%s'", WAIT_MAX_S, text);
		return EXIT_USAGE;
	}
	h->unplug_ms = (int)seconds * 1000;
	return 0;
}

/* A migration asks for it while PVE migrates the VM; nobody else may then. */
static int check_config(struct hook *h, const struct unplugging *u, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	bool migrating;

	if (guest_here(h, u->vmid, &g, err) < 0)
		return error_code(err);
	migrating = g.lock && !strcmp(g.lock, "migrate");
	if (u->reason.peer && !migrating)
		return fail(err, ESTALE,
			    "VM %u is not being migrated: PVE has no `lock: migrate` in its config",
			    u->vmid);
	if (!u->reason.peer && g.lock && strcmp(g.lock, "backup") != 0)
		return fail(err, EBUSY, "VM %u is locked by PVE (%s): once that is over", u->vmid,
			    g.lock);
	return 0;
}

static bool is_asked_for(const struct unplugging *u, const struct lease *l)
{
	return (u->slot < 0 || (unsigned)u->slot == l->slot) &&
	       (!u->pf || !pci_addr_cmp(u->pf, &l->pf));
}

static bool is_meant(const struct unplugging *u, const struct lease *l)
{
	return is_asked_for(u, l) && (l->phase == LEASE_RUNNING || l->phase == LEASE_ARRIVING);
}

/* A run that was killed may not have come to it. */
static int park_all(struct hook *h, const struct owner *o, const struct unplugging *u,
		    struct error *err)
{
	struct lease all[2 * PVE_HOSTPCI_MAX];
	int n = live_leases(h, u->vmid, all, ARRAY_SIZE(all), err);

	for (int i = 0; i < n; i++) {
		if (all[i].phase == LEASE_UNPLUGGED && is_asked_for(u, &all[i]) &&
		    park_unplugged(h, o, &all[i], err) < 0)
			return fail_context(err, "VM %u hostpci%u, which is unplugged", u->vmid,
					    all[i].slot);
	}
	return n < 0 ? n : 0;
}

int finish_unplugging(struct hook *h, uint32_t vmid, const struct pci_addr *pf, struct error *err)
{
	const struct unplugging u = {.vmid = vmid, .slot = -1, .pf = pf};
	AUTO_OWNER struct owner *o = NULL;

	if (hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, err) < 0 || recover_own(h, o, err) < 0)
		return error_code(err);
	return park_all(h, o, &u, err);
}

/* 0 and the process; its leases must tell of the same one. */
static int find_qemu(struct hook *h, uint32_t vmid, struct proc_id *qemu, struct error *err)
{
	switch (vm_runs(h->root, vmid, qemu, err)) {
	case ANSWER_YES:
		return 0;
	case ANSWER_NO:
		return fail(err, ESRCH, "VM %u does not run: there is nothing to unplug", vmid);
	default:
		return error_code(err);
	}
}

int qemu_is_silent(uint32_t vmid, struct error *err)
{
	const struct error why = *err;

	return fail(err, why.code,
		    "%s: its QEMU cannot be asked now; try again, and if it stays so: qm stop %u",
		    why.text, vmid);
}

/* Only a guest that runs lets go of anything; one that has not yet begun to loses the question. */
static int check_guest(struct hook *h, uint32_t vmid, struct error *err)
{
	char status[QMP_STATUS_LEN];

	if (qmp_status(h->root, vmid, QMP_WAIT_MS, status, err) < 0)
		return qemu_is_silent(vmid, err);
	return strcmp(status, "running") != 0
		       ? fail(err, EBUSY, "VM %u: its guest does not run now (%s)", vmid, status)
		       : 0;
}

/*
 * HA may migrate again and again, every ten seconds: a guest that does not let go is not asked each
 * time. One whose time is not over has not refused: who asked it was cut off.
 */
static int check_patience(const struct unplugging *u, const struct lease *l, struct error *err)
{
	int64_t ago = time(NULL) - l->asked;

	if (!u->reason.peer || !l->asked || ago < UNPLUG_WAIT_MS / 1000 || ago >= ASK_AGAIN_S)
		return 0;
	return fail(
		err, EBUSY,
		"VM %u hostpci%u: its guest was asked to let go of the VF %d s ago and did not; "
		"it is asked again after %d s, or by hand: vfhook unplug %u",
		u->vmid, l->slot, (int)ago, ASK_AGAIN_S, u->vmid);
}

static int check_process(const struct lease *l, const struct proc_id *qemu, struct error *err)
{
	return l->qemu_pid == qemu->pid && l->qemu_start == qemu->start
		       ? 0
		       : fail(err, ESTALE,
			      "VM %u hostpci%u: its lease is of another QEMU process: vfhook "
			      "repair",
			      l->vmid, l->slot);
}

static void plug_again(struct hook *h, const struct owner *o, const struct lease *done, int n,
		       const struct proc_id *qemu)
{
	struct error err = ERROR_INIT;

	for (int i = 0; i < n; i++) {
		if (plug_port(h, o, done[i].slot, qemu, &err) < 0)
			complain("%s; the VM goes on without: vfhook plug %u", err.text,
				 done[i].vmid);
	}
}

/*
 * A VF that the VM may have, and whose start has not been seen to its end (its post-start was cut
 * off): to say that there is none to unplug would not be true, nor that a migration may go on.
 */
static int check_seen(struct hook *h, const struct unplugging *u, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	char addr[PCI_ADDR_LEN];
	size_t n;

	if (foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		const struct lease *l = &all[i].lease;

		if (!all[i].broken && l->vmid == u->vmid && l->phase == LEASE_STARTING &&
		    is_asked_for(u, l))
			return fail(err, EBUSY,
				    "VM %u hostpci%u: VF %s was taken for its start, which has not "
				    "been seen to its end (under way, or its post-start was cut "
				    "off): vfhook repair",
				    l->vmid, l->slot, pci_addr_format(&l->vf, addr));
	}
	return 0;
}

static int unplug_leases(struct hook *h, const struct owner *o, const struct unplugging *u,
			 const struct proc_id *qemu, struct error *err)
{
	struct lease all[2 * PVE_HOSTPCI_MAX];
	int n = live_leases(h, u->vmid, all, ARRAY_SIZE(all), err);
	int failed = 0;
	int done = 0;

	for (int i = 0; i < n; i++) {
		struct error why = ERROR_INIT;
		struct lease l = all[i];

		if (!is_meant(u, &l))
			continue;
		if (!check_process(&l, qemu, &why) && !check_patience(u, &l, &why) &&
		    !unplug_vf(h, o, &l, &u->reason, &why)) {
			all[done++] = l;
			continue;
		}
		if (why.code == ETIMEDOUT && !u->reason.peer)
			live_job_begin_or_tell(h, u->vmid);
		if (u->reason.peer) {
			*err = why;
			plug_again(h, o, all, done, qemu);
			return error_code(err);
		}
		complain("%s; the VM keeps it", why.text);
		failed = fail(err, why.code, "not every VF of VM %u was unplugged", u->vmid);
	}
	return n < 0 ? n : failed ? failed : done;
}

int unplug_vm(struct hook *h, const struct unplugging *u, struct error *err)
{
	AUTO_OWNER struct owner *o = NULL;
	struct proc_id qemu;

	if (check_config(h, u, err) < 0)
		return error_code(err);
	if (hook_lock_vm(h, u->vmid, LOCK_WAIT_MS, &o, err) < 0 || recover_own(h, o, err) < 0 ||
	    check_config(h, u, err) < 0 || find_qemu(h, u->vmid, &qemu, err) < 0 ||
	    check_guest(h, u->vmid, err) < 0 || check_seen(h, u, err) < 0 ||
	    park_all(h, o, u, err) < 0)
		return error_code(err);
	/*
	 * Whatever becomes of us, and of the migration: somebody sees that the VM has its VF again.
	 * Before the first deed, and under our lock: the job does not end while that is held.
	 */
	if (u->reason.peer && live_job_begin(h, u->vmid, err) < 0)
		return error_code(err);
	return unplug_leases(h, o, u, &qemu, err);
}
