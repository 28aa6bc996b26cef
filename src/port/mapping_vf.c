/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts are compared as they stand, since PVE does so (PVE::Mapping::PCI assert_valid). */
#include "src/port/mapping_vf.h"

#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "pveapi/mapping.h"

char *vf_map_entry(const struct hook *h, const struct vf_info *vf)
{
	char addr[PCI_ADDR_LEN];

	return mapping_entry_format(h->node, pci_addr_format(&vf->addr, addr), vf->id,
				    vf->subsystem_id[0] ? vf->subsystem_id : NULL, vf->iommu_group);
}
