/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: the PFs of this node's pools, or the SR-IOV NICs there are. */
#include "src/check/check_pf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/check/judge_pf.h"
#include "src/check/pf_facts.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/vf/card.h"
#include "src/vf/sysfs.h"

#define MAX_NICS 64

static bool vm_is_here(const struct hook *h, uint32_t vmid)
{
	char path[GUEST_PATH_LEN];

	return path_exists(h->root, guest_config_path(h->node, vmid, path));
}

/* The ports of a pool; *out is the caller's to free(). */
static size_t pool_ports(struct hook *h, const struct config *c, const struct pool *p,
			 struct port_view **out)
{
	size_t n = 0;

	*out = calloc(c->n_ports ? c->n_ports : 1, sizeof(**out));
	for (size_t i = 0; *out && i < c->n_ports; i++) {
		if (strcmp(c->ports[i].pool, p->name) != 0)
			continue;
		(*out)[n].here = vm_is_here(h, c->ports[i].vmid);
		(*out)[n++].port = &c->ports[i];
	}
	return n;
}

/* Returns how many PFs of this node the pool has. */
static int check_pool(struct hook *h, const struct config *c, const struct pool *p,
		      struct report *r)
{
	AUTO_FREE struct port_view *ports = NULL;
	AUTO_FREE struct pf_id *pfs = NULL;
	int n = pool_node_pfs(p, h->node, &pfs);
	size_t n_ports = pool_ports(h, c, p, &ports);
	char subject[NAME_LEN + 8];
	unsigned vfs = 0;
	unsigned here = 0;

	if (n < 0 || !ports) {
		r->failed = true;
		return 0;
	}
	for (int i = 0; i < n; i++) {
		struct pf_facts f;

		pf_facts_read(h, &pfs[i], p, &f);
		judge_pf(&f, ports, n_ports, r);
		vfs += f.info.num_vfs;
	}
	for (size_t i = 0; i < n_ports; i++)
		here += ports[i].here;
	snprintf(subject, sizeof(subject), "pool %s", p->name);
	if (n && here > vfs)
		report_add(r, CHECK_WARN, "vfs", subject,
			   "more VFs (vfhook pool add --vfs), or another PF for the pool",
			   "%u ports of VMs of this node, but %u VFs: not all of them can run at "
			   "once",
			   here, vfs);
	return n;
}

/* GPUs of NVIDIA's that have VFs, or could: theirs are made and used in another way. */
static void tell_nvidia(struct hook *h, struct report *r)
{
	AUTO_FREE struct pf_info *pfs = NULL;
	size_t n;

	if (sysfs_pf_list(h->root, true, &pfs, &n, NULL) < 0) {
		r->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct card_id card;
		unsigned class;
		char subject[40];

		if (!pfs[i].no_net || card_class(h->root, &pfs[i].addr, &class) < 0 ||
		    card_read(h->root, &pfs[i].addr, &card, NULL) < 0 ||
		    !card_is_nvidia_gpu(&card, class))
			continue;
		snprintf(subject, sizeof(subject), "PF %s", pfs[i].ifname);
		report_add(r, CHECK_PASS, "nvidia-vgpu", subject, "",
			   "a GPU of NVIDIA's: its VFs are made by sriov-manage and used by mdev "
			   "type; vfhook leaves them alone");
	}
}

/* Returns how many NICs with SR-IOV and an interface there are. */
static size_t tell_nics(struct hook *h, struct report *r)
{
	AUTO_FREE struct pf_info *pfs = NULL;
	char addr[PCI_ADDR_LEN];
	char subject[40];
	size_t told = 0;
	size_t n;

	if (sysfs_pf_list(h->root, false, &pfs, &n, NULL) < 0) {
		r->failed = true;
		return 0;
	}
	for (size_t i = 0; i < n && told < MAX_NICS; i++) {
		const struct pf_info *pf = &pfs[i];

		if (!pf->ifindex)
			continue;
		told++;
		pci_addr_format(&pf->addr, addr);
		snprintf(subject, sizeof(subject), "PF %s", pf->ifname);
		if (pf->total_vfs)
			report_add(r, CHECK_PASS, "sriov-nic", subject, "",
				   "%s can have %u VFs (driver %s); next: vfhook pool add <name> "
				   "--pf %s --vfs %u",
				   addr, pf->total_vfs, pf->driver, pf->ifname,
				   pf->total_vfs < 8 ? pf->total_vfs : 8);
		else
			report_add(
				r, CHECK_WARN, "sriov-nic", subject,
				"switch on SR-IOV in the board's firmware (BIOS) and in the NIC's "
				"own setup there",
				"%s is an SR-IOV NIC, but may have 0 VFs: SR-IOV is off in its "
				"firmware",
				addr);
	}
	return told;
}

void check_pfs(struct hook *h, const struct config *c, struct report *r)
{
	int n = 0;

	for (size_t i = 0; i < c->n_pools; i++) {
		if (!c->pools[i].bad)
			n += check_pool(h, c, &c->pools[i], r);
	}
	tell_nvidia(h, r);
	if (n)
		return;
	if (tell_nics(h, r))
		report_add(r, CHECK_WARN, "pool", "",
			   "vfhook pool add <name> --pf <interface> --vfs N",
			   "no pool has a PF of this node (%s)", h->node);
	else
		report_add(
			r, CHECK_FAIL, "sriov-nic", "",
			"look for it: lspci -vv | grep -e Ethernet -e SR-IOV. Is the card seated, "
			"its driver loaded, SR-IOV on in the firmware (BIOS)? Cheap NICs have none",
			"this node has no network card with SR-IOV");
}
