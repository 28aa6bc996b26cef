/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setting the VFs of the host itself and giving them their network driver. */
#include "src/host/host_vfs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "src/base/bounded.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/host/host_use.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/host_vfs_config.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/plan_park.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

/* Its module may have to be loaded first, and iavf makes its interface some seconds later. */
#define DRIVER_WAIT_MS 15000
#define NETDEV_WAIT_MS 10000
#define NAP_MS	       100

struct host_pf {
	struct hook *h;
	const struct owner *self;
	const struct pf_where *w;
	struct pf_id id; /* by the address it has now */
	struct snapshot s;
	unsigned failed;
};

static void host_pf_end(struct host_pf *p)
{
	snapshot_free(&p->s);
}

static void __attribute__((format(printf, 2, 3))) lost(struct host_pf *p, const char *fmt, ...)
{
	char text[500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->failed++;
	complain("pool '%s': PF %s: %s", p->w->pool->name, p->w->nic->info.ifname, text);
}

static int look(struct host_pf *p, struct error *err)
{
	const struct observer o = {
		.root = p->h->root, .kernel = p->h->kernel, .vmid = LEASE_SELF, .look_only = true};

	snapshot_free(&p->s);
	if (snapshot_read(&o, &p->id, 1, NULL, 0, true, &p->s, err) < 0)
		return error_code(err);
	return p->s.pfs[0].broken ? fail(err, EIO, "%s", p->s.pfs[0].why) : 0;
}

/* By what its pool calls the PF, which may be elsewhere by now. */
static const struct vf_settings *wish_for(const struct host_pf *p, unsigned vf)
{
	const struct host_vfs *line = host_vfs_find(p->w->pool, p->h->node, &p->w->id.addr, vf);

	return line ? &line->want : NULL;
}

/* --- Their driver --- */

struct probe {
	int root;
	char addr[PCI_ADDR_LEN];
};

/* In a child: the driver's probe runs inside write(2). */
static int ask_for_driver(void *arg)
{
	const struct probe *p = arg;

	return attr_write(p->root, "sys/bus/pci/drivers_probe", p->addr) < 0;
}

static bool has_driver(struct hook *h, const struct pci_addr *vf)
{
	char path[PATH_MAX];
	char driver[DRIVER_LEN];
	char addr[PCI_ADDR_LEN];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", pci_addr_format(vf, addr));
	return !link_basename(h->root, path, driver, sizeof(driver));
}

/*
 * With sriov_drivers_autoprobe 0 no driver is given a VF that has no driver_override
 * (drivers/pci/pci-driver.c: pci_device_can_probe), and which driver is the right one only the
 * kernel knows: so it is 1 for the moment of asking.
 */
static int probe_once(struct host_pf *p, const struct pci_addr *vf, const struct deadline *end,
		      struct error *err)
{
	struct probe probe = {.root = p->h->root};
	enum answer was = sysfs_autoprobe(p->h->root, &p->id.addr);
	struct error late = ERROR_INIT;
	int r;

	pci_addr_format(vf, probe.addr);
	if (was != ANSWER_YES && sysfs_set_autoprobe(p->h->root, &p->id.addr, true, err) < 0)
		return error_code(err);
	r = run_bounded(ask_for_driver, &probe, deadline_left(end) + 1, err);
	if (was != ANSWER_YES && sysfs_set_autoprobe(p->h->root, &p->id.addr, false, &late) < 0 &&
	    r >= 0)
		return fail(err, late.code, "%s", late.text);
	return r < 0 ? r : 0;
}

static int wait_for_driver(struct host_pf *p, const struct pci_addr *vf,
			   const struct deadline *until, struct error *err)
{
	struct deadline end = deadline_in(deadline_share(until, DRIVER_WAIT_MS));

	for (;;) {
		if (probe_once(p, vf, &end, err) < 0)
			return error_code(err);
		if (has_driver(p->h, vf))
			return 0;
		if (!deadline_left(&end))
			return fail(err, ENODEV,
				    "no driver took it: is the module of its network driver "
				    "blacklisted (/etc/modprobe.d)? dmesg tells");
		nap_ms(NAP_MS);
	}
}

/* The name that udev gives it comes later. */
static int wait_for_netdev(struct host_pf *p, const struct vf_state *v,
			   const struct deadline *until, struct vf_info *now, struct error *err)
{
	struct deadline end = deadline_in(deadline_share(until, NETDEV_WAIT_MS));

	for (;;) {
		if (sysfs_vf_read(p->h->root, NULL, &v->info.addr, &p->id.addr, v->info.index, now,
				  err) < 0)
			return error_code(err);
		if (now->ifname[0])
			return 0;
		if (!deadline_left(&end))
			return fail(err, ENODEV, "driver %s made no interface for it: dmesg",
				    now->driver);
		nap_ms(NAP_MS);
	}
}

/* --- One VF --- */

static void tell_ready(const struct host_pf *p, const struct vf_info *vf,
		       const struct vf_settings *want)
{
	char addr[PCI_ADDR_LEN];
	char wishes[256] = "";

	pci_addr_format(&vf->addr, addr);
	if (want->has)
		vf_settings_describe(want, wishes, sizeof(wishes));
	if (p->h->dry_run)
		say("PF %s: VF %u (%s) would get its network driver, for this host%s%s",
		    p->w->nic->info.ifname, vf->index, addr, want->has ? ": " : "", wishes);
	else
		say("PF %s: VF %u (%s) is this host's: driver %s, interface %s%s%s",
		    p->w->nic->info.ifname, vf->index, addr, vf->driver, vf->ifname,
		    want->has ? ": " : "", wishes);
}

static int give_driver(struct host_pf *p, const struct vf_state *v, const struct vf_settings *want,
		       const struct deadline *until, struct error *err)
{
	CLEANUP(plan_free) struct plan plan;
	struct vf_info now = v->info;

	plan_init(&plan, PLAN_START, LEASE_SELF);
	if (plan_host_vf(&p->s.pfs[0], v, want, time(NULL), &plan, err) < 0)
		return error_code(err);
	if (plan.n_steps && apply_plan(p->h, p->self, &plan, err) < 0)
		return error_code(err);
	if (!p->h->dry_run && (wait_for_driver(p, &v->info.addr, until, err) < 0 ||
			       wait_for_netdev(p, v, until, &now, err) < 0))
		return error_code(err);
	tell_ready(p, &now, want);
	return 0;
}

static void tell_differences(struct host_pf *p, const struct vf_state *v,
			     const struct vf_settings *want)
{
	char is[64];
	char be[64];

	for (unsigned a = 0; !v->unread && a < VF_ATTR_COUNT; a++) {
		if (!(want->has & vf_attr_bits((enum vf_attr)a)) ||
		    vf_attr_equal((enum vf_attr)a, want, &v->now))
			continue;
		vf_attr_value((enum vf_attr)a, &v->now, is, sizeof(is));
		vf_attr_value((enum vf_attr)a, want, be, sizeof(be));
		say("PF %s: VF %u is this host's and in use: its %s is %s, and %s from the next "
		    "boot on",
		    p->w->nic->info.ifname, v->info.index, vf_attr_name((enum vf_attr)a), is, be);
	}
}

static void ready_one(struct host_pf *p, const struct vf_state *v, const struct deadline *until)
{
	const struct vf_settings *want = wish_for(p, v->info.index);
	struct error err = ERROR_INIT;
	char who[LEASE_HOLDER_LEN];
	char addr[PCI_ADDR_LEN];

	if (!want)
		return;
	pci_addr_format(&v->info.addr, addr);
	if (v->leased && !v->lease_broken)
		say("PF %s: VF %u (%s) is to be this host's, and %s has it: from its stop and "
		    "the next `vfhook boot` on",
		    p->w->nic->info.ifname, v->info.index, addr, lease_holder(&v->lease, who));
	else if (!v->info.driver[0] && give_driver(p, v, want, until, &err) < 0)
		lost(p, "VF %u (%s), which is this host's, is not ready: %s", v->info.index, addr,
		     err.text);
	else if (strstr(v->info.driver, "vfio"))
		say("PF %s: VF %u (%s) is to be this host's, and %s has it: from the next reboot "
		    "on",
		    p->w->nic->info.ifname, v->info.index, addr, v->info.driver);
	else if (v->info.driver[0])
		tell_differences(p, v, want);
}

/* --- The PF --- */

static bool needs_driver(const struct pf_state *pf)
{
	for (size_t i = 0; i < pf->n_vfs; i++) {
		if (pf->vfs[i].host && !pf->vfs[i].info.driver[0] && !pf->vfs[i].leased)
			return true;
	}
	return false;
}

/*
 * Those that are nobody's: what parking does as well, a little later. No lease: what it keeps away
 * is a driver of this host, and whoever takes the VF writes the same.
 */
static int keep_others(struct host_pf *p, struct error *err)
{
	const struct pf_state *pf = &p->s.pfs[0];

	for (size_t i = 0; i < pf->n_vfs && !p->h->dry_run; i++) {
		const struct vf_info *vf = &pf->vfs[i].info;

		if (pf->vfs[i].host || vf->driver[0] || vf->driver_override[0])
			continue;
		if (sysfs_set_driver_override(p->h->root, &vf->addr, "vfio-pci", err) < 0)
			return error_code(err);
	}
	return 0;
}

static void tell_missing(struct host_pf *p)
{
	const struct pf_state *pf = &p->s.pfs[0];

	for (unsigned i = 0; i < PF_VFS_LISTED; i++) {
		if (vf_set_has(&p->id.host, i) && i >= pf->info.num_vfs && p->h->dry_run)
			say("PF %s: VF %u would get its network driver, for this host",
			    p->w->nic->info.ifname, i);
		else if (vf_set_has(&p->id.host, i) && i >= pf->info.num_vfs)
			lost(p, "VF %u is to be this host's (`host-vfs`), and it has %u VFs", i,
			     pf->info.num_vfs);
	}
}

unsigned host_vfs_ready(struct hook *h, const struct owner *self, const struct pf_where *w,
			const struct deadline *until)
{
	CLEANUP(host_pf_end) struct host_pf p = {.h = h, .self = self, .w = w, .id = w->id};
	struct error err = ERROR_INIT;
	const struct pf_state *pf;

	if (!w->nic || !vf_set_any(&w->id.host))
		return 0;
	p.id.addr = w->nic->info.addr;
	if (look(&p, &err) < 0) {
		lost(&p, "its host VFs are not ready: %s", err.text);
		return p.failed;
	}
	tell_missing(&p);
	if (needs_driver(&p.s.pfs[0]) && (keep_others(&p, &err) < 0 || look(&p, &err) < 0)) {
		lost(&p, "its host VFs are not ready: %s", err.text);
		return p.failed;
	}
	pf = &p.s.pfs[0];
	for (size_t i = 0; i < pf->n_vfs; i++) {
		if (pf->vfs[i].host)
			ready_one(&p, &pf->vfs[i], until);
	}
	return p.failed;
}

void host_vfs_warn(struct hook *h, const struct pf_where *w)
{
	CLEANUP(host_pf_end) struct host_pf p = {.h = h, .w = w, .id = w->id};
	CLEANUP(str_free) struct str list = STR_INIT;
	const struct pf_state *pf;
	unsigned told = 0;
	char what[200];

	if (!w->nic || !w->pool->vfs)
		return;
	p.id.addr = w->nic->info.addr;
	if (look(&p, NULL) < 0)
		return;
	pf = &p.s.pfs[0];
	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct vf_state *v = &pf->vfs[i];

		if (v->host || v->leased || host_use_of(h, v, what, sizeof(what)) == HOST_USE_NONE)
			continue;
		told++;
		say("PF %s: VF %u: %s: left alone now, and without a driver after the next "
		    "reboot",
		    pf->info.ifname, v->info.index, what);
	}
	if (!told)
		return;
	host_use_propose(h, w->pool, pf, &list);
	say("PF %s: to keep that over a reboot: vfhook pool add %s --pf %s --host-vfs %s",
	    pf->info.ifname, w->pool->name, pf->info.ifname, str_get(&list));
}
