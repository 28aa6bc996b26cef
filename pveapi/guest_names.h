/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hostpciN of all guests of a node name: raw addresses and mappings. */
#ifndef VFHOOK_PVEAPI_GUEST_NAMES_H
#define VFHOOK_PVEAPI_GUEST_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/text.h"

/* One raw address in one guest's config of this node. */
struct guest_claim {
	struct pci_addr addr;
	bool whole_device;
	uint32_t vmid;
	unsigned slot;
	bool keep_driver;
};

/* One hostpciN of a guest of this node that names a mapping. */
struct guest_mapped {
	char *mapping; /* its id, owned */
	uint32_t vmid;
	unsigned slot;
	bool keep_driver;
};

/*
 * What the hostpciN of every QEMU config of one node name (not of templates). Release with
 * guest_names_free().
 */
struct guest_names {
	struct guest_claim *raw; /* one for each address */
	size_t n_raw;
	struct guest_mapped *mapped; /* ours too */
	size_t n_mapped;
	uint32_t *vmids; /* the guests that were read: no templates */
	size_t n_vmids;
	char *broken; /* configs that cannot be parsed, ", " between, or NULL */
};

/* A config that cannot be parsed does not make it fail: a stranger's file must not stop a start. */
int guest_names_read(int root, const char *node, struct guest_names *out, struct error *err);
void guest_names_free(struct guest_names *g);

#endif
