/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drivers of a pool's PFs, and which of their VFs' drivers are there. */
#include "src/port/ct_driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/vf/drivers.h"
#include "src/vf/sysfs.h"

int ct_driver_check(struct hook *h, const struct pool *pool, struct error *err)
{
	AUTO_FREE struct pf_id *pfs = NULL;
	int n = pool_node_pfs(pool, h->node, &pfs);
	const char *missing = NULL;
	char last[DRIVER_LEN] = "none";

	if (n < 0)
		return fail(err, ENOMEM, "out of memory");
	for (int i = 0; i < n; i++) {
		char path[64 + DRIVER_LEN];
		const char *driver;
		struct pf_info pf;

		if (sysfs_pf_read(h->root, &pfs[i].addr, &pf, NULL) < 0)
			continue;
		driver = nic_vf_driver(pf.driver);
		snprintf(last, sizeof(last), "%s", pf.driver);
		snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver ? driver : "");
		if (driver && path_exists(h->root, path))
			return 0;
		missing = driver ? driver : missing;
	}
	if (missing)
		return fail(err, ENODEV,
			    "pool '%s' is not for containers now: the network driver for VFs of "
			    "its PFs here, %s, is not loaded: modprobe %s (and a line with it in "
			    "/etc/modules-load.d/*.conf; a blacklist in /etc/modprobe.d keeps it "
			    "away)",
			    pool->name, missing, missing);
	return fail(err, EOPNOTSUPP,
		    "pool '%s' is not for containers: vfhook knows no network driver for VFs of "
		    "its PFs here (driver %s)",
		    pool->name, last);
}
