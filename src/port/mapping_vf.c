/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing entries with what sysfs has of a VF, and writing them. */
#include "src/port/mapping_vf.h"

#include <stdio.h>
#include <string.h>

#include "src/base/text.h"

bool mapping_entry_is(const struct mapping_entry *e, const struct vf_info *vf)
{
	char addr[PCI_ADDR_LEN];
	char group[16] = "";

	if (vf->iommu_group >= 0)
		snprintf(group, sizeof(group), "%d", vf->iommu_group);
	return !strcmp(e->path, pci_addr_format(&vf->addr, addr)) && !strcmp(e->id, vf->id) &&
	       !strcmp(e->subsystem_id, vf->subsystem_id) && !strcmp(e->iommugroup, group);
}

bool mapping_says(const struct mapping *m, const char *node, const struct vf_info *vf)
{
	size_t n = 0;
	const struct mapping_entry *e = m ? mapping_node_entry(m, node, &n) : NULL;

	return e && n == 1 && !m->mdev && !e->unknown_key && mapping_entry_is(e, vf);
}

char *vf_map_entry(const struct hook *h, const struct vf_info *vf)
{
	char addr[PCI_ADDR_LEN];

	return mapping_entry_format(h->node, pci_addr_format(&vf->addr, addr), vf->id,
				    vf->subsystem_id[0] ? vf->subsystem_id : NULL, vf->iommu_group);
}
