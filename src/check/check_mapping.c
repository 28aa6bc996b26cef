/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mappings of the ports against sysfs and the nodes of their pools. */
#include "src/check/check_mapping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest_list.h"
#include "pveapi/mapping.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/mapping_id.h"
#include "src/vf/sysfs.h"

static const char *mapping_subject(uint32_t vmid, unsigned slot, char buf[64])
{
	snprintf(buf, 64, "mapping vf-%u-%u", vmid, slot);
	return buf;
}

/* --- A port's mapping --- */

enum { ENTRY, SYSFS };

static bool pool_has_node(const struct pool *p, const char *node)
{
	for (size_t i = 0; i < p->n_pfs; i++) {
		if (!strcmp(p->pfs[i].node, node))
			return true;
	}
	return false;
}

static void gather_sysfs(int root, struct mapping_facts *m)
{
	struct pci_addr vf;
	struct pci_addr pf;
	struct vf_info info;
	unsigned index;

	if (pci_addr_parse(m->path, &vf) < 0 || sysfs_vf_identify(root, &vf, &pf, &index) < 0 ||
	    sysfs_vf_read(root, NULL, &vf, &pf, index, &info, NULL) < 0 ||
	    sysfs_vf_ids(root, &info, NULL) < 0)
		return;
	m->is_vf = true;
	snprintf(m->id[SYSFS], sizeof(m->id[SYSFS]), "%s", info.id);
	snprintf(m->subsystem_id[SYSFS], sizeof(m->subsystem_id[SYSFS]), "%s", info.subsystem_id);
	if (info.iommu_group >= 0)
		snprintf(m->iommugroup[SYSFS], sizeof(m->iommugroup[SYSFS]), "%d",
			 info.iommu_group);
}

/* Nodes of the pool without an entry; each once. */
static void gather_missing(const struct mapping *mapping, const struct pool *p, const char *us,
			   struct mapping_facts *m)
{
	for (size_t i = 0; i < p->n_pfs; i++) {
		const char *node = p->pfs[i].node;
		size_t len = strlen(m->missing);
		bool again = !strcmp(node, us);
		size_t n;

		for (size_t k = 0; k < i; k++)
			again = again || !strcmp(p->pfs[k].node, node);
		if (!again && !mapping_node_entry(mapping, node, &n))
			snprintf(m->missing + len, sizeof(m->missing) - len, "%s%s",
				 len ? ", " : "", node);
	}
}

void gather_mapping(struct hook *h, const struct config *c, const struct mapping_file *f,
		    const struct port *port, struct mapping_facts *m)
{
	const struct pool *p = config_pool(c, port->pool);
	const struct mapping_entry *e;
	const struct mapping *mapping;
	char id[NAME_LEN];
	size_t n;

	*m = (struct mapping_facts){.vmid = port->vmid, .slot = port->slot};
	mapping = mapping_find(f, port_mapping_id(port->vmid, port->slot, id));
	m->there = mapping;
	m->wanted_here = p && pool_has_node(p, h->node);
	if (!mapping)
		return;
	if (p)
		gather_missing(mapping, p, h->node, m);
	e = mapping_node_entry(mapping, h->node, &n);
	m->has_here = e;
	m->n_here = (unsigned)n;
	m->mdev = mapping->mdev;
	if (!e)
		return;
	m->unknown_key = e->unknown_key;
	snprintf(m->path, sizeof(m->path), "%s", e->path);
	snprintf(m->id[ENTRY], sizeof(m->id[ENTRY]), "%s", e->id);
	snprintf(m->subsystem_id[ENTRY], sizeof(m->subsystem_id[ENTRY]), "%s", e->subsystem_id);
	snprintf(m->iommugroup[ENTRY], sizeof(m->iommugroup[ENTRY]), "%s", e->iommugroup);
	gather_sysfs(h->root, m);
}

/* As PVE::Mapping::PCI assert_valid: a property is to be there in both, and equal, or in none. */
static bool judge_property(const struct mapping_facts *m, const char *name, const char value[2][16],
			   struct report *r)
{
	char subject[64];

	if (!strcmp(value[ENTRY], value[SYSFS]))
		return true;
	report_add(r, CHECK_WARN, "mappings", mapping_subject(m->vmid, m->slot, subject),
		   "vfhook boot (so does the VM's next start)",
		   "%s of %s is %s, but the hardware has %s: PVE starts nothing with it as it is",
		   name, m->path, value[ENTRY][0] ? value[ENTRY] : "not in it",
		   value[SYSFS][0] ? value[SYSFS] : "none");
	return false;
}

static void judge_here(const struct mapping_facts *m, struct report *r)
{
	char subject[64];

	mapping_subject(m->vmid, m->slot, subject);
	if (!m->has_here)
		report_add(r, CHECK_WARN, "mappings", subject, "vfhook boot",
			   "it has no entry for this node: VM %u cannot move here", m->vmid);
	else if (!m->is_vf)
		report_add(r, CHECK_WARN, "mappings", subject,
			   "vfhook boot (so does the VM's next start)",
			   "its entry for this node names %s, which is no VF here", m->path);
	else if (m->mdev)
		report_add(r, CHECK_WARN, "mappings", subject,
			   "vfhook boot (so does the VM's next start)",
			   "mdev is on, but %s has no mediated devices: PVE starts nothing with it "
			   "as it is",
			   m->path);
	else if (m->unknown_key)
		report_add(r, CHECK_WARN, "mappings", subject,
			   "vfhook boot (so does the VM's next start)",
			   "its entry for this node has a key that PVE does not know: PVE goes on "
			   "without that entry, and starts nothing with it");
	else if (m->n_here > 1)
		report_add(r, CHECK_WARN, "mappings", subject,
			   "vfhook boot (so does the VM's next start)",
			   "it has %u entries for this node, of which PVE would take any",
			   m->n_here);
	else if (judge_property(m, "id", m->id, r) &&
		 judge_property(m, "iommugroup", m->iommugroup, r))
		judge_property(m, "subsystem-id", m->subsystem_id, r);
}

void judge_mapping(const struct mapping_facts *m, struct report *r)
{
	char subject[64];

	mapping_subject(m->vmid, m->slot, subject);
	if (!m->there) {
		report_add(r, CHECK_WARN, "mappings", subject,
			   "vfhook boot on the VM's node (so does the VM's next start there)",
			   "port %u-%u has no mapping yet", m->vmid, m->slot);
		return;
	}
	if (m->wanted_here)
		judge_here(m, r);
	if (m->missing[0])
		report_add(r, CHECK_WARN, "mappings", subject,
			   "vfhook pool add there if it never was, then vfhook boot here",
			   "VM %u cannot move to %s: no entry for it, though its pool has PFs "
			   "there",
			   m->vmid, m->missing);
}

/* --- Mappings without a port --- */

static void judge_orphan(uint32_t vmid, unsigned slot, bool vm_exists, struct report *r)
{
	char subject[64];
	char remedy[160];

	mapping_subject(vmid, slot, subject);
	snprintf(remedy, sizeof(remedy),
		 "pvesh delete /cluster/mapping/pci/vf-%u-%u, once no VM names it", vmid, slot);
	report_add(r, CHECK_WARN, "mappings", subject, vm_exists ? remedy : "vfhook repair",
		   "there is no port %u-%u for it%s", vmid, slot,
		   vm_exists ? "" : ", and its VM is gone from the cluster");
}

static void check_orphans(const struct config *c, const struct mapping_file *f,
			  const struct guest_ref *guests, size_t n_guests, struct report *r)
{
	for (size_t i = 0; i < f->n_mappings; i++) {
		unsigned slot;
		uint32_t vmid;

		if (port_mapping_parse(f->mappings[i].id, &vmid, &slot) &&
		    !config_port(c, vmid, slot))
			judge_orphan(vmid, slot, guest_find(guests, n_guests, vmid), r);
	}
}

void check_mappings(struct hook *h, const struct config *c, const struct guest_ref *guests,
		    size_t n_guests, struct report *r)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	struct error err = ERROR_INIT;
	size_t before = r->n;
	size_t checked = 0;

	if (mapping_load(h->root, &f, &err) < 0) {
		report_add(r, CHECK_FAIL, "mappings", "", "mend the file by hand", "%s", err.text);
		return;
	}
	if (f.n_ignored)
		report_add(r, CHECK_WARN, "mappings", "", "mend that line by hand",
			   "/etc/pve/mapping/pci.cfg:%u: %s: PVE goes on without it%s",
			   f.ignored_line, f.ignored_why,
			   f.n_ignored > 1 ? ", and without more lines" : "");
	for (size_t i = 0; i < c->n_ports; i++) {
		struct mapping_facts m;

		/* A port of a VM that is gone, or a wrong one, is told elsewhere. */
		if (c->ports[i].bad || c->ports[i].netname[0] ||
		    !guest_find(guests, n_guests, c->ports[i].vmid))
			continue;
		checked++;
		gather_mapping(h, c, &f, &c->ports[i], &m);
		judge_mapping(&m, r);
	}
	/* A vfhook.cfg that cannot be read has no ports: that would make orphans of all. */
	if (c->n_pools || c->n_ports || !path_exists(h->root, VFHOOK_CFG))
		check_orphans(c, &f, guests, n_guests, r);
	if (checked)
		pass_unless_worse(r, before, "mappings",
				  "the mappings of %zu ports are there and as the hardware is",
				  checked);
}

/* --- What the nodes have published --- */

static bool seen_before(const struct config *c, size_t pool, size_t pf)
{
	const char *node = c->pools[pool].pfs[pf].node;

	for (size_t i = 0; i <= pool; i++) {
		for (size_t k = 0; k < (i < pool ? c->pools[i].n_pfs : pf); k++) {
			if (!strcmp(c->pools[i].pfs[k].node, node))
				return true;
		}
	}
	return false;
}

static void check_published(struct hook *h, const char *node, struct report *r)
{
	char subject[64];
	char path[160];

	snprintf(path, sizeof(path), "etc/pve/nodes/%s/vfhook.json", node);
	snprintf(subject, sizeof(subject), "node %.50s", node);
	if (!path_exists(h->root, path))
		report_add(r, CHECK_WARN, "nodes", subject, "vfhook boot on that node",
			   "it has told no VFs (/%s is not there): no mapping gets an entry for it",
			   path);
}

void check_nodes(struct hook *h, const struct config *c, struct report *r)
{
	size_t before = r->n;
	bool any = false;

	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; k < c->pools[i].n_pfs; k++) {
			if (seen_before(c, i, k))
				continue;
			any = true;
			check_published(h, c->pools[i].pfs[k].node, r);
		}
	}
	if (any)
		pass_unless_worse(r, before, "nodes", "each node of the pools has told its VFs");
}
