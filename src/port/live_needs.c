/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PVE looks at before it migrates a running VM (PVE/QemuMigrate/Helpers.pm), and the guest. */
#include "src/port/live_needs.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/peer.h"
#include "pveapi/rest.h"
#include "src/base/cleanup.h"
#include "src/base/json.h"
#include "src/base/text.h"
#include "src/port/mapping_id.h"

/* net0 to net31 in the part of the config that counts. */
static bool has_other_nic(const struct guest_config *g)
{
	for (const char *at = g->text ? g->text : ""; *at && *at != '[';) {
		if (!strncmp(at, "net", 3) && at[3] >= '0' && at[3] <= '9')
			return true;
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return false;
}

/*
 * Would PVE migrate with that hostpciN? Not with a raw address, nor with a mapping that is not
 * marked for it (check_local_resources); ours is while the VM runs, if the port says so.
 */
static bool pve_migrates(const struct config *c, const struct guest_config *g, unsigned slot,
			 const struct mapping_file *f)
{
	const struct hostpci *has = &g->hostpci[slot];
	const struct port *p = config_port(c, g->vmid, slot);
	const struct mapping *m = has->mapping && f ? mapping_find(f, has->mapping) : NULL;
	unsigned its_slot;
	uint32_t vmid;

	if (p)
		return !p->bad && p->live_migration;
	/* One of ours without a port is another VM's, or a leftover. */
	return m && m->live_migration && !port_mapping_parse(m->id, &vmid, &its_slot);
}

struct lack {
	live_lack_fn *fn;
	void *arg;
	int n;
};

__attribute__((format(printf, 3, 4))) static void tell(struct lack *l, const char *remedy,
						       const char *fmt, ...)
{
	char what[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	l->fn(l->arg, what, remedy);
	l->n++;
}

static void look_at_others(const struct config *c, const struct guest_config *g,
			   const struct port *port, const struct mapping_file *f, struct lack *l)
{
	char remedy[200];

	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		bool ours = config_port(c, g->vmid, slot);

		if (slot == port->slot || !g->hostpci[slot].present || pve_migrates(c, g, slot, f))
			continue;
		if (ours)
			snprintf(remedy, sizeof(remedy),
				 "vfhook set %u --slot %u --live-migration on", g->vmid, slot);
		else
			snprintf(remedy, sizeof(remedy),
				 "qm set %u --delete hostpci%u, if it is not needed", g->vmid,
				 slot);
		tell(l, remedy, "PVE migrates no running VM with hostpci%u as it is", slot);
	}
}

static bool was_before(const struct pool *pool, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(pool->pfs[k].node, pool->pfs[i].node))
			return true;
	}
	return false;
}

static void look_at_nodes(struct hook *h, const struct pool *pool, const struct port *port,
			  const struct mapping_file *f, struct lack *l)
{
	const struct mapping *m = NULL;
	char remedy[200];
	char id[NAME_LEN];
	size_t others = 0;

	port_mapping_id(port->vmid, port->slot, id);
	if (f)
		m = mapping_find(f, id);
	for (size_t i = 0; i < pool->n_pfs; i++) {
		const char *node = pool->pfs[i].node;
		struct error err = ERROR_INIT;
		char ip[PEER_IP_LEN];
		size_t n;

		if (!strcmp(node, h->node) || was_before(pool, i))
			continue;
		others++;
		if (peer_address(h->root, node, ip, &err) < 0) {
			snprintf(
				remedy, sizeof(remedy),
				"pvecm status; if that node has left the cluster: its `pf` line in "
				"/" VFHOOK_CFG " is to go");
			tell(l, remedy, "%s: PVE cannot migrate it to there", err.text);
			continue;
		}
		if (!m || mapping_node_entry(m, node, &n))
			continue;
		snprintf(remedy, sizeof(remedy),
			 "vfhook boot on %s, if it never ran there, then here", node);
		tell(l, remedy,
		     "mapping %s has no entry for node %s: PVE does not migrate it there", id,
		     node);
	}
	snprintf(remedy, sizeof(remedy), "on the other node: vfhook pool add %s --pf <interface>",
		 pool->name);
	if (!others)
		tell(l, remedy,
		     "pool '%s' has no PF on another node: there is nowhere to migrate to",
		     pool->name);
}

int live_lacks(struct hook *h, const struct config *c, const struct guest_config *g,
	       const struct port *port, const struct mapping_file *f, live_lack_fn *fn, void *arg)
{
	const struct pool *pool = config_pool(c, port->pool);
	struct lack l = {fn, arg, 0};
	char remedy[200];

	if (!has_other_nic(g)) {
		snprintf(remedy, sizeof(remedy),
			 "qm set %u --net0 virtio,bridge=vmbr0, and a bond in the guest", g->vmid);
		tell(&l, remedy,
		     "it has no other network device: while it migrates its guest is offline until "
		     "it has a VF again");
	}
	look_at_others(c, g, port, f, &l);
	if (pool && !pool->bad)
		look_at_nodes(h, pool, port, f, &l);
	return l.n;
}

/* "9.2.6", "8.4": at least that. */
static bool is_at_least(const char *version, unsigned long major, unsigned long minor)
{
	char *end;
	unsigned long a = strtoul(version, &end, 10);
	unsigned long b = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

	return a > major || (a == major && b >= minor);
}

int live_pve_can(struct hook *h, struct error *err)
{
	AUTO_JSON json_t *data = NULL;
	const char *version;
	char clean[40];

	if (hook_rest(h, err) < 0 || rest_call(h->rest, "GET", "/version", NULL, 0, &data, err) < 0)
		return error_code(err);
	version = json_string_value(json_object_get(data, "version"));
	if (!version)
		return fail(err, EBADMSG, "Proxmox VE does not say which version it is");
	return is_at_least(version, 8, 4)
		       ? 0
		       : fail(err, EOPNOTSUPP,
			      "Proxmox VE %s migrates no running VM with a mapped device: 8.4 and "
			      "later do",
			      text_clean(version, clean, sizeof(clean)));
}
