/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: `driver=keep` in hostpciN, and the drivers that it is for. */
#include "src/check/check_keep_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/vf/drivers.h"
#include "src/vf/sysfs.h"

static bool is_loaded(struct hook *h, const char *driver)
{
	char path[64 + DRIVER_LEN];

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
	return path_exists(h->root, path);
}

static void judge_keep(struct hook *h, const struct port *port, const struct pf_info *pf,
		       struct report *r)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	const char *variant = vf_variant_driver(pf->driver);
	char subject[32];
	char remedy[200];

	if (guest_config_load(h->root, h->node, NULL, port->vmid, &g, NULL) < 0 ||
	    !g.hostpci[port->slot].keep_driver)
		return;
	vm_subject(port->vmid, subject);
	if (!variant) {
		snprintf(remedy, sizeof(remedy), "qm set %u --hostpci%u %s without driver=keep",
			 port->vmid, port->slot, "as it is,");
		report_add(
			r, CHECK_WARN, "driver-keep", subject, remedy,
			"hostpci%u has driver=keep, and the kernel has no VFIO driver of its own "
			"for VFs of %s (%s): vfhook binds vfio-pci, and PVE does not reset the "
			"VF",
			port->slot, pf->ifname, pf->driver);
	} else if (!is_loaded(h, variant)) {
		snprintf(remedy, sizeof(remedy),
			 "modprobe %s; echo %s >/etc/modules-load.d/%s.conf", variant, variant,
			 variant);
		report_add(r, CHECK_FAIL, "driver-keep", subject, remedy,
			   "hostpci%u has driver=keep, and the driver for VFs of %s, %s, is not "
			   "loaded",
			   port->slot, pf->ifname, variant);
	}
}

void check_keep_drivers(struct hook *h, const struct config *c, struct report *r)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		AUTO_FREE struct pf_id *pfs = NULL;
		int n = pool_node_pfs(&c->pools[i], h->node, &pfs);

		for (int k = 0; k < n; k++) {
			struct pf_info pf;
			char subject[40];

			if (sysfs_pf_read_as(h->root, &pfs[k].addr, pfs[k].no_net, &pf, NULL) < 0)
				continue;
			snprintf(subject, sizeof(subject), "PF %s", pf.ifname);
			if (vf_variant_driver(pf.driver))
				report_add(r, CHECK_PASS, "driver-keep", subject, "",
					   "the kernel has a VFIO driver of its own for its VFs, "
					   "%s, which they can migrate with (hostpciN: "
					   "...,driver=keep)",
					   vf_variant_driver(pf.driver));
			for (size_t m = 0; !k && m < c->n_ports; m++) {
				if (!c->ports[m].bad && !strcmp(c->ports[m].pool, c->pools[i].name))
					judge_keep(h, &c->ports[m], &pf, r);
			}
		}
	}
}
