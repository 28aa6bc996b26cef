/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pre-stop changes nothing: a shutdown that times out leaves the VM running.
 * post-stop gives every VF of the VM back. It goes by the leases alone, so
 * that no broken config and no dead API can keep a VF.
 */
#include <errno.h>

#include "hook/phases.h"
#include "pveapi/process.h"
#include "pveapi/vmstate.h"
#include "src/base/bounded.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/port/context.h"
#include "src/port/hook_lock.h"
#include "src/port/reclaim.h"
#include "src/vf/owner.h"

#define LOCK_WAIT_MS 15000
/* Cleaning some VFs, and one run's patience with a driver that is resetting; PVE's lock is held. */
#define RELEASE_LIMIT_MS 30000

int phase_pre_stop(struct hook *h, uint32_t vmid)
{
	if (h->dry_run)
		say("VM %u: pre-stop does nothing: a shutdown that times out leaves the VM running",
		    vmid);
	return 0;
}

/* 0: it has stopped. 1: it runs, or may: told. */
static int check_stopped(struct hook *h, uint32_t vmid)
{
	struct error err = ERROR_INIT;
	struct proc_id qemu;

	switch (vm_runs(h->root, vmid, &qemu, &err)) {
	case ANSWER_NO:
		return 0;
	case ANSWER_UNKNOWN:
		complain("VM %u: whether it still runs cannot be told (%s): its VFs stay with it; "
			 "once it can: vfhook release %u",
			 vmid, err.text, vmid);
		return 1;
	default:
		break;
	}
	if (!h->dry_run) {
		complain("VM %u still runs (QEMU process %d): its VFs stay with it", vmid,
			 (int)qemu.pid);
		return 1;
	}
	say("the VM runs now; once it has stopped:");
	h->thought_stopped = vmid;
	return 0;
}

static int complain_not_released(uint32_t vmid, const struct error *err)
{
	complain("%s; the next start that needs a VF tries again, or run: vfhook release %u",
		 err->text, vmid);
	return 1;
}

/* What may hang in a driver. */
struct giving_back {
	struct hook *h;
	const struct owner *o;
};

static int give_back(void *arg)
{
	const struct giving_back *g = arg;
	struct error err = ERROR_INIT;
	size_t found = 0;
	int r = recover_own(g->h, g->o, &err);

	if (!r)
		r = release_vm(g->h, g->o, NULL, 0, &found, &err);
	if (g->h->dry_run && r >= 0 && !found)
		say("VM %u: nothing to release", owner_vmid(g->o));
	return r < 0 ? complain_not_released(owner_vmid(g->o), &err) : 0;
}

int phase_post_stop(struct hook *h, uint32_t vmid)
{
	AUTO_OWNER struct owner *o = NULL;
	struct giving_back g = {.h = h};
	struct error err = ERROR_INIT;
	int r = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, &err);

	if (r < 0)
		return complain_not_released(vmid, &err);
	if (check_stopped(h, vmid))
		return 1;
	g.o = o;
	if (h->dry_run)
		return give_back(&g);
	r = run_bounded(give_back, &g, RELEASE_LIMIT_MS, &err);
	if (r == -ETIMEDOUT)
		complain(
			"VM %u: the driver of its VF has not answered for %d s; the stop goes on, "
			"and the VF stays out of use until it could be cleaned: vfhook release %u, "
			"or the next start that needs a VF",
			vmid, RELEASE_LIMIT_MS / 1000, vmid);
	else if (r < 0)
		return complain_not_released(vmid, &err);
	return r != 0;
}
