/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: the node itself, its cluster, vfhook.cfg; then the rest of Proxmox VE's side. */
#include "src/check/check_pve.h"

#include <stdio.h>
#include <string.h>

#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/check/check_by_hand.h"
#include "src/check/check_install.h"
#include "src/check/check_keep_driver.h"
#include "src/check/check_live.h"
#include "src/check/check_mapping.h"
#include "src/check/check_token.h"
#include "src/check/check_vms.h"
#include "src/port/config.h"
#include "src/show/by_hand.h"

#define DPKG_STATUS	"var/lib/dpkg/status"
#define DPKG_STATUS_MAX ((size_t)32 * 1024 * 1024)
#define MEMBERS_PATH	"etc/pve/.members"
/* PVE::Mapping::PCI is there since. */
#define PVE_MAJOR_MIN 8

/* --- The node --- */

/* The value of a "Key: value" line of a paragraph, into buf. */
static bool dpkg_field(const char *from, const char *end, const char *key, char *buf, size_t size)
{
	size_t key_len = strlen(key);

	for (const char *line = from; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop)
			stop = end;
		if ((size_t)(stop - line) > key_len && !strncmp(line, key, key_len)) {
			snprintf(buf, size, "%.*s", (int)(stop - line - (ptrdiff_t)key_len),
				 line + key_len);
			return true;
		}
		line = stop + 1;
	}
	return false;
}

bool dpkg_version(const char *status, const char *package, char *buf, size_t size)
{
	char want[128];
	char state[64];

	snprintf(want, sizeof(want), "Package: %s\n", package);
	buf[0] = '\0';
	for (const char *at = status; (at = strstr(at, want)); at++) {
		const char *end = strstr(at, "\n\n");

		if (at != status && at[-1] != '\n')
			continue;
		if (!end)
			end = at + strlen(at);
		/* Removed packages stay in the file with their old version. */
		return dpkg_field(at, end, "Status: ", state, sizeof(state)) &&
		       strstr(state, " installed") && dpkg_field(at, end, "Version: ", buf, size);
	}
	return false;
}

/*
 * pmxcfs (pve-cluster, status.c: cfs_create_memberlist_msg) writes nodename and
 * version, and "cluster" only where there is one.
 */
void members_parse(const char *text, size_t len, struct node_facts *f)
{
	AUTO_JSON json_t *j = json_loadb(text, len, 0, NULL);
	const json_t *cluster = json_object_get(j, "cluster");
	const char *name = json_string_value(json_object_get(cluster, "name"));

	f->members_known = json_is_object(j);
	f->clustered = json_is_object(cluster);
	f->quorate = json_integer_value(json_object_get(cluster, "quorate")) == 1;
	f->nodes = (unsigned)json_integer_value(json_object_get(cluster, "nodes"));
	snprintf(f->cluster, sizeof(f->cluster), "%.60s", name ? name : "");
}

static void gather_node(struct hook *h, struct node_facts *f)
{
	AUTO_FREE char *status = NULL;
	AUTO_FREE char *members = NULL;
	struct error err = ERROR_INIT;
	char path[128];
	ssize_t len;

	*f = (struct node_facts){.is_pve = false};
	snprintf(f->node, sizeof(f->node), "%s", h->node);
	snprintf(path, sizeof(path), "etc/pve/nodes/%s", h->node);
	if (hook_pve(h, &err) < 0)
		snprintf(f->trouble, sizeof(f->trouble), "%.290s", err.text);
	f->is_pve = !f->trouble[0] && path_exists(h->root, path);
	if (!f->is_pve)
		return;
	if (file_read(h->root, DPKG_STATUS, DPKG_STATUS_MAX, &status, NULL) >= 0)
		dpkg_version(status, "pve-manager", f->version, sizeof(f->version));
	len = file_read(h->root, MEMBERS_PATH, PVE_FILE_MAX, &members, NULL);
	if (len >= 0)
		members_parse(members, (size_t)len, f);
}

static unsigned major_of(const char *version)
{
	unsigned n = 0;

	for (; *version >= '0' && *version <= '9' && n < 1000; version++)
		n = n * 10 + (unsigned)(*version - '0');
	return n;
}

void judge_node(const struct node_facts *f, struct report *r)
{
	unsigned major = major_of(f->version);

	if (f->trouble[0])
		report_add(r, CHECK_FAIL, "pve", "",
			   "systemctl start pve-cluster; then again: vfhook check", "%s",
			   f->trouble);
	else if (!f->is_pve)
		report_add(
			r, CHECK_FAIL, "pve", "",
			"the name of the machine must be the node's: hostname; ls /etc/pve/nodes",
			"this machine is no node of its Proxmox VE cluster: there is no "
			"/etc/pve/nodes/%s",
			f->node);
	else if (major && major < PVE_MAJOR_MIN)
		report_add(r, CHECK_FAIL, "pve", "", "upgrade Proxmox VE to 8 or 9",
			   "Proxmox VE %s has no PCI resource mappings: they came with 8.0",
			   f->version);
	else if (major)
		report_add(r, CHECK_PASS, "pve", "", "", "node %s of Proxmox VE %s", f->node,
			   f->version);
	else
		report_add(r, CHECK_PASS, "pve", "", "", "node %s of Proxmox VE", f->node);
}

void judge_quorum(const struct node_facts *f, struct report *r)
{
	if (!f->members_known)
		return;
	if (!f->clustered)
		report_add(r, CHECK_PASS, "quorum", "", "", "a single node: no quorum is needed");
	else if (f->quorate)
		report_add(r, CHECK_PASS, "quorum", "", "", "cluster %s has quorum (%u nodes)",
			   f->cluster, f->nodes);
	else
		report_add(r, CHECK_FAIL, "quorum", "",
			   "pvecm status; bring the other nodes or the network between them back",
			   "no quorum in cluster %s: /etc/pve is read-only, so no mapping can "
			   "change; a VM whose VF is the one of last time still gets it",
			   f->cluster);
}

/* --- vfhook.cfg --- */

void judge_config(const struct config *c, struct report *r)
{
	static const char remedy[] = "correct that line of /" VFHOOK_CFG ": man vfhook.cfg";
	size_t before = r->n;
	char subject[64];

	for (size_t i = 0; i < c->n_pools; i++) {
		snprintf(subject, sizeof(subject), "pool %.50s", c->pools[i].name);
		if (c->pools[i].bad)
			report_add(r, CHECK_FAIL, "config", subject, remedy, "%s", c->pools[i].bad);
		else if (c->pools[i].shared)
			report_add(r, CHECK_WARN, "config", subject, remedy, "%s",
				   c->pools[i].shared);
	}
	for (size_t i = 0; i < c->n_ports; i++) {
		snprintf(subject, sizeof(subject), "port %u-%u", c->ports[i].vmid,
			 c->ports[i].slot);
		if (c->ports[i].bad)
			report_add(r, CHECK_FAIL, "config", subject, remedy, "%s", c->ports[i].bad);
		else if (!config_pool(c, c->ports[i].pool))
			report_add(r, CHECK_FAIL, "config", subject,
				   "vfhook pool add, or correct the port's `pool`",
				   "there is no pool '%s' in /" VFHOOK_CFG, c->ports[i].pool);
	}
	for (size_t i = 0; i < c->n_guests; i++) {
		if (c->guests[i].bad)
			report_add(r, CHECK_FAIL, "config", vm_subject(c->guests[i].vmid, subject),
				   remedy, "%s", c->guests[i].bad);
	}
	if (c->n_pools || c->n_ports)
		pass_unless_worse(r, before, "config",
				  "/" VFHOOK_CFG " has no mistake: pools %zu, ports %zu",
				  c->n_pools, c->n_ports);
}

/* --- All of it --- */

void check_pve(struct hook *h, const struct config *c, struct report *r)
{
	AUTO_FREE struct guest_ref *guests = NULL;
	struct error err = ERROR_INIT;
	struct node_facts node;
	size_t n = 0;

	gather_node(h, &node);
	judge_node(&node, r);
	if (!node.is_pve)
		return;
	judge_quorum(&node, r);
	judge_config(c, r);
	check_snippet(h, r);
	check_boot_service(h, c, r);
	if (guest_list(h->root, &guests, &n, &err) < 0)
		report_add(r, CHECK_FAIL, "hookscript", "", "systemctl status pve-cluster", "%s",
			   err.text);
	report_progress(r, "the VMs with ports");
	check_vms(h, c, guests, n, r);
	check_byhand(h, c, r);
	check_keep_drivers(h, c, r);
	check_live(h, c, r);
	report_progress(r, "their mappings");
	check_mappings(h, c, guests, n, r);
	check_nodes(h, c, r);
	check_macs(h, c, r);
	check_token(h, c, guests, n, r);
}
