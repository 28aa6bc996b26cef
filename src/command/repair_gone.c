/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook repair: ports and mappings of guests that are gone from the cluster. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/ct_config.h"
#include "pveapi/guest.h"
#include "pveapi/guest_list.h"
#include "pveapi/mapping.h"
#include "pveapi/process.h"
#include "pveapi/section.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/command/repair.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/context.h"
#include "src/port/ct_net.h"
#include "src/port/guest_runs.h"
#include "src/port/mapping_id.h"
#include "src/port/mapping_owner.h"
#include "src/port/port_keys.h"
#include "src/port/port_plan.h"
#include "src/port/vm_locks.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"

/* --- Ports and mappings of guests that are gone --- */

/* Has that file those words, with no digit behind them? 1, 0 or a negative errno. */
static int has_words(struct repair *r, const char *path, const char *want)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(r->h->root, path, PVE_FILE_MAX, &text, NULL);

	if (len < 0)
		return len == -ENOENT || len == -ENOTDIR ? 0 : (int)len;
	for (const char *at = text; (at = strstr(at, want)); at++) {
		char next = at[strlen(want)];

		if (next < '0' || next > '9')
			return 1;
	}
	return 0;
}

/*
 * Does any guest's config name the port's mapping, or the interface of a container's? A clone takes
 * its wishes from there. 1: yes, 0: no, negative: a config cannot be read, and what is deleted is
 * gone.
 */
static int is_named(struct repair *r, const char *mapping, const char *link)
{
	AUTO_CLOSEDIR DIR *d = dir_open(r->h->root, NODES_PATH);
	const struct dirent *node;
	char want[NAME_LEN + 16];

	snprintf(want, sizeof(want), "mapping=%s", mapping);
	for (errno = 0; d && (node = readdir(d)); errno = 0) {
		if (node->d_name[0] == '.')
			continue;
		if (strlen(node->d_name) >= NAME_LEN)
			return -ENAMETOOLONG;
		for (size_t i = 0; i < r->n_vms + r->n_cts; i++) {
			bool ct = i >= r->n_vms;
			char path[GUEST_PATH_LEN];
			int r1;

			if (ct)
				ct_config_path(node->d_name, r->cts[i - r->n_vms], path);
			else
				guest_config_path(node->d_name, r->vms[i], path);
			r1 = has_words(r, path, ct ? link : want);
			if (r1)
				return r1;
		}
	}
	return d && !errno ? 0 : -EIO;
}

/* What a port is of, for those that tell of it: "VM", or "CT". */
static const char *kind_of(const struct port *p)
{
	return p && p->netname[0] ? "CT" : "VM";
}

/*
 * Is the guest gone from the cluster, with nobody left who needs this port? Asked right before each
 * removal, of one atomic list: one that moves to another node is in no folder for whoever
 * looks into one after the other. kind: as kind_of() has it.
 */
static bool is_gone(struct repair *r, const char *kind, uint32_t vmid, unsigned slot)
{
	struct error err = ERROR_INIT;
	enum answer exists = guest_exists(r->h->root, vmid, &err);
	enum answer runs = ANSWER_NO;
	struct proc_id process;
	char link[IFNAME_LEN];
	char id[NAME_LEN];
	int named;

	if (exists == ANSWER_UNKNOWN)
		repair_leave(r, "%s %u: whether it is gone cannot be told: %s", kind, vmid,
			     err.text);
	if (exists == ANSWER_NO)
		runs = guest_runs(r->h, vmid, &process, &err);
	if (runs == ANSWER_UNKNOWN)
		repair_leave(r, "%s %u: whether it runs cannot be told: %s", kind, vmid, err.text);
	if (exists != ANSWER_NO || runs != ANSWER_NO)
		return false;
	port_mapping_id(vmid, slot, id);
	named = is_named(r, id, ct_link_name(vmid, slot, link));
	if (named < 0)
		repair_leave(r,
			     "port %u-%u: %s %u is gone, but whether another guest's config names "
			     "it cannot be told: %s",
			     vmid, slot, kind, vmid, strerror(-named));
	if (named <= 0)
		return !named;
	say("%s is kept, though %s %u is gone: another guest's config names it and takes its "
	    "wishes from there at its next start",
	    *kind == 'C' ? link : id, kind, vmid);
	return false;
}

typedef int removal(struct hook *h, uint32_t vmid, unsigned slot, struct plan *p,
		    struct error *err);

/*
 * One removal as a plan, under the guest's locks, with which nobody starts it, and asked for again
 * there: it may have come back since all were looked at. what: for a person.
 */
static void remove_one(struct repair *r, const char *kind, uint32_t vmid, unsigned slot,
		       removal *make, const char *what)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	AUTO_OWNER struct owner *o = repair_lock_config(r, vmid);
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;

	plan_init(&p, PLAN_REMOVE, vmid);
	if (!o || !repair_lock_vm(r, vmid, &locks) || !is_gone(r, kind, vmid, slot))
		return;
	if (make(r->h, vmid, slot, &p, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	if (!p.n_steps)
		return;
	repair_announce(r, vmid, "%s", what);
	if (apply_plan(r->h, o, &p, &err) < 0)
		repair_undone(r, &err);
}

static void remove_mappings(struct repair *r)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(config_free) struct config c = {0};
	struct error err = ERROR_INIT;

	if (config_load(r->h->root, &c, &err) < 0 || mapping_load(r->h->root, &f, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < f.n_mappings; i++) {
		const char *id = f.mappings[i].id;
		char what[160];
		unsigned slot;
		uint32_t vmid;

		if (!port_mapping_parse(id, &vmid, &slot) || !is_gone(r, "VM", vmid, slot))
			continue;
		/* One of the user's own, that happens to be called so. */
		if (!mapping_has_our_mark(&f.mappings[i]) && !config_port(&c, vmid, slot))
			continue;
		snprintf(what, sizeof(what), "mapping %s: VM %u is gone from the cluster: deleted",
			 id, vmid);
		remove_one(r, "VM", vmid, slot, plan_mapping_removal, what);
	}
}

static void remove_port(struct repair *r, const struct port *p)
{
	char words[PORT_WORDS_LEN];
	char what[600];

	/* All that it said: whoever needs it again has it here. */
	snprintf(what, sizeof(what),
		 "port %u-%u (%s): %s %u is gone from the cluster: taken out of /" VFHOOK_CFG,
		 p->vmid, p->slot, port_describe(p, words), kind_of(p), p->vmid);
	remove_one(r, kind_of(p), p->vmid, p->slot, plan_port_removal, what);
}

static void remove_ports(struct repair *r)
{
	CLEANUP(config_free) struct config c = {0};
	struct error err = ERROR_INIT;

	if (config_load(r->h->root, &c, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < c.n_ports; i++) {
		const struct port *p = &c.ports[i];

		if (is_gone(r, kind_of(p), p->vmid, p->slot))
			remove_port(r, p);
		else if (p->bad)
			repair_leave(r, "%s", p->bad);
	}
	for (size_t i = 0; i < c.n_pools; i++) {
		if (c.pools[i].bad)
			repair_leave(r, "%s", c.pools[i].bad);
	}
}

void repair_gone(struct repair *r)
{
	remove_mappings(r);
	remove_ports(r);
}
