/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pre-stop changes nothing: a shutdown that times out leaves the VM running.
 * post-stop gives every VF of the VM back. It goes by the leases alone, so
 * that no broken config and no dead API can keep a VF.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "hook/hook.h"
#include "hook/reclaim.h"
#include "hook/say.h"
#include "pveapi/vmstate.h"

#define LOCK_WAIT_MS 15000

int phase_pre_stop(struct hook *h, uint32_t vmid)
{
	if (h->dry_run)
		say("VM %u: pre-stop does nothing: a shutdown that times out leaves the VM running",
		    vmid);
	return 0;
}

int phase_post_stop(struct hook *h, uint32_t vmid)
{
	AUTO_CLOSE int lock = -1;
	struct error err = ERROR_INIT;
	struct proc_id qemu;
	size_t found = 0;
	int r;

	lock = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &err);
	r = lock < 0 ? lock : recover_all(h, vmid, &err);
	if (r >= 0 && vm_process(h->root, vmid, &qemu, &err) == 1) {
		if (!h->dry_run) {
			complain("VM %u still runs (QEMU process %d): its VFs stay with it", vmid,
				 (int)qemu.pid);
			return 1;
		}
		say("the VM runs now; once it has stopped:");
		h->thought_stopped = vmid;
	}
	if (r >= 0)
		r = release_vm(h, vmid, NULL, 0, &found, &err);
	if (h->dry_run && r >= 0 && !found)
		say("VM %u: nothing to release", vmid);
	if (r < 0) {
		complain("%s; the next start that needs a VF tries again, or run: vfhook %u "
			 "post-stop",
			 err.text, vmid);
		return 1;
	}
	return 0;
}
