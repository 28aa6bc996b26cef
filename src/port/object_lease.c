/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lease of a VF that its VM runs on already, as an object of a plan (OBJECT_LEASE). */
#include "src/port/object_lease.h"

#include <errno.h>
#include <string.h>

#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/json.h"
#include "src/port/apply.h"
#include "src/port/hook_lock.h"
#include "src/port/objects.h"
#include "src/port/reclaim.h"

static int parse_lease(const char *text, struct lease *out, struct error *err)
{
	AUTO_JSON json_t *j = json_loadb(text, strlen(text), 0, NULL);

	return j ? lease_from_json(j, out, err) : fail(err, EINVAL, "this is no lease");
}

static bool runs_on(struct hook *h, const struct lease *l)
{
	struct proc_id qemu;
	struct pci_addr vf = {0};

	return vm_runs(h->root, l->vmid, &qemu, NULL) == ANSWER_YES && qemu.pid == l->qemu_pid &&
	       qemu.start == l->qemu_start &&
	       vm_hostpci_actual(h->root, &qemu, l->slot, &vf, NULL) == 1 &&
	       !pci_addr_cmp(&vf, &l->vf);
}

int lease_step(struct hook *h, const struct owner *o, enum plan_kind kind, enum step_kind step,
	       const struct lease *l, struct error *err)
{
	struct step s = {.kind = step,
			 .vf = l->vf,
			 .pf = l->pf,
			 .index = l->index,
			 .has_old_lease = step == STEP_LEASE_DROP,
			 .old_lease = *l,
			 .lease = *l};
	const struct plan p = {.kind = kind, .vmid = l->vmid, .steps = &s, .n_steps = 1};

	return apply_plan(h, o, &p, err);
}

static int take(struct hook *h, const struct owner *o, const struct lease *l, struct error *err)
{
	struct lease now = {0};

	if (!runs_on(h, l))
		return fail(err, EAGAIN, "VM %u has stopped or started meanwhile", l->vmid);
	if (!lease_read(h->root, &l->vf, &now, NULL) && now.vmid == l->vmid && now.slot == l->slot)
		return 0;
	return lease_step(h, o, PLAN_MEND, STEP_LEASE_TAKE, l, err);
}

/* The VM runs on as it did before us, or it has stopped and gave its VF back. */
static int drop(struct hook *h, const struct owner *o, const struct lease *l, struct error *err)
{
	struct lease now = {0};
	int r = lease_read(h->root, &l->vf, &now, err);

	if (r == -ENOENT || (!r && (now.vmid != l->vmid || now.taken != l->taken))) {
		error_clear(err);
		return 0;
	}
	return r < 0 ? r : lease_step(h, o, PLAN_RELEASE, STEP_LEASE_DROP, &now, err);
}

static int lease_set(struct hook *h, const char *name, enum object_how how, const char *from,
		     const char *to, struct error *err)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct lease l = {0};
	int r = parse_lease(to ? to : from ? from : "", &l, err);

	(void)name;
	(void)how;
	if (!r)
		r = vm_locks_take(h, l.vmid, &locks, err);
	if (!r)
		r = recover_own(h, locks.ours, err);
	if (r < 0)
		return r;
	return to ? take(h, locks.ours, &l, err) : drop(h, locks.ours, &l, err);
}

const struct object_kind object_lease = {OBJECT_LEASE, false, NULL, lease_set, NULL};
