/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook plug: a running VM gets the VFs of its ports that it does not have. */
#include <errno.h>
#include <string.h>

#include "hook/job_control.h"
#include "pveapi/guest.h"
#include "pveapi/qmp.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/port_args.h"
#include "src/command/unplugging.h"
#include "src/port/device.h"
#include "src/port/hook_lock.h"
#include "src/port/plugging.h"
#include "src/port/port_changes.h"
#include "src/port/reclaim.h"
#include "src/port/vm_ports.h"
#include "src/port/vmid.h"
#include "src/vf/owner.h"

#define LOCK_WAIT_MS 30000
#define QMP_WAIT_MS  5000

/* Only a VM that runs, and that PVE is doing nothing to. */
static int check_vm(struct hook *h, uint32_t vmid, struct proc_id *qemu, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};

	if (guest_here(h, vmid, &g, err) < 0)
		return error_code(err);
	if (g.lock && strcmp(g.lock, "backup") != 0)
		return fail(err, EBUSY, "VM %u is locked by PVE (%s): once that is over%s", vmid,
			    g.lock,
			    strcmp(g.lock, "migrate") != 0
				    ? ""
				    : "; a migration that ends without success gives the VM its VF "
				      "back by itself");
	switch (vm_runs(h->root, vmid, qemu, err)) {
	case ANSWER_YES:
		return 0;
	case ANSWER_NO:
		return fail(err, ESRCH, "VM %u does not run: qm start %u gives it its VFs", vmid,
			    vmid);
	default:
		return error_code(err);
	}
}

/* 1: plugged; 0: it has one. */
static int plug_slot(struct hook *h, const struct owner *o, unsigned slot,
		     const struct proc_id *qemu, struct error *err)
{
	uint32_t vmid = owner_vmid(o);
	char id[16];

	switch (qmp_has_device(h->root, vmid, device_id(slot, id), QMP_WAIT_MS, err)) {
	case ANSWER_YES:
		say("VM %u hostpci%u: QEMU has the device", vmid, slot);
		if (give_up_spare(h, o, slot, err) < 0)
			complain("VM %u: %s; vfhook repair", vmid, err->text);
		return 0;
	case ANSWER_NO:
		return plug_port(h, o, slot, qemu, err) < 0 ? error_code(err) : 1;
	default:
		return qemu_is_silent(vmid, err);
	}
}

static int plug_all(struct hook *h, const struct owner *o, int slot, const struct proc_id *qemu,
		    struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	int failed = 0;
	bool any = false;
	int r = vm_ports_load(h, owner_vmid(o), &v, err);

	for (size_t i = 0; r > 0 && i < v.config.n_ports; i++) {
		const struct port *p = &v.config.ports[i];
		struct error why = ERROR_INIT;

		if (p->vmid != owner_vmid(o) || (slot >= 0 && p->slot != (unsigned)slot))
			continue;
		any = true;
		if (plug_slot(h, o, p->slot, qemu, &why) >= 0)
			continue;
		complain("%s", why.text);
		failed = fail(err, why.code, "VM %u: not every port has its VF", owner_vmid(o));
	}
	if (r < 0)
		return r;
	if (!any)
		return fail(err, ENOENT, "VM %u has no port%s: vfhook attach %u", owner_vmid(o),
			    slot >= 0 ? " for that slot" : "", owner_vmid(o));
	return failed ? failed : vm_ports_migrate_live(&v);
}

static int plug(struct hook *h, uint32_t vmid, int slot, struct error *err)
{
	AUTO_OWNER struct owner *o = NULL;
	struct proc_id qemu;
	int r = check_vm(h, vmid, &qemu, err);

	if (!r)
		r = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, err);
	if (!r)
		r = recover_own(h, o, err);
	/* Once more: it may have stopped, or begun to move. */
	if (!r)
		r = check_vm(h, vmid, &qemu, err);
	if (!r)
		r = plug_all(h, o, slot, &qemu, err);
	if (r > 0)
		live_job_begin_or_tell(h, vmid);
	return r < 0 ? r : 0;
}

static int run(struct hook *h, int argc, char **argv)
{
	struct error err = ERROR_INIT;
	const char *slot_text = NULL;
	const struct opt opts[] = {{"slot", &slot_text, NULL}, {"dry-run", NULL, &h->dry_run}};
	const char *arg = NULL;
	unsigned slot = 0;
	uint32_t vmid;
	size_t n;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &arg, 1, &n))
		return EXIT_USAGE;
	if (!n) {
		complain("plug: wanted: a VM id; see vfhook plug --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(arg, &vmid) || (slot_text && slot_parse(slot_text, &slot)))
		return EXIT_USAGE;
	if (plug(h, vmid, slot_text ? (int)slot : -1, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

const struct command cmd_plug = {
	.name = "plug",
	.summary = "give a running VM the VFs that it lacks",
	.help = "Usage: vfhook plug <vmid> [--slot N] [--dry-run]\n"
		"\n"
		"Each port of the VM that has no VF gets one, plugged in while the VM runs: the\n"
		"one that `vfhook unplug` kept for it, or another one of its pool, set as at a\n"
		"start. Also for a VM that ran already when it was attached.\n"
		"\n"
		"  --slot N   only hostpciN\n"
		"  --dry-run  tell what would be done, and do nothing\n",
	.run = run,
};
