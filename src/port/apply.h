/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where phases and commands change the world: every change goes out through apply_*(). In a dry
 * run these tell instead of doing (and foreseen_*() shows things as they would be then, see
 * foreseen.h).
 */
#ifndef VFHOOK_PORT_APPLY_H
#define VFHOOK_PORT_APPLY_H

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/snapshot.h"

/*
 * Carry a plan out: execute(), of which it has its errors. A dry run tells the steps, and takes
 * them for done (foresee()). What the plan has locked to keep a VM off is unlocked then.
 */
int apply_plan(struct hook *h, const struct owner *o, const struct plan *p, struct error *err);
/* What a crashed run left for the owner's VM: recover(), which see. */
int apply_recovery(struct hook *h, const struct owner *o, struct error *err);
/*
 * The same for what it left on PVE's side, o is of owner_lock_config(). Not for a phase: PVE's lock
 * on the VM is held around it.
 */
int apply_config_recovery(struct hook *h, const struct owner *o, struct error *err);
/* Replace a lease of the owner's: lease_write(). 0, or a negative errno with err. */
int apply_lease(struct hook *h, const struct owner *o, const struct lease *l, struct error *err);

#endif
