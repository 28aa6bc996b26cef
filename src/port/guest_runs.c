/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question for both kinds of guests. */
#include "src/port/guest_runs.h"

#include <stdlib.h>

#include "pveapi/ct_state.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/port/foreseen.h"
#include "src/vf/lease.h"

/* 1: it has a container's lease; 0: it has none; or a negative errno. */
static int has_ct_lease(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	if (foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid == vmid && lease_is_ct(&all[i].lease))
			return 1;
	}
	return 0;
}

enum guest_kind guest_kind_here(struct hook *h, uint32_t vmid, struct error *err)
{
	struct error why = ERROR_INIT;
	enum guest_kind kind = guest_kind(h->root, h->node, vmid, err);
	int r;

	if (kind == GUEST_VM || kind == GUEST_CT)
		return kind;
	r = has_ct_lease(h, vmid, &why);
	if (r > 0) {
		error_clear(err);
		return GUEST_CT;
	}
	if (kind == GUEST_NONE && r < 0)
		*err = why;
	return kind == GUEST_NONE && !r ? GUEST_VM : GUEST_UNKNOWN;
}

const char *guest_word(struct hook *h, uint32_t vmid)
{
	struct error ignored = ERROR_INIT;

	return guest_kind_here(h, vmid, &ignored) == GUEST_CT ? "CT" : "VM";
}

enum answer guest_runs(struct hook *h, uint32_t vmid, struct proc_id *process, struct error *err)
{
	switch (guest_kind_here(h, vmid, err)) {
	case GUEST_UNKNOWN:
		return ANSWER_UNKNOWN;
	case GUEST_CT:
		return ct_lives(h->root, vmid, process, err);
	default:
		return vm_runs(h->root, vmid, process, err);
	}
}
