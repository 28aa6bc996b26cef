/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking, and what is said of a guest that runs. */
#include "hook/guest_off.h"

#include <errno.h>

#include "pveapi/ct_state.h"
#include "pveapi/vmstate.h"
#include "src/base/say.h"
#include "src/port/reclaim.h"

enum answer guest_runs_now(struct hook *h, uint32_t vmid, struct proc_id *process,
			   struct error *err)
{
	return h->container ? ct_runs(h->root, vmid, process, err)
			    : vm_runs(h->root, vmid, process, err);
}

static const char *process_of(const struct hook *h)
{
	return h->container ? "LXC's monitor, process" : "QEMU process";
}

static const char *the_guest(const struct hook *h)
{
	return h->container ? "the container" : "the VM";
}

int guest_off_for_start(struct hook *h, uint32_t vmid, struct error *err)
{
	struct proc_id process;

	switch (guest_runs_now(h, vmid, &process, err)) {
	case ANSWER_NO:
		return 0;
	case ANSWER_UNKNOWN:
		return fail_context(err, "whether it runs already cannot be told");
	default:
		if (!h->dry_run)
			return fail(err, EBUSY, "it is running already (%s %d)", process_of(h),
				    (int)process.pid);
		say("%s runs now; at its next start:", the_guest(h));
		return foresee_stop(h, vmid, err);
	}
}

int guest_off_for_release(struct hook *h, uint32_t vmid)
{
	struct error err = ERROR_INIT;
	struct proc_id process;

	switch (guest_runs_now(h, vmid, &process, &err)) {
	case ANSWER_NO:
		return 0;
	case ANSWER_UNKNOWN:
		complain("%s %u: whether it still runs cannot be told (%s): its VFs stay with it; "
			 "once it can: vfhook release %u",
			 hook_guest(h), vmid, err.text, vmid);
		return 1;
	default:
		break;
	}
	if (!h->dry_run) {
		complain("%s %u still runs (%s %d): its VFs stay with it", hook_guest(h), vmid,
			 process_of(h), (int)process.pid);
		return 1;
	}
	say("%s runs now; once it has stopped:", the_guest(h));
	h->thought_stopped = vmid;
	return 0;
}
