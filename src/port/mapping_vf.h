/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This node's entry of a mapping and a VF: does it say that VF, and how is it written? */
#ifndef VFHOOK_PORT_MAPPING_VF_H
#define VFHOOK_PORT_MAPPING_VF_H

#include "src/vf/sysfs.h"
#include "src/port/context.h"

/* This node's map value for a VF. malloc'd, NULL when memory ran out. */
char *vf_map_entry(const struct hook *h, const struct vf_info *vf);

#endif
