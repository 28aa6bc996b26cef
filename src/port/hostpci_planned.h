/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostpciN as the VM's next start has it: the pending changes of its config count. */
#ifndef VFHOOK_PORT_HOSTPCI_PLANNED_H
#define VFHOOK_PORT_HOSTPCI_PLANNED_H

#include <stdbool.h>

#include "pveapi/guest.h"

/*
 * hostpciN as the VM's next start has it by that config: what is pending counts. NULL if there is
 * none (or no memory: then a step from it is refused), else the caller's to free().
 */
char *hostpci_planned(const struct guest_config *g, unsigned slot);

/* Is that mapping=vf-<vmid>-<N>, the port's own? What a running VM has may be another thing. */
bool hostpci_planned_is_ours(const struct guest_config *g, unsigned slot);

#endif
