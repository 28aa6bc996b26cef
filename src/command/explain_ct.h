/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook explain of a container. */
#ifndef VFHOOK_COMMAND_EXPLAIN_CT_H
#define VFHOOK_COMMAND_EXPLAIN_CT_H

#include <stdint.h>

#include "src/command/command.h"
#include "src/port/context.h"

/* Why its last start was refused, or what it has, and what to do. An exit status. */
int explain_ct(struct hook *h, uint32_t vmid, enum output_format format);

#endif
