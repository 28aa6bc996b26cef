/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real thing, and what a dry run has foreseen of it. */
#include "src/port/foreseen.h"

#include <errno.h>

#include "src/vf/plan_outcome.h"

int foresee(struct hook *h, const struct plan *p, struct error *err)
{
	return plan_append(&h->foreseen, p, err);
}

/* What the foreseen steps make of the lease on a VF: 1 it has *out, -1 none, 0 they say nothing. */
static int told_lease(const struct hook *h, const struct pci_addr *vf, struct lease *out)
{
	int what = 0;

	for (size_t i = 0; i < h->foreseen.n_steps; i++) {
		const struct step *s = &h->foreseen.steps[i];

		if (s->kind == STEP_CALL || pci_addr_cmp(&s->vf, vf) != 0)
			continue;
		if (s->kind == STEP_LEASE_TAKE || s->kind == STEP_LEASE_WRITE ||
		    s->kind == STEP_LEASE_SEIZE) {
			what = 1;
			*out = s->lease;
		} else if (s->kind == STEP_LEASE_DROP) {
			what = -1;
		}
	}
	return what;
}

int foreseen_lease(struct hook *h, const struct pci_addr *vf, struct lease *out, struct error *err)
{
	switch (told_lease(h, vf, out)) {
	case 1:
		return 0;
	case -1:
		return fail(err, ENOENT, "it is not leased");
	default:
		return lease_read(h->root, vf, out, err);
	}
}

int foreseen_leases(struct hook *h, struct lease_entry **list, size_t *n, struct error *err)
{
	size_t kept = 0;
	int r = lease_list(h->root, list, n, err);

	for (size_t i = 0; !r && i < *n; i++) {
		struct lease_entry e = (*list)[i];
		int what = told_lease(h, &e.vf, &e.lease);

		e.broken = e.broken && !what;
		if (what >= 0)
			(*list)[kept++] = e;
	}
	if (!r)
		*n = kept;
	return r;
}

int foreseen_snapshot(struct hook *h, const struct observer *o, const struct pf_id *pfs,
		      size_t n_pfs, const struct pci_addr *only, size_t n_only, bool all,
		      struct snapshot *out, struct error *err)
{
	int r = snapshot_read(o, pfs, n_pfs, only, n_only, all, out, err);

	if (!r)
		plan_foresee(&h->foreseen, out);
	return r;
}
