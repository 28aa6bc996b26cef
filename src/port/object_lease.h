/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lease of a VF that its VM runs on already: what its object and who plans it have in common.
 */
#ifndef VFHOOK_PORT_OBJECT_LEASE_H
#define VFHOOK_PORT_OBJECT_LEASE_H

#include "src/port/context.h"
#include "src/vf/lease.h"

/* A plan of one step, carried out: a lease is taken or dropped. 0 or a negative errno with err. */
int lease_step(struct hook *h, const struct owner *o, enum plan_kind kind, enum step_kind step,
	       const struct lease *l, struct error *err);

#endif
