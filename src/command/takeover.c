/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Planning that a VF which a VM names by hand becomes the VF of its port, as it is set. */
#include "src/command/takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/hostpci.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/port/claims.h"
#include "src/port/mapping_id.h"
#include "src/port/hook_lock.h"
#include "src/port/object_lease.h"
#include "src/port/objects.h"
#include "src/port/reclaim.h"
#include "src/port/foreseen.h"
#include "src/port/vm_locks.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan_park.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"
#include "src/vf/why_not_free.h"

/* --- Which VF? --- */

/* What hostpciN means: of several alternatives PVE takes one, with all its functions. */
struct named {
	unsigned n;	    /* alternatives */
	unsigned functions; /* of the one that has most */
	unsigned here;	    /* of the one that is looked at */
	struct pci_addr first;
};

static int count_function(const struct pci_addr *a, bool whole_device, void *arg)
{
	struct named *named = arg;

	if (!named->n && !named->here)
		named->first = *a;
	named->here += whole_device ? 8 : 1;
	return 0;
}

static void count_alternative(const char *addresses, struct named *out)
{
	const struct hostpci one = {.present = true, .host = (char *)addresses};

	out->here = 0;
	hostpci_each_addr(&one, count_function, out);
	out->n += out->here > 0;
	if (out->here > out->functions)
		out->functions = out->here;
}

static int look_up(struct hook *h, const struct hostpci *e, struct named *out, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	const struct mapping *m;

	*out = (struct named){0};
	if (!e->mapping) {
		count_alternative(e->host, out);
		return 0;
	}
	if (mapping_load(h->root, &f, err) < 0)
		return error_code(err);
	m = mapping_find(&f, e->mapping);
	for (size_t i = 0; m && i < m->n_entries; i++) {
		if (!strcmp(m->entries[i].node, h->node))
			count_alternative(m->entries[i].path, out);
	}
	return 0;
}

/* By the config alone: the VM is off, or runs without that device. */
static int find_named(const struct guest_config *g, unsigned slot, const struct named *named,
		      struct pci_addr *vf, struct error *err)
{
	const struct hostpci *e = &g->hostpci[slot];

	if (named->n > 1)
		return fail(err, EINVAL,
			    "mapping '%s' of hostpci%u means %u VFs, and which one the VM gets is "
			    "known once it runs: start the VM, then this again",
			    e->mapping, slot, named->n);
	*vf = named->first;
	return 0;
}

static int find_vf(struct hook *h, const struct guest_config *g, unsigned slot, struct pci_addr *vf,
		   struct takeover *t, struct error *err)
{
	const struct hostpci *e = &g->hostpci[slot];
	struct named named;
	unsigned of;
	uint32_t vmid;
	int r;

	if (!e->present)
		return fail(err, ENOENT,
			    "VM %u has no hostpci%u: there is nothing to take over (without "
			    "--take-over it gets a new port)",
			    g->vmid, slot);
	if (e->mapping && port_mapping_parse(e->mapping, &vmid, &of))
		return fail(err, EINVAL,
			    "hostpci%u names a mapping of vfhook's: there is nothing to take over "
			    "(without --take-over what is missing of the port is written)",
			    slot);
	if (look_up(h, e, &named, err) < 0)
		return error_code(err);
	if (!named.n)
		return fail(err, ENOENT, "hostpci%u (%.100s) names nothing on this node", slot,
			    e->raw);
	if (named.functions > 1)
		return fail(err, EINVAL,
			    "hostpci%u (%.100s) means %u functions at once, and a port is one VF: "
			    "give each a hostpci of its own first (qm set %u)",
			    slot, e->raw, named.functions, g->vmid);
	switch (vm_runs(h->root, g->vmid, &t->qemu, err)) {
	case ANSWER_UNKNOWN:
		return error_code(err);
	case ANSWER_NO:
		return find_named(g, slot, &named, vf, err);
	default:
		break;
	}
	r = vm_hostpci_actual(h->root, &t->qemu, slot, vf, err);
	if (r < 0)
		return r;
	t->live = r;
	return r ? 0 : find_named(g, slot, &named, vf, err);
}

/* --- How is it set? --- */

/* What differs from a free VF: the rest a port need not wish for, and no driver has to be able to
 * do. */
static struct vf_settings wishes_of(const struct vf_state *v)
{
	struct vf_settings w = v->now;
	uint8_t parked[6];

	vf_parking_mac(&v->info.addr, parked);
	if (mac_is_zero(w.mac) || !memcmp(w.mac, parked, sizeof(parked)))
		w.has &= ~(uint32_t)HAS_MAC;
	if (!w.vlan && !w.qos)
		w.has &= ~(uint32_t)HAS_VLAN;
	if (w.spoofchk)
		w.has &= ~(uint32_t)HAS_SPOOFCHK;
	if (!w.trust)
		w.has &= ~(uint32_t)HAS_TRUST;
	if (!w.min_rate)
		w.has &= ~(uint32_t)HAS_MIN_RATE;
	if (!w.max_rate)
		w.has &= ~(uint32_t)HAS_MAX_RATE;
	if (w.link_state == VF_LINK_AUTO || vf_is_parked(v))
		w.has &= ~(uint32_t)HAS_LINK_STATE;
	if (!w.query_rss)
		w.has &= ~(uint32_t)HAS_QUERY_RSS;
	return w;
}

/* The pool's PF with that address, as the pool knows it. */
static struct pf_id pool_pf(const struct hook *h, const struct pool *pool,
			    const struct pci_addr *pf)
{
	for (size_t i = 0; i < pool->n_pfs; i++) {
		if (!strcmp(pool->pfs[i].node, h->node) && !pci_addr_cmp(&pool->pfs[i].id.addr, pf))
			return pool->pfs[i].id;
	}
	return (struct pf_id){.addr = *pf};
}

/* Would a start of the VM have that VF? A VM that runs on it has it, unless it is leased. */
static int check_sound(const struct snapshot *s, const struct pool *pool, uint32_t vmid,
		       const struct pf_state *pf, const struct vf_state *v, bool live,
		       struct error *err)
{
	struct port_wish wish = {.vmid = vmid,
				 .allow_pf_down = pool->allow_pf_down,
				 .has_last = true,
				 .last = v->info.addr,
				 .numa_node = -1};
	char addr[PCI_ADDR_LEN];
	char why[320];

	snprintf(wish.pool, sizeof(wish.pool), "%s", pool->name);
	pci_addr_format(&v->info.addr, addr);
	if (v->unread)
		return fail(err, EBUSY, "how VF %s is set cannot be read now: %s", addr,
			    v->unread_why);
	if (v->leased && (v->lease_broken || v->lease.vmid != vmid))
		return fail(err, EBUSY, "VF %s %s: vfhook repair", addr,
			    v->lease_broken ? "has a lease that cannot be read"
					    : "is leased to another VM");
	if (!live && vf_why_not_free(s, pf, v, &wish, why, sizeof(why)))
		return fail(err, EBUSY, "VF %s cannot be the port's: %s", addr, why);
	return 0;
}

static int read_vf(struct hook *h, const struct pool *pool, const struct guest_config *g,
		   const struct pci_addr *vf, const struct pci_addr *pf_addr, struct takeover *t,
		   struct error *err)
{
	struct observer o = {
		.root = h->root, .kernel = h->kernel, .vmid = g->vmid, .look_only = t->live};
	struct pf_id id = pool_pf(h, pool, pf_addr);
	CLEANUP(snapshot_free) struct snapshot s = {0};
	AUTO_FREE struct vf_claim *claims = NULL;
	const struct pf_state *pf = NULL;
	const struct vf_state *v;
	char addr[PCI_ADDR_LEN];

	if (gather_claims(h, g->vmid, vf, 1, false, &claims, &o.n_claims, err) < 0)
		return error_code(err);
	o.claims = claims;
	if (foreseen_snapshot(h, &o, &id, 1, vf, 1, false, &s, err) < 0)
		return error_code(err);
	v = snapshot_find(&s, vf, &pf);
	if (!v)
		return fail(err, EIO, "VF %s cannot be read: %s", pci_addr_format(vf, addr),
			    s.n_pfs && s.pfs[0].broken ? s.pfs[0].why : "it is gone");
	if (check_sound(&s, pool, g->vmid, pf, v, t->live, err) < 0)
		return error_code(err);
	t->vf = v->info;
	t->no_net = pf->info.no_net;
	t->now = v->now;
	t->want = wishes_of(v);
	return 0;
}

int takeover_look(struct hook *h, const struct config *c, const struct guest_config *g,
		  unsigned slot, struct takeover *out, struct error *err)
{
	const struct pool *pool;
	char addr[PCI_ADDR_LEN];
	struct pci_addr vf;
	struct pci_addr pf;
	unsigned index;
	int r;

	*out = (struct takeover){0};
	if (find_vf(h, g, slot, &vf, out, err) < 0)
		return error_code(err);
	pci_addr_format(&vf, addr);
	r = sysfs_vf_identify(h->root, &vf, &pf, &index);
	if (r == -EINVAL || r == -ENODEV)
		return fail(err, -r, "hostpci%u: %s is no VF%s", slot, addr,
			    r == -ENODEV ? " that is there" : "");
	if (r < 0)
		return fail_errno(err, -r, "hostpci%u: whose VF %s is", slot, addr);
	pool = config_pool_of_pf(c, h->node, &pf);
	if (!pool)
		return fail(err, ENOENT,
			    "hostpci%u: VF %s is of PF %s, which is in no pool: vfhook pool add "
			    "<name> --pf <its interface>",
			    slot, addr, pci_addr_format(&pf, (char[PCI_ADDR_LEN]){""}));
	snprintf(out->pool, sizeof(out->pool), "%s", pool->name);
	return hook_kernel(h, err) < 0 ? error_code(err) : read_vf(h, pool, g, &vf, &pf, out, err);
}

int takeover_proposed(struct hook *h, const struct config *c, const struct guest_config *g,
		      unsigned slot, bool only_set, struct error *err)
{
	struct takeover t;
	char addr[PCI_ADDR_LEN];
	char set[256];

	if (takeover_look(h, c, g, slot, &t, NULL) < 0 || (only_set && !(t.want.has & HAS_MAC)))
		return 0;
	return fail(err, EEXIST,
		    "hostpci%u names VF %s by hand (%.60s), which is set to %s: vfhook attach %u "
		    "--slot %u --take-over makes it a port as it is%s",
		    slot, pci_addr_format(&t.vf.addr, addr), g->hostpci[slot].raw,
		    vf_settings_describe(&t.want, set, sizeof(set)), g->vmid, slot,
		    only_set ? " (or say another --mac, or --mac auto)" : "");
}

int takeover_slot(struct hook *h, const struct config *c, const struct guest_config *g,
		  unsigned *slot, struct error *err)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PVE_HOSTPCI_MAX; i++) {
		struct takeover t;

		if (config_port(c, g->vmid, i) || takeover_look(h, c, g, i, &t, NULL) < 0)
			continue;
		*slot = i;
		n++;
	}
	if (n == 1)
		return 0;
	return n ? fail(err, EINVAL,
			"%u of its hostpci name VFs of pools by hand: say which one with --slot", n)
		 : fail(err, ENOENT,
			"none of its hostpci names a VF of a pool that can be taken over (--slot N "
			"tells why hostpciN cannot)");
}

/* --- The lease of a VM that runs --- */

/* Before it a free VF, not what a person has set: that goes when the lease does. */
static struct lease make_lease(const struct takeover *t, const struct port *port)
{
	struct lease l = {
		.vf = t->vf.addr,
		.pf = t->vf.pf,
		.index = t->vf.index,
		.vmid = port->vmid,
		.slot = port->slot,
		.no_net = t->no_net,
		.phase = t->live ? LEASE_RUNNING : LEASE_STARTING,
		.taken = time(NULL),
		.qemu_pid = t->qemu.pid,
		.qemu_start = t->qemu.start,
		.before = {.has = t->now.has, .proto = VLAN_PROTO_8021Q, .spoofchk = true},
		.want = t->want};

	memcpy(l.pool, port->pool, sizeof(l.pool));
	return l;
}

int plan_live_lease(const struct takeover *t, const struct port *port, const char *name,
		    struct plan *p, struct error *err)
{
	struct lease l = make_lease(t, port);
	AUTO_FREE char *text = NULL;
	AUTO_JSON json_t *j = NULL;
	char addr[PCI_ADDR_LEN];
	char what[200];
	char id[64];

	if (name)
		text_clean(name, l.name, sizeof(l.name));
	j = lease_to_json(&l);
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (!text)
		return fail(err, ENOMEM, "out of memory");
	pci_addr_format(&l.vf, addr);
	snprintf(id, sizeof(id), "%u %u %s", l.vmid, l.slot, addr);
	snprintf(what, sizeof(what), "VF %s: lease none -> VM %u hostpci%u, which runs on it", addr,
		 l.vmid, l.slot);
	return plan_add_object(
		p,
		&(struct step_object){.kind = OBJECT_LEASE, .name = id, .to = text, .what = what},
		err);
}

static int park(struct hook *h, const struct lease *l, struct error *err)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct proc_id qemu;
	int r = vm_locks_take(h, l->vmid, &locks, err);

	if (!r)
		r = recover_own(h, locks.ours, err);
	if (r < 0)
		return r;
	if (vm_runs(h->root, l->vmid, &qemu, err) != ANSWER_NO)
		return error_code(err);
	r = lease_step(h, locks.ours, PLAN_MEND, STEP_LEASE_TAKE, l, err);
	return r < 0 ? r : release_vm(h, locks.ours, NULL, 0, NULL, err);
}

void takeover_park(struct hook *h, const struct takeover *t, const struct port *port)
{
	struct lease l = make_lease(t, port);
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	if (park(h, &l, &err) < 0)
		say("VF %s stays set as it is until VM %u starts or `vfhook repair` parks it: %s",
		    pci_addr_format(&l.vf, addr), l.vmid, err.text);
}
