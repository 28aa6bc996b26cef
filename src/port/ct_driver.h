/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has this host a network driver for the VFs of a pool, which a container's needs? */
#ifndef VFHOOK_PORT_CT_DRIVER_H
#define VFHOOK_PORT_CT_DRIVER_H

#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/context.h"

/*
 * 0: for those of one PF on this node at least. -EOPNOTSUPP with err: none is known for any of
 * them; -ENODEV: those that are known are not loaded.
 */
int ct_driver_check(struct hook *h, const struct pool *pool, struct error *err);

#endif
