/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MAC of a port: making one, and refusing one that somebody has. */
#ifndef VFHOOK_PORT_MAC_H
#define VFHOOK_PORT_MAC_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/context.h"

/*
 * Make an address that no guest's netN and no port in the cluster has: the
 * datacenter's mac_prefix and random bytes behind it. c: ports that may not be in the file yet.
 */
int mac_make(int root, const struct config *c, uint8_t mac[6], struct error *err);

/*
 * Refuse (-EEXIST) an address that another port than <vmid>-<slot>, a guest's netN, or an interface
 * of a node has (src/port/host_mac.h). standby: the VM's own netN may have it, as that of a NIC
 * that stands in for the VF while the VM migrates.
 */
int mac_check_free(struct hook *h, const struct config *c, uint32_t vmid, unsigned slot,
		   bool standby, const uint8_t mac[6], struct error *err);

/*
 * Make an address for a port of c, and keep it for ever in vfhook.cfg; a dry run makes one that
 * stands for it, and says so. 0, or a negative errno with err.
 */
int apply_mac(struct hook *h, struct config *c, struct port *p, struct error *err);

#endif
