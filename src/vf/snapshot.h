/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The facts a plan is made from, gathered once. Two depths: `last` VFs alone
 * (an ordinary start looks at nothing else), or every VF of every PF asked for.
 */
#ifndef VFHOOK_VF_SNAPSHOT_H
#define VFHOOK_VF_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/sysfs.h"

/* Somebody outside of us who has, or means to have, a function. */
struct vf_claim {
	struct pci_addr addr;
	bool whole_device; /* every function of that device */
	bool firm;	   /* he has it now, rather than only naming it somewhere */
	char who[120];	   /* "reserved by VM 105 (running)" */
};

struct vf_state {
	struct vf_info info;
	struct vf_settings now;
	bool host;   /* set aside for this host: no VM gets it, and nobody parks it */
	bool unread; /* what it is set to cannot be told: nothing can be planned for it */
	char unread_why[128];
	bool leased;
	bool lease_broken;
	char lease_why[256];	      /* when lease_broken */
	struct lease lease;	      /* when leased && !lease_broken */
	const struct vf_claim *claim; /* or NULL */
	enum answer busy;	      /* its VFIO group is open in some process */
	enum answer has_address;      /* its host netdev has an IP address */
};

struct pf_state {
	struct pf_info info;
	struct pf_link link; /* without a network: up, with carrier, and nothing else */
	bool broken;	     /* nothing below can be used; why tells */
	char why[256];
	struct vf_state *vfs;
	size_t n_vfs;
	size_t n_unread; /* VFs that are there, and could not be read */
};

struct snapshot {
	bool complete; /* every VF of every PF asked for is in it */
	struct pf_state *pfs;
	size_t n_pfs;
};

/* What an observation needs; nothing in it is owned. */
struct observer {
	int root;
	struct kernel *kernel;
	const struct vf_claim *claims;
	size_t n_claims;
	uint32_t vmid; /* who asks: no VFIO group of another's VF is opened for it */
	bool glance; /* a VF that is another's ends it: its PF's list is not read, and seems down */
	bool look_only; /* do not open VFIO groups, which others would find busy meanwhile */
};

/*
 * Read the PFs, and of each only those of its VFs that stand in `only` (n_only
 * may be 0), or with all true, every VF. A PF that cannot be read becomes a
 * broken one with the reason: one bad PF must not hide the others. So does one whose
 * permanent MAC, or what stands for it, is not that of its pf_id: it is another card. A VF whose
 * settings the kernel does not tell is unread, for itself alone; if it stands in `only` or the
 * observer's VM has it, it is looked at again (kernel_pf_read_for()). Fails only for want of
 * memory. Release with snapshot_free().
 */
int snapshot_read(const struct observer *o, const struct pf_id *pfs, size_t n_pfs,
		  const struct pci_addr *only, size_t n_only, bool all, struct snapshot *out,
		  struct error *err);
/* It is empty then. */
void snapshot_free(struct snapshot *s);

/* The VF with that address and its PF, or NULL. pf may be NULL. */
const struct vf_state *snapshot_find(const struct snapshot *s, const struct pci_addr *vf,
				     const struct pf_state **pf);

/* Has that VM the VF, by a lease that can be read? */
bool vf_is_leased_to(const struct vf_state *v, uint32_t vmid);

#endif
