/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook detach: takes back what attach made, as one plan. One that failed half way is finished by
 * the next detach, one that was killed by the next command: what is gone already makes no step.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/guest.h"
#include "pveapi/hostpci.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "pveapi/process.h"
#include "pveapi/rest_token.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/detach_ct.h"
#include "src/command/port_args.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/context.h"
#include "src/port/guest_note.h"
#include "src/port/hook_lock.h"
#include "src/port/hostpci_judge.h"
#include "src/port/mapping_id.h"
#include "src/port/mapping_owner.h"
#include "src/port/objects.h"
#include "src/port/port_changes.h"
#include "src/port/port_plan.h"
#include "src/port/reclaim.h"
#include "src/port/vm_ports.h"
#include "src/port/vmid.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"

#define MAX_TRIES 3

struct detach {
	uint32_t vmid;
	const char *slot_text;
	unsigned slot;
};

static int refuse_running(uint32_t vmid, struct error *err)
{
	return fail(err, EBUSY,
		    "it runs, and PVE needs its mapping until it stops: qm stop %u, then detach "
		    "again",
		    vmid);
}

/* Something else has the port's place, and nothing of ours: the port alone is given up. */
static bool is_foreign(struct hook *h, uint32_t vmid, unsigned slot)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};

	return vm_ports_load(h, vmid, &v, NULL) > 0 && v.entries[slot].verdict == ENTRY_REFUSE &&
	       !strncmp(v.entries[slot].mend, "vfhook detach ", 14);
}

/* Is hostpciN ours to remove? 1: yes, 0: there is none, or it stays. */
static int judge_hostpci(struct hook *h, const struct guest_config *g, unsigned slot,
			 struct error *err)
{
	const struct hostpci *e = &g->hostpci[slot];
	char id[NAME_LEN];

	if (!e->present)
		return 0;
	if (e->mapping && !strcmp(e->mapping, port_mapping_id(g->vmid, slot, id)))
		return 1;
	if (is_foreign(h, g->vmid, slot)) {
		say("VM %u hostpci%u: it is '%s', nothing of vfhook's: it stays", g->vmid, slot,
		    e->raw);
		return 0;
	}
	return fail(err, EINVAL,
		    "hostpci%u is '%s', not the port's mapping: look at it, and remove it yourself "
		    "(qm set %u --delete hostpci%u), then detach again",
		    slot, e->raw, g->vmid, slot);
}

/* With the last of its ports the VM needs no hook of ours any more. */
static int plan_last(struct hook *h, const struct detach *d, const struct guest_config *g,
		     const struct config *c, struct plan *p, struct error *err)
{
	const struct guest_note *note = config_guest(c, d->vmid);

	if (note && note->bad)
		return fail(err, EINVAL, "%s", note->bad);
	if (!g->hookscript || !hookscript_is_ours(g->hookscript))
		return 0;
	return plan_hookscript(h, g, note && note->chain[0] ? note->chain : NULL, p, err);
}

/* Has the VM no port but this one? */
static bool is_last(const struct config *c, const struct detach *d)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid == d->vmid && c->ports[i].slot != d->slot)
			return false;
	}
	return true;
}

/*
 * hostpciN first, and the hookscript: PVE takes its own lock on the VM to write them. Then nothing
 * of the VM names the port any more, and the rest goes while the VM is kept off.
 */
static int make_plan(struct hook *h, const struct detach *d, const struct guest_config *g,
		     const struct config *c, struct plan *p, struct error *err)
{
	bool last = is_last(c, d);
	int ours = judge_hostpci(h, g, d->slot, err);
	bool mapping = false;

	if (ours < 0 || mapping_may_go(h->root, d->vmid, d->slot, ours, &mapping, err) < 0)
		return error_code(err);
	if (!mapping)
		say("mapping vf-%u-%u is not vfhook's (by its comment), and stays", d->vmid,
		    d->slot);
	if ((ours && plan_hostpci(g, d->slot, NULL, p, err) < 0) ||
	    (last && plan_last(h, d, g, c, p, err) < 0) || plan_off(h, d->vmid, p, err) < 0 ||
	    plan_port_removal(h, d->vmid, d->slot, p, err) < 0 ||
	    (mapping && plan_mapping_removal(h, d->vmid, d->slot, p, err) < 0))
		return error_code(err);
	return last ? plan_chain(h, d->vmid, NULL, p, err) : 0;
}

static void tell_steps(const struct detach *d, const struct plan *p)
{
	char id[NAME_LEN];

	if (plan_has_object(p, OBJECT_HOSTPCI))
		say("VM %u hostpci%u: removed", d->vmid, d->slot);
	if (plan_has_object(p, OBJECT_PORT))
		say("VM %u hostpci%u: port %u-%u removed from /" VFHOOK_CFG, d->vmid, d->slot,
		    d->vmid, d->slot);
	if (plan_has_object(p, OBJECT_MAPPING))
		say("mapping %s deleted", port_mapping_id(d->vmid, d->slot, id));
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step_object *o = &p->steps[i].object;

		if (strcmp(o->kind, OBJECT_HOOKSCRIPT) != 0)
			continue;
		if (o->to)
			say("VM %u: hookscript %s, as before", d->vmid, o->to);
		else
			say("VM %u: hookscript removed", d->vmid);
	}
}

static bool has_port(const struct config *c, uint32_t vmid)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid == vmid)
			return true;
	}
	return false;
}

/* Is there a mapping of the port, or an entry that names it? */
static bool is_left(const struct mapping_file *m, const struct guest_config *g, unsigned slot)
{
	const char *named = g->hostpci[slot].mapping;
	char id[NAME_LEN];

	port_mapping_id(g->vmid, slot, id);
	return mapping_find(m, id) || (named && !strcmp(named, id));
}

/*
 * A port whose section is gone, but not all that belongs to it: a detach that was cut off, or
 * somebody took it out by hand. Down to the hookscript of a VM that has no port.
 */
static bool find_left(struct hook *h, const struct config *c, const struct guest_config *g,
		      struct detach *d)
{
	CLEANUP(mapping_file_free) struct mapping_file m = {0};

	if (mapping_load(h->root, &m, NULL) < 0)
		return false;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if ((d->slot_text && slot != d->slot) || !is_left(&m, g, slot))
			continue;
		d->slot = slot;
		return true;
	}
	return !has_port(c, d->vmid) &&
	       (config_guest(c, d->vmid) || (g->hookscript && hookscript_is_ours(g->hookscript)));
}

/* The port that is meant, or what is left of one. */
static int choose(struct hook *h, const struct config *c, const struct guest_config *g,
		  struct detach *d)
{
	int r;

	if (d->slot_text || has_port(c, d->vmid)) {
		r = port_choose(c, d->vmid, d->slot_text, &d->slot);
		if (r || config_port(c, d->vmid, d->slot))
			return r;
	}
	if (find_left(h, c, g, d))
		return 0;
	if (!d->slot_text)
		return port_choose(c, d->vmid, NULL, &d->slot);
	complain("VM %u has no port %u-%u in /" VFHOOK_CFG, d->vmid, d->vmid, d->slot);
	return EXIT_REFUSED;
}

/* Everything that can be known before. */
static int judge(struct hook *h, const struct detach *d, const struct guest_config *g,
		 struct error *err)
{
	struct proc_id qemu;

	if (judge_hostpci(h, g, d->slot, err) < 0)
		return error_code(err);
	switch (vm_runs(h->root, d->vmid, &qemu, err)) {
	case ANSWER_YES:
		return refuse_running(d->vmid, err);
	case ANSWER_UNKNOWN:
		return error_code(err);
	default:
		return rest_token_check(h->root, err);
	}
}

/* One look, one plan, one try; *status: it was complained of already. */
static int try_detach(struct hook *h, struct detach *d, const struct owner *o, int *status,
		      struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	CLEANUP(config_free) struct config c = {0};
	CLEANUP(plan_free) struct plan p;
	int r;

	plan_init(&p, PLAN_REMOVE, d->vmid);
	if (guest_here(h, d->vmid, &g, err) < 0 || config_load(h->root, &c, err) < 0)
		return error_code(err);
	*status = choose(h, &c, &g, d);
	if (*status)
		return 0;
	r = judge(h, d, &g, err);
	if (!r)
		r = make_plan(h, d, &g, &c, &p, err);
	if (!r)
		r = apply_plan(h, o, &p, err);
	if (!r && h->dry_run)
		return foresee_release(h, d->vmid, err);
	if (!r)
		tell_steps(d, &p);
	return r;
}

static int may_detach(struct hook *h, const struct detach *d, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};

	if (geteuid())
		return fail(err, EPERM, "only root can change a hookscript (PVE): run it as root");
	return guest_here(h, d->vmid, &g, err);
}

static int detach(struct hook *h, struct detach *d)
{
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	int status = 0;
	int r = may_detach(h, d, &err);

	if (!r)
		r = config_begin(h, d->vmid, &o, &err);
	if (!r)
		r = -EAGAIN;
	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		error_clear(&err);
		r = try_detach(h, d, o, &status, &err);
	}
	if (status)
		return status;
	if (r < 0) {
		complain("VM %u %s: %s", d->vmid,
			 h->dry_run ? "would not be detached" : "is not detached", err.text);
		return EXIT_REFUSED;
	}
	if (!h->dry_run)
		say("VM %u hostpci%u is detached", d->vmid, d->slot);
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	struct detach d = {0};
	const char *name = NULL;
	const struct opt opts[] = {{"slot", &d.slot_text, NULL},
				   {"name", &name, NULL},
				   {"dry-run", NULL, &h->dry_run}};
	const char *args[1];
	size_t n_args;
	int kind;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), args, 1, &n_args))
		return EXIT_USAGE;
	if (!n_args) {
		complain("detach: wanted: a VM id; see vfhook detach --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(args[0], &d.vmid) || (d.slot_text && slot_parse(d.slot_text, &d.slot)))
		return EXIT_USAGE;
	kind = port_args_kind(h, d.vmid, d.slot_text, name, NULL);
	if (kind < 0)
		return -kind;
	return kind ? detach_ct(h, d.vmid, name) : detach(h, &d);
}

const struct command cmd_detach = {
	.name = "detach",
	.summary = "take a port from a VM, and all that attach made for it",
	.help = "Usage: vfhook detach <vmid> [--slot N | --name ETH] [--dry-run]\n"
		"\n"
		"Removes hostpciN, the port in /etc/pve/vfhook.cfg and the mapping vf-<vmid>-<N>.\n"
		"With the last port of the VM goes the hookscript, or the one that the VM had\n"
		"before comes back. A running VM must be stopped first. Of a container the lines\n"
		"lxc.net.<n>.* go from its config.\n"
		"\n"
		"  --slot N    the N of hostpciN; needed if the VM has several ports\n"
		"  --name ETH  of a container: what the port's interface is called there\n"
		"  --dry-run   tell what would be done, and do nothing\n",
	.run = run,
};
