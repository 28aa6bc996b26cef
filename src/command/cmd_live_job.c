/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook live-job: the detached job beside a VM that is migrated live. It decides by facts alone
 * (src/command/live_next.h), so one that was killed, or a second one, does no harm: the next one
 * goes on where things are.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hook/job_control.h"
#include "pveapi/guest.h"
#include "pveapi/qmp.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/exit_status.h"
#include "src/base/file.h"
#include "src/base/locks.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/live_next.h"
#include "src/port/device.h"
#include "src/port/events.h"
#include "src/port/give_back.h"
#include "src/port/hook_lock.h"
#include "src/port/live_flag.h"
#include "src/port/plugging.h"
#include "src/port/reclaim.h"
#include "src/port/vm_locks.h"
#include "src/port/vmid.h"
#include "src/vf/journal.h"
#include "src/vf/owner.h"

/* How soon a guest sees its VF again after a switch-over; else nobody is in a hurry. */
#define ARRIVE_NAP_MS 200
#define NAP_MS	      1000
#define WATCH_NAP_MS  10000
#define QMP_WAIT_MS   3000
#define LOCK_WAIT_MS  60000
/* A guest that is busy, a driver or pveproxy that restarts: some minutes are worth waiting for. */
#define TRIES	   20
#define TRY_NAP_MS 5000
/* Whoever holds the locks of a VM that has just ended: its clean-up, or a start, which sees to it.
 */
#define GONE_TRIES 60

struct live {
	struct hook *h;
	uint32_t vmid;
	struct proc_id qemu;
	enum live_next next; /* what was to be done last, */
	unsigned tries;	     /* and how often that was tried in vain */
};

/* --- Looking --- */

/* A VF that the guest has let go of, later than it was waited for. */
static bool is_lost(struct live *l, const struct lease *lease)
{
	char id[16];

	return lease->phase == LEASE_RUNNING && lease->asked &&
	       qmp_has_device(l->h->root, l->vmid, device_id(lease->slot, id), QMP_WAIT_MS, NULL) ==
		       ANSWER_NO;
}

static void look_at_leases(struct live *l, struct live_facts *f)
{
	struct lease live[2 * PVE_HOSTPCI_MAX];
	int n = live_leases(l->h, l->vmid, live, ARRAY_SIZE(live), NULL);

	/* What cannot be read now may say that there is something to be done. */
	if (n < 0)
		f->runs = ANSWER_UNKNOWN;
	for (int i = 0; i < n; i++) {
		f->arriving = f->arriving || live[i].phase == LEASE_ARRIVING;
		f->asked = f->asked || (live[i].phase == LEASE_RUNNING && live[i].asked);
		f->lost = f->lost || is_lost(l, &live[i]);
		f->unplugged =
			f->unplugged || (lease_is_unplugged(&live[i], &l->qemu) && live[i].peer[0]);
	}
}

static void look_at_config(struct live *l, struct live_facts *f)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	char path[64];

	if (guest_config_load(l->h->root, l->h->node, NULL, l->vmid, &g, NULL) < 0)
		return;
	f->here = true;
	f->locked = g.lock != NULL;
	f->migrating = g.lock && !strcmp(g.lock, "migrate");
	f->pve_busy = lock_look(l->h->root, vm_lock_path(l->vmid, path));
}

static void look_at_qemu(struct live *l, struct live_facts *f)
{
	if (qmp_status(l->h->root, l->vmid, QMP_WAIT_MS, f->status, NULL) < 0)
		f->status[0] = '\0';
	if (f->migrating && f->pve_busy == ANSWER_NO &&
	    qmp_migration(l->h->root, l->vmid, QMP_WAIT_MS, f->outgoing, NULL) < 0)
		f->outgoing[0] = '\0';
}

/* A run that was killed in the middle: nobody holds the lock that it had. */
static bool is_cut_off(struct live *l)
{
	char path[64];

	return journal_exists(l->h->root, JOURNAL_VFS, l->vmid) &&
	       lock_look(l->h->root, owner_lock_path(l->vmid, path)) == ANSWER_NO;
}

static void look(struct live *l, struct live_facts *f)
{
	*f = (struct live_facts){.pve_busy = ANSWER_UNKNOWN, .flags_on = ANSWER_UNKNOWN};
	f->runs = vm_runs(l->h->root, l->vmid, &l->qemu, NULL);
	if (f->runs != ANSWER_YES)
		return;
	look_at_leases(l, f);
	look_at_config(l, f);
	f->cut_off = is_cut_off(l);
	if (f->here && (f->arriving || f->unplugged || f->lost || f->migrating))
		look_at_qemu(l, f);
	if (f->here)
		f->flags_on = live_flags_are(l->h, l->vmid, true, NULL);
}

/* --- Doing: under our lock, and only if it still is so --- */

/* The lock, and the same QEMU as was looked at. 1: nothing of that kind is to be done any more. */
static int lock_running(struct live *l, enum live_next next, struct owner **o, struct error *err)
{
	struct live_facts f;

	struct proc_id now;

	if (hook_lock_vm(l->h, l->vmid, LOCK_WAIT_MS, o, err) < 0 || recover_own(l->h, *o, err) < 0)
		return error_code(err);
	if (vm_runs(l->h->root, l->vmid, &now, err) != ANSWER_YES || now.pid != l->qemu.pid ||
	    now.start != l->qemu.start)
		return fail(err, ESTALE, "VM %u has stopped or started meanwhile", l->vmid);
	/* Who had the lock while we waited may have begun the next migration. */
	look(l, &f);
	return next != LIVE_MEND && live_next(&f) != next;
}

static int arrive(struct live *l, const struct owner *o, const struct lease *lease,
		  struct error *err)
{
	const struct unplug_reason reason = {lease->peer,
					     "for a moment, so that the guest sees it"};
	int r = unplug_vf(l->h, o, lease, &reason, err);

	return r < 0 ? r : plug_port(l->h, o, lease->slot, &l->qemu, err);
}

static int plug_all(struct live *l, enum live_next next, struct error *err)
{
	struct lease live[2 * PVE_HOSTPCI_MAX];
	AUTO_OWNER struct owner *o = NULL;
	int result = lock_running(l, next, &o, err);
	int n;

	if (result)
		return result < 0 ? result : 0;
	n = live_leases(l->h, l->vmid, live, ARRAY_SIZE(live), err);
	for (int i = 0; i < n; i++) {
		int r = 0;

		if (live[i].phase == LEASE_ARRIVING)
			r = arrive(l, o, &live[i], err);
		else if ((lease_is_unplugged(&live[i], &l->qemu) && live[i].peer[0]) ||
			 is_lost(l, &live[i]))
			r = plug_port(l->h, o, live[i].slot, &l->qemu, err);
		if (r < 0)
			result = r;
	}
	return n < 0 ? n : result;
}

static int put_right(struct live *l, struct error *err)
{
	AUTO_OWNER struct owner *o = NULL;

	return lock_running(l, LIVE_MEND, &o, err);
}

static int put_flags_on(struct live *l, struct error *err)
{
	AUTO_OWNER struct owner *o = NULL;
	int r = lock_running(l, LIVE_FLAG, &o, err);

	if (r)
		return r < 0 ? r : 0;
	return live_flags_set(l->h, l->vmid, true, err);
}

/* 0, or -EAGAIN: somebody has its locks. */
static int give_leases_back(struct live *l, struct error *err)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct proc_id qemu;

	if (!try_vm_locks(l->h, l->vmid, &locks))
		return fail(err, EAGAIN, "VM %u is being started or stopped", l->vmid);
	switch (vm_runs(l->h->root, l->vmid, &qemu, err)) {
	case ANSWER_NO:
		return give_back_vm(l->h, locks.ours, NULL, 0, NULL, err);
	case ANSWER_YES:
		return 0; /* again, and its start has begun a job of its own */
	default:
		return error_code(err);
	}
}

/* --- The job --- */

static int try_next(struct live *l, enum live_next next, struct error *err)
{
	switch (next) {
	case LIVE_ARRIVE:
	case LIVE_PLUG:
		return plug_all(l, next, err);
	case LIVE_MEND:
		return put_right(l, err);
	case LIVE_FLAG:
		return put_flags_on(l, err);
	case LIVE_GONE:
		return give_leases_back(l, err);
	default:
		return 0;
	}
}

static void tell_given_up(struct live *l, enum live_next next, const struct error *err)
{
	if (next == LIVE_GONE) {
		complain("%s: whoever does that sees to its VFs, or vfhook repair", err->text);
	} else if (next == LIVE_MEND) {
		complain("%s: vfhook repair", err->text);
	} else if (next == LIVE_FLAG) {
		complain("VM %u cannot be migrated live yet: %s; vfhook plug %u tries again",
			 l->vmid, err->text, l->vmid);
	} else {
		complain("%s; the VM goes on without: vfhook plug %u", err->text, l->vmid);
		event_add(l->h, l->vmid, EVENT_REFUSED,
			  "its VF could not be plugged in after a migration: %s; next: vfhook plug "
			  "%u",
			  err->text, l->vmid);
	}
}

/* 1: it is over. */
static int go_on(struct live *l, enum live_next next, bool *failed)
{
	unsigned tries = next == LIVE_GONE ? GONE_TRIES : TRIES;
	struct error err = ERROR_INIT;
	int r;

	if (next != l->next)
		l->tries = 0;
	l->next = next;
	r = try_next(l, next, &err);
	if (!r) {
		l->tries = 0;
		/* What nothing came of is not done again at once. */
		nap_ms(next == LIVE_GONE ? 0 : ARRIVE_NAP_MS);
		return next == LIVE_GONE;
	}
	if (l->tries == 0 && next != LIVE_GONE)
		complain("%s; trying again", err.text);
	if (++l->tries < tries) {
		nap_ms(next == LIVE_GONE ? NAP_MS : TRY_NAP_MS);
		return 0;
	}
	tell_given_up(l, next, &err);
	*failed = true;
	return 1;
}

/* Whoever holds our lock may be at what needs us, an unplugging: it is over only without him. */
static bool is_over(struct live *l)
{
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	struct live_facts f;

	if (hook_lock_vm(l->h, l->vmid, 0, &o, &err) < 0)
		return false;
	look(l, &f);
	return live_next(&f) == LIVE_DONE && !journal_exists(l->h->root, JOURNAL_VFS, l->vmid);
}

static int see_through(struct live *l)
{
	bool failed = false;

	for (;;) {
		struct live_facts f;
		enum live_next next;

		look(l, &f);
		next = live_next(&f);
		if (next == LIVE_DONE && is_over(l))
			return EXIT_DONE;
		if (next == LIVE_WATCH)
			nap_ms(WATCH_NAP_MS);
		else if (next == LIVE_WAIT || next == LIVE_DONE)
			nap_ms(f.arriving ? ARRIVE_NAP_MS : NAP_MS);
		else if (go_on(l, next, &failed))
			return failed ? EXIT_REFUSED : EXIT_DONE;
	}
}

static int run(struct hook *h, int argc, char **argv)
{
	struct live l = {.h = h};
	struct error err = ERROR_INIT;
	AUTO_CLOSE int lock = -1;

	if (argc != 2) {
		complain("live-job is for vfhook itself; see vfhook --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(argv[1], &l.vmid))
		return EXIT_USAGE;
	if (h->dry_run) {
		say("VM %u: it would be seen through a live migration", l.vmid);
		return EXIT_DONE;
	}
	lock = live_job_lock(h, l.vmid, &err);
	if (lock == -EWOULDBLOCK)
		return EXIT_DONE; /* there is one, which sees what there is */
	if (lock < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	return see_through(&l);
}

const struct command cmd_live_job = {
	.name = "live-job",
	.help = "Usage: vfhook live-job <vmid>\n"
		"\n"
		"For vfhook itself: sees a running VM through its live migration.\n",
	.run = run,
};
