/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What leases and VFs look like to a plan. In a dry run that is how they would be by now: what was
 * told to be done counts as done (h->foreseen), so that a phase is the same code in both.
 */
#ifndef VFHOOK_PORT_FORESEEN_H
#define VFHOOK_PORT_FORESEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

/* lease_list(), lease_read() and snapshot_read(): what they give, whose it is, and how they fail.
 */
int foreseen_leases(struct hook *h, struct lease_entry **list, size_t *n, struct error *err);
int foreseen_lease(struct hook *h, const struct pci_addr *vf, struct lease *out, struct error *err);
int foreseen_snapshot(struct hook *h, const struct observer *o, const struct pf_id *pfs,
		      size_t n_pfs, const struct pci_addr *only, size_t n_only, bool all,
		      struct snapshot *out, struct error *err);

/* In a dry run, take a plan for carried out without a word. -ENOMEM. */
int foresee(struct hook *h, const struct plan *p, struct error *err);

#endif
