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

/* Both, too, if the VM's config cannot be read. */
struct vm_wish {
	bool keeps_driver; /* its hostpciN has driver=keep */
	bool cut_off;	   /* its post-start cuts off a VF that it got by an old mapping */
};

static void read_wish(const struct hook *h, const struct vf_report *r, struct vm_wish *out)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	uint32_t vmid = r->spare_of ? r->spare_of : r->vmid;
	unsigned slot = r->spare_of ? r->spare_slot : r->slot;
	bool unread = guest_config_load(h->root, h->node, NULL, vmid, &g, NULL) < 0;

	out->keeps_driver = unread || slot >= PVE_HOSTPCI_MAX || g.hostpci[slot].keep_driver;
	out->cut_off = unread || (g.hookscript && hookscript_is_ours(g.hookscript));
}

/* Is it named by hand, and not used by this host, as far as can be told without the VM's config? */
static bool may_be_unarmed(const struct vf_report *r)
{
	const struct vf_info *i = &r->vf->info;
	char why[320];

	if (r->vf->leased ||
	    (r->use != USE_RAW && r->use != USE_MAPPED && r->use != USE_RESERVED && !r->spare_of))
		return false;
	if (!vf_is_parked(r->vf) && (r->use == USE_RESERVED || is_vfio_driver(i->driver) ||
				     !strcmp(i->driver_override, "vfio-pci")))
		return false;
	return !vf_host_use(r->vf, false, why, sizeof(why));
}

/*
 * Out of vfio-pci's reach, or without a link? One that PVE starts a VM on (USE_RESERVED), whose
 * hookscript is ours, is parked for good: by an old mapping, then, and post-start has cut it off.
 */
static bool is_unarmed(const struct hook *h, const struct vf_report *r, struct unarmed *out)
{
	struct vm_wish vm;

	if (!may_be_unarmed(r))
		return false;
	read_wish(h, r, &vm);
	*out = (struct unarmed){.vf = r,
				.vmid = r->spare_of ? r->spare_of : r->vmid,
				.keeps_driver = vm.keeps_driver,
				.parked = vf_is_parked(r->vf)};
	return out->parked ? r->use != USE_RESERVED || !vm.cut_off : !vm.keeps_driver;
}

int unarmed_each(struct hook *h, void (*fn)(void *arg, const struct unarmed *u), void *arg,
		 struct error *err)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;

	if (inventory_read(h, false, &inv, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < inv.n_pools; i++) {
		for (size_t k = 0; k < inv.pools[i].n_pfs; k++) {
			const struct pf_report *pf = &inv.pools[i].pfs[k];

			for (size_t n = 0; !pf->pf->broken && n < pf->n_vfs; n++) {
				struct unarmed u;

				if (!is_unarmed(h, &pf->vfs[n], &u))
					continue;
				u.pf = pf;
				fn(arg, &u);
			}
		}
	}
	return 0;
}
