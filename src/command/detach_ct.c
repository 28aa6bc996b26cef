/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's port taken away: its lines and the hookscript first, then the rest while it is off.
 */
#include "src/command/detach_ct.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/ct_config.h"
#include "pveapi/ct_state.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/port_args.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/ct_net.h"
#include "src/port/guest_note.h"
#include "src/port/hook_lock.h"
#include "src/port/objects.h"
#include "src/port/port_plan.h"
#include "src/port/reclaim.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"

#define MAX_TRIES 3

/* What is to go. */
struct gone {
	uint32_t vmid;
	const char *name; /* as it was asked for, or NULL */
	unsigned slot;
	char called[IFNAME_LEN];
	bool has_port;
	bool last; /* no other port is left */
};

/* Lines of vfhook's: the slot that they stand for, or -1. */
static int left_lines(const struct ct_config *c, const struct gone *g)
{
	for (size_t i = 0; i < c->n_nets; i++) {
		const struct ct_net *n = &c->nets[i];
		unsigned slot;
		uint32_t of;

		if (n->raw && n->index >= PVE_CT_NET_MAX &&
		    n->index < PVE_CT_NET_MAX + PVE_HOSTPCI_MAX &&
		    ct_link_parse(n->link, &of, &slot) && (!g->name || !strcmp(n->name, g->name)))
			return (int)(n->index - PVE_CT_NET_MAX);
	}
	return -1;
}

static size_t count_ports(const struct config *c, uint32_t vmid)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_ports; i++)
		n += c->ports[i].vmid == vmid;
	return n;
}

static bool is_named(const struct config *c, const struct gone *g)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid == g->vmid &&
		    (!g->name || !strcmp(c->ports[i].netname, g->name)))
			return true;
	}
	return false;
}

/* The port that is meant, or what is left of one. 0 or an exit status: complained. */
static int choose(const struct config *c, const struct ct_config *ct, struct gone *g)
{
	size_t n = count_ports(c, g->vmid);
	int left = is_named(c, g) ? -1 : left_lines(ct, g);
	bool ours = ct->hookscript && hookscript_is_ours(ct->hookscript);
	const struct port *p;
	int r;

	if (left < 0 && !n && !g->name && (ours || config_guest(c, g->vmid))) {
		g->last = true;
		return 0;
	}
	if (left < 0) {
		r = port_choose_named(c, g->vmid, g->name, &g->slot);
		if (r)
			return r;
	} else {
		g->slot = (unsigned)left;
	}
	p = config_port(c, g->vmid, g->slot);
	g->has_port = p != NULL;
	g->last = n == g->has_port;
	snprintf(g->called, sizeof(g->called), "%s",
		 p && p->netname[0] ? p->netname : (g->name && left >= 0 ? g->name : ""));
	return 0;
}

/* Are the lines of its number vfhook's? Else they stay. */
static int plan_lines(const struct ct_config *ct, const struct gone *g, struct plan *p,
		      struct error *err)
{
	for (size_t i = 0; i < ct->n_nets; i++) {
		const struct ct_net *n = &ct->nets[i];
		unsigned slot;
		uint32_t of;

		if (!n->raw || n->index != ct_net_index(g->slot))
			continue;
		if (ct_link_parse(n->link, &of, &slot))
			return plan_ct_net(ct, g->slot, NULL, p, err);
		say("CT %u: lxc.net.%u.* is nothing of vfhook's: it stays", g->vmid, n->index);
	}
	return 0;
}

static int plan_hook(struct hook *h, const struct config *c, const struct ct_config *ct,
		     struct plan *p, struct error *err)
{
	const struct guest_config now = {.vmid = ct->vmid, .hookscript = ct->hookscript};
	const struct guest_note *note = config_guest(c, ct->vmid);

	if (note && note->bad)
		return fail(err, EINVAL, "%s", note->bad);
	if (!ct->hookscript || !hookscript_is_ours(ct->hookscript))
		return 0;
	return plan_hookscript(h, &now, note && note->chain[0] ? note->chain : NULL, p, err);
}

static int make_plan(struct hook *h, const struct config *c, const struct ct_config *ct,
		     const struct gone *g, struct plan *p, struct error *err)
{
	if (plan_lines(ct, g, p, err) < 0 || (g->last && plan_hook(h, c, ct, p, err) < 0) ||
	    plan_off(h, g->vmid, p, err) < 0 ||
	    (g->has_port && plan_port_removal(h, g->vmid, g->slot, p, err) < 0))
		return error_code(err);
	return g->last ? plan_chain(h, g->vmid, NULL, p, err) : 0;
}

/* Before anything is taken out: without its lines and hookscript it would start without its VF. */
static int check_off(struct hook *h, uint32_t vmid, struct error *err)
{
	struct proc_id monitor;
	enum answer runs = ct_lives(h->root, vmid, &monitor, err);

	if (runs == ANSWER_YES)
		return fail(err, EBUSY, "it runs: pct shutdown %u, then detach again", vmid);
	return runs == ANSWER_NO ? 0 : error_code(err);
}

static void tell_steps(const struct gone *g, const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step_object *o = &p->steps[i].object;

		if (!strcmp(o->kind, OBJECT_CT_NET))
			say("CT %u: lxc.net.%u.* taken out of its config", g->vmid,
			    ct_net_index(g->slot));
		else if (!strcmp(o->kind, OBJECT_PORT))
			say("CT %u %s: port %u-%u removed from /" VFHOOK_CFG, g->vmid, g->called,
			    g->vmid, g->slot);
		else if (!strcmp(o->kind, OBJECT_HOOKSCRIPT))
			say("CT %u: hookscript %s%s", g->vmid, o->to ? o->to : "removed",
			    o->to ? ", as before" : "");
	}
}

/* One look, one plan, one try; *status: it was complained of already. */
static int try_detach(struct hook *h, struct gone *g, const struct owner *o, int *status,
		      struct error *err)
{
	CLEANUP(ct_config_free) struct ct_config ct = {0};
	CLEANUP(config_free) struct config c = {0};
	CLEANUP(plan_free) struct plan p;
	int r;

	plan_init(&p, PLAN_REMOVE, g->vmid);
	if (ct_config_load(h->root, h->node, g->vmid, &ct, err) < 0 ||
	    config_load(h->root, &c, err) < 0)
		return error_code(err);
	*status = choose(&c, &ct, g);
	if (*status)
		return 0;
	r = check_off(h, g->vmid, err);
	if (!r)
		r = make_plan(h, &c, &ct, g, &p, err);
	if (!r)
		r = apply_plan(h, o, &p, err);
	if (!r && h->dry_run)
		return foresee_release(h, g->vmid, err);
	if (!r)
		tell_steps(g, &p);
	return r;
}

int detach_ct(struct hook *h, uint32_t vmid, const char *name)
{
	struct gone g = {.vmid = vmid, .name = name};
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	int status = 0;
	int r = geteuid() ? fail(&err, EPERM,
				 "only root can change a container's config: run it "
				 "as root")
			  : config_begin(h, vmid, &o, &err);

	if (!r)
		r = -EAGAIN;
	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		error_clear(&err);
		r = try_detach(h, &g, o, &status, &err);
	}
	if (status)
		return status;
	if (r < 0) {
		complain("CT %u %s: %s", vmid,
			 h->dry_run ? "would not be detached" : "is not detached", err.text);
		return EXIT_REFUSED;
	}
	if (!h->dry_run)
		say("CT %u%s%s is detached", vmid, g.called[0] ? " " : "", g.called);
	return EXIT_DONE;
}
