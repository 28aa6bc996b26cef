/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook evacuate: a PF that no running VM has a VF of any more, for work on its card. */
#include <errno.h>
#include <stdio.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/unplugging.h"
#include "src/host/pf_name.h"
#include "src/port/foreseen.h"
#include "src/vf/lease.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf_walk.h"

struct evacuation {
	struct pci_addr pf;
	char ifname[IFNAME_LEN];
	char why[LEASE_WHY_LEN];
	size_t done;
	size_t failed; /* VMs */
	size_t unsure; /* VFs that somebody uses, or may use, and no lease tells who */
};

static bool is_on(const struct evacuation *e, const struct lease_entry *l)
{
	return !l->broken && l->lease.vmid != LEASE_SELF && !pci_addr_cmp(&l->lease.pf, &e->pf) &&
	       l->lease.phase != LEASE_UNPLUGGED;
}

static bool was_before(const struct evacuation *e, const struct lease_entry *all, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (is_on(e, &all[k]) && all[k].lease.vmid == all[i].lease.vmid)
			return true;
	}
	return false;
}

static void evacuate_vm(struct hook *h, struct evacuation *e, uint32_t vmid)
{
	const struct unplugging u = {
		.vmid = vmid, .slot = -1, .pf = &e->pf, .reason = {.why = e->why}};
	struct error err = ERROR_INIT;
	int n = unplug_vm(h, &u, &err);

	if (n > 0) {
		e->done++;
		return;
	}
	e->failed++;
	if (n < 0)
		complain("%s", err.text);
	else
		complain("VM %u holds a VF of %s and has not been seen to run on it (a start or "
			 "stop under way?): once that is over, again, or vfhook release %u",
			 vmid, e->ifname, vmid);
}

/* Nothing is unplugged from a container that runs. */
static void tell_container(struct evacuation *e, const struct lease *l)
{
	char who[LEASE_HOLDER_LEN];

	e->failed++;
	complain("%s has a VF of %s, which a container has until it stops: pct shutdown %u",
		 lease_holder(l, who), e->ifname, l->vmid);
}

/* A run that was killed may have unplugged a VF, and not parked it; or it is plugged in again. */
static int finish_vms(struct hook *h, struct evacuation *e, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	if (foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		const struct lease *l = &all[i].lease;
		struct error why = ERROR_INIT;

		if (all[i].broken || l->phase != LEASE_UNPLUGGED || pci_addr_cmp(&l->pf, &e->pf) ||
		    !finish_unplugging(h, l->vmid, &e->pf, &why))
			continue;
		complain("%s", why.text);
		e->failed++;
	}
	return 0;
}

/* Who has a VF without a lease of ours is not known, and one with a lease that cannot be read. */
static void judge_unleased(struct hook *h, struct evacuation *e, const struct vf_info *vf)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	enum answer busy = ANSWER_NO;
	struct lease l;
	int r = foreseen_lease(h, &vf->addr, &l, &err);

	if (!r)
		return;
	pci_addr_format(&vf->addr, addr);
	if (r != -ENOENT) {
		complain("%s: whose VF %s is cannot be told: %s: vfhook repair", e->ifname, addr,
			 err.text);
		e->unsure++;
		return;
	}
	if (vf->iommu_group >= 0)
		busy = vfio_group_busy(h->root, vf->iommu_group);
	if (busy == ANSWER_NO)
		return;
	complain("%s: VF %s %s open in some process (/dev/vfio/%d), and vfhook has no lease of it: "
		 "vfhook repair, or end that process",
		 e->ifname, addr, busy == ANSWER_YES ? "is" : "may be", vf->iommu_group);
	e->unsure++;
}

/* What leases do not tell of. */
static int look_at_others(struct hook *h, struct evacuation *e, struct error *err)
{
	struct pf_info pf;
	struct vf_walk walk = {.root = h->root, .pf = &pf, .unread = VF_UNREAD_COUNT};
	struct vf_info vf;

	if (sysfs_pf_read(h->root, &e->pf, &pf, err) < 0)
		return error_code(err);
	while (vf_walk_next(&walk, &vf, NULL) == 1)
		judge_unleased(h, e, &vf);
	if (walk.n_unread)
		complain("%s: %u of its VFs cannot be read: vfhook status", e->ifname,
			 walk.n_unread);
	e->unsure += walk.n_unread;
	return 0;
}

static void tell_end(const struct evacuation *e)
{
	if (e->failed)
		complain("%s: %zu VM%s still a VF of it", e->ifname, e->failed,
			 e->failed == 1 ? " has" : "s have");
	else if (e->unsure)
		complain("%s: it may still be in use: see above", e->ifname);
	else
		say("%s: no running VM has a VF of it%s", e->ifname,
		    e->done ? "; to give them back: vfhook plug <vmid>" : "");
}

static int evacuate(struct hook *h, struct evacuation *e, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	if (finish_vms(h, e, err) < 0 || foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (is_on(e, &all[i]) && lease_is_ct(&all[i].lease))
			tell_container(e, &all[i].lease);
		else if (is_on(e, &all[i]) && !was_before(e, all, i))
			evacuate_vm(h, e, all[i].lease.vmid);
	}
	return look_at_others(h, e, err);
}

static int run(struct hook *h, int argc, char **argv)
{
	struct evacuation e = {0};
	struct error err = ERROR_INIT;
	const char *wait = NULL;
	const struct opt opts[] = {{"wait", &wait, NULL}, {"dry-run", NULL, &h->dry_run}};
	const char *arg = NULL;
	size_t n;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &arg, 1, &n))
		return EXIT_USAGE;
	if (!n) {
		complain("evacuate: wanted: a PF; see vfhook evacuate --help");
		return EXIT_USAGE;
	}
	if (unplug_wait_parse(h, wait))
		return EXIT_USAGE;
	if (pf_name_resolve(h, arg, &e.pf, e.ifname, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	snprintf(e.why, sizeof(e.why), "evacuated %s", e.ifname);
	if (evacuate(h, &e, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	tell_end(&e);
	return e.failed || e.unsure ? EXIT_REFUSED : EXIT_DONE;
}

const struct command cmd_evacuate = {
	.name = "evacuate",
	.summary = "unplug every VM from the VFs of a PF",
	.help = "Usage: vfhook evacuate <pf> [--wait SECONDS] [--dry-run]\n"
		"\n"
		"For work on a card: each running VM that has a VF of this PF loses it, as with\n"
		"`vfhook unplug`. VMs that start meanwhile get VFs of it as ever: set it down, or\n"
		"take it out of the pool. `vfhook plug <vmid>` gives each VM a VF again.\n"
		"\n"
		"  <pf>            its interface, or its PCI address\n"
		"  --wait SECONDS  how long each guest may take; 30\n"
		"  --dry-run       tell what would be done, and do nothing\n",
	.run = run,
};
