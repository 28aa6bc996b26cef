/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: VMs that name VFs or PFs of a pool by hand. */
#include "src/check/check_by_hand.h"

#include <stdio.h>
#include <stdlib.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/show/by_hand.h"
#include "src/show/unarmed.h"
#include "src/vf/lease.h"

/* The VMs that have VFs of a PF now: "100, 101". */
static const char *who_has_vfs(struct hook *h, const struct pci_addr *pf, char *buf, size_t size)
{
	AUTO_FREE struct lease_entry *all = NULL;
	CLEANUP(str_free) struct str s = STR_INIT;
	size_t n = 0;

	if (lease_list(h->root, &all, &n, NULL) < 0)
		return "";
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid != LEASE_SELF &&
		    !pci_addr_cmp(&all[i].lease.pf, pf))
			str_printf(&s, "%s%u", s.len ? ", " : "", all[i].lease.vmid);
	}
	buf[0] = '\0';
	if (s.len)
		snprintf(buf, size, " (VMs with a VF of it now: %s)", str_get(&s));
	return buf;
}

static void check_names_pf(struct hook *h, const struct byhand *b, struct report *r)
{
	char subject[32];
	char remedy[200];
	char how[NAME_LEN + 16];
	char who[300];

	snprintf(
		remedy, sizeof(remedy),
		"give it a VF instead: qm set %u --delete hostpci%u, then: vfhook attach %u --slot "
		"%u",
		b->vmid, b->slot, b->vmid, b->slot);
	report_add(r, CHECK_WARN, "by-hand", vm_subject(b->vmid, subject), remedy,
		   "hostpci%u names PF %s itself%s: its start takes all %u VFs away%s", b->slot,
		   b->pf_name, byhand_mapping(b, how), b->pf_vfs,
		   who_has_vfs(h, &b->pf, who, sizeof(who)));
}

static void check_names_vfs(const struct byhand *b, struct report *r)
{
	char subject[32];
	char what[300];
	char over[300];

	vm_subject(b->vmid, subject);
	byhand_describe(b, what, sizeof(what));
	byhand_way_over(b, over, sizeof(over));
	if (b->keep_driver && b->n_driverless)
		report_add(r, CHECK_FAIL, "by-hand", subject, over,
			   "hostpci%u %s and has driver=keep, but that VF has no driver: QEMU does "
			   "not start on it",
			   b->slot, what);
	else if (!b->keep_driver && b->n_unbound)
		report_add(r, CHECK_FAIL, "by-hand", subject, "vfhook boot",
			   "hostpci%u %s, and does not start: VFs of %s come without a driver, and "
			   "PVE cannot bind one without driver_override",
			   b->slot, what, b->pf_name);
	else
		report_add(r, CHECK_WARN, "by-hand", subject, over,
			   "hostpci%u %s: it starts as before, but nobody sets that VF's MAC, VLAN "
			   "or spoofchk, or takes them off when it stops",
			   b->slot, what);
}

/* Somebody named it after boot. */
static void check_parked(void *arg, const struct unarmed *u)
{
	struct report *r = arg;
	char subject[32];
	char addr[PCI_ADDR_LEN];

	if (u->parked)
		report_add(r, CHECK_WARN, "by-hand", vm_subject(u->vmid, subject),
			   "vfhook boot gives it one",
			   "VF %s of %s, which it names by hand, is parked: it has no link",
			   pci_addr_format(&u->vf->vf->info.addr, addr), u->pf->pf->info.ifname);
}

void check_byhand(struct hook *h, const struct config *c, struct report *r)
{
	AUTO_FREE struct byhand *list = NULL;
	struct error err = ERROR_INIT;
	size_t n = 0;

	if (byhand_read(h, c, &list, &n, &err) < 0)
		report_add(r, CHECK_WARN, "by-hand", "", "systemctl status pve-cluster",
			   "which VMs name VFs by hand cannot be told: %s", err.text);
	for (size_t i = 0; i < n; i++) {
		if (list[i].means_pf)
			check_names_pf(h, &list[i], r);
		else
			check_names_vfs(&list[i], r);
	}
	/* What is wrong with it is told of the PFs. */
	if (n && unarmed_each(h, check_parked, r, &err) < 0)
		error_clear(&err);
}
