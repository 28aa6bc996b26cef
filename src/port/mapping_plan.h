/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that let a port's mapping say the VF that was chosen. */
#ifndef VFHOOK_PORT_MAPPING_PLAN_H
#define VFHOOK_PORT_MAPPING_PLAN_H

#include <stdbool.h>

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"
#include "src/vf/plan.h"
#include "src/vf/plan_choice.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

/*
 * Append to the plan of a start a harmless step for each port whose mapping does not say exactly
 * what was chosen.
 */
int plan_mappings(struct hook *h, const struct vm_ports *v, const struct snapshot *s,
		  const struct port_choice *choices, struct plan *p, struct error *err);

/* The same for one port and a VF. */
int plan_mapping(struct hook *h, const struct vm_ports *v, unsigned slot, const struct vf_info *vf,
		 bool harmless, struct plan *p, struct error *err);

#endif
