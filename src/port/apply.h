/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where phases and commands meet the world: every change goes out through
 * apply_*(), and what they look at comes in through seen_*(). In a dry run
 * apply_*() tells instead of doing, and seen_*() shows things as they would be
 * then; so that a phase is the same code in both.
 */
#ifndef VFHOOK_PORT_APPLY_H
#define VFHOOK_PORT_APPLY_H

#include "src/port/hook.h"
#include "src/port/vm_ports.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/snapshot.h"

/* Carry a plan out: execute(). */
int apply_plan(struct hook *h, const struct owner *o, const struct plan *p, struct error *err);
/* What a crashed run left for the owner's VM: recover(). */
int apply_recovery(struct hook *h, const struct owner *o, struct error *err);
/*
 * The same for what it left on PVE's side, o is of owner_lock_config(). Not for a phase: PVE's lock
 * on the VM is held around it.
 */
int apply_config_recovery(struct hook *h, const struct owner *o, struct error *err);
/* Replace a lease of the owner's: lease_write(). */
int apply_lease(struct hook *h, const struct owner *o, const struct lease *l, struct error *err);
/* Make a port's address, and keep it for ever. */
int apply_mac(struct hook *h, struct config *c, struct port *p, struct error *err);

/* lease_list(), lease_read(), snapshot_read(). */
int seen_leases(struct hook *h, struct lease_entry **list, size_t *n, struct error *err);
int seen_lease(struct hook *h, const struct pci_addr *vf, struct lease *out, struct error *err);
int seen_snapshot(struct hook *h, const struct observer *o, const struct pf_id *pfs, size_t n_pfs,
		  const struct pci_addr *only, size_t n_only, bool all, struct snapshot *out,
		  struct error *err);

/* In a dry run, take a plan for carried out without a word. */
int foresee(struct hook *h, const struct plan *p, struct error *err);

/* The plan's steps and REST calls in words, and why each VF was or was not taken. */
void plan_print(struct hook *h, const struct plan *p);
void notes_print(const struct plan *p);

#endif
