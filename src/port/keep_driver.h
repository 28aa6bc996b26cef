/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `driver=keep` in hostpciN: PVE neither binds nor resets the function (PVE::QemuServer::PCI
 * prepare_pci_device), so the VF must have its driver before: the VFIO driver of its own that the
 * kernel has for it (mlx5_vfio_pci, ...), which can migrate, or else vfio-pci.
 */
#ifndef VFHOOK_PORT_KEEP_DRIVER_H
#define VFHOOK_PORT_KEEP_DRIVER_H

#include "src/port/vm_ports.h"
#include "src/vf/plan.h"
#include "src/vf/plan_choice.h"
#include "src/vf/snapshot.h"

/*
 * The steps that bind what was chosen for ports with driver=keep, behind those of plan_start(),
 * which let the driver have them (OBJECT_DRIVER); none where it has them already.
 */
int plan_keep_drivers(const struct vm_ports *v, const struct snapshot *s,
		      const struct port_choice *choices, struct plan *p, struct error *err);

#endif
