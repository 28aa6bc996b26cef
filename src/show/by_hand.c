/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/show/by_hand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/port/apply.h"
#include "hook/chain.h"
#include "src/check/check_pve.h"
#include "src/host/remake.h"
#include "src/command/repair.h"
#include "src/base/say.h"
#include "src/vf/drivers.h"
#include "src/vf/lease.h"

#define FUNCTIONS 8 /* of a PCI device */

/* --- Who? --- */

struct finder {
	struct hook *h;
	const struct config *c;
	struct byhand *list;
	size_t n;
	struct byhand now; /* the hostpciN that is looked at */
};

static void note_pf(struct finder *f, const struct pool *pool, const struct pci_addr *pf)
{
	struct pf_info info;

	if (f->now.pool)
		return;
	f->now.pool = pool;
	f->now.pf = *pf;
	if (sysfs_pf_read(f->h->root, pf, &info, NULL) < 0)
		return;
	memcpy(f->now.pf_name, info.ifname, sizeof(f->now.pf_name));
	f->now.pf_vfs = info.num_vfs;
}

/* What PVE would meet at the VF: it binds it to vfio-pci, or with driver=keep leaves it as it is.
 */
static void note_vf(struct finder *f, const struct pci_addr *vf, const struct pci_addr *pf,
		    unsigned index)
{
	struct vf_info info;

	if (!f->now.n_vfs++)
		f->now.vf = *vf;
	if (sysfs_vf_read(f->h->root, NULL, vf, pf, index, &info, NULL) < 0 ||
	    (!is_vfio_driver(info.driver) && sysfs_vf_override(f->h->root, &info, NULL) < 0))
		return;
	f->now.n_driverless += !info.driver[0];
	f->now.n_unbound +=
		strcmp(info.driver, "vfio-pci") != 0 &&
		strcmp(info.driver_override, "vfio-pci") != 0 &&
		(info.driver_override[0] || sysfs_autoprobe(f->h->root, pf) == ANSWER_NO);
}

static void note_function(struct finder *f, const struct pci_addr *a)
{
	const struct pool *pool = config_pool_of_pf(f->c, f->h->node, a);
	struct pci_addr pf;
	unsigned index;

	if (pool) {
		note_pf(f, pool, a);
		f->now.means_pf = true;
		return;
	}
	if (sysfs_vf_identify(f->h->root, a, &pf, &index) < 0)
		return;
	pool = config_pool_of_pf(f->c, f->h->node, &pf);
	if (!pool)
		return;
	note_pf(f, pool, &pf);
	note_vf(f, a, &pf, index);
}

static int see_function(const struct pci_addr *a, bool whole_device, void *arg)
{
	struct pci_addr at = *a;

	if (!whole_device) {
		note_function(arg, a);
		return 0;
	}
	for (unsigned fn = 0; fn < FUNCTIONS; fn++) {
		at.fn = (uint8_t)fn;
		note_function(arg, &at);
	}
	return 0;
}

static void see_mapping(struct finder *f, const struct mapping_file *maps, const char *id)
{
	const struct mapping *m = mapping_find(maps, id);

	for (size_t i = 0; m && i < m->n_entries; i++) {
		const struct hostpci entry = {.present = true, .host = m->entries[i].path};

		if (!strcmp(m->entries[i].node, f->h->node))
			hostpci_each_addr(&entry, see_function, f);
	}
}

static int keep_found(struct finder *f)
{
	struct byhand *more;

	if (!f->now.pool)
		return 0;
	more = reallocarray(f->list, f->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	f->list = more;
	f->list[f->n++] = f->now;
	return 0;
}

/* A raw VF of a VM that has our hookscript becomes a port at its next start. */
static bool becomes_port(const struct guest_config *g, unsigned slot, const struct byhand *b)
{
	return g->hookscript && hookscript_is_ours(g->hookscript) && g->hostpci[slot].host &&
	       !b->means_pf;
}

static int see_guest(struct finder *f, const struct mapping_file *maps,
		     const struct guest_config *g)
{
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		const struct hostpci *e = &g->hostpci[slot];
		uint32_t vmid;
		unsigned of;

		if (!e->present || config_port(f->c, g->vmid, slot) ||
		    (e->mapping && port_mapping_parse(e->mapping, &vmid, &of)))
			continue;
		f->now = (struct byhand){
			.vmid = g->vmid, .slot = slot, .keep_driver = e->keep_driver};
		if (e->mapping)
			snprintf(f->now.mapping, sizeof(f->now.mapping), "%s", e->mapping);
		if (e->mapping)
			see_mapping(f, maps, e->mapping);
		else
			hostpci_each_addr(e, see_function, f);
		if (!becomes_port(g, slot, &f->now) && keep_found(f) < 0)
			return -ENOMEM;
	}
	return 0;
}

int byhand_read(struct hook *h, const struct config *c, struct byhand **list, size_t *n,
		struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file maps = {0};
	CLEANUP(guest_names_free) struct guest_names names = {0};
	struct finder f = {.h = h, .c = c};

	*list = NULL;
	*n = 0;
	if (guest_names_read(h->root, h->node, &names, err) < 0 ||
	    mapping_load(h->root, &maps, err) < 0)
		return error_code(err);
	/* Without templates, and without those that name nothing. */
	for (size_t i = 0; i < names.n_vmids; i++) {
		CLEANUP(guest_config_free) struct guest_config g = {0};
		bool names_some = false;

		for (size_t k = 0; k < names.n_raw && !names_some; k++)
			names_some = names.raw[k].vmid == names.vmids[i];
		for (size_t k = 0; k < names.n_mapped && !names_some; k++)
			names_some = names.mapped[k].vmid == names.vmids[i];
		if (!names_some ||
		    guest_config_load(h->root, h->node, NULL, names.vmids[i], &g, NULL) < 0)
			continue;
		if (see_guest(&f, &maps, &g) < 0) {
			free(f.list);
			return fail(err, ENOMEM, "out of memory");
		}
	}
	*list = f.list;
	*n = f.n;
	return 0;
}

/* --- In words --- */

static const char *by_mapping(const struct byhand *b, char buf[NAME_LEN + 16])
{
	buf[0] = '\0';
	if (b->mapping[0])
		snprintf(buf, NAME_LEN + 16, " (mapping '%s')", b->mapping);
	return buf;
}

/* "names VF 0000:06:02.2 of pool 'wan' by hand (mapping 'mine')" */
static const char *describe(const struct byhand *b, char *buf, size_t size)
{
	char how[NAME_LEN + 16];
	char vf[PCI_ADDR_LEN];

	pci_addr_format(&b->vf, vf);
	if (b->n_vfs == 1)
		snprintf(buf, size, "names VF %s of pool '%s' by hand%s", vf, b->pool->name,
			 by_mapping(b, how));
	else
		snprintf(buf, size, "names %u VFs of pool '%s' (%s first) by hand%s", b->n_vfs,
			 b->pool->name, vf, by_mapping(b, how));
	return buf;
}

static const char *way_over(const struct byhand *b, char *buf, size_t size)
{
	char vf[PCI_ADDR_LEN];

	if (b->n_vfs == 1 || b->mapping[0])
		snprintf(buf, size, "vfhook attach %u --slot %u --take-over%s", b->vmid, b->slot,
			 b->n_vfs == 1 ? "" : " (while it runs)");
	else
		snprintf(buf, size,
			 "a port is one VF: qm set %u --hostpci%u %s and a hostpci of its own for "
			 "each other one, then: vfhook attach %u --slot %u --take-over",
			 b->vmid, b->slot, pci_addr_format(&b->vf, vf), b->vmid, b->slot);
	return buf;
}

bool byhand_names_pf(const struct byhand *list, size_t n, const struct pci_addr *pf, char *buf,
		     size_t size)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	for (size_t i = 0; i < n; i++) {
		char how[NAME_LEN + 16];

		if (list[i].means_pf && !pci_addr_cmp(&list[i].pf, pf))
			str_printf(&s, "%sVM %u hostpci%u%s", s.len ? ", " : "", list[i].vmid,
				   list[i].slot, by_mapping(&list[i], how));
	}
	snprintf(buf, size, "%s", str_get(&s));
	return s.len;
}

void byhand_tell(struct hook *h, const struct config *c)
{
	AUTO_FREE struct byhand *list = NULL;
	struct error err = ERROR_INIT;
	char how[NAME_LEN + 16];
	char what[300];
	char over[300];
	size_t n = 0;

	if (byhand_read(h, c, &list, &n, &err) < 0)
		complain("which VMs name VFs by hand cannot be told: %s", err.text);
	for (size_t i = 0; i < n; i++) {
		const struct byhand *b = &list[i];

		if (b->means_pf)
			say("VM %u hostpci%u names PF %s itself%s: its start takes all VFs of it "
			    "away",
			    b->vmid, b->slot, b->pf_name, by_mapping(b, how));
		else
			say("VM %u hostpci%u %s: PVE starts it as before, and nobody sets its VF; "
			    "to make it a port, with MAC, VLAN and the rest as they are: %s",
			    b->vmid, b->slot, describe(b, what, sizeof(what)),
			    way_over(b, over, sizeof(over)));
	}
}

/* --- PVE's own bind --- */

static uint32_t named_by(const struct vf_report *r)
{
	return r->spare_of ? r->spare_of : r->vmid;
}

static bool keeps_driver(const struct hook *h, const struct vf_report *r)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	unsigned slot = r->spare_of ? r->spare_slot : r->slot;

	return slot >= PVE_HOSTPCI_MAX ||
	       guest_config_load(h->root, h->node, NULL, named_by(r), &g, NULL) < 0 ||
	       g.hostpci[slot].keep_driver;
}

/* Is it named by hand, not used by this host, and out of vfio-pci's reach or without a link? */
static bool is_unarmed(const struct hook *h, const struct vf_report *r)
{
	const struct vf_info *i = &r->vf->info;
	char why[320];

	if (r->vf->leased ||
	    (r->use != USE_RAW && r->use != USE_MAPPED && r->use != USE_RESERVED && !r->spare_of))
		return false;
	if (vf_is_parked(r->vf))
		return !vf_host_use(r->vf, why, sizeof(why));
	return r->use != USE_RESERVED && strcmp(i->driver_override, "vfio-pci") != 0 &&
	       !is_vfio_driver(i->driver) && !vf_host_use(r->vf, why, sizeof(why)) &&
	       !keeps_driver(h, r);
}

/* -EEXIST: a start was faster, or somebody else's run. */
static int arm(struct hook *h, const struct owner *self, const struct pf_report *pf,
	       const struct vf_report *r, struct error *err)
{
	CLEANUP(plan_free) struct plan p;

	plan_init(&p, PLAN_START, LEASE_SELF);
	return plan_arm(pf->pf, r->vf, keeps_driver(h, r), time(NULL), &p, err) < 0
		       ? error_code(err)
		       : apply_plan(h, self, &p, err);
}

/* One at a time: fn is called for each VF that wants it. */
static int each_unarmed(struct hook *h,
			void (*fn)(void *arg, const struct pf_report *pf,
				   const struct vf_report *r),
			void *arg, struct error *err)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;

	if (inventory_read(h, false, &inv, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < inv.n_pools; i++) {
		for (size_t k = 0; k < inv.pools[i].n_pfs; k++) {
			const struct pf_report *pf = &inv.pools[i].pfs[k];

			for (size_t n = 0; !pf->pf->broken && n < pf->n_vfs; n++) {
				if (is_unarmed(h, &pf->vfs[n]))
					fn(arg, pf, &pf->vfs[n]);
			}
		}
	}
	return 0;
}

struct arming {
	struct hook *h;
	const struct owner *self;
	unsigned failed;
};

static void arm_one(void *arg, const struct pf_report *pf, const struct vf_report *r)
{
	struct arming *a = arg;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int done = arm(a->h, a->self, pf, r, &err);

	if (!done || done == -EEXIST)
		return;
	a->failed++;
	complain("VF %s, which VM %u names by hand: PVE may not be able to bind it: %s",
		 pci_addr_format(&r->vf->info.addr, addr), named_by(r), err.text);
}

unsigned byhand_arm(struct hook *h, const struct owner *self)
{
	struct arming a = {.h = h, .self = self};
	struct error err = ERROR_INIT;

	if (each_unarmed(h, arm_one, &a, &err) < 0) {
		a.failed++;
		complain("VFs that VMs name by hand: %s", err.text);
	}
	return a.failed;
}

static void repair_one(void *arg, const struct pf_report *pf, const struct vf_report *vf)
{
	struct repair *r = arg;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int done;

	pci_addr_format(&vf->vf->info.addr, addr);
	repair_announce(r, named_by(vf), "VF %s, which VM %u names by hand, %s", addr, named_by(vf),
			vf_is_parked(vf->vf)
				? "is parked, without a link: it gets one, and vfio-pci may bind it"
				: "has no driver_override, so that PVE may not be able to bind it: "
				  "vfio-pci");
	done = arm(r->h, r->self, pf, vf, &err);
	if (done == -EEXIST)
		r->done--;
	else if (done < 0)
		repair_undone(r, &err);
}

void repair_byhand(struct repair *r)
{
	struct error err = ERROR_INIT;

	if (!r->unsure && each_unarmed(r->h, repair_one, r, &err) < 0)
		repair_leave(r, "%s", err.text);
}

/* --- vfhook check --- */

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
		   b->pf_name, by_mapping(b, how), b->pf_vfs,
		   who_has_vfs(h, &b->pf, who, sizeof(who)));
}

static void check_names_vfs(const struct byhand *b, struct report *r)
{
	char subject[32];
	char what[300];
	char over[300];

	vm_subject(b->vmid, subject);
	describe(b, what, sizeof(what));
	way_over(b, over, sizeof(over));
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
static void check_parked(void *arg, const struct pf_report *pf, const struct vf_report *vf)
{
	struct report *r = arg;
	char subject[32];
	char addr[PCI_ADDR_LEN];

	if (vf_is_parked(vf->vf))
		report_add(r, CHECK_WARN, "by-hand", vm_subject(named_by(vf), subject),
			   "vfhook boot gives it one",
			   "VF %s of %s, which it names by hand, is parked: it has no link",
			   pci_addr_format(&vf->vf->info.addr, addr), pf->pf->info.ifname);
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
	if (n && each_unarmed(h, check_parked, r, &err) < 0)
		error_clear(&err);
}
