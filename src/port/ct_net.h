/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's port in its config: lxc.net.<n>.* lines that are written once and never change.
 * What they mean is made at each start: the interface that they call by its name on the host.
 */
#ifndef VFHOOK_PORT_CT_NET_H
#define VFHOOK_PORT_CT_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "pveapi/ct_config.h"
#include "src/base/error.h"
#include "src/port/config.h"
#include "src/vf/plan.h"
#include "src/vf/sysfs.h"

/* The N of lxc.net.N: behind those of PVE's own netN, which may come at any time. */
static inline unsigned ct_net_index(unsigned slot)
{
	return PVE_CT_NET_MAX + slot;
}

/* "vf110n0": what the interface of that port is called on the host. Returns buf. */
const char *ct_link_name(uint32_t vmid, unsigned slot, char buf[IFNAME_LEN]);
/* Is it such a name, and whose? */
bool ct_link_parse(const char *name, uint32_t *vmid, unsigned *slot);

/*
 * The lines of the port, as ct_net_lines() gives them, and behind them what somebody has added to
 * those of that number in c (an address); c may be NULL. The caller's to free(), NULL: out of
 * memory.
 */
char *ct_net_text(const struct ct_config *c, const struct port *p);

/*
 * Is the port in the config as it should be? 0; -ENOENT: there is nothing of that number;
 * -EINVAL: something else is, or it was changed; both with err. -ENOMEM.
 */
int ct_net_check(const struct ct_config *c, const struct port *p, struct error *err);

/*
 * Another network of the container with that name, NULL: none has it. slot: the port's own, which
 * does not count.
 */
const struct ct_net *ct_net_named(const struct ct_config *c, unsigned slot, const char *name);

/* The step that lets its config have these lines for the slot, from what c has (OBJECT_CT_NET). */
int plan_ct_net(const struct ct_config *c, unsigned slot, const char *lines, struct plan *p,
		struct error *err);

#endif
