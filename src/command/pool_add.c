/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PFs that are named, judged, and the pool that gets them. */
#include "src/command/pool_add.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/pool_fdb.h"
#include "src/command/pool_host.h"
#include "src/command/pool_publish.h"
#include "src/host/pf_name.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/config_pools.h"
#include "src/port/context.h"
#include "src/port/host_vfs_config.h"
#include "src/port/pool_keys.h"
#include "src/show/by_hand.h"
#include "src/vf/card.h"
#include "src/vf/kernel.h"
#include "src/vf/sysfs.h"

#define MAX_PFS 64

struct addition {
	struct pool_addition a;
	struct pf_id pfs[MAX_PFS];
	struct pf_info infos[MAX_PFS];
	const char *pf_list;
	const char *host_vfs;
	struct host_vfs *hosts;
	bool allow_pf_down;
	char vfs[16];
};

static void addition_free(struct addition *add)
{
	free(add->hosts);
}

/* What the PF is known again by when its address has moved. */
static int read_mac(struct hook *h, const struct pf_info *info, struct pf_id *id, struct error *err)
{
	CLEANUP(pf_link_free) struct pf_link link = {0};

	if (hook_kernel(h, err) < 0 || kernel_pf_read(h->kernel, info->ifindex, &link, err) < 0)
		return error_code(err);
	id->has_mac = link.has_perm_mac;
	memcpy(id->mac, link.perm_mac, sizeof(id->mac));
	return 0;
}

/* The one that names a card's VFs after itself, and not by sriov_numvfs: left to its own tool. */
static int refuse_nvidia(const struct pf_id *id, struct error *err)
{
	char addr[PCI_ADDR_LEN];

	return fail(err, EOPNOTSUPP,
		    "%s is a graphics card of NVIDIA's: its vGPU driver makes the VFs itself "
		    "(/usr/lib/nvidia/sriov-manage -e %s) and PVE gives them to VMs by their mdev "
		    "types, which vfhook leaves alone",
		    pci_addr_format(&id->addr, addr), addr);
}

/* A card without a network: what it is known by, and that nothing of a network was asked for. */
static int read_card_pf(struct hook *h, struct pf_id *id, unsigned class, struct pf_info *info,
			struct error *err)
{
	char remedy[300];
	char text[300];

	if (sysfs_pf_read_as(h->root, &id->addr, true, info, err) < 0 ||
	    card_read(h->root, &id->addr, &id->card, err) < 0)
		return error_code(err);
	if (card_is_nvidia_gpu(&id->card, class))
		return refuse_nvidia(id, err);
	if (info->driver[0] && strcmp(info->driver, "vfio-pci") != 0)
		return 0;
	pf_no_driver(h, info, text, remedy);
	return fail(err, ENODEV, "%s: %s", text, remedy);
}

static int read_nic_pf(struct hook *h, struct pf_id *id, const char *named, struct pf_info *info,
		       struct error *err)
{
	const struct pci_addr *pf = &id->addr;
	char remedy[300];
	char text[300];

	if (sysfs_pf_read(h->root, pf, info, err) < 0) {
		if (err->code != ENODEV || !info->total_vfs)
			return error_code(err);
		pf_no_netdev(h, info, text, remedy);
		return fail(err, ENODEV, "%s: %s", text, remedy);
	}
	return pf_name_check(h, named, info, err) < 0 ? error_code(err)
						      : read_mac(h, info, id, err);
}

/* By its class, and all of the same kind; whose class cannot be told may be any. */
static int read_info(struct hook *h, struct addition *add, struct pf_id *id, const char *named,
		     struct pf_info *info, struct error *err)
{
	unsigned class = 0;
	char addr[PCI_ADDR_LEN];
	int r = card_class(h->root, &id->addr, &class);

	/* One that is not there is told by who reads it. */
	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		return fail_errno(err, -r, "PF %s: read its class",
				  pci_addr_format(&id->addr, addr));
	id->no_net = !r && !card_is_network(class);
	if (add->a.n_pfs && id->no_net != add->a.no_net)
		return fail(err, EINVAL,
			    "a pool has PFs of one kind, network cards or others: %s is %s",
			    pci_addr_format(&id->addr, addr), card_kind(class, (char[40]){""}));
	add->a.no_net = id->no_net;
	return id->no_net ? read_card_pf(h, id, class, info, err)
			  : read_nic_pf(h, id, named, info, err);
}

static int add_one(struct hook *h, struct addition *add, const char *text, struct error *err)
{
	struct pf_id *id = &add->pfs[add->a.n_pfs];
	struct pci_addr *pf = &id->addr;
	char named[IFNAME_LEN];
	unsigned index;
	struct pci_addr of;

	if (add->a.n_pfs == MAX_PFS)
		return fail(err, E2BIG, "more than %d PFs", MAX_PFS);
	if (pf_name_resolve(h, text, pf, named, err) < 0)
		return error_code(err);
	if (!sysfs_vf_identify(h->root, pf, &of, &index)) {
		char addr[PCI_ADDR_LEN];

		return fail(err, EINVAL, "'%s' is a VF: its PF is %s", text,
			    pci_addr_format(&of, addr));
	}
	if (read_info(h, add, id, named, &add->infos[add->a.n_pfs], err) < 0)
		return error_code(err);
	for (size_t i = 0; i < add->a.n_pfs; i++) {
		if (!pci_addr_cmp(&add->pfs[i].addr, pf))
			return fail(err, EINVAL, "PF %s is there twice", text);
	}
	add->a.n_pfs++;
	return 0;
}

static int read_pfs(struct hook *h, struct addition *add, struct error *err)
{
	AUTO_FREE char *copy = strdup(add->pf_list);
	char *rest = copy;
	char *part;

	if (!copy)
		return fail(err, ENOMEM, "out of memory");
	while ((part = pf_list_next(h, &rest))) {
		if (add_one(h, add, part, err) < 0)
			return error_code(err);
	}
	return 0;
}

static int check_vfs(struct addition *add, struct error *err)
{
	uint32_t n;

	if (!add->a.vfs)
		return 0;
	if (parse_u32(add->a.vfs, 65535, &n) < 0 || !n)
		return fail(err, EINVAL, "--vfs is a number of VFs for each PF, not '%s'",
			    add->a.vfs);
	if (n > PF_VFS_LISTED)
		return fail(
			err, EINVAL,
			"--vfs %u: %d is the most: newer kernels list no more VFs of a PF, and one "
			"that is not listed cannot be used",
			n, PF_VFS_LISTED);
	for (size_t i = 0; i < add->a.n_pfs; i++) {
		if (n > add->infos[i].total_vfs)
			return fail(err, EINVAL, "--vfs %u: PF %s has at most %u", n,
				    add->infos[i].ifname, add->infos[i].total_vfs);
	}
	snprintf(add->vfs, sizeof(add->vfs), "%u", n);
	add->a.vfs = add->vfs;
	return 0;
}

/* What is for network cards alone. */
static int check_network(const struct addition *add, struct error *err)
{
	const char *opt = add->a.fdb	       ? "--fdb"
			  : add->host_vfs      ? "--host-vfs"
			  : add->allow_pf_down ? "--allow-pf-down"
					       : NULL;

	if (!add->a.no_net || !opt)
		return 0;
	return fail(err, EINVAL, "%s is for network cards, and PF %s is none", opt,
		    add->infos[0].ifname);
}

static int check_fdb(struct addition *add, struct error *err)
{
	bool on;

	if (!add->a.fdb)
		return 0;
	if (parse_bool(add->a.fdb, &on) < 0)
		return fail(err, EINVAL, "--fdb is on or off, not '%s'", add->a.fdb);
	add->a.fdb = on ? "1" : "0";
	return 0;
}

static int read_hosts(const struct hook *h, struct addition *add, struct error *err)
{
	if (!add->host_vfs)
		return 0;
	add->a.sets_hosts = true;
	if (!strcmp(add->host_vfs, "none"))
		return 0;
	if (add->a.n_pfs != 1)
		return fail(err, EINVAL,
			    "--host-vfs is of one PF: run this once for each that has some");
	if (host_vfs_list_parse(add->host_vfs, h->node, &add->pfs[0].addr, &add->hosts,
				&add->a.n_hosts, err) < 0)
		return fail_context(err, "--host-vfs");
	add->a.hosts = add->hosts;
	return 0;
}

static void tell_added(const struct hook *h, const struct addition *add, size_t added, bool made)
{
	char words[CARD_WORDS_LEN];
	char addr[PCI_ADDR_LEN];

	if (made)
		say("pool '%s' added to /" VFHOOK_CFG, add->a.name);
	for (size_t i = 0; i < add->a.n_pfs; i++)
		say("pool '%s' on %s: PF %s (%s, %s), %u of %u VFs", add->a.name, h->node,
		    pci_addr_format(&add->pfs[i].addr, addr),
		    add->a.no_net ? card_words(&add->pfs[i].card, words) : add->infos[i].ifname,
		    add->infos[i].driver[0] ? add->infos[i].driver : "no driver",
		    add->infos[i].num_vfs, add->infos[i].total_vfs);
	if (!added && !made)
		say("pool '%s' has %s already", add->a.name,
		    add->a.n_pfs == 1 ? "this PF" : "these PFs");
}

/* What is still to be done for the pool's VFs to be there, now and after the next boot. */
static void tell_next(struct hook *h, const char *name)
{
	CLEANUP(config_free) struct config c = {0};
	const struct pool *p;

	if (config_load(h->root, &c, NULL) < 0 || !(p = config_pool(&c, name)) || p->bad)
		return;
	if (!p->vfs)
		say("pool '%s' does not say how many VFs its PFs are to have, so nothing makes "
		    "them "
		    "after a reboot: vfhook pool add %s --pf %s --vfs <N>",
		    name, name, p->no_net ? "<address>" : "<interface>");
	for (size_t i = 0; i < p->n_pfs; i++) {
		struct pf_info pf;

		if (!strcmp(p->pfs[i].node, h->node) &&
		    !sysfs_pf_read_as(h->root, &p->pfs[i].id.addr, p->no_net, &pf, NULL) &&
		    pf.num_vfs < p->vfs) {
			say("next: vfhook boot, which makes the VFs now; after a reboot they are "
			    "made by themselves");
			return;
		}
	}
}

/* What was asked for is there, or would be. */
static void tell_done(struct hook *h, const struct addition *add, const struct pool_change *change)
{
	const struct pool *p = config_pool(&change->after, add->a.name);

	if (!h->dry_run) {
		tell_added(h, add, change->added, !change->from);
		tell_next(h, add->a.name);
	}
	if (p && !p->no_net)
		pool_tell_bridges(h, p, add->a.fdb, add->infos, add->a.n_pfs);
	byhand_tell(h, &change->after);
}

int pool_add_run(struct hook *h, int argc, char **argv)
{
	CLEANUP(addition_free) struct addition add = {.a = {.node = h->node}};
	const struct opt opts[] = {
		{"pf", &add.pf_list, NULL},	   {"vfs", &add.a.vfs, NULL},
		{"host-vfs", &add.host_vfs, NULL}, {"allow-pf-down", NULL, &add.allow_pf_down},
		{"fdb", &add.a.fdb, NULL},	   {"dry-run", NULL, &h->dry_run},
	};
	CLEANUP(pool_change_free) struct pool_change change = {0};
	struct error err = ERROR_INIT;
	size_t n_args;
	int r;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &add.a.name, 1, &n_args))
		return EXIT_USAGE;
	if (!n_args || !add.pf_list) {
		complain("pool add: wanted: a name and --pf; see vfhook pool --help");
		return EXIT_USAGE;
	}
	add.a.pfs = add.pfs;
	add.a.allow_pf_down = add.allow_pf_down ? "1" : NULL;
	r = pool_name_check(add.a.name, &err);
	if (!r)
		r = read_pfs(h, &add, &err);
	if (!r)
		r = check_network(&add, &err);
	if (!r)
		r = check_vfs(&add, &err);
	if (!r)
		r = check_fdb(&add, &err);
	if (!r)
		r = read_hosts(h, &add, &err);
	if (!r)
		r = pool_tell_uses(h, &add.a, &err);
	if (!r)
		r = pool_apply(h, &add.a, add.a.name, &change, &err);
	if (r < 0) {
		complain("pool is not changed: %s", err.text);
		return EXIT_REFUSED;
	}
	tell_done(h, &add, &change);
	return pool_publish(h, &change.after);
}
