/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM id that somebody typed. */
#ifndef VFHOOK_PORT_VMID_H
#define VFHOOK_PORT_VMID_H

#include <stdint.h>

/* Complains and returns EXIT_USAGE (src/base/exit_status.h) if it is none; else 0. */
int vmid_parse(const char *text, uint32_t *vmid);

#endif
