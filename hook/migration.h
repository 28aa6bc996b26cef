/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM that comes from another node while it runs, with ports that are migrated live: PVE calls the
 * pre-start here before it asks the QEMU there to migrate (PVE/QemuMigrate.pm: phase2), and QEMU
 * migrates nothing as long as it has a VF. So the VF there is unplugged now, while the migration
 * can still be refused.
 */
#ifndef VFHOOK_HOOK_MIGRATION_H
#define VFHOOK_HOOK_MIGRATION_H

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"

/*
 * Have the source unplug the VM's VFs, and wait for it; then its mappings are no more
 * live-migration-capable, for QEMU here. Nothing if this is no such migration. 0, or a negative
 * errno with err: the VM has its VFs there, or gets them back by itself.
 */
int migration_begin(struct hook *h, const struct vm_ports *v, struct error *err);

#endif
