/* SPDX-License-Identifier: GPL-2.0-or-later */
/* datacenter.cfg: the prefix of the MACs that are made in this cluster. */
#ifndef VFHOOK_PVEAPI_DATACENTER_H
#define VFHOOK_PVEAPI_DATACENTER_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"

/*
 * The datacenter's MAC prefix (datacenter.cfg: mac_prefix), "BC:24:11" if it
 * sets none (PVE 8.1 and later). prefix receives *n_bytes = 1..4 bytes: PVE
 * allows one to three and half a byte, whose other half is then 0 here (so that
 * what we make is a part of what the prefix allows); the rest of prefix is 0.
 */
int pve_mac_prefix(int root, uint8_t prefix[6], size_t *n_bytes, struct error *err);
/* The same out of the text of datacenter.cfg. */
int pve_mac_prefix_parse(const char *text, size_t len, uint8_t prefix[6], size_t *n_bytes,
			 struct error *err);

#endif
