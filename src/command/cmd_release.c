/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook release: what post-stop does, for a VM whose post-stop never came. */
#include <errno.h>

#include "pveapi/process.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/port/context.h"
#include "src/port/give_back.h"
#include "src/port/guest_runs.h"
#include "src/port/hook_lock.h"
#include "src/port/vm_locks.h"
#include "src/port/vmid.h"

/* Long enough for a phase that is at its end, too short for a whole start. */
#define LOCK_WAIT_MS 2000

/* PVE's lock first, as a phase has it. In a dry run it is only looked at. */
static bool lock_vm(struct hook *h, uint32_t vmid, struct vm_locks *l)
{
	struct error err = ERROR_INIT;

	if (h->dry_run) {
		if (try_vm_locks(h, vmid, l))
			return true;
		complain("%s %u is being started, stopped or changed just now: try again later",
			 hook_guest(h), vmid);
		return false;
	}
	l->pve = guest_lock(h, vmid, LOCK_WAIT_MS, &err);
	if (l->pve >= 0 && !hook_lock_vm(h, vmid, LOCK_WAIT_MS, &l->ours, &err))
		return true;
	if (err.code == EWOULDBLOCK)
		complain("%s %u is being started, stopped or changed just now: try again later",
			 hook_guest(h), vmid);
	else
		complain("%s", err.text);
	return false;
}

static int release(struct hook *h, uint32_t vmid)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct error err = ERROR_INIT;
	struct proc_id qemu;
	enum answer runs;
	size_t found = 0;
	int r;

	h->container = guest_kind_here(h, vmid, &err) == GUEST_CT;
	error_clear(&err);
	if (!lock_vm(h, vmid, &locks))
		return EXIT_REFUSED;
	runs = guest_runs(h, vmid, &qemu, &err);
	if (runs == ANSWER_YES) {
		complain("%s %u runs (%s process %d): its VFs stay with it; stop it first: %s stop "
			 "%u",
			 hook_guest(h), vmid, h->container ? "LXC's monitor," : "QEMU",
			 (int)qemu.pid, h->container ? "pct" : "qm", vmid);
		return EXIT_REFUSED;
	}
	if (runs == ANSWER_UNKNOWN)
		fail_context(&err, "%s %u: whether it runs cannot be told", hook_guest(h), vmid);
	r = runs == ANSWER_NO ? give_back_vm(h, locks.ours, NULL, 0, &found, &err)
			      : error_code(&err);
	if (r < 0) {
		if (r == -ETIMEDOUT)
			complain("%s %u: %s: dmesg; once the driver answers: vfhook release %u",
				 hook_guest(h), vmid, err.text, vmid);
		else
			complain("%s; when that is over: vfhook release %u", err.text, vmid);
		return EXIT_REFUSED;
	}
	if (!found)
		say("%s %u holds no VF", hook_guest(h), vmid);
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	const struct opt opts[] = {{"dry-run", NULL, &h->dry_run}};
	const char *arg = NULL;
	uint32_t vmid;
	size_t n;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &arg, 1, &n))
		return EXIT_USAGE;
	if (!n) {
		complain("release: wanted: a VM id; see vfhook release --help");
		return EXIT_USAGE;
	}
	return vmid_parse(arg, &vmid) ? EXIT_USAGE : release(h, vmid);
}

const struct command cmd_release = {
	.name = "release",
	.summary = "give back the VFs of a VM or container that is not running",
	.help = "Usage: vfhook release <vmid> [--dry-run]\n"
		"\n"
		"Clears the VFs that the guest holds and gives them back, also those marked dirty\n"
		"because an earlier try could not clean them. Refuses if the VM runs, or is\n"
		"being started or stopped. The next start of any VM that needs a VF does the\n"
		"same by itself.\n"
		"\n"
		"  --dry-run  tell what would be done, and do nothing\n",
	.run = run,
};
