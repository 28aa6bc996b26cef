/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: what stands against migrating a VM with a VF while it runs. */
#include "src/check/check_live.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/guest.h"
#include "pveapi/mapping.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/port/live_needs.h"
#include "src/port/mapping_id.h"

struct port_report {
	struct report *r;
	size_t before; /* its findings before ours */
	char subject[32];
};

static void add_lack(void *arg, const char *what, const char *remedy)
{
	struct port_report *p = arg;

	/* What is the VM's is told once, however many ports it has. */
	for (size_t i = p->before; i < p->r->n; i++) {
		if (!strcmp(p->r->list[i].subject, p->subject) && !strcmp(p->r->list[i].text, what))
			return;
	}
	report_add(p->r, CHECK_WARN, "live-migration", p->subject, remedy, "%s", what);
}

/* Put on by us while the port had the key, or by hand: no start of ours puts it off. */
static void judge_left(const struct port *port, struct port_report *p)
{
	char remedy[96];
	char id[NAME_LEN];

	snprintf(remedy, sizeof(remedy), "vfhook set %u --slot %u --live-migration off", port->vmid,
		 port->slot);
	report_add(p->r, CHECK_WARN, "live-migration", p->subject, remedy,
		   "mapping %s has live-migration-capable, and port %u-%u no live-migration: QEMU "
		   "starts only on a VF whose driver can migrate",
		   port_mapping_id(port->vmid, port->slot, id), port->vmid, port->slot);
}

/* On while it runs, off while it does not. */
static void judge_flag(struct hook *h, const struct port *port, const struct mapping_file *f,
		       struct port_report *p)
{
	struct proc_id qemu;
	enum answer runs = vm_runs(h->root, port->vmid, &qemu, NULL);
	const struct mapping *m;
	char remedy[96];
	char id[NAME_LEN];

	m = mapping_find(f, port_mapping_id(port->vmid, port->slot, id));
	if (!m || runs == ANSWER_UNKNOWN || m->live_migration == (runs == ANSWER_YES))
		return;
	snprintf(remedy, sizeof(remedy),
		 runs == ANSWER_YES ? "vfhook plug %u"
				    : "vfhook %u post-stop, or its next start, puts it off",
		 port->vmid);
	if (runs == ANSWER_YES)
		report_add(p->r, CHECK_WARN, "live-migration", p->subject, remedy,
			   "it runs, and mapping %s has no live-migration-capable: PVE does not "
			   "migrate it",
			   id);
	else
		report_add(p->r, CHECK_WARN, "live-migration", p->subject, remedy,
			   "mapping %s has live-migration-capable, and the VM does not run", id);
}

static bool is_marked(const struct port *port, const struct mapping_file *f)
{
	const struct mapping *m;
	char id[NAME_LEN];

	m = mapping_find(f, port_mapping_id(port->vmid, port->slot, id));
	return m && m->live_migration;
}

static void judge_port(struct hook *h, const struct config *c, const struct port *port,
		       const struct mapping_file *f, struct report *r, size_t before)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	struct port_report p = {.r = r, .before = before};

	/* A VM of another node is for the check there. */
	if (guest_config_load(h->root, h->node, NULL, port->vmid, &g, NULL) < 0)
		return;
	vm_subject(port->vmid, p.subject);
	if (!port->live_migration) {
		judge_left(port, &p);
		return;
	}
	live_lacks(h, c, &g, port, f, add_lack, &p);
	judge_flag(h, port, f, &p);
}

void check_live(struct hook *h, const struct config *c, struct report *r)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	struct error err = ERROR_INIT;
	size_t before = r->n;
	bool any = false;
	int can;

	if (mapping_load(h->root, &f, NULL) < 0)
		return; /* told by [mappings] */
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].bad || !(c->ports[i].live_migration || is_marked(&c->ports[i], &f)))
			continue;
		any = any || c->ports[i].live_migration;
		judge_port(h, c, &c->ports[i], &f, r, before);
	}
	if (!any)
		return;
	can = live_pve_can(h, &err);
	if (can < 0)
		report_add(r, CHECK_WARN, "live-migration", "",
			   can == -EOPNOTSUPP ? "update Proxmox VE, or vfhook set <vmid> "
						"--live-migration off"
					      : "what is said of the API and the token",
			   "%s", err.text);
	pass_unless_worse(
		r, before, "live-migration",
		"VMs with live-migration have what it needs, as far as it can be seen here");
}
