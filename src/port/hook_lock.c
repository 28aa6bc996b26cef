/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lock that is taken, or looked at in a dry run. */
#include "src/port/hook_lock.h"

#include <errno.h>

#include "pveapi/vm_lock.h"
#include "src/base/file.h"
#include "src/base/progress.h"
#include "src/base/say.h"
#include "src/port/guest_runs.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"

/* As long as a start, or a stop, of PVE's may take. */
#define BOTH_WAIT_MS 30000

int hook_lock_vm(struct hook *h, uint32_t vmid, int timeout_ms, struct owner **out,
		 struct error *err)
{
	AUTO_PROGRESS struct progress p = {0};
	char path[64];

	if (!h->dry_run) {
		int r = owner_lock(h->root, vmid, 0, out, err);

		if (r != -EWOULDBLOCK || !timeout_ms)
			return r;
		error_clear(err);
		progress_begin(&p, timeout_ms, "waiting for another run of vfhook for %u", vmid);
		return owner_lock(h->root, vmid, timeout_ms, out, err);
	}
	if (!lock_is_free(h->root, owner_lock_path(vmid, path)))
		say("note: another run of vfhook for guest %u is busy just now; what follows is "
		    "how "
		    "things stand at this moment",
		    vmid);
	return owner_pretend(vmid, out, err);
}

int hook_lock_config(struct hook *h, uint32_t vmid, int timeout_ms, struct owner **out,
		     struct error *err)
{
	int r;

	if (h->dry_run)
		return owner_pretend(vmid, out, err);
	r = owner_lock_config(h->root, vmid, timeout_ms, out, err);
	return r == -EWOULDBLOCK
		       ? fail(err, EBUSY,
			      "another vfhook command, or its job, changes guest %u just now: try "
			      "again when it is done",
			      vmid)
		       : r;
}

/* Where PVE's lock on the guest is; NULL: which kind of guest it is cannot be told. */
static const char *guest_lock_path(struct hook *h, uint32_t vmid, char buf[64], struct error *err)
{
	switch (guest_kind_here(h, vmid, err)) {
	case GUEST_UNKNOWN:
		return NULL;
	case GUEST_CT:
		return ct_lock_path(vmid, buf);
	default:
		return vm_lock_path(vmid, buf);
	}
}

static int take_guest_lock(struct hook *h, uint32_t vmid, int timeout_ms, struct error *err)
{
	switch (guest_kind_here(h, vmid, err)) {
	case GUEST_UNKNOWN:
		return error_code(err);
	case GUEST_CT:
		return ct_lock(h->root, vmid, timeout_ms, err);
	default:
		return vm_lock(h->root, vmid, timeout_ms, err);
	}
}

int guest_lock(struct hook *h, uint32_t vmid, int timeout_ms, struct error *err)
{
	AUTO_PROGRESS struct progress p = {0};
	int r = take_guest_lock(h, vmid, 0, err);

	if (r != -EWOULDBLOCK || !timeout_ms)
		return r;
	error_clear(err);
	progress_begin(&p, timeout_ms, "waiting for PVE's lock on %u", vmid);
	return take_guest_lock(h, vmid, timeout_ms, err);
}

bool try_vm_locks(struct hook *h, uint32_t vmid, struct vm_locks *l)
{
	char ours[64];
	char pve[64];

	if (h->dry_run)
		return lock_is_free(h->root, owner_lock_path(vmid, ours)) &&
		       (vmid == LEASE_SELF ||
			(guest_lock_path(h, vmid, pve, &l->why) && lock_is_free(h->root, pve))) &&
		       !owner_pretend(vmid, &l->ours, &l->why);
	if (hook_lock_vm(h, vmid, 0, &l->ours, &l->why) < 0)
		return false;
	/* No VM has our own number: there is nothing of PVE's to wait for. */
	if (vmid == LEASE_SELF)
		return true;
	l->pve = guest_lock(h, vmid, 0, &l->why);
	return l->pve >= 0;
}

int vm_locks_take(struct hook *h, uint32_t vmid, struct vm_locks *l, struct error *err)
{
	l->pve = guest_lock(h, vmid, BOTH_WAIT_MS, err);
	if (l->pve < 0)
		return l->pve;
	return hook_lock_vm(h, vmid, BOTH_WAIT_MS, &l->ours, err);
}
