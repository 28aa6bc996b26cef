/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM that QEMU gave another VM's VF, from a stale mapping, was cut off by post-start
 * (hook/post_start.c). What mends it is a stop and a start: the mapping that was written during the
 * first start is no news any more, and PVE reads it. So a detached job does that, once.
 *
 * It stops QEMU itself (QMP `quit`, as PVE's own stop does: QemuServer.pm _do_vm_stop), under PVE's
 * lock on the VM, under which it has looked: a stop by PVE's API would take that lock later, and
 * might stop what somebody has started meanwhile. PVE's qmeventd cleans up as after any VM that
 * ended by itself. For a VM of HA's that is how a guest ends that powers itself off: its LRM
 * finds it gone and starts it (PVE::HA::LRM, state "started"), and nothing that HA was told to do
 * is changed, as a stop by the API would (a `hastop` task sets its state to "stopped" for good).
 */
#ifndef VFHOOK_HOOK_RESTART_JOB_H
#define VFHOOK_HOOK_RESTART_JOB_H

#include "pveapi/guest.h"
#include "pveapi/process.h"
#include "src/port/context.h"

/* How post-start left the VM. The worst is the last. */
enum cut_off {
	CUT_OFF_NOT,
	CUT_OFF_LINK,	/* the VF has no link; the guest goes on */
	CUT_OFF_PAUSED, /* its processors stand still */
	CUT_OFF_FAILED, /* neither could be done */
};

/* What the job is for: this process, left so. */
struct restart {
	struct proc_id qemu;
	enum cut_off how;
};

/* Its word on a command line, "<pid>:<start>:<how>". False: this is none. */
bool restart_parse(const char *word, struct restart *out);

/*
 * Have a job stop and start the owner's VM, and say so; or say why not, and what to do: if this is
 * the start of such a job already, a backup's, out of hibernation, or in a migration. For
 * post-start, which holds PVE's lock on the VM; a dry run only tells.
 */
void restart_begin(struct hook *h, uint32_t vmid, const struct guest_config *g,
		   const struct restart *what);

/*
 * The job itself. It does nothing, and says so, if the VM is not as it was left: stopped, resumed,
 * paused, moved, locked by PVE for something else, or on its own VFs by now. Returns the process's
 * exit status.
 */
int run_restart(struct hook *h, uint32_t vmid, const struct restart *what);

#endif
