/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `driver=keep` in hostpciN: the VF's driver, as an object of a plan. */
#include "src/port/keep_driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/port/config.h"
#include "src/port/device.h"
#include "src/port/objects.h"
#include "src/vf/drivers.h"
#include "src/vf/lease.h"
#include "src/vf/sysfs.h"

/* "": none. */
static int read_driver(int root, const char *addr, char buf[DRIVER_LEN], struct error *err)
{
	char path[96];
	int r;

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", addr);
	r = link_basename(root, path, buf, DRIVER_LEN);
	if (r >= 0)
		return 0;
	buf[0] = '\0';
	return r == -ENOENT ? 0 : fail_errno(err, -r, "VF %s: read its driver", addr);
}

static int unbind(int root, const char *addr, struct error *err)
{
	char path[96];
	int r;

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver/unbind", addr);
	r = attr_write(root, path, addr);
	return r < 0 && r != -ENOENT ? fail_errno(err, -r, "VF %s: take its driver away", addr) : 0;
}

/* Its driver_override says which driver that is. */
static int probe(int root, const char *addr, const char *driver, struct error *err)
{
	char now[DRIVER_LEN];
	char path[96 + DRIVER_LEN];
	int r;

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
	if (!path_exists(root, path))
		return fail(err, ENODEV,
			    "hostpci has driver=keep, or the VM runs, so PVE binds nothing, and "
			    "the driver for VF %s, %s, is not loaded: modprobe %s (and a line "
			    "with it in /etc/modules-load.d/*.conf)",
			    addr, driver, driver);
	r = attr_write(root, "sys/bus/pci/drivers_probe", addr);
	if (r < 0)
		return fail_errno(err, -r, "VF %s: bind it to %s", addr, driver);
	if (read_driver(root, addr, now, err) < 0)
		return error_code(err);
	if (strcmp(now, driver) != 0)
		return fail(err, EIO, "the driver %s does not take VF %s: look at dmesg", driver,
			    addr);
	return 0;
}

static int driver_set(struct hook *h, const char *name, enum object_how how, const char *from,
		      const char *to, struct error *err)
{
	char now[DRIVER_LEN];
	char addr[PCI_ADDR_LEN];
	struct lease l = {0};
	struct pci_addr vf;
	uint32_t vmid = 0;

	if (vm_vf_parse(name, &vmid, &vf, err) < 0)
		return error_code(err);
	pci_addr_format(&vf, addr);
	/* Under the locks of its VM, who alone can drop the lease: but a person may have. */
	if (lease_read(h->root, &vf, &l, err) < 0 || l.vmid != vmid)
		return fail(err, EEXIST, "VF %s is not leased to VM %u any more", addr, vmid);
	if (read_driver(h->root, addr, now, err) < 0)
		return error_code(err);
	if (to && !strcmp(now, to))
		return 0;
	/* Undone: what the VF had before its next user binds himself. */
	if (how == OBJECT_UNDO)
		return from && !strcmp(now, from) ? unbind(h->root, addr, err) : 0;
	if (now[0] && unbind(h->root, addr, err) < 0)
		return error_code(err);
	return to ? probe(h->root, addr, to, err) : 0;
}

const struct object_kind object_driver = {OBJECT_DRIVER, false, NULL, driver_set, NULL};

int plan_driver(const struct port_wish *w, const struct pf_state *pf, const struct vf_info *vf,
		struct plan *p, struct error *err)
{
	const char *driver = vfio_driver(pf->info.driver, w->keep_driver);
	char addr[PCI_ADDR_LEN];
	char what[200];
	char id[64];

	if (!strcmp(vf->driver, driver))
		return 0;
	pci_addr_format(&vf->addr, addr);
	snprintf(id, sizeof(id), "%u %s", w->vmid, addr);
	snprintf(what, sizeof(what), "VF %s: driver %s -> %s", addr,
		 vf->driver[0] ? vf->driver : "none", driver);
	return plan_add_object(p,
			       &(struct step_object){.kind = OBJECT_DRIVER,
						     .name = id,
						     .from = vf->driver[0] ? vf->driver : NULL,
						     .to = driver,
						     .what = what},
			       err);
}

int plan_keep_drivers(const struct vm_ports *v, const struct snapshot *s,
		      const struct port_choice *choices, struct plan *p, struct error *err)
{
	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct pf_state *pf = &s->pfs[choices[i].pf];

		if (v->wishes[i].keep_driver &&
		    plan_driver(&v->wishes[i], pf, &pf->vfs[choices[i].vf].info, p, err) < 0)
			return error_code(err);
	}
	return 0;
}
