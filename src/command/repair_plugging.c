/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook repair: VFs of running VMs that are unplugged, on their way, or lost by QEMU. */
#include <errno.h>

#include "hook/job_control.h"
#include "pveapi/qmp.h"
#include "src/base/cleanup.h"
#include "src/command/repair.h"
#include "src/port/device.h"
#include "src/port/plugging.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"

/* A monitor that hangs must not keep the others waiting for long. */
#define QMP_WAIT_MS 2000

/* A live job that was killed: another one goes on where things are. */
static void begin_job(struct repair *r, const struct lease *l)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	if (live_job_runs(r->h, l->vmid) != ANSWER_NO)
		return;
	pci_addr_format(&l->vf, addr);
	if (l->peer[0])
		repair_announce(r, l->vmid,
				"VM %u hostpci%u: VF %s is %s for a migration (%s), and no job "
				"sees to it: one is begun",
				l->vmid, l->slot, addr, lease_phase_name(l->phase), l->peer);
	else
		repair_announce(r, l->vmid,
				"VM %u hostpci%u: its guest was asked to let go of VF %s and may "
				"do it any time, and no job sees to it: one is begun",
				l->vmid, l->slot, addr);
	if (live_job_begin(r->h, l->vmid, &err) < 0)
		repair_undone(r, &err);
}

static void park(struct repair *r, const struct owner *o, const struct lease *l)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	plan_init(&p, PLAN_MEND, l->vmid);
	pci_addr_format(&l->vf, addr);
	if (plan_unplugged_parking(r->h, l, &p, &err) < 0) {
		repair_leave(r, "VM %u hostpci%u: VF %s, which is unplugged: %s", l->vmid, l->slot,
			     addr, err.text);
		return;
	}
	if (!p.n_steps)
		return;
	repair_announce(r, l->vmid, "VM %u hostpci%u: VF %s is unplugged, and still set: parked",
			l->vmid, l->slot, addr);
	if (park_unplugged(r->h, o, l, &err) < 0)
		repair_undone(r, &err);
}

/* A run that got another VF for the slot was killed before it could give this one back. */
static bool give_up(struct repair *r, const struct owner *o, const struct lease *l)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int done = give_up_spare(r->h, o, l->slot, &err);

	if (done < 0)
		repair_undone(r, &err);
	if (done == 1)
		repair_announce(r, l->vmid,
				"VM %u hostpci%u: VF %s was kept for it, and it has another one: "
				"released",
				l->vmid, l->slot, pci_addr_format(&l->vf, addr));
	return done != 0;
}

/* QEMU may have let go of it later than it was waited for, or somebody used its monitor. */
static void check_device(struct repair *r, const struct owner *o, const struct lease *l,
			 const struct proc_id *qemu)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	char id[16];

	if (qmp_has_device(r->h->root, l->vmid, device_id(l->slot, id), QMP_WAIT_MS, &err) !=
	    ANSWER_NO)
		return;
	repair_announce(r, l->vmid,
			"VM %u hostpci%u: VF %s is its, and QEMU has no such device any more: "
			"plugged in again",
			l->vmid, l->slot, pci_addr_format(&l->vf, addr));
	if (plug_port(r->h, o, l->slot, qemu, &err) < 0)
		repair_undone(r, &err);
}

void repair_plugging(struct repair *r, const struct owner *o, const struct proc_id *qemu,
		     const struct vm_hostpci *has)
{
	struct lease all[2 * PVE_HOSTPCI_MAX];
	struct error err = ERROR_INIT;
	int n = live_leases(r->h, owner_vmid(o), all, ARRAY_SIZE(all), &err);

	for (int i = 0; i < n; i++) {
		const struct lease *l = &all[i];
		bool same = l->qemu_pid == qemu->pid && l->qemu_start == qemu->start;

		if (!same || (l->phase == LEASE_UNPLUGGED && give_up(r, o, l)))
			continue;
		if (l->peer[0] || (l->phase == LEASE_RUNNING && l->asked))
			begin_job(r, l);
		if (l->phase == LEASE_UNPLUGGED)
			park(r, o, l);
		if (l->phase == LEASE_RUNNING && has->has[l->slot])
			check_device(r, o, l, qemu);
	}
	if (n < 0)
		repair_leave(r, "%s", err.text);
}
