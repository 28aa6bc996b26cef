/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading PFs and VFs: sysfs, leases and claims first, then what the kernel lists. */
#include "src/vf/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/vf/card.h"
#include "src/vf/vf_walk.h"

/* The VFs of a PF that one run waits for, should the driver not tell them: a VM has 16 hostpci. */
#define WANTED_MAX 16

static const struct vf_claim *find_claim(const struct observer *o, const struct pci_addr *a)
{
	const struct vf_claim *found = NULL;

	for (size_t i = 0; i < o->n_claims; i++) {
		const struct vf_claim *c = &o->claims[i];
		struct pci_addr at = *a;

		if (c->whole_device)
			at.fn = c->addr.fn;
		if (!pci_addr_cmp(&at, &c->addr) && (!found || c->firm))
			found = c;
	}
	return found;
}

/* Which VFs had a lease when the folder was listed, for who only looks. */
struct leased_vfs {
	bool known;
	struct pci_addr *list;
	size_t n;
};

static void leased_vfs_free(struct leased_vfs *l)
{
	free(l->list);
}

static bool has_none(const struct leased_vfs *l, const struct pci_addr *vf)
{
	return l->known && !lease_vfs_have(l->list, l->n, vf);
}

/*
 * For who opens no VFIO groups, one look at the folder will do for all VFs that have no lease: who
 * then takes one finds out by its lease. Who opens them asks for each VF's lease at that moment,
 * and so does everybody if the folder cannot be listed.
 */
static void list_leased(const struct observer *o, bool all, struct leased_vfs *out)
{
	out->known = all && o->look_only && !lease_vfs(o->root, &out->list, &out->n, NULL);
}

static int read_lease(const struct observer *o, const struct leased_vfs *leased, struct vf_state *v,
		      struct error *err)
{
	struct error why = ERROR_INIT;
	int r = has_none(leased, &v->info.addr)
			? -ENOENT
			: lease_read(o->root, &v->info.addr, &v->lease, NULL);

	/* Most have none, and need no words. */
	if (r < 0 && r != -ENOENT)
		r = lease_read(o->root, &v->info.addr, &v->lease, &why);
	if (r < 0 && r != -ENOENT && r != -EINVAL)
		return fail(err, why.code, "%s", why.text);
	v->leased = r != -ENOENT;
	v->lease_broken = v->leased && r < 0;
	if (v->lease_broken)
		snprintf(v->lease_why, sizeof(v->lease_why), "%.255s", why.text);
	return 0;
}

/* By its lease or a claim: certainly not to be had. */
static bool is_anothers(const struct observer *o, const struct vf_state *v)
{
	return (v->leased && (v->lease_broken || v->lease.vmid != o->vmid)) ||
	       (v->claim && v->claim->firm);
}

/*
 * Opening a VFIO group makes it busy for others for that moment, so it is never
 * tried on a VF that another VM may be starting with.
 */
static bool may_probe_group(const struct observer *o, const struct vf_state *v)
{
	return !o->look_only && v->info.iommu_group >= 0 && !is_anothers(o, v);
}

/* What there is to know of a VF beside sysfs and the kernel's list. */
static int read_users(const struct observer *o, const struct leased_vfs *leased, struct vf_state *v,
		      struct error *err)
{
	int r;

	if (read_lease(o, leased, v, err) < 0)
		return error_code(err);
	v->claim = find_claim(o, &v->info.addr);
	/* Another's, and a driver has it: then it is of no use, and asking may never end. */
	if ((!is_anothers(o, v) || !v->info.driver[0]) && strcmp(v->info.driver, "vfio-pci") != 0 &&
	    sysfs_vf_override(o->root, &v->info, err) < 0)
		return error_code(err);
	if (may_probe_group(o, v))
		v->busy = vfio_group_busy(o->root, v->info.iommu_group);
	if (v->info.ifindex) {
		r = kernel_has_address(o->kernel, v->info.ifindex, NULL);
		v->has_address = r < 0 ? ANSWER_UNKNOWN : r ? ANSWER_YES : ANSWER_NO;
	}
	return 0;
}

static int read_all_vfs(const struct observer *o, const struct group_map *groups,
			const struct leased_vfs *leased, struct pf_state *pf, struct error *err)
{
	struct vf_walk walk = {
		.root = o->root, .pf = &pf->info, .unread = VF_UNREAD_COUNT, .groups = groups};
	unsigned n = pf->info.num_vfs < PF_VFS_MAX ? pf->info.num_vfs : PF_VFS_MAX;

	pf->vfs = calloc(n + 1U, sizeof(*pf->vfs));
	if (!pf->vfs)
		return fail(err, ENOMEM, "out of memory");
	while (vf_walk_next(&walk, &pf->vfs[pf->n_vfs].info, NULL) > 0) {
		struct error why = ERROR_INIT;
		int r = read_users(o, leased, &pf->vfs[pf->n_vfs], &why);

		if (!r)
			pf->n_vfs++;
		else if (r != -ENOENT && r != -ENODEV)
			pf->n_unread++;
	}
	pf->n_unread += walk.n_unread;
	return 0;
}

/* Which VF of the PF is it? Negative: none of its. */
static int number_of(const struct observer *o, const struct pci_addr *vf, const struct pci_addr *pf,
		     unsigned *index)
{
	struct pci_addr of;

	if (!sysfs_vf_number(o->root, vf, pf, index))
		return 0;
	return sysfs_vf_identify(o->root, vf, &of, index) < 0 || pci_addr_cmp(&of, pf) ? -ENOENT
										       : 0;
}

static int read_some_vfs(const struct observer *o, struct pf_state *pf, const struct pci_addr *only,
			 size_t n_only, struct error *err)
{
	const struct leased_vfs leased = {0};

	pf->vfs = calloc(n_only ? n_only : 1, sizeof(*pf->vfs));
	if (!pf->vfs)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n_only; i++) {
		struct vf_state *v = &pf->vfs[pf->n_vfs];
		struct error why = ERROR_INIT;
		unsigned index;

		if (!number_of(o, &only[i], &pf->info.addr, &index) &&
		    !sysfs_vf_read(o->root, NULL, &only[i], &pf->info.addr, index, &v->info,
				   NULL) &&
		    !read_users(o, &leased, v, &why))
			pf->n_vfs++;
	}
	return 0;
}

/* The one interface that a glance found may stand for a VF, with the PF's own somewhere else. */
static int check_interface(const struct pf_state *pf, struct error *err)
{
	char addr[PCI_ADDR_LEN];

	if (!pf->link.representor)
		return 0;
	return fail(err, ENODEV,
		    "PF %s has no network interface of its own here: %s stands for one of its VFs "
		    "(switchdev mode)",
		    pci_addr_format(&pf->info.addr, addr), pf->info.ifname);
}

/* Another card in that slot leads to another network: nobody gets its VFs unasked. */
static int check_identity(const struct pf_id *id, const struct pf_state *pf, struct error *err)
{
	char addr[PCI_ADDR_LEN];
	char was[MAC_LEN];
	char is[MAC_LEN];

	if (!id->has_mac || !pf->link.has_perm_mac || !memcmp(id->mac, pf->link.perm_mac, 6))
		return 0;
	return fail(err, ESTALE,
		    "PF %s (%s) is another card than the pool's: its MAC is %s, not %s; `vfhook "
		    "boot` looks where that one is now",
		    pci_addr_format(&id->addr, addr), pf->info.ifname,
		    mac_format(pf->link.perm_mac, is), mac_format(id->mac, was));
}

/*
 * One that is no network card's has nothing that could be set or be down. That it is the pool's is
 * told by what stands in the pool: of its serial number that it has none is an answer, that it
 * cannot be read is not.
 */
static int read_card(const struct observer *o, const struct pf_id *id, struct pf_state *pf,
		     struct error *err)
{
	struct card_id now;
	char addr[PCI_ADDR_LEN];
	char was[CARD_WORDS_LEN];
	char is[CARD_WORDS_LEN];
	unsigned class;
	int r = card_class(o->root, &id->addr, &class);

	pf->link = (struct pf_link){.up = true, .carrier = true};
	pci_addr_format(&id->addr, addr);
	if (r < 0)
		return fail_errno(err, -r, "PF %s: read its class", addr);
	if (card_is_network(class))
		return fail(err, ESTALE,
			    "PF %s is a network card, and its pool says `network off`: it is "
			    "another card than the pool's",
			    addr);
	if (!card_is_known(&id->card))
		return 0;
	if (card_read(o->root, &id->addr, &now, err) < 0)
		return error_code(err);
	if (card_is(&id->card, &now))
		return 0;
	return fail(err, ESTALE,
		    "PF %s is another card than the pool's: it is %s, not %s; `vfhook boot` looks "
		    "where that one is now",
		    addr, card_words(&now, is), card_words(&id->card, was));
}

/* A VF of it is another's: who asked looks at everything next, and reads the kernel's list then. */
static bool glance_is_over(const struct observer *o, const struct pf_state *pf)
{
	for (size_t i = 0; o->glance && i < pf->n_vfs; i++) {
		if (is_anothers(o, &pf->vfs[i]))
			return true;
	}
	return false;
}

static bool stands_in(const struct pci_addr *vf, const struct pci_addr *only, size_t n_only)
{
	for (size_t i = 0; i < n_only; i++) {
		if (!pci_addr_cmp(vf, &only[i]))
			return true;
	}
	return false;
}

/* The numbers of the VFs that who asks has, had last or is to give back: those are worth waiting
 * for. */
static size_t list_wanted(const struct observer *o, const struct pf_state *pf,
			  const struct pci_addr *only, size_t n_only, unsigned wanted[WANTED_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < pf->n_vfs && n < WANTED_MAX; i++) {
		const struct vf_state *v = &pf->vfs[i];

		if (stands_in(&v->info.addr, only, n_only) ||
		    (v->leased && !v->lease_broken && o->vmid && v->lease.vmid == o->vmid))
			wanted[n++] = v->info.index;
	}
	return n;
}

/* The kernel's list, and out of it what the VFs that were found are set to. */
static int read_link(const struct observer *o, const struct pf_id *id, const struct pci_addr *only,
		     size_t n_only, struct pf_state *pf, struct error *err)
{
	unsigned wanted[WANTED_MAX];
	size_t n = list_wanted(o, pf, only, n_only, wanted);

	if (kernel_pf_read_for(o->kernel, pf->info.ifindex, wanted, n, &pf->link, err) < 0 ||
	    check_interface(pf, err) < 0 || check_identity(id, pf, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < pf->n_vfs; i++) {
		struct vf_state *v = &pf->vfs[i];
		struct error why = ERROR_INIT;

		v->unread = pf_link_vf(&pf->link, v->info.index, &v->now, &why) < 0;
		if (v->unread)
			snprintf(v->unread_why, sizeof(v->unread_why), "%.127s", why.text);
	}
	return 0;
}

static void free_groups(struct group_map **m)
{
	group_map_free(*m);
}

static void set_broken(struct pf_state *pf, const struct error *why)
{
	pf->broken = true;
	snprintf(pf->why, sizeof(pf->why), "%.255s", why->text);
	free(pf->vfs);
	pf->vfs = NULL;
	pf->n_vfs = 0;
}

int snapshot_read(const struct observer *o, const struct pf_id *pfs, size_t n_pfs,
		  const struct pci_addr *only, size_t n_only, bool all, struct snapshot *out,
		  struct error *err)
{
	CLEANUP(free_groups) struct group_map *groups = all ? group_map_read(o->root) : NULL;
	CLEANUP(leased_vfs_free) struct leased_vfs leased = {0};

	*out = (struct snapshot){.complete = all};
	out->pfs = calloc(n_pfs ? n_pfs : 1, sizeof(*out->pfs));
	if (!out->pfs)
		return fail(err, ENOMEM, "out of memory");
	list_leased(o, all, &leased);
	for (size_t i = 0; i < n_pfs; i++) {
		struct pf_state *pf = &out->pfs[out->n_pfs++];
		struct error why = ERROR_INIT;
		int r;

		r = all ? sysfs_pf_read_as(o->root, &pfs[i].addr, pfs[i].no_net, &pf->info, &why)
			: sysfs_pf_glance(o->root, &pfs[i].addr, pfs[i].no_net, &pf->info, &why);
		if (r < 0) {
			set_broken(pf, &why);
			continue;
		}
		r = all ? read_all_vfs(o, groups, &leased, pf, err)
			: read_some_vfs(o, pf, only, n_only, err);
		if (r < 0) {
			snapshot_free(out);
			return r;
		}
		for (size_t k = 0; k < pf->n_vfs; k++)
			pf->vfs[k].host = vf_set_has(&pfs[i].host, pf->vfs[k].info.index);
		if (glance_is_over(o, pf))
			continue;
		/*
		 * Behind the leases: who gives a VF back cleans it first, so one without a lease
		 * is seen as it was left.
		 */
		r = pfs[i].no_net ? read_card(o, &pfs[i], pf, &why)
				  : read_link(o, &pfs[i], only, n_only, pf, &why);
		if (r < 0)
			set_broken(pf, &why);
	}
	return 0;
}

void snapshot_free(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		pf_link_free(&s->pfs[i].link);
		free(s->pfs[i].vfs);
	}
	free(s->pfs);
	*s = (struct snapshot){0};
}

const struct vf_state *snapshot_find(const struct snapshot *s, const struct pci_addr *vf,
				     const struct pf_state **pf)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		for (size_t k = 0; k < s->pfs[i].n_vfs; k++) {
			if (pci_addr_cmp(&s->pfs[i].vfs[k].info.addr, vf) != 0)
				continue;
			if (pf)
				*pf = &s->pfs[i];
			return &s->pfs[i].vfs[k];
		}
	}
	return NULL;
}

bool vf_is_leased_to(const struct vf_state *v, uint32_t vmid)
{
	return v->leased && !v->lease_broken && v->lease.vmid == vmid;
}
