/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling what a pool changes for this host, and putting it back when the pool goes. */
#include "src/command/pool_host.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/host/host_use.h"
#include "src/port/config_load.h"
#include "src/port/config_pools.h"
#include "src/port/host_vfs_config.h"
#include "src/show/inventory.h"
#include "src/vf/snapshot.h"

/* --- Before a pool takes a PF --- */

struct asking {
	struct hook *h;
	const struct pool_addition *a;
	const struct pool *pool; /* as it is, NULL: there is none */
	const char *vfs;	 /* how many each PF gets, for the commands */
	unsigned refused;
};

static bool is_kept(const struct asking *q, const struct pci_addr *pf, unsigned vf)
{
	const struct pool said = {.hosts = (struct host_vfs *)q->a->hosts,
				  .n_hosts = q->a->n_hosts};
	const struct pool *where = q->a->sets_hosts ? &said : q->pool;

	return where && host_vfs_find(where, q->h->node, pf, vf);
}

/* A number that is given, or the pool's own. */
static bool makes_vfs(const struct asking *q)
{
	return q->a->vfs || (q->pool && q->pool->vfs);
}

static void tell_pf(struct asking *q, const struct pf_state *pf)
{
	CLEANUP(str_free) struct str list = STR_INIT;
	char addr[PCI_ADDR_LEN];
	unsigned told = 0;
	unsigned sure = 0;
	char what[200];

	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct vf_state *v = &pf->vfs[i];
		enum host_use use;

		if (v->leased || is_kept(q, &pf->info.addr, v->info.index))
			continue;
		use = host_use_of(q->h, v, what, sizeof(what));
		if (use == HOST_USE_NONE)
			continue;
		told++;
		sure += use == HOST_USE_SURE;
		if (pf->info.no_net) {
			say("PF %s: VF %u (%s): the driver %s of this host has it: no VM gets it "
			    "meanwhile, and after the next boot it comes without a driver here",
			    pf->info.ifname, v->info.index, pci_addr_format(&v->info.addr, addr),
			    v->info.driver);
			continue;
		}
		say("PF %s: VF %u (%s): %s. After the next boot it %s without a driver and an "
		    "interface here",
		    pf->info.ifname, v->info.index, pci_addr_format(&v->info.addr, addr), what,
		    q->a->sets_hosts ? "comes" : "would come");
	}
	if (!told || q->a->sets_hosts || pf->info.no_net)
		return;
	host_use_propose(q->h, q->pool, pf, &list);
	say("PF %s: to keep %s this host's own, over reboots too: vfhook pool add %s --pf %s%s%s "
	    "--host-vfs %s",
	    pf->info.ifname, told == 1 ? "it" : "them", q->a->name, pf->info.ifname,
	    q->vfs ? " --vfs " : "", q->vfs ? q->vfs : "", str_get(&list));
	if (sure)
		say("PF %s: or, if VMs are to have all its VFs from the next boot on: the same "
		    "with --host-vfs none",
		    pf->info.ifname);
	q->refused += sure;
}

int pool_tell_uses(struct hook *h, const struct pool_addition *a, struct error *err)
{
	CLEANUP(snapshot_free) struct snapshot s = {0};
	CLEANUP(config_free) struct config c = {0};
	struct asking q = {.h = h, .a = a, .vfs = a->vfs};
	struct observer o = {.root = h->root, .look_only = true};

	if (hook_kernel(h, err) < 0 || config_load(h->root, &c, err) < 0)
		return error_code(err);
	q.pool = config_pool(&c, a->name);
	if (!makes_vfs(&q))
		return 0;
	o.kernel = h->kernel;
	if (snapshot_read(&o, a->pfs, a->n_pfs, NULL, 0, true, &s, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < s.n_pfs; i++) {
		if (!s.pfs[i].broken)
			tell_pf(&q, &s.pfs[i]);
	}
	return q.refused ? fail(err, EBUSY,
				"%u VF%s in use on this host, see above: say with --host-vfs what "
				"is to become of %s",
				q.refused, q.refused == 1 ? " is" : "s are",
				q.refused == 1 ? "it" : "them")
			 : 0;
}

/* --- When it lets it go --- */

void pool_traces_free(struct pool_traces *t)
{
	free(t->pfs);
	free(t->vfs);
	*t = (struct pool_traces){0};
}

static const struct pool_report *find_pool(const struct inventory *inv, const char *name)
{
	for (size_t i = 0; i < inv->n_pools; i++) {
		if (!strcmp(inv->pools[i].pool->name, name))
			return &inv->pools[i];
	}
	return NULL;
}

/* A card that is gone has none. */
static bool has_autoprobe(struct hook *h, const struct pci_addr *pf)
{
	char path[PATH_MAX];
	char addr[PCI_ADDR_LEN];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/sriov_drivers_autoprobe",
		 pci_addr_format(pf, addr));
	return path_exists(h->root, path);
}

static int take_pf(struct hook *h, const struct pf_report *pf, struct pool_traces *out,
		   struct error *err)
{
	struct pci_addr *more = reallocarray(out->vfs, out->n_vfs + pf->n_vfs + 1, sizeof(*more));
	enum answer probed = sysfs_autoprobe(h->root, &pf->pf->info.addr);
	char addr[PCI_ADDR_LEN];

	if (!more)
		return fail(err, ENOMEM, "out of memory");
	out->vfs = more;
	/* Once the pool is gone nobody would ask again. */
	if (probed == ANSWER_UNKNOWN)
		return fail(err, EIO, "sriov_drivers_autoprobe of PF %s cannot be read: try again",
			    pf->pf->info.ifname);
	if (probed == ANSWER_NO && pf->pf->broken && has_autoprobe(h, &pf->pf->info.addr))
		return fail(err, EIO,
			    "%s: what boot has set for that PF would stay: try again, or put it "
			    "back first: echo 1 > "
			    "/sys/bus/pci/devices/%s/sriov_drivers_autoprobe",
			    pf->pf->why, pci_addr_format(&pf->pf->info.addr, addr));
	if (probed == ANSWER_NO && !pf->pf->broken)
		out->pfs[out->n_pfs++] = pf->pf->info;
	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct vf_report *vf = &pf->vfs[i];

		/* Of one that vfio-pci has it is not read. */
		if (vf->use == USE_FREE && (!strcmp(vf->vf->info.driver_override, "vfio-pci") ||
					    !strcmp(vf->vf->info.driver, "vfio-pci")))
			out->vfs[out->n_vfs++] = vf->vf->info.addr;
	}
	return 0;
}

int pool_traces_read(struct hook *h, const char *pool, struct pool_traces *out, struct error *err)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;
	const struct pool_report *r;

	*out = (struct pool_traces){0};
	if (inventory_read(h, false, &inv, err) < 0)
		return error_code(err);
	r = find_pool(&inv, pool);
	if (!r)
		return 0;
	out->pfs = calloc(r->n_pfs + 1, sizeof(*out->pfs));
	if (!out->pfs)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < r->n_pfs; i++) {
		if (take_pf(h, &r->pfs[i], out, err) < 0)
			return error_code(err);
	}
	return 0;
}

static bool undo_autoprobe(struct hook *h, const struct pf_info *pf)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	if (h->dry_run) {
		say("PF %s: sriov_drivers_autoprobe would be set 0 -> 1", pf->ifname);
		return true;
	}
	if (sysfs_set_autoprobe(h->root, &pf->addr, true, &err) < 0) {
		complain("PF %s: sriov_drivers_autoprobe stays 0, so VFs that are made get no "
			 "driver: %s; echo 1 > /sys/bus/pci/devices/%s/sriov_drivers_autoprobe",
			 pf->ifname, err.text, pci_addr_format(&pf->addr, addr));
		return false;
	}
	say("PF %s: sriov_drivers_autoprobe 0 -> 1, as the kernel has it; VFs that are there get a "
	    "driver when somebody asks for it (echo <VF> > /sys/bus/pci/drivers_probe) or they are "
	    "made anew",
	    pf->ifname);
	return true;
}

unsigned pool_traces_undo(struct hook *h, const struct pool_traces *t)
{
	unsigned failed = 0;
	size_t cleared = 0;

	for (size_t i = 0; i < t->n_pfs; i++)
		failed += !undo_autoprobe(h, &t->pfs[i]);
	for (size_t i = 0; i < t->n_vfs; i++) {
		struct error err = ERROR_INIT;

		if (!h->dry_run && sysfs_set_driver_override(h->root, &t->vfs[i], "", &err) < 0) {
			failed++;
			complain("%s; by hand: echo > .../driver_override", err.text);
			continue;
		}
		cleared++;
	}
	if (cleared)
		say("%zu free VF%s: driver_override vfio-pci %s", cleared, cleared == 1 ? "" : "s",
		    h->dry_run ? "would be cleared" : "cleared");
	return failed;
}
