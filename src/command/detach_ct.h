/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook detach of a container. */
#ifndef VFHOOK_COMMAND_DETACH_CT_H
#define VFHOOK_COMMAND_DETACH_CT_H

#include <stdint.h>

#include "src/port/context.h"

/*
 * Take the port away that is called so in the container (NULL: the only one), and all that attach
 * made for it: one plan, as of a VM. Also lines of vfhook's that no port goes with. Complains; an
 * exit status.
 */
int detach_ct(struct hook *h, uint32_t vmid, const char *name);

#endif
