/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many of a thing PVE has at most, and what its ids and names may be. */
#ifndef VFHOOK_PVEAPI_LIMITS_H
#define VFHOOK_PVEAPI_LIMITS_H

#define PVE_HOSTPCI_MAX 16 /* hostpci0..15: PVE::QemuServer::PCI MAX_HOSTPCI_DEVICES */
#define PVE_VMID_MIN	100
#define PVE_VMID_MAX	999999999
/* A node's name without the byte that ends it (PVE::JSONSchema pve-node, RFC 1123). */
#define PVE_NODE_MAX_LEN 63

#endif
