/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unplugging VFs of one running VM: for a person, for a migration, for a PF that is to be free. */
#ifndef VFHOOK_COMMAND_UNPLUGGING_H
#define VFHOOK_COMMAND_UNPLUGGING_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/port/plugging.h"

struct unplugging {
	uint32_t vmid;
	int slot;		   /* -1: all */
	const struct pci_addr *pf; /* only VFs of that PF; NULL: of any */
	struct unplug_reason reason;
};

/*
 * Unplug them, one after the other. For a migration (reason.peer) all or none: what could not be is
 * told, and what was is plugged in again. Returns how many were unplugged, or a negative errno with
 * err.
 */
int unplug_vm(struct hook *h, const struct unplugging *u, struct error *err);

/*
 * Park what is unplugged from that VM, and is a VF of that PF or pf is NULL: a run that was killed
 * may not have come to it. 0 or a negative errno with err.
 */
int finish_unplugging(struct hook *h, uint32_t vmid, const struct pci_addr *pf, struct error *err);

/*
 * A monitor that did not answer what a person has asked for: err, which has that, gets what to do
 * about it. Returns -err->code.
 */
int qemu_is_silent(uint32_t vmid, struct error *err);

/*
 * `--wait SECONDS`, how long a guest may take, into h->unplug_ms; NULL: as long as it takes as a
 * rule. Complains; 0 or an exit status.
 */
int unplug_wait_parse(struct hook *h, const char *text);

#endif
