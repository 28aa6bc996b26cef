/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: the VMs that have ports, as their configs are, and every MAC of the cluster
 * ([hookscript], [port], [mac]) */
#ifndef VFHOOK_CHECK_CHECK_VMS_H
#define VFHOOK_CHECK_CHECK_VMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/guest_list.h"
#include "src/check/report.h"
#include "src/port/context.h"
#include "src/port/hostpci_judge.h"

/* A VM with ports. */
struct vm_facts {
	uint32_t vmid;
	bool exists;
	bool here; /* its config is in this node's folder */
	bool is_template;
	char broken[320];	    /* why its config cannot be used, or "" */
	char hookscript[VOLID_LEN]; /* "" if it has none */
	char unusable[320];	    /* why our hookscript would not be run by PVE, or "" */
	char chain_unusable[320];   /* the same of the one that is run after it, or "" */
	unsigned slots;		    /* bit N: there is a port for hostpciN */
	unsigned named;		    /* bit N: hostpciN is mapping=vf-<vmid>-<N> */
	/* What a start would say of hostpciN, where that is not simply right, by slot. */
	struct {
		enum entry_verdict verdict;
		bool raw;
		char why[320];
		char mend[64];
	} slot[PVE_HOSTPCI_MAX];
};

/* Findings on one VM with ports: hookscript, hostpciN, settings. */
void judge_vm(const struct vm_facts *v, struct report *r);

struct mac_owner {
	uint8_t mac[6];
	uint32_t vmid;
	int slot; /* of a port; -1: in the guest's config */
};

/* Findings on MACs that are in it more than once; sorts the list. */
void judge_macs(struct mac_owner *list, size_t n, struct report *r);

/* Every VM with ports, of this node alone; `guests` are the cluster's. */
void check_vms(struct hook *h, const struct config *c, const struct guest_ref *guests,
	       size_t n_guests, struct report *r);
/* MACs that two guests or ports of the cluster have. */
void check_macs(struct hook *h, const struct config *c, struct report *r);

#endif
