/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flag `live-migration-capable` of the mappings of ports with live-migration. With it PVE lets
 * such a VM be migrated while it runs (PVE/QemuMigrate.pm: prepare), and starts QEMU with
 * enable-migration=on, which QEMU refuses for an ordinary VF (PVE/QemuServer/PCI.pm). So it is on
 * while the VM runs, and off when it starts.
 */
#ifndef VFHOOK_PORT_LIVE_FLAG_H
#define VFHOOK_PORT_LIVE_FLAG_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"
#include "src/vf/plan.h"

/*
 * The step of a start that puts it off, if a stop that was cut off has left it on. v's mappings
 * must have been read (vm_ports_wishes()). None for a VM that comes from another node: it runs
 * there, and may have to be migrated again; hook/migration.c does it once nothing stands against
 * this one.
 */
int plan_flag_off(const struct hook *h, const struct vm_ports *v, unsigned slot, struct plan *p,
		  struct error *err);

/* The step that puts it off for a port that is not to be migrated live any more, if it is on. */
int plan_flag_away(struct hook *h, uint32_t vmid, unsigned slot, struct plan *p, struct error *err);

/*
 * Put it on or off for all ports of the VM with live-migration on whose mapping is there. Calls
 * REST only if it is not so. 0 or a negative errno with err.
 */
int live_flags_set(struct hook *h, uint32_t vmid, bool on, struct error *err);

/* Are all of them so? UNKNOWN with err. */
enum answer live_flags_are(struct hook *h, uint32_t vmid, bool on, struct error *err);

#endif
