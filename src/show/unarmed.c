/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs that VMs name by hand and that PVE's own bind would not get, found in an inventory. */
#include "src/show/unarmed.h"

#include <string.h>

#include "pveapi/guest.h"
#include "src/base/cleanup.h"
#include "src/host/remake.h"
#include "src/port/guest_note.h"
#include "src/vf/drivers.h"
#include "src/vf/plan_park.h"

uint32_t unarmed_vm(const struct vf_report *r)
{
	return r->spare_of ? r->spare_of : r->vmid;
}

bool unarmed_keeps_driver(const struct hook *h, const struct vf_report *r)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	unsigned slot = r->spare_of ? r->spare_slot : r->slot;

	return slot >= PVE_HOSTPCI_MAX ||
	       guest_config_load(h->root, h->node, NULL, unarmed_vm(r), &g, NULL) < 0 ||
	       g.hostpci[slot].keep_driver;
}

/*
 * PVE starts a VM on it whose hookscript is ours: by an old mapping, then, and its post-start has
 * cut that link. Yes, too, where that cannot be told.
 */
static bool may_be_cut_off(const struct hook *h, const struct vf_report *r)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};

	return r->use == USE_RESERVED &&
	       (guest_config_load(h->root, h->node, NULL, r->vmid, &g, NULL) < 0 ||
		(g.hookscript && hookscript_is_ours(g.hookscript)));
}

/* Is it named by hand, not used by this host, and out of vfio-pci's reach or without a link? */
static bool is_unarmed(const struct hook *h, const struct vf_report *r)
{
	const struct vf_info *i = &r->vf->info;
	char why[320];

	if (r->vf->leased ||
	    (r->use != USE_RAW && r->use != USE_MAPPED && r->use != USE_RESERVED && !r->spare_of))
		return false;
	if (vf_is_parked(r->vf))
		return !vf_host_use(r->vf, why, sizeof(why)) && !may_be_cut_off(h, r);
	return r->use != USE_RESERVED && strcmp(i->driver_override, "vfio-pci") != 0 &&
	       !is_vfio_driver(i->driver) && !vf_host_use(r->vf, why, sizeof(why)) &&
	       !unarmed_keeps_driver(h, r);
}

int unarmed_each(struct hook *h,
		 void (*fn)(void *arg, const struct pf_report *pf, const struct vf_report *r),
		 void *arg, struct error *err)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;

	if (inventory_read(h, false, &inv, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < inv.n_pools; i++) {
		for (size_t k = 0; k < inv.pools[i].n_pfs; k++) {
			const struct pf_report *pf = &inv.pools[i].pfs[k];

			for (size_t n = 0; !pf->pf->broken && n < pf->n_vfs; n++) {
				if (is_unarmed(h, &pf->vfs[n]))
					fn(arg, pf, &pf->vfs[n]);
			}
		}
	}
	return 0;
}
