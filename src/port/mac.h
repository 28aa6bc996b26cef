/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VFHOOK_PORT_MAC_H
#define VFHOOK_PORT_MAC_H

#include <stdint.h>

#include "src/base/error.h"
#include "src/port/hook.h"

/*
 * Make an address that no guest's netN and no port in the cluster has: the
 * datacenter's mac_prefix and random bytes behind it. c: ports that may not be in the file yet.
 */
int mac_make(int root, const struct config *c, uint8_t mac[6], struct error *err);

/*
 * Refuse (-EEXIST) an address that another port than <vmid>-<slot>, a guest's netN, or an interface
 * of a node has (src/port/host_mac.h).
 */
int mac_check_free(struct hook *h, const struct config *c, uint32_t vmid, unsigned slot,
		   const uint8_t mac[6], struct error *err);

#endif
