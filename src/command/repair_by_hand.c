/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook repair: VFs that VMs name by hand, and that PVE could not bind */
#include <errno.h>

#include "src/command/arm_by_hand.h"
#include "src/command/repair.h"
#include "src/show/unarmed.h"

static void repair_one(void *arg, const struct unarmed *u)
{
	struct repair *r = arg;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int done;

	pci_addr_format(&u->vf->vf->info.addr, addr);
	repair_announce(r, u->vmid, "VF %s, which VM %u names by hand, %s", addr, u->vmid,
			u->parked
				? "is parked, without a link: it gets one, and vfio-pci may bind it"
				: "has no driver_override, so that PVE may not be able to bind it: "
				  "vfio-pci");
	done = byhand_arm_one(r->h, r->self, u, &err);
	if (done == -EEXIST)
		r->done--;
	else if (done < 0)
		repair_undone(r, &err);
}

void repair_byhand(struct repair *r)
{
	struct error err = ERROR_INIT;

	if (!r->unsure && unarmed_each(r->h, repair_one, r, &err) < 0)
		repair_leave(r, "%s", err.text);
}
