/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mappings of ports whose VF is somewhere else than they say: PCI addresses and
 * IOMMU groups move over a reboot, and PVE refuses a mapping that does not
 * match the hardware (PVE::Mapping::PCI assert_valid). pre-start would mend
 * them too, but with a REST call in the middle of a start; and a migration to
 * here looks at the mapping before any hook.
 */
#ifndef VFHOOK_PORT_MAPPING_FOLLOW_H
#define VFHOOK_PORT_MAPPING_FOLLOW_H

#include <stddef.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/port/cluster_vfs.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/vf/sysfs.h"

/* The facts for the mapping of one port. */
struct refresh_facts {
	const char *entry_path;	   /* what this node's entry names, NULL: there is no entry */
	const struct vf_info *vfs; /* those of the port's pool on this node */
	const unsigned *taken;	   /* by VF: how many other mappings name it */
	size_t n_vfs;
	const struct published_vf
		*before; /* what this node told last, PFs by their present addresses */
	size_t n_before;
};

/* The VF that the mapping is to name: the one it means, else a free one, else any; NULL: none. */
const struct vf_info *refresh_choose(const struct refresh_facts *f);

/*
 * Let the mappings of all ports of this node's pools name VFs that are there, as they are. Only
 * mappings that exist: a port that never started makes its own. Those of VMs that run, or that
 * a start, a stop or a command is changing, are left to them. before may be NULL. Waits for
 * pveproxy until then at most, once and without any lock; then each mapping is looked at again
 * under PVE's lock on its VM. What cannot be written is told and counted. Returns how many could
 * not, or a negative errno.
 */
int refresh_mappings(struct hook *h, const struct config *c, const struct published_vf *before,
		     size_t n_before, const struct deadline *until, struct error *err);

#endif
