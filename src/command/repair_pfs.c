/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook repair --check: what has become of this node's PFs since boot made them ready. */
#include <stdio.h>
#include <stdlib.h>

#include "src/base/cleanup.h"
#include "src/command/repair.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/pf_where.h"
#include "src/vf/kernel.h"
#include "src/vf/sysfs.h"

static const char *name_of(const struct pf_where *w, char buf[64])
{
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&w->id.addr, addr);
	if (w->nic && w->nic->info.ifname[0] && !w->nic->info.no_net)
		snprintf(buf, 64, "PF %s (%s)", w->nic->info.ifname, addr);
	else
		snprintf(buf, 64, "PF %s", addr);
	return buf;
}

static void check_vfs(struct repair *r, const struct pf_where *w, const char *name)
{
	const struct pf_info *pf = &w->nic->info;
	unsigned wanted = w->pool->vfs < pf->total_vfs ? w->pool->vfs : pf->total_vfs;

	if (wanted > PF_VFS_LISTED)
		wanted = PF_VFS_LISTED;
	if (pf->num_vfs < wanted)
		repair_find(r, "%s has %u VFs, and should have %u: vfhook boot", name, pf->num_vfs,
			    wanted);
	if (sysfs_autoprobe(r->h->root, &pf->addr) == ANSWER_YES)
		repair_find(
			r,
			"%s: sriov_drivers_autoprobe is 1 again: VFs that are made get a driver "
			"and an interface of this host: vfhook boot",
			name);
	if (w->nic->link_known && !w->nic->up && !w->pool->allow_pf_down)
		repair_find(r, "%s is down: VMs with a VF of it do not start: vfhook boot", name);
}

static void check_pf(struct repair *r, const struct pf_where *w)
{
	char name[64];

	name_of(w, name);
	switch (w->place) {
	case PF_HERE:
		check_vfs(r, w, name);
		break;
	case PF_MOVED:
		repair_find(r, "%s is somewhere else now: vfhook boot", name);
		break;
	case PF_STRANGER:
		repair_find(r, "%s is another card than pool '%s' means: vfhook check", name,
			    w->pool->name);
		break;
	case PF_NO_NETDEV:
		if (w->id.no_net) {
			repair_find(r, "%s cannot be used (driver: %s)%s%s: vfhook check", name,
				    w->nic->info.driver[0] ? w->nic->info.driver : "none",
				    w->nic->card_why[0] ? ": " : "", w->nic->card_why);
			break;
		}
		repair_find(r, "%s has no network interface any more (driver: %s): vfhook check",
			    name, w->nic->info.driver[0] ? w->nic->info.driver : "none");
		break;
	case PF_MISSING:
		repair_find(r, "%s of pool '%s' is not there: vfhook check", name, w->pool->name);
		break;
	}
}

void repair_check_pfs(struct repair *r)
{
	CLEANUP(config_free) struct config c = {0};
	AUTO_FREE struct pf_where *where = NULL;
	AUTO_FREE struct nic *nics = NULL;
	struct error err = ERROR_INIT;
	size_t n_nics = 0;
	size_t n = 0;

	if (config_load(r->h->root, &c, &err) < 0 ||
	    nics_read(r->h, has_card_pool(&c), &nics, &n_nics, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	if (pfs_locate(&c, r->h->node, nics, n_nics, &where, &n) < 0) {
		repair_leave(r, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++)
		check_pf(r, &where[i]);
}
