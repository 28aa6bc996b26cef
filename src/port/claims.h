/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who else has a VF, or is likely to want one: reservations, and what other guests' configs name.
 */
#ifndef VFHOOK_PORT_CLAIMS_H
#define VFHOOK_PORT_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/guest_names.h"
#include "pveapi/mapping.h"
#include "pveapi/reservations.h"
#include "pveapi/vmstate.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/port/hostpci_judge.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"

/*
 * Who else has, or means to have, a function: live reservations of other VMs,
 * and, with raw, the raw addresses in other guests' configs. Only about the
 * functions in `only`, unless that is NULL. *claims is the caller's to free().
 */
int gather_claims(struct hook *h, uint32_t vmid, const struct pci_addr *only, size_t n_only,
		  bool raw, struct vf_claim **claims, size_t *n, struct error *err);

/* What a choice among all VFs has to know of the others on this node. */
struct others {
	struct vf_claim *claims; /* not to be had */
	size_t n_claims;
	struct spoken_for *spoken; /* to be had, after those that nobody names */
	size_t n_spoken;
};

/*
 * All of it, for one VM: besides gather_claims() what guests of this node name through mappings
 * of the user's own, and what the mappings of other ports name. PVE gives a guest one of the
 * entries that such a mapping has for the node (PVE::QemuServer::PCI choose_hostpci_devices), so as
 * many are kept for its guests as do not run with one; what it has beyond that is spoken for.
 * entries: the judged hostpciN of the VM itself, by slot: those that are ours claim nothing. Looks
 * at all guests' configs, all mappings and all leases. Release with others_free().
 */
int others_gather(struct hook *h, uint32_t vmid, const struct entry *entries, struct others *out,
		  struct error *err);
void others_free(struct others *o);

/* A user's mapping that some guest of this node names, and one of its functions. */
struct mapped_function {
	struct pci_addr addr;
	bool whole_device;
	const char *mapping; /* points into what was given */
	uint32_t vmid;	     /* the first of the guests that are to get one */
	unsigned slot;
	bool needed; /* every entry that is left is wanted by some guest */
};

/*
 * The functions behind the mappings that guests name and that are not ours, without those that
 * somebody has by now: a live reservation among res, or a lease. *list is the caller's to free().
 */
int mapped_functions(struct hook *h, const struct mapping_file *f, const struct guest_names *names,
		     const struct pci_reservation *res, size_t n_res, struct mapped_function **list,
		     size_t *n, struct error *err);

#endif
