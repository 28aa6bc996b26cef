/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the mapping of a port is called: vf-<vmid>-<N>. */
#ifndef VFHOOK_PORT_MAPPING_ID_H
#define VFHOOK_PORT_MAPPING_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "src/port/config.h"

/* "vf-100-0" for VM 100 and hostpci0: the id of a port's mapping. Returns buf. */
const char *port_mapping_id(uint32_t vmid, unsigned slot, char buf[NAME_LEN]);
/* The reverse, vmid and slot only set then; false if id is not called like a mapping of ours. */
bool port_mapping_parse(const char *id, uint32_t *vmid, unsigned *slot);
/* "vf-100-": what the ids of a VM's mappings begin with. Returns buf. */
const char *port_mapping_prefix(uint32_t vmid, char buf[NAME_LEN]);

#endif
