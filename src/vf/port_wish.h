/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one port of a VM asks for: a VF of which PFs, set how. */
#ifndef VFHOOK_VF_PORT_WISH_H
#define VFHOOK_VF_PORT_WISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf.h"

/*
 * A free VF that somebody is likely to want all the same: used after those that nobody names. What
 * is said about one VF more than once adds up.
 */
struct spoken_for {
	struct pci_addr vf;
	unsigned weight; /* how much worse than a VF that nobody names; more is worse */
};

/* One port of a VM that is to get a VF. Pointers belong to the caller. */
struct port_wish {
	uint32_t vmid;
	unsigned slot;
	char pool[NAME_LEN];
	char name[NAME_LEN];	 /* the VM's, for the lease; may be "" */
	const struct pf_id *pfs; /* the pool's PFs on this node */
	size_t n_pfs;
	bool allow_pf_down;
	struct vf_settings want;
	bool has_last; /* the VF it had, kept if that can be */
	struct pci_addr last;
	int numa_node;	  /* the VM's, -1 if it is not pinned to one */
	bool keep_driver; /* PVE leaves the VF its driver: vfio_driver() */
	/* The node that the VM comes from while it runs, for the lease; else "". Should post-start
	 * be cut off, nothing else says that the guest is to be told of its VF. */
	char from[NAME_LEN];
	/* A container's: its interface there. The VF gets its network driver, and needs no IOMMU.
	 */
	char netname[IFNAME_LEN];
	/*
	 * 0: the first free VF. Otherwise any of them, depending on the number: for
	 * one who lost a race and would only lose the next against the same others.
	 */
	unsigned spread;
	const struct spoken_for *spoken; /* for a choice among all VFs; may be NULL */
	size_t n_spoken;
};

/* "hostpci0", "eth1": what the guest's own words for it are. Returns buf. */
#define WISH_DEVICE_LEN 24
const char *wish_device(const struct port_wish *w, char buf[WISH_DEVICE_LEN]);

/* Is that PF, by its address, one of those that the wish may have a VF of? */
bool wish_allows_pf(const struct port_wish *w, const struct pci_addr *pf);

/*
 * The wishes of one VM must not contradict each other: each has a PF on this node, no two have the
 * same MAC. 0, or -EINVAL with err.
 */
int port_wishes_check(const struct port_wish *wishes, size_t n, struct error *err);

#endif
