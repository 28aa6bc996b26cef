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

/*
 * The step that binds a VF to the driver that QEMU needs, where PVE does not do it: for such a
 * port, and for a VM that runs. None if it has that driver.
 */
int plan_driver(const struct port_wish *w, const struct pf_state *pf, const struct vf_info *vf,
		struct plan *p, struct error *err);

#endif
