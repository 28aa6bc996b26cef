/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: what stands against migrating a VM with a VF while it runs. */
#include "src/check/check_live.h"

#include <errno.h>
#include <stdio.h>

#include "pveapi/guest.h"
#include "pveapi/mapping.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/port/live_needs.h"
#include "src/port/mapping_id.h"

struct port_report {
	struct report *r;
	char subject[32];
};

static void add_lack(void *arg, const char *what, const char *remedy)
{
	struct port_report *p = arg;

	report_add(p->r, CHECK_WARN, "live-migration", p->subject, remedy, "%s", what);
}

/* On while it runs, off while it does not. */
static void judge_flag(struct hook *h, const struct port *port, const struct mapping_file *f,
		       struct port_report *p)
{
	struct proc_id qemu;
	enum answer runs = vm_runs(h->root, port->vmid, &qemu, NULL);
	const struct mapping *m;
	char remedy[64];
	char id[NAME_LEN];

	m = mapping_find(f, port_mapping_id(port->vmid, port->slot, id));
	if (!m || runs == ANSWER_UNKNOWN || m->live_migration == (runs == ANSWER_YES))
		return;
	snprintf(remedy, sizeof(remedy), "vfhook plug %u", port->vmid);
	if (runs == ANSWER_YES)
		report_add(p->r, CHECK_WARN, "live-migration", p->subject, remedy,
			   "it runs, and mapping %s has no live-migration-capable: PVE does not "
			   "migrate it",
			   id);
	else
		report_add(p->r, CHECK_WARN, "live-migration", p->subject,
			   "none: its next start puts it off, with a call of PVE's API",
			   "mapping %s has live-migration-capable, and the VM does not run", id);
}

static void judge_port(struct hook *h, const struct config *c, const struct port *port,
		       const struct mapping_file *f, struct report *r)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	struct port_report p = {.r = r};

	/* A VM of another node is for the check there. */
	if (guest_config_load(h->root, h->node, NULL, port->vmid, &g, NULL) < 0)
		return;
	vm_subject(port->vmid, p.subject);
	live_lacks(h, c, &g, port, f, add_lack, &p);
	judge_flag(h, port, f, &p);
}

void check_live(struct hook *h, const struct config *c, struct report *r)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	struct error err = ERROR_INIT;
	size_t before = r->n;
	bool any = false;

	if (mapping_load(h->root, &f, NULL) < 0)
		return; /* told by [mappings] */
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].bad || !c->ports[i].live_migration)
			continue;
		any = true;
		judge_port(h, c, &c->ports[i], &f, r);
	}
	if (!any)
		return;
	if (live_pve_can(h, &err) == -EOPNOTSUPP)
		report_add(r, CHECK_WARN, "live-migration", "",
			   "update Proxmox VE, or vfhook set <vmid> "
			   "--live-migration off",
			   "%s", err.text);
	pass_unless_worse(
		r, before, "live-migration",
		"VMs with live-migration have what it needs, as far as it can be seen here");
}
