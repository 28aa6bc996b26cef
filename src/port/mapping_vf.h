/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VF in a mapping: does an entry say it, and how is such an entry written? */
#ifndef VFHOOK_PORT_MAPPING_VF_H
#define VFHOOK_PORT_MAPPING_VF_H

#include <stdbool.h>

#include "pveapi/mapping.h"
#include "src/port/context.h"
#include "src/vf/sysfs.h"

/*
 * Is the entry what PVE wants to find of that VF? It compares the texts as they stand
 * (PVE::Mapping::PCI assert_valid); without an IOMMU group there is none in it.
 */
bool mapping_entry_is(const struct mapping_entry *e, const struct vf_info *vf);

/*
 * Does the mapping say exactly that VF for the node, once, and with nothing in it that keeps PVE
 * from starting a VM with it? m may be NULL: it says nothing.
 */
bool mapping_says(const struct mapping *m, const char *node, const struct vf_info *vf);

/* This node's map value for a VF: the caller's to free(), NULL when memory ran out. */
char *vf_map_entry(const struct hook *h, const struct vf_info *vf);

#endif
