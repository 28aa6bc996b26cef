/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vfhook check` looks at on a PF and its VFs, gathered. */
#include "src/check/pf_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/host/pf_name.h"
#include "src/port/config.h"
#include "src/vf/card.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf_walk.h"

#define PCI_DEVICES  "sys/bus/pci/devices/"
#define RESOURCE_MAX 8192

static unsigned attr_number(int root, const char *addr, const char *name)
{
	unsigned long long n = 0;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PCI_DEVICES "%s/%s", addr, name);
	attr_read_u64(root, path, UINT_MAX, &n);
	return (unsigned)n;
}

static void read_id(int root, struct pf_facts *f)
{
	snprintf(f->id, sizeof(f->id), "%04x:%04x", attr_number(root, f->addr, "vendor") & 0xffff,
		 attr_number(root, f->addr, "device") & 0xffff);
	host_vfio_ids(root, f->id, &f->vfio_ids);
}

static void read_listed(const struct pf_link *link, struct pf_facts *f)
{
	f->no_list = link->n_vfs && !link->has_list;
	f->listed = (unsigned)link->n_listed;
	for (unsigned i = f->listed; i-- > 0;) {
		if (link->vfs[i].has)
			continue;
		f->untold++;
		f->first_untold = i;
	}
}

static void read_link(struct hook *h, const struct pf_id *id, struct pf_facts *f)
{
	struct error err = ERROR_INIT;
	struct pf_link link = {0};

	if (hook_kernel(h, &err) < 0 ||
	    kernel_pf_read(h->kernel, f->info.ifindex, &link, &err) < 0) {
		snprintf(f->link_trouble, sizeof(f->link_trouble), "%.290s", err.text);
		return;
	}
	f->link_known = true;
	f->up = link.up;
	f->carrier = link.carrier;
	f->mtu = link.mtu;
	read_listed(&link, f);
	f->stranger = id->has_mac && link.has_perm_mac && memcmp(id->mac, link.perm_mac, 6) != 0;
	mac_format(link.perm_mac, f->mac);
	mac_format(id->mac, f->pool_mac);
	pf_link_free(&link);
}

static void note_group(const struct vf_info *v, struct group_facts *g)
{
	char pf[PCI_ADDR_LEN];

	if (v->iommu_group < 0) {
		g->none++;
	} else if (v->group_alone) {
		g->alone++;
	} else if (v->group_pure) {
		g->others++;
	} else {
		g->mixed++;
		g->mixed_group = v->iommu_group;
		memcpy(g->intruder, v->group_intruder, sizeof(g->intruder));
		g->intruder_is_pf = !strcmp(g->intruder, pci_addr_format(&v->pf, pf));
	}
}

/* Of several, the one that is used is worth naming. */
static void note_host_driver(const struct vf_info *v, struct host_vf_facts *f)
{
	/* Without an interface here it is a container's. */
	bool used = v->netdev_up || v->netdev_user[0] || !v->ifname[0];

	if (!v->driver[0] || !strcmp(v->driver, "vfio-pci"))
		return;
	if (f->n++ && (!used || f->up || f->user[0]))
		return;
	f->index = v->index;
	pci_addr_format(&v->addr, f->addr);
	memcpy(f->ifname, v->ifname, sizeof(f->ifname));
	memcpy(f->driver, v->driver, sizeof(f->driver));
	f->up = v->netdev_up;
	memcpy(f->user, v->netdev_user, sizeof(f->user));
}

/* Has it its driver from us, for a container? */
static bool is_containers(int root, const struct pci_addr *vf)
{
	struct lease l;

	return !lease_read(root, vf, &l, NULL) && lease_is_ct(&l);
}

/* Those that the pool leaves to the host are as they should be with a driver. */
static void read_vfs(int root, const struct pf_id *id, struct pf_facts *f)
{
	struct vf_walk walk = {.root = root, .pf = &f->info, .unread = VF_UNREAD_COUNT};
	struct vf_info v;

	while (vf_walk_next(&walk, &v, NULL) > 0) {
		note_group(&v, &f->groups);
		if (!vf_set_has(&id->host, v.index) &&
		    !(v.driver[0] && is_containers(root, &v.addr)))
			note_host_driver(&v, &f->host_vfs);
	}
}

/*
 * The bus of the last VF, and the last bus that the bridge above the PF leads
 * to: drivers/pci/iov.c, sriov_enable() answers ENOMEM if it does not reach. A
 * PF on a root bus has no bridge above it.
 */
static void read_buses(int root, const struct pci_addr *pf, struct pf_facts *f)
{
	unsigned n = f->vfs_wanted ? f->vfs_wanted : f->info.total_vfs;
	unsigned offset = attr_number(root, f->addr, "sriov_offset");
	unsigned stride = attr_number(root, f->addr, "sriov_stride");
	unsigned rid = (unsigned)pf->bus << 8 | (unsigned)pf->dev << 3 | pf->fn;

	f->bus_max = attr_number(root, f->addr, "../subordinate_bus_number");
	if (n && offset && n <= 65535 && offset <= 65535 && stride <= 65535)
		f->last_bus = (rid + offset + stride * (n - 1)) >> 8;
}

/* "start end flags" of one line; three zeros where the line is something else. */
static void region_parse(const char *line, unsigned long long out[3])
{
	for (int i = 0; i < 3; i++) {
		size_t n = strcspn(line, " \n");

		out[i] = n ? strtoull(line, NULL, 16) : 0;
		line += n + (line[n] == ' ');
	}
}

bool iov_bars_parse(const char *text, unsigned *wanted, unsigned *lost)
{
	unsigned line = 0;

	*wanted = *lost = 0;
	for (const char *at = text; *at; line++) {
		unsigned long long region[3] = {0};

		region_parse(at, region);
		if (line >= 7 && line <= 12 && region[2]) {
			++*wanted;
			*lost += !region[0];
		}
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return line > 12;
}

static void read_bars(int root, struct pf_facts *f)
{
	AUTO_FREE char *text = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PCI_DEVICES "%s/resource", f->addr);
	if (file_read(root, path, RESOURCE_MAX, &text, NULL) > 0)
		f->bars_known = iov_bars_parse(text, &f->bars, &f->bars_lost);
}

/*
 * i40e shows the flag on its first function alone, and means all of the device's
 * (i40e_gl_gstrings_priv_flags); ice shows it on each.
 */
static enum answer read_true_promisc(struct hook *h, const struct pf_facts *f)
{
	struct pci_addr first = f->info.addr;
	enum answer is_on;
	struct pf_info pf;

	if (strcmp(f->info.driver, "i40e") != 0 && strcmp(f->info.driver, "ice") != 0)
		return ANSWER_YES;
	if (!h->kernel)
		return ANSWER_UNKNOWN;
	is_on = kernel_priv_flag(h->kernel, f->info.ifindex, TRUE_PROMISC);
	first.fn = 0;
	if (is_on != ANSWER_UNKNOWN || !pci_addr_cmp(&first, &f->info.addr) ||
	    sysfs_pf_read(h->root, &first, &pf, NULL) < 0 || strcmp(pf.driver, f->info.driver) != 0)
		return is_on;
	return kernel_priv_flag(h->kernel, pf.ifindex, TRUE_PROMISC);
}

static void read_parameter(int root, const char *driver, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "sys/module/%s/parameters/%s", driver, name);
	if (attr_read(root, path, buf, size) < 0)
		buf[0] = '\0';
}

static void read_gpu(int root, const char *driver, struct gpu_facts *g)
{
	char path[PATH_MAX];
	char taint[16] = "";

	read_parameter(root, driver, "max_vfs", g->max_vfs, sizeof(g->max_vfs));
	read_parameter(root, driver, "enable_guc", g->enable_guc, sizeof(g->enable_guc));
	/* kernel/module/sysfs.c: show_taint */
	snprintf(path, sizeof(path), "sys/module/%s/taint", driver);
	g->out_of_tree = attr_read(root, path, taint, sizeof(taint)) > 0 && strchr(taint, 'O');
}

/* Which card it is, and whether the pool means it. */
static void read_card(struct hook *h, const struct pf_id *id, struct pf_facts *f)
{
	struct error err = ERROR_INIT;

	f->pool_card = id->card;
	card_class(h->root, &id->addr, &f->class);
	if (f->trouble[0])
		return;
	if (card_is_network(f->class))
		snprintf(f->trouble, sizeof(f->trouble),
			 "%s is a network card, and the pool says `network off`", f->addr);
	else if (card_read(h->root, &id->addr, &f->card, &err) < 0)
		snprintf(f->trouble, sizeof(f->trouble), "%.290s", err.text);
	else
		f->stranger = !card_is(&id->card, &f->card);
	read_gpu(h->root, f->info.driver, &f->gpu);
}

static void read_presence(struct hook *h, const struct pf_id *id, struct pf_facts *f)
{
	struct error err = ERROR_INIT;
	int r = sysfs_pf_read_as(h->root, &id->addr, id->no_net, &f->info, &err);

	if (!r && !id->no_net)
		r = pf_name_check(h, "", &f->info, &err);
	if (!r && id->no_net && (!f->info.driver[0] || !strcmp(f->info.driver, "vfio-pci")))
		pf_no_driver(h, &f->info, f->trouble, f->remedy);
	else if (r == -ENODEV && f->info.total_vfs)
		pf_no_netdev(h, &f->info, f->trouble, f->remedy);
	else if (r < 0)
		snprintf(f->trouble, sizeof(f->trouble), "%.290s", err.text);
}

void pf_facts_read(struct hook *h, const struct pf_id *id, const struct pool *pool,
		   struct pf_facts *f)
{
	*f = (struct pf_facts){.pool = pool ? pool->name : NULL,
			       .allow_down = pool && pool->allow_pf_down,
			       .vfs_wanted = pool ? pool->vfs : 0};
	pci_addr_format(&id->addr, f->addr);
	f->no_net = id->no_net;
	read_presence(h, id, f);
	read_id(h->root, f);
	if (f->no_net)
		read_card(h, id, f);
	f->true_promisc = ANSWER_YES;
	if (f->info.ifindex) {
		read_link(h, id, f);
		pf_master_read(h->root, f->info.ifname, &f->master);
		f->bridges_unknown =
			bridges_above(h->root, f->info.ifname, &f->bridges, &f->ovs) < 0;
		f->true_promisc = read_true_promisc(h, f);
	}
	f->autoprobe = attr_number(h->root, f->addr, "sriov_drivers_autoprobe");
	read_vfs(h->root, id, f);
	read_buses(h->root, &id->addr, f);
	read_bars(h->root, f);
	f->switchdev = !f->no_net && sysfs_pf_is_switchdev(h->root, &id->addr);
	if (pool)
		fdb_report_read(h->root, pool, &id->addr, &f->fdb);
	/* A unit has a cgroup while it runs. */
	f->mac_sync = path_exists(h->root, "sys/fs/cgroup/system.slice/sriov-mac-sync.service");
}
