/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By the leases, and by what the QEMU process has. */
#include "src/port/running_vf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/port/apply.h"
#include "src/port/claims.h"
#include "src/port/mapping_plan.h"
#include "src/port/foreseen.h"
#include "src/vf/lease.h"
#include "src/vf/plan_start.h"
#include "src/vf/snapshot.h"

enum answer port_lease(struct hook *h, const struct port_wish *w, struct lease *out,
		       struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	if (w->has_last && !foreseen_lease(h, &w->last, out, NULL) && out->vmid == w->vmid &&
	    out->slot == w->slot)
		return ANSWER_YES;
	if (foreseen_leases(h, &all, &n, err) < 0)
		return ANSWER_UNKNOWN;
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid == w->vmid &&
		    all[i].lease.slot == w->slot) {
			*out = all[i].lease;
			return ANSWER_YES;
		}
	}
	return ANSWER_NO;
}

int mark_running(struct hook *h, const struct owner *o, const struct lease *l,
		 const struct proc_id *qemu, const char *from, struct error *err)
{
	bool same = l->qemu_pid == qemu->pid && l->qemu_start == qemu->start;
	struct lease running = *l;

	/* What was unplugged from this very process, or has not been seen by its guest, stays so.
	 */
	if (same && (l->phase == LEASE_UNPLUGGED || l->phase == LEASE_ARRIVING))
		return 0;
	running.phase = LEASE_RUNNING;
	running.hot = same && l->hot;
	running.peer[0] = running.why[0] = '\0';
	/* Its guest was told of the device by another QEMU, on another node. */
	if (!same && from) {
		running.phase = LEASE_ARRIVING;
		snprintf(running.peer, sizeof(running.peer), "%s", from);
	}
	running.qemu_pid = qemu->pid;
	running.qemu_start = qemu->start;
	return apply_lease(h, o, &running, err);
}

int plan_take_over(struct hook *h, const struct vm_ports *v, const struct port_wish *w,
		   const struct pci_addr *actual, struct plan *p, struct error *err)
{
	struct observer o = {.root = h->root, .kernel = h->kernel, .vmid = w->vmid};
	CLEANUP(snapshot_free) struct snapshot s = {0};
	AUTO_FREE struct vf_claim *claims = NULL;
	const struct vf_state *vf;

	if (gather_claims(h, w->vmid, actual, 1, false, &claims, &o.n_claims, err) < 0)
		return error_code(err);
	o.claims = claims;
	if (foreseen_snapshot(h, &o, w->pfs, w->n_pfs, NULL, 0, true, &s, err) < 0 ||
	    plan_port_on(&s, w, actual, time(NULL), p, err) < 0)
		return error_code(err);
	/* A container has no mapping. */
	if (v->container)
		return 0;
	vf = snapshot_find(&s, actual, NULL);
	return plan_mapping(h, v, w->slot, &vf->info, true, p, err);
}
