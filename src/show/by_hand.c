/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs that name VFs or PFs of a pool by hand: found in their configs, and put in words. */
#include "src/show/by_hand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest.h"
#include "pveapi/guest_names.h"
#include "pveapi/hostpci.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/port/guest_note.h"
#include "src/port/mapping_id.h"
#include "src/vf/drivers.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"

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
	if (sysfs_pf_read_as(f->h->root, pf, pool->no_net, &info, NULL) < 0)
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

const char *byhand_mapping(const struct byhand *b, char buf[NAME_LEN + 16])
{
	buf[0] = '\0';
	if (b->mapping[0])
		snprintf(buf, NAME_LEN + 16, " (mapping '%s')", b->mapping);
	return buf;
}

const char *byhand_describe(const struct byhand *b, char *buf, size_t size)
{
	char how[NAME_LEN + 16];
	char vf[PCI_ADDR_LEN];

	pci_addr_format(&b->vf, vf);
	if (b->n_vfs == 1)
		snprintf(buf, size, "names VF %s of pool '%s' by hand%s", vf, b->pool->name,
			 byhand_mapping(b, how));
	else
		snprintf(buf, size, "names %u VFs of pool '%s' (%s first) by hand%s", b->n_vfs,
			 b->pool->name, vf, byhand_mapping(b, how));
	return buf;
}

const char *byhand_way_over(const struct byhand *b, char *buf, size_t size)
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
				   list[i].slot, byhand_mapping(&list[i], how));
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
			    b->vmid, b->slot, b->pf_name, byhand_mapping(b, how));
		else
			say("VM %u hostpci%u %s: PVE starts it as before, and nobody sets its VF; "
			    "to make it a port, with MAC, VLAN and the rest as they are: %s",
			    b->vmid, b->slot, byhand_describe(b, what, sizeof(what)),
			    byhand_way_over(b, over, sizeof(over)));
	}
}
