/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathering who has each VF of each pool, without a lock. */
#include "src/show/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "pveapi/ct_state.h"
#include "pveapi/guest.h"
#include "pveapi/guest_names.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "pveapi/process.h"
#include "pveapi/reservations.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/answer.h"
#include "src/base/cleanup.h"
#include "src/base/error.h"
#include "src/base/locks.h"
#include "src/host/host_use.h"
#include "src/port/claims.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/context.h"
#include "src/port/netdev.h"
#include "src/show/vfio_group_user.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/plan_park.h"
#include "src/vf/port_wish.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf.h"
#include "src/vf/why_not_free.h"

static const char *const uses[USE_COUNT] = {
	[USE_FREE] = "free",	 [USE_STARTING] = "starting",	[USE_RUNNING] = "running",
	[USE_DIRTY] = "dirty",	 [USE_RESERVED] = "reserved",	[USE_RAW] = "raw",
	[USE_MAPPED] = "mapped", [USE_BUSY] = "busy",		[USE_UNUSABLE] = "unusable",
	[USE_HOST] = "host",	 [USE_UNPLUGGED] = "unplugged", [USE_ARRIVING] = "arriving",
};

const char *vf_use_name(enum vf_use use)
{
	return (size_t)use < USE_COUNT ? uses[use] : "?";
}

bool vf_use_is_lease(enum vf_use use)
{
	return use >= USE_STARTING && use <= USE_ARRIVING;
}

const char *vf_guest_kind(const struct vf_report *r)
{
	if (!r->vmid || r->vmid == LEASE_SELF)
		return NULL;
	return vf_use_is_lease(r->use) && lease_is_ct(&r->vf->lease) ? "ct" : "vm";
}

bool vf_is_left_over(const struct vf_report *r)
{
	return r->use == USE_FREE && !r->spare_of &&
	       (vf_has_guest_settings(r->vf) || netdev_is_ours(&r->vf->info));
}

void inventory_free(struct inventory *inv)
{
	for (size_t i = 0; i < inv->n_pools; i++) {
		for (size_t k = 0; k < inv->pools[i].n_pfs; k++) {
			free(inv->pools[i].pfs[k].vfs);
			free(inv->pools[i].pfs[k].stats);
		}
		free(inv->pools[i].pfs);
	}
	free(inv->pools);
	free(inv->strays);
	free(inv->broken_guests);
	snapshot_free(&inv->snapshot);
	free(inv->claims);
	free(inv->claim_vmids);
	free(inv->claim_slots);
	config_free(&inv->config);
	*inv = INVENTORY_INIT;
}

/* --- Who else --- */

static struct vf_claim *add_claim(struct inventory *inv, uint32_t vmid, unsigned slot)
{
	inv->claim_vmids[inv->n_claims] = vmid;
	inv->claim_slots[inv->n_claims] = slot;
	return &inv->claims[inv->n_claims++];
}

static int read_claims(struct hook *h, struct inventory *inv, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(guest_names_free) struct guest_names names = {0};
	AUTO_FREE struct pci_reservation *res = NULL;
	AUTO_FREE struct mapped_function *mapped = NULL;
	int64_t now = time(NULL);
	size_t n_mapped = 0;
	size_t n_res = 0;
	size_t n;

	if (pci_reservations(h->root, &res, &n_res, err) < 0 ||
	    guest_names_read(h->root, h->node, &names, err) < 0 ||
	    mapping_load(h->root, &f, err) < 0 ||
	    mapped_functions(h, &f, &names, res, n_res, &mapped, &n_mapped, err) < 0)
		return error_code(err);
	inv->broken_guests = STEAL(names.broken);
	n = n_res + names.n_raw + n_mapped + 1;
	inv->claims = calloc(n, sizeof(*inv->claims));
	inv->claim_vmids = calloc(n, sizeof(*inv->claim_vmids));
	inv->claim_slots = calloc(n, sizeof(*inv->claim_slots));
	if (!inv->claims || !inv->claim_vmids || !inv->claim_slots)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n_res; i++) {
		if (pci_reservation_live(h->root, &res[i], now))
			*add_claim(inv, res[i].vmid, PVE_HOSTPCI_MAX) =
				(struct vf_claim){.addr = res[i].addr, .firm = true};
	}
	for (size_t i = 0; i < names.n_raw; i++)
		*add_claim(inv, names.raw[i].vmid, names.raw[i].slot) = (struct vf_claim){
			.addr = names.raw[i].addr, .whole_device = names.raw[i].whole_device};
	inv->first_mapped = inv->n_claims;
	for (size_t i = 0; i < 2 * n_mapped; i++) {
		const struct mapped_function *m = &mapped[i % n_mapped];

		if (i == n_mapped)
			inv->first_spare = inv->n_claims;
		if (m->needed == (i < n_mapped))
			*add_claim(inv, m->vmid, m->slot) =
				(struct vf_claim){.addr = m->addr, .whole_device = m->whole_device};
	}
	if (!n_mapped)
		inv->first_spare = inv->n_claims;
	return 0;
}

static void vm_name(const struct hook *h, uint32_t vmid, char name[64])
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	struct error ignored = ERROR_INIT;

	name[0] = '\0';
	if (!guest_config_load(h->root, h->node, h->migrated_from, vmid, &g, &ignored) && g.name)
		text_clean(g.name, name, 64);
}

/* --- Is anybody at work? --- */

/*
 * Does somebody hold PVE's lock on the VM? Asked of /proc/locks: trying the lock
 * would hold it for a moment, and a start that comes then would be refused.
 */
static bool guest_lock_held(int root, const struct lease *l, const char *locks)
{
	const char *(*lock_path)(uint32_t, char *) = lease_is_ct(l) ? ct_lock_path : vm_lock_path;
	char path[64];
	struct stat st;

	return !fstatat(root, lock_path(l->vmid, path), &st, 0) && locks_have(locks, st.st_ino);
}

static enum answer lease_guest_runs(const struct hook *h, const struct lease *l)
{
	struct proc_id now;

	return lease_is_ct(l) ? ct_lives(h->root, l->vmid, &now, NULL)
			      : vm_runs(h->root, l->vmid, &now, NULL);
}

static bool vm_is_over(const struct hook *h, const struct lease *l, const char *locks)
{
	struct proc_id qemu = {.pid = l->qemu_pid, .start = l->qemu_start};

	return lease_guest_runs(h, l) == ANSWER_NO &&
	       !(qemu.pid && proc_alive(h->root, &qemu) != ANSWER_NO) &&
	       !guest_lock_held(h->root, l, locks);
}

/* --- One VF --- */

struct reader {
	struct hook *h;
	struct inventory *inv;
	const char *locks;
};

static void report_lease(const struct reader *rd, struct vf_report *r)
{
	const struct lease *l = &r->vf->lease;

	static const enum vf_use phases[] = {
		[LEASE_STARTING] = USE_STARTING, [LEASE_RUNNING] = USE_RUNNING,
		[LEASE_DIRTY] = USE_DIRTY,	 [LEASE_UNPLUGGED] = USE_UNPLUGGED,
		[LEASE_ARRIVING] = USE_ARRIVING,
	};

	r->use = phases[l->phase];
	r->vmid = l->vmid;
	r->slot = l->slot;
	snprintf(r->name, sizeof(r->name), "%s", l->name);
	if (!r->name[0])
		vm_name(rd->h, l->vmid, r->name);
	r->stale = l->phase != LEASE_DIRTY && vm_is_over(rd->h, l, rd->locks);
	if (r->vf->unread)
		snprintf(r->why, sizeof(r->why), "%s", r->vf->unread_why);
	/* Only of a VM that runs: before that, and after, a VF is on its way. */
	if (r->vf->unread || r->use == USE_DIRTY || r->use == USE_UNPLUGGED ||
	    lease_guest_runs(rd->h, l) != ANSWER_YES)
		return;
	for (unsigned a = 0; a < VF_ATTR_COUNT; a++) {
		if ((l->want.has & vf_attr_bits((enum vf_attr)a)) &&
		    !vf_attr_equal((enum vf_attr)a, &l->want, &r->vf->now))
			r->differs |= 1U << a;
	}
}

static void report_claim(const struct reader *rd, struct vf_report *r)
{
	size_t i = (size_t)(r->vf->claim - rd->inv->claims);

	r->use = r->vf->claim->firm	      ? USE_RESERVED
		 : i >= rd->inv->first_mapped ? USE_MAPPED
					      : USE_RAW;
	r->vmid = rd->inv->claim_vmids[i];
	r->slot = rd->inv->claim_slots[i];
	/* A reservation does not say for which slot; the config may. */
	for (size_t k = 0; r->slot == PVE_HOSTPCI_MAX && k < rd->inv->n_claims; k++) {
		if (rd->inv->claim_vmids[k] == r->vmid &&
		    !pci_addr_cmp(&rd->inv->claims[k].addr, &r->vf->info.addr))
			r->slot = rd->inv->claim_slots[k];
	}
	vm_name(rd->h, r->vmid, r->name);
}

static void note_spare(const struct inventory *inv, struct vf_report *r)
{
	for (size_t i = inv->first_spare; r->use == USE_FREE && i < inv->n_claims; i++) {
		const struct vf_claim *c = &inv->claims[i];
		struct pci_addr at = r->vf->info.addr;

		if (c->whole_device)
			at.fn = c->addr.fn;
		if (pci_addr_cmp(&at, &c->addr) != 0)
			continue;
		r->spare_of = inv->claim_vmids[i];
		r->spare_slot = inv->claim_slots[i];
	}
}

static void note_left_over(struct vf_report *r)
{
	if (vf_is_left_over(r))
		snprintf(r->why, sizeof(r->why), "still set for a guest: vfhook repair parks it");
}

static void report_host(const struct reader *rd, struct vf_report *r)
{
	const struct vf_info *i = &r->vf->info;
	char what[200];

	r->use = USE_HOST;
	if (host_use_of(rd->h, r->vf, what, sizeof(what)) != HOST_USE_NONE)
		snprintf(r->note, sizeof(r->note), "%s", what);
	else if (i->ifname[0])
		snprintf(r->note, sizeof(r->note), "%s, not in use now", i->ifname);
	else if (strstr(i->driver, "vfio"))
		snprintf(r->note, sizeof(r->note), "%s has it: after a reboot it has an interface",
			 i->driver);
	else
		snprintf(r->note, sizeof(r->note), "it has no driver: vfhook boot");
}

/* vfio-pci or a variant of it (mlx5_vfio_pci): nobody else has it but who has its group open. */
static void report_group(const struct reader *rd, struct vf_report *r)
{
	uint32_t pid = vfio_group_user(rd->h->root, r->vf->info.iommu_group);
	char who[64];

	if (!pid)
		return;
	r->use = USE_BUSY;
	snprintf(r->why, sizeof(r->why), "/dev/vfio/%d is open in %s", r->vf->info.iommu_group,
		 process_words(rd->h, pid, who, sizeof(who)));
}

static void report_vf(const struct reader *rd, const struct pool *pool, const struct pf_state *pf,
		      const struct vf_state *v, struct vf_report *r)
{
	struct port_wish nobody = {.allow_pf_down = true, .numa_node = -1};

	*r = (struct vf_report){.vf = v, .slot = PVE_HOSTPCI_MAX};
	if (v->leased && !v->lease_broken) {
		report_lease(rd, r);
	} else if (v->host && !v->leased && !(v->claim && v->claim->firm)) {
		report_host(rd, r);
	} else if (v->claim && !v->leased) {
		report_claim(rd, r);
	} else if (!pf->link.up && !pool->allow_pf_down && !v->leased) {
		r->use = USE_UNUSABLE;
		snprintf(r->why, sizeof(r->why), "its PF is down");
	} else if (vf_why_not_free(&rd->inv->snapshot, pf, v, &nobody, r->why, sizeof(r->why))) {
		r->use = USE_UNUSABLE;
	} else if (strstr(v->info.driver, "vfio")) {
		report_group(rd, r);
	}
}

static bool counts_nothing(const struct vf_stats *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct vf_stats *s = &list[i];

		if (s->rx_packets || s->tx_packets || s->rx_bytes || s->tx_bytes || s->broadcast ||
		    s->multicast || s->rx_dropped || s->tx_dropped)
			return false;
	}
	return true;
}

/* Linux 7.3 cuts the list. */
static bool ends_early(const struct vf_stats *list, size_t n)
{
	for (size_t i = PF_VFS_COUNTED; i < n; i++) {
		if (list[i].known)
			return false;
	}
	return n > PF_VFS_COUNTED;
}

static void read_stats(const struct reader *rd, struct pf_report *r)
{
	struct error why = ERROR_INIT;

	if (kernel_pf_stats(rd->h->kernel, r->pf->info.ifindex, &r->stats, &r->n_stats, &why) < 0) {
		snprintf(r->no_stats, sizeof(r->no_stats), "%.319s", why.text);
	} else if (counts_nothing(r->stats, r->n_stats)) {
		/* A driver without statistics looks like this; zeros would be a lie. */
		free(r->stats);
		r->stats = NULL;
		r->n_stats = 0;
	} else if (ends_early(r->stats, r->n_stats)) {
		snprintf(r->no_stats, sizeof(r->no_stats),
			 "the kernel lists the counters of the first %d VFs only", PF_VFS_COUNTED);
	}
}

/* PVE would bind it to vfio-pci, and its driver takes the VFs with it. */
static void note_named_pf(const struct inventory *inv, struct pf_report *r)
{
	size_t len = 0;

	for (size_t i = 0; i < inv->n_claims && len < sizeof(r->named_by); i++) {
		const struct vf_claim *c = &inv->claims[i];
		struct pci_addr at = r->pf->info.addr;

		if (c->whole_device)
			at.fn = c->addr.fn;
		if (c->firm || pci_addr_cmp(&at, &c->addr) != 0)
			continue;
		len += (size_t)snprintf(r->named_by + len, sizeof(r->named_by) - len,
					"%sVM %u hostpci%u", len ? ", " : "", inv->claim_vmids[i],
					inv->claim_slots[i]);
	}
}

static int report_pf(const struct reader *rd, const struct pool *pool, const struct pf_state *pf,
		     bool stats, struct pf_report *r, struct error *err)
{
	*r = (struct pf_report){.pf = pf};
	note_named_pf(rd->inv, r);
	fdb_report_read(rd->h->root, pool, &pf->info.addr, &r->fdb);
	r->vfs = calloc(pf->n_vfs + 1, sizeof(*r->vfs));
	if (!r->vfs)
		return fail(err, ENOMEM, "out of memory");
	if (pf->broken)
		snprintf(r->why, sizeof(r->why), "%s", pf->why);
	else if (!pf->info.num_vfs)
		snprintf(r->why, sizeof(r->why), "it has no VFs yet (of %u possible): %s%s%s",
			 pf->info.total_vfs, pool->vfs ? "vfhook boot" : "vfhook pool add ",
			 pool->vfs ? "" : pool->name,
			 pool->vfs	? ""
			 : pool->no_net ? " --pf <its address> --vfs <N>, then vfhook boot"
					: " --pf <interface> --vfs <N>, then vfhook boot");
	else if (!pf->link.up && !pool->allow_pf_down)
		snprintf(r->why, sizeof(r->why),
			 "it is down, so nobody gets its VFs: ip link set %s up", pf->info.ifname);
	for (size_t i = 0; i < pf->n_vfs; i++) {
		report_vf(rd, pool, pf, &pf->vfs[i], &r->vfs[r->n_vfs]);
		note_spare(rd->inv, &r->vfs[r->n_vfs]);
		note_left_over(&r->vfs[r->n_vfs++]);
	}
	if (stats && !pf->broken && !pool->no_net)
		read_stats(rd, r);
	return 0;
}

/* --- All of them --- */

static bool same_pf_before(const struct pf_id *pfs, size_t n, const struct pci_addr *a)
{
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(&pfs[i].addr, a))
			return true;
	}
	return false;
}

static int read_snapshot(struct hook *h, struct inventory *inv, struct error *err)
{
	struct observer o = {.root = h->root,
			     .kernel = h->kernel,
			     .claims = inv->claims,
			     .n_claims = inv->first_spare,
			     .look_only = true};
	AUTO_FREE struct pf_id *pfs = NULL;
	size_t max = 1;
	size_t n = 0;

	for (size_t i = 0; i < inv->config.n_pools; i++)
		max += inv->config.pools[i].n_pfs;
	pfs = calloc(max, sizeof(*pfs));
	if (!pfs)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < inv->config.n_pools; i++) {
		const struct pool *p = &inv->config.pools[i];

		for (size_t k = 0; k < p->n_pfs; k++) {
			if (!strcmp(p->pfs[k].node, h->node) &&
			    !same_pf_before(pfs, n, &p->pfs[k].id.addr))
				pfs[n++] = p->pfs[k].id;
		}
	}
	if (snapshot_read(&o, pfs, n, NULL, 0, true, &inv->snapshot, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) /* a broken one does not know its own address */
		inv->snapshot.pfs[i].info.addr = pfs[i].addr;
	return 0;
}

static const struct pf_state *find_pf(const struct snapshot *s, const struct pci_addr *addr)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		if (!pci_addr_cmp(&s->pfs[i].info.addr, addr))
			return &s->pfs[i];
	}
	return NULL;
}

static int report_pool(const struct reader *rd, const struct pool *pool, bool stats,
		       struct pool_report *r, struct error *err)
{
	AUTO_FREE struct pf_id *pfs = NULL;
	int n = pool_node_pfs(pool, rd->h->node, &pfs);

	*r = (struct pool_report){.pool = pool};
	if (n >= 0)
		r->pfs = calloc((size_t)n + 1, sizeof(*r->pfs));
	if (!r->pfs)
		return fail(err, ENOMEM, "out of memory");
	for (int i = 0; i < n; i++) {
		const struct pf_state *pf = find_pf(&rd->inv->snapshot, &pfs[i].addr);

		if (!pf || same_pf_before(pfs, (size_t)i, &pfs[i].addr))
			continue;
		if (report_pf(rd, pool, pf, stats, &r->pfs[r->n_pfs++], err) < 0)
			return error_code(err);
	}
	return 0;
}

/* Keep of all leases those that no pool shows. */
static int read_strays(struct hook *h, struct inventory *inv, struct error *err)
{
	size_t n;
	size_t kept = 0;

	if (lease_list(h->root, &inv->strays, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (!snapshot_find(&inv->snapshot, &inv->strays[i].vf, NULL))
			inv->strays[kept++] = inv->strays[i];
	}
	inv->n_strays = kept;
	return 0;
}

int inventory_read(struct hook *h, bool stats, struct inventory *out, struct error *err)
{
	AUTO_FREE char *locks = NULL;
	struct reader rd = {.h = h, .inv = out};

	*out = INVENTORY_INIT;
	if (hook_kernel(h, err) < 0 || config_load(h->root, &out->config, err) < 0 ||
	    read_claims(h, out, err) < 0 || read_snapshot(h, out, err) < 0 ||
	    read_strays(h, out, err) < 0)
		return error_code(err);
	locks = locks_read(h->root);
	rd.locks = locks;
	out->pools = calloc(out->config.n_pools + 1, sizeof(*out->pools));
	if (!out->pools)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < out->config.n_pools; i++) {
		if (report_pool(&rd, &out->config.pools[i], stats, &out->pools[out->n_pools++],
				err) < 0)
			return error_code(err);
	}
	return 0;
}

void count_vfs(const struct pf_report *pf, struct vf_counts *c)
{
	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct vf_report *r = &pf->vfs[i];

		c->use[r->use]++;
		c->total++;
		c->leased += vf_use_is_lease(r->use);
		c->others += r->use == USE_RESERVED || r->use == USE_RAW || r->use == USE_MAPPED ||
			     r->use == USE_BUSY;
		c->stale += r->stale;
		c->mismatched += r->differs != 0;
	}
}

const struct vf_stats *vf_stats_of(const struct pf_report *pf, const struct vf_report *r)
{
	unsigned vf = r->vf->info.index;

	return vf < pf->n_stats && pf->stats[vf].known ? &pf->stats[vf] : NULL;
}

const struct vf_stats *vf_stats_before(const struct inventory *before, const struct pf_report *pf,
				       const struct vf_report *r)
{
	const struct vf_stats *now = vf_stats_of(pf, r);
	const struct vf_stats *was;

	for (size_t i = 0; now && before && i < before->n_pools; i++) {
		for (size_t k = 0; k < before->pools[i].n_pfs; k++) {
			const struct pf_report *p = &before->pools[i].pfs[k];

			if (pci_addr_cmp(&p->pf->info.addr, &pf->pf->info.addr) != 0 ||
			    r->vf->info.index >= p->n_stats)
				continue;
			was = &p->stats[r->vf->info.index];
			if (!was->known)
				return NULL;
			return was->rx_bytes <= now->rx_bytes && was->tx_bytes <= now->tx_bytes
				       ? was
				       : NULL;
		}
	}
	return NULL;
}
