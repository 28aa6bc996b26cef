/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose is a mapping that is called vf-<vmid>-<N>? A user may have called one of his own so. */
#ifndef VFHOOK_PORT_MAPPING_OWNER_H
#define VFHOOK_PORT_MAPPING_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "pveapi/mapping.h"
#include "src/base/error.h"

/*
 * Made by vfhook: its comment says so ("vfhook: VM 100 hostpci0"). A comment that somebody has
 * changed says nothing any more: then it is ours if a port and the VM's own hostpciN go with it.
 */
bool mapping_has_our_mark(const struct mapping *m);

/* -EEXIST, with what a person can do about a mapping that is a user's and has a port's name. */
int mapping_refuse(const char *id, struct error *err);

/* May it be taken away as the port's? named: a port or hostpciN goes with it. One that is not there
 * may. */
int mapping_may_go(int root, uint32_t vmid, unsigned slot, bool named, bool *may,
		   struct error *err);

#endif
