/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PVE's high availability has in mind for a VM. */
#ifndef VFHOOK_PVEAPI_HA_H
#define VFHOOK_PVEAPI_HA_H

#include <stddef.h>
#include <stdint.h>

#define HA_STATE_LEN 32

/*
 * The state of a VM in /etc/pve/ha/manager_status ("started", "stopped", "error", ...), which the
 * cluster's master writes (PVE::HA::Manager). 1: it has one, in state; 0: HA does not know the
 * VM; a negative errno if that cannot be told.
 */
int ha_vm_state(int root, uint32_t vmid, char state[HA_STATE_LEN]);

#endif
