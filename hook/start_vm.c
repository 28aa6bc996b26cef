/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the detached jobs share: PVE is asked to start a VM, and the start is seen through. */
#include "hook/start_vm.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/api_vm.h"
#include "pveapi/guest.h"
#include "pveapi/guest_list.h"
#include "pveapi/ha.h"
#include "pveapi/process.h"
#include "pveapi/task.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/port/config.h"
#include "src/port/port_changes.h"

#define START_WAIT_MS	600000
#define VM_LOCK_WAIT_MS 300000
/* The cluster's master and the node's LRM look at their VMs some ten seconds apart (PVE::HA::LRM).
 */
#define HA_WAIT_MS 120000
#define NAP_MS	   500

int vm_still_here(struct hook *h, uint32_t vmid, struct error *err)
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

static enum answer runs(struct hook *h, uint32_t vmid, struct error *err)
{
	struct proc_id qemu;

	return vm_runs(h->root, vmid, &qemu, err);
}

/* The task only tells HA; it starts the VM in its own time, here or elsewhere, or never. */
int vm_wait_for_ha(struct hook *h, uint32_t vmid, struct error *err)
{
	char state[HA_STATE_LEN] = "unknown";

	say("VM %u: HA starts it; waiting for that", vmid);
	for (int waited = 0; waited < HA_WAIT_MS; waited += NAP_MS) {
		enum answer running = runs(h, vmid, err);

		if (running != ANSWER_NO)
			return running == ANSWER_YES ? 0 : error_code(err);
		if (vm_still_here(h, vmid, err) < 0)
			return error_code(err);
		if (ha_vm_state(h->root, vmid, state) == 1 && !strcmp(state, "error"))
			return fail(err, EREMOTEIO,
				    "HA has given it up (state error): ha-manager set vm:%u "
				    "--state disabled, then --state started",
				    vmid);
		nap_ms(NAP_MS);
	}
	return fail(err, ETIMEDOUT,
		    "HA has not started it within %d s (its state there: %s); its next try needs "
		    "no job: ha-manager status",
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

int vm_start_wait(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_FREE char *upid = NULL;
	char type[TASK_TYPE_LEN] = "";
	enum answer running;
	int r = hook_rest(h, err);

	if (!r)
		r = api_vm_start(h->rest, h->node, vmid, &upid, err);
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
		return vm_wait_for_ha(h, vmid, err);
	running = runs(h, vmid, err);
	if (running == ANSWER_NO)
		return fail(err, ESRCH, "its start went well, and its QEMU has ended since");
	return running == ANSWER_YES ? 0 : error_code(err);
}
