/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VMs that have ports, as their configs are; and every MAC of the cluster. */
#include "src/check/check_vms.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/chain.h"
#include "pveapi/guest_list.h"
#include "pveapi/guest_macs.h"
#include "pveapi/limits.h"
#include "src/base/cleanup.h"
#include "src/check/check_cts.h"
#include "src/port/cluster_macs.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/guest_note.h"
#include "src/port/host_mac.h"
#include "src/port/hostpci_judge.h"
#include "src/port/hostpci_planned.h"
#include "src/port/port_changes.h"
#include "src/port/vm_ports.h"

/* --- Ports and their VMs --- */

/* A script that is kept in vfhook.cfg and cannot be run lets pre-start refuse (hook/chain.h). */
static void gather_chain(struct hook *h, const struct config *c, struct vm_facts *v)
{
	const struct guest_note *g = config_guest(c, v->vmid);
	struct error err = ERROR_INIT;
	char path[PATH_MAX];

	if (g && !g->bad && g->chain[0] &&
	    hookscript_path(h->root, g->chain, path, sizeof(path), &err) < 0)
		snprintf(v->chain_unusable, sizeof(v->chain_unusable), "%.300s", err.text);
}

/* As a start judges each hostpciN. */
static void gather_slots(struct hook *h, struct vm_facts *v)
{
	CLEANUP(vm_ports_free) struct vm_ports p = {0};
	struct error err = ERROR_INIT;

	if (vm_ports_load(h, v->vmid, &p, &err) < 0) {
		snprintf(v->broken, sizeof(v->broken), "%.300s", err.text);
		return;
	}
	v->is_template = p.guest.is_template;
	if (p.guest.hookscript)
		snprintf(v->hookscript, sizeof(v->hookscript), "%s", p.guest.hookscript);
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		const struct entry *e = &p.entries[slot];

		/* Pending: what the VM runs with goes when it stops. */
		if (e->verdict != ENTRY_GOOD && v->slots & 1U << slot &&
		    hostpci_planned_is_ours(&p.guest, slot)) {
			v->slot[slot].verdict = ENTRY_GOOD;
			v->named |= 1U << slot;
			continue;
		}
		v->slot[slot].verdict = e->verdict;
		v->slot[slot].raw = e->was_raw;
		memcpy(v->slot[slot].why, e->why, sizeof(e->why));
		memcpy(v->slot[slot].mend, e->mend, sizeof(e->mend));
		if (e->verdict == ENTRY_GOOD)
			v->named |= 1U << slot;
	}
}

static void gather_config(struct hook *h, struct vm_facts *v)
{
	struct error err = ERROR_INIT;
	char path[PATH_MAX];

	gather_slots(h, v);
	if (hookscript_is_ours(v->hookscript) &&
	    hookscript_path(h->root, v->hookscript, path, sizeof(path), &err) < 0)
		snprintf(v->unusable, sizeof(v->unusable), "%.300s", err.text);
}

static int by_vmid(const void *a, const void *b)
{
	const struct vm_facts *x = a;
	const struct vm_facts *y = b;

	return x->vmid < y->vmid ? -1 : x->vmid > y->vmid;
}

/* One for each VM that has ports, in the order of their ids. NULL: out of memory. */
static struct vm_facts *list_vms(const struct config *c, size_t *n)
{
	struct vm_facts *list = calloc(c->n_ports + 1, sizeof(*list));

	*n = 0;
	for (size_t i = 0; list && i < c->n_ports; i++)
		list[i] = (struct vm_facts){.vmid = c->ports[i].vmid,
					    .slots = c->ports[i].bad ? 0 : 1U << c->ports[i].slot};
	if (!list || !c->n_ports)
		return list;
	qsort(list, c->n_ports, sizeof(*list), by_vmid);
	for (size_t i = 1; i < c->n_ports; i++) {
		if (list[i].vmid == list[*n].vmid)
			list[*n].slots |= list[i].slots;
		else
			list[++*n] = list[i];
	}
	++*n;
	return list;
}

static void judge_hostpci(const struct vm_facts *v, unsigned slot, struct report *r)
{
	char subject[32];
	char remedy[128];

	vm_subject(v->vmid, subject);
	if (v->slot[slot].verdict == ENTRY_REFUSE) {
		report_add(r, CHECK_FAIL, "hookscript", subject, v->slot[slot].mend,
			   "it is not started: hostpci%u: %s", slot, v->slot[slot].why);
		return;
	}
	snprintf(remedy, sizeof(remedy), "vfhook attach %u --slot %u", v->vmid, slot);
	report_add(r, CHECK_WARN, "hookscript", subject, remedy,
		   "hostpci%u is not mapping=vf-%u-%u%s%s: its next start is refused once, then "
		   "hostpci%u is written and the VM started again",
		   slot, v->vmid, slot, v->slot[slot].why[0] ? ", " : "", v->slot[slot].why, slot);
}

/* The first port of the VM, or without one the first hostpciN that is to become one. */
static unsigned first_slot(const struct vm_facts *v)
{
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (v->slots ? v->slots & 1U << slot : v->slot[slot].verdict != ENTRY_NOT_OURS)
			return slot;
	}
	return 0;
}

static void judge_hookscript(const struct vm_facts *v, struct report *r)
{
	char subject[32];
	char remedy[128];

	vm_subject(v->vmid, subject);
	if (hookscript_is_ours(v->hookscript)) {
		if (v->unusable[0])
			report_add(r, CHECK_FAIL, "hookscript", subject,
				   "put the program there, or qm set its --hookscript "
				   "to " OUR_HOOKSCRIPT,
				   "%s", v->unusable);
		return;
	}
	/* What is there already is not lost: attach lets ours run it, too. */
	snprintf(remedy, sizeof(remedy), "vfhook attach %u --slot %u", v->vmid, first_slot(v));
	report_add(r, CHECK_FAIL, "hookscript", subject, remedy,
		   "it has %s, but %s%s: nobody sets its VF",
		   v->slots ? "a port" : "a hostpci that names a mapping of vfhook's",
		   v->hookscript[0] ? "its hookscript is " : "no hookscript", v->hookscript);
}

/* Does hostpciN have to be told of? A mistake in a port is told with vfhook.cfg. */
static bool is_amiss(const struct vm_facts *v, unsigned slot)
{
	enum entry_verdict verdict = v->slot[slot].verdict;

	if (verdict == ENTRY_REFUSE)
		return v->slot[slot].mend[0];
	return v->slots & ~v->named & 1U << slot || verdict == ENTRY_ADOPT;
}

void judge_vm(const struct vm_facts *v, struct report *r)
{
	char subject[32];

	vm_subject(v->vmid, subject);
	if (!v->exists) {
		report_add(r, CHECK_WARN, "port", subject, "vfhook repair",
			   "it has a port in /" VFHOOK_CFG ", but is gone from the cluster");
	} else if (!v->here || v->is_template) {
		return; /* its own node checks it; a template never starts */
	} else if (v->broken[0]) {
		report_add(r, CHECK_FAIL, "hookscript", subject, "mend its config by hand", "%s",
			   v->broken);
	} else {
		judge_hookscript(v, r);
		if (v->chain_unusable[0])
			report_add(r, CHECK_FAIL, "hookscript", subject,
				   "put that script back, or take `guest` out of /" VFHOOK_CFG,
				   "the script that is run after vfhook: %s", v->chain_unusable);
		for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
			if (is_amiss(v, slot))
				judge_hostpci(v, slot, r);
		}
	}
}

/*
 * A VM without a port: has its hostpciN to do with us all the same? A raw address of a pool's VF
 * has only if vfhook is its hookscript: without, it is a device like any other.
 */
static bool names_ours(const struct vm_facts *v)
{
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (v->slot[slot].verdict != ENTRY_NOT_OURS &&
		    (!v->slot[slot].raw || hookscript_is_ours(v->hookscript)))
			return true;
	}
	return false;
}

static void check_vm(struct hook *h, const struct config *c, const struct guest_ref *g,
		     struct vm_facts *v, struct report *r)
{
	if (g && g->container) {
		check_ct(h, c, g, r);
		return;
	}
	v->exists = g;
	v->here = g && !strcmp(g->node, h->node);
	if (v->here) {
		gather_config(h, v);
		gather_chain(h, c, v);
	}
	judge_vm(v, r);
}

static bool is_listed(const struct vm_facts *vms, size_t n, uint32_t vmid)
{
	for (size_t i = 0; i < n; i++) {
		if (vms[i].vmid == vmid)
			return true;
	}
	return false;
}

/* Clones, restored backups and rolled back VMs, whose ports are not there. */
static void check_others(struct hook *h, const struct config *c, const struct vm_facts *vms,
			 size_t n, const struct guest_ref *guests, size_t n_guests,
			 struct report *r)
{
	for (size_t i = 0; i < n_guests; i++) {
		AUTO_FREE struct vm_facts *v = NULL;

		if (is_listed(vms, n, guests[i].vmid))
			continue;
		if (guests[i].container)
			check_ct(h, c, &guests[i], r);
		if (guests[i].container || strcmp(guests[i].node, h->node) != 0)
			continue;
		v = calloc(1, sizeof(*v));
		if (!v) {
			r->failed = true;
			return;
		}
		v->vmid = guests[i].vmid;
		v->exists = true;
		v->here = true;
		gather_config(h, v);
		/* Another's broken config is told where it matters. */
		if (!v->broken[0] && names_ours(v))
			judge_vm(v, r);
	}
}

void check_vms(struct hook *h, const struct config *c, const struct guest_ref *guests,
	       size_t n_guests, struct report *r)
{
	size_t before = r->n;
	size_t here = 0;
	size_t n;
	AUTO_FREE struct vm_facts *vms = list_vms(c, &n);

	if (!vms) {
		r->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		check_vm(h, c, guest_find(guests, n_guests, vms[i].vmid), &vms[i], r);
		here += vms[i].here && !vms[i].is_template;
	}
	check_others(h, c, vms, n, guests, n_guests, r);
	if (n)
		pass_unless_worse(r, before, "hookscript",
				  "%zu VMs of this node have ports, and vfhook as hookscript",
				  here);
}

/* --- MACs --- */

static int by_mac(const void *a, const void *b)
{
	const struct mac_owner *x = a;
	const struct mac_owner *y = b;
	int d = memcmp(x->mac, y->mac, sizeof(x->mac));

	if (d)
		return d;
	if (x->vmid != y->vmid)
		return x->vmid < y->vmid ? -1 : 1;
	/* Ports first. */
	return (y->slot >= 0) - (x->slot >= 0);
}

/* "port 100-0, guest 105". Of a guest once: its snapshots have the address, too. */
static void name_owners(const struct mac_owner *list, size_t n, struct str *out)
{
	for (size_t i = 0; i < n && out->len < 300; i++) {
		if (list[i].slot >= 0)
			str_printf(out, "%sport %u-%d", out->len ? ", " : "", list[i].vmid,
				   list[i].slot);
		else if (!i || list[i].vmid != list[i - 1].vmid || list[i - 1].slot >= 0)
			str_printf(out, "%snetN of guest %u", out->len ? ", " : "", list[i].vmid);
	}
}

/*
 * The owners of one address. A guest may have it twice: in a snapshot, or on a
 * netN that stands in for its VF during a migration.
 */
static void judge_mac(const struct mac_owner *list, size_t n, struct report *r)
{
	CLEANUP(str_free) struct str who = STR_INIT;
	const struct mac_owner *port = NULL;
	char remedy[160] = "give one of them another MAC with qm set";
	char mac[MAC_LEN];

	if (list[0].vmid == list[n - 1].vmid)
		return;
	for (size_t i = 0; i < n && !port; i++)
		port = list[i].slot >= 0 ? &list[i] : NULL;
	if (port)
		snprintf(remedy, sizeof(remedy),
			 "vfhook set %u --slot %d --mac auto makes a new one for that port",
			 port->vmid, port->slot);
	name_owners(list, n, &who);
	report_add(r, port ? CHECK_FAIL : CHECK_WARN, "mac", "", remedy,
		   "MAC %s is there more than once: %s", mac_format(list[0].mac, mac),
		   str_get(&who));
}

void judge_macs(struct mac_owner *list, size_t n, struct report *r)
{
	size_t before = r->n;

	if (n)
		qsort(list, n, sizeof(*list), by_mac);
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && !memcmp(list[i].mac, list[k].mac, 6);)
			k++;
		judge_mac(&list[i], k - i, r);
	}
	if (n)
		pass_unless_worse(r, before, "mac",
				  "no two guests of the cluster have the same MAC");
}

/* A port with a node's own address. */
static void check_host_macs(struct hook *h, const struct config *c, struct report *r)
{
	AUTO_FREE struct host_mac *list = NULL;
	struct error err = ERROR_INIT;
	size_t n;

	if (all_host_macs(h, c, &list, &n, &err) < 0) {
		report_add(r, CHECK_WARN, "mac", "", "ip link", "%s", err.text);
		return;
	}
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];
		const struct host_mac *owner =
			p->want.has & HAS_MAC ? host_mac_find(list, n, p->want.mac) : NULL;
		char subject[32];
		char remedy[160];
		char what[160];
		char mac[MAC_LEN];

		if (!owner)
			continue;
		snprintf(remedy, sizeof(remedy), "vfhook set %u --slot %u --mac auto", p->vmid,
			 p->slot);
		report_add(r, CHECK_FAIL, "mac", vm_subject(p->vmid, subject), remedy,
			   "port %u-%u has MAC %s, which is that of %s", p->vmid, p->slot,
			   mac_format(p->want.mac, mac),
			   host_mac_describe(owner, what, sizeof(what)));
	}
}

/* Its own virtio NIC with the same MAC carries the traffic while it migrates (net_failover). */
static bool is_standby(const struct port *p, const struct guest_mac *macs, size_t n)
{
	for (size_t i = 0; p->live_migration && i < n; i++) {
		if (macs[i].vmid == p->vmid && !memcmp(macs[i].mac, p->want.mac, 6))
			return true;
	}
	return false;
}

void check_macs(struct hook *h, const struct config *c, struct report *r)
{
	AUTO_FREE struct guest_mac *macs = NULL;
	AUTO_FREE struct mac_owner *all = NULL;
	struct error err = ERROR_INIT;
	size_t n_macs;
	size_t n = 0;

	if (guest_all_macs(h->root, &macs, &n_macs, &err) < 0) {
		report_add(r, CHECK_FAIL, "mac", "", "systemctl status pve-cluster", "%s",
			   err.text);
		return;
	}
	all = calloc(n_macs + c->n_ports + 1, sizeof(*all));
	if (!all) {
		r->failed = true;
		return;
	}
	for (size_t i = 0; i < n_macs; i++, n++) {
		all[n] = (struct mac_owner){.vmid = macs[i].vmid, .slot = -1};
		memcpy(all[n].mac, macs[i].mac, 6);
	}
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];

		if (!(p->want.has & HAS_MAC) || is_standby(p, macs, n_macs))
			continue;
		all[n] = (struct mac_owner){.vmid = p->vmid, .slot = (int)p->slot};
		memcpy(all[n++].mac, p->want.mac, 6);
	}
	judge_macs(all, n, r);
	check_host_macs(h, c, r);
}
