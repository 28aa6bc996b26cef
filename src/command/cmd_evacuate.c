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

struct evacuation {
	struct pci_addr pf;
	char ifname[IFNAME_LEN];
	char why[LEASE_WHY_LEN];
	size_t done;
	size_t failed;
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

static int evacuate(struct hook *h, struct evacuation *e, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	if (finish_vms(h, e, err) < 0 || foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (is_on(e, &all[i]) && !was_before(e, all, i))
			evacuate_vm(h, e, all[i].lease.vmid);
	}
	return 0;
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
	if (!e.failed)
		say("%s: no running VM has a VF of it%s", e.ifname,
		    e.done ? "; to give them back: vfhook plug <vmid>" : "");
	else
		complain("%s: %zu VM%s still a VF of it", e.ifname, e.failed,
			 e.failed == 1 ? " has" : "s have");
	return e.failed ? EXIT_REFUSED : EXIT_DONE;
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
