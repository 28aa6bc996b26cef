/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which bridges' frames go out through a PF, as sysfs has it: they are straight on it, on a VLAN
 * interface of it, or on its bond.
 */
#ifndef VFHOOK_HOST_BRIDGES_ABOVE_H
#define VFHOOK_HOST_BRIDGES_ABOVE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/vf/sysfs.h"

/* What they are called by whoever talks of them; the kernel has one interface for all of its. */
#define OVS_NAME "Open vSwitch"

struct bridge_above {
	char name[IFNAME_LEN]; /* OVS_NAME for Open vSwitch */
	char over[IFNAME_LEN]; /* the interface that is its port, "" if that is the PF itself */
};

#define BRIDGES_TOLD 4

struct bridges_above {
	struct bridge_above list[BRIDGES_TOLD]; /* the first ones by name */
	size_t n;				/* how many there are in all */
};

/*
 * Those that vfhook fdb follows, and whether there is Open vSwitch, which it does not. 0, or a
 * negative errno: some interface's surroundings cannot be read, and there may be more.
 */
int bridges_above(int root, const char *ifname, struct bridges_above *out,
		  struct bridge_above *ovs);

/* "vmbr0, vmbr20 (over enp6s0f0.20) and 3 more". Returns buf. */
const char *bridges_text(const struct bridges_above *b, char *buf, size_t size);
/* "vmbr20 (over enp6s0f0.20)". Returns buf. */
const char *bridge_text(const struct bridge_above *b, char *buf, size_t size);

#endif
