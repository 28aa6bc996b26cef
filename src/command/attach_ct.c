/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook attach of a container: judged, and as one plan. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/ct_config.h"
#include "pveapi/ct_state.h"
#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/command/attach.h"
#include "src/port/config_load.h"
#include "src/port/ct_driver.h"
#include "src/port/ct_net.h"
#include "src/port/guest_note.h"
#include "src/port/port_keys.h"
#include "src/port/port_plan.h"

static const struct port *port_named(const struct attach *a, const char *name)
{
	for (size_t i = 0; i < a->config.n_ports; i++) {
		const struct port *p = &a->config.ports[i];

		if (p->vmid == a->vmid && !strcmp(p->netname, name))
			return p;
	}
	return NULL;
}

/* What was asked for, or the lowest ethN that nothing of it is called. */
static int choose_name(struct attach *a, struct error *err)
{
	struct port named = {0};

	if (a->name && port_set_key("name", a->name, &named, err) < 0)
		return error_code(err);
	for (unsigned n = 0; !a->name && !named.netname[0] && n < 100; n++) {
		char name[IFNAME_LEN];

		snprintf(name, sizeof(name), "eth%u", n);
		if (!ct_net_named(&a->ct, PVE_HOSTPCI_MAX, name) && !port_named(a, name))
			memcpy(named.netname, name, sizeof(name));
	}
	memcpy(a->port.netname, named.netname, sizeof(a->port.netname));
	return 0;
}

static bool has_raw(const struct ct_config *c, unsigned index)
{
	for (size_t i = 0; i < c->n_nets; i++) {
		if (c->nets[i].raw && c->nets[i].index == index)
			return true;
	}
	return false;
}

/*
 * Lines of that name that a clone, a restore or a rollback has left: the slot they are for, or -1,
 * and the port whose interface they call.
 */
static int left_slot(const struct attach *a, uint32_t *of, unsigned *of_slot)
{
	for (size_t i = 0; i < a->ct.n_nets; i++) {
		const struct ct_net *n = &a->ct.nets[i];

		if (n->raw && n->index >= PVE_CT_NET_MAX &&
		    n->index < PVE_CT_NET_MAX + PVE_HOSTPCI_MAX &&
		    !strcmp(n->name, a->port.netname) && ct_link_parse(n->link, of, of_slot) &&
		    !config_port(&a->config, a->vmid, n->index - PVE_CT_NET_MAX))
			return (int)(n->index - PVE_CT_NET_MAX);
	}
	return -1;
}

/* A clone is wished what its origin is, as a VM's is; its MAC is its own. */
static void take_wishes(struct attach *a, uint32_t of, unsigned of_slot)
{
	const struct port *p = config_port(&a->config, of, of_slot);

	if (of == a->vmid || !p || p->bad || !p->netname[0])
		return;
	memcpy(a->port.pool, p->pool, sizeof(a->port.pool));
	a->port.want = p->want;
	a->port.want.has &= ~HAS_MAC;
	a->port.mtu = p->mtu;
	a->origin = of;
}

static int choose_slot(struct attach *a, struct error *err)
{
	unsigned of_slot = 0;
	uint32_t of = 0;
	int left = left_slot(a, &of, &of_slot);

	if (left >= 0)
		take_wishes(a, of, of_slot);
	for (unsigned slot = 0; left < 0 && slot < PVE_HOSTPCI_MAX; slot++) {
		if (!config_port(&a->config, a->vmid, slot) && !has_raw(&a->ct, ct_net_index(slot)))
			left = (int)slot;
	}
	if (left < 0)
		return fail(err, ENOSPC, "it has %d ports already", PVE_HOSTPCI_MAX);
	a->port.slot = (unsigned)left;
	return 0;
}

static int check_name(const struct attach *a, struct error *err)
{
	const struct ct_net *other = ct_net_named(&a->ct, a->port.slot, a->port.netname);

	if (!other)
		return 0;
	return fail(err, EEXIST, "its %s%u is called %s already: take another --name",
		    other->raw ? "lxc.net." : "net", other->index, a->port.netname);
}

static int check_driver(struct hook *h, const struct attach *a, struct error *err)
{
	const struct pool *pool = config_pool(&a->config, a->port.pool);

	return pool ? ct_driver_check(h, pool, err) : 0;
}

static int check_off(struct hook *h, uint32_t vmid, struct error *err)
{
	struct proc_id monitor;

	switch (ct_runs(h->root, vmid, &monitor, err)) {
	case ANSWER_NO:
		return 0;
	case ANSWER_UNKNOWN:
		return fail_context(err, "whether it runs cannot be told");
	default:
		/* LXC starts it again with these lines, and nobody has made the interface. */
		return fail(err, EBUSY,
			    "it runs, and a reboot from inside would look for an interface that no "
			    "pre-start has made: pct shutdown %u first",
			    vmid);
	}
}

/* Config and ports, into *a. */
static int load(struct hook *h, struct attach *a, struct error *err)
{
	if (ct_config_load(h->root, h->node, a->vmid, &a->ct, err) < 0 ||
	    config_load(h->root, &a->config, err) < 0)
		return error_code(err);
	a->guest.vmid = a->vmid;
	a->guest.hookscript = a->ct.hookscript ? strdup(a->ct.hookscript) : NULL;
	a->port.vmid = a->vmid;
	return a->ct.hookscript && !a->guest.hookscript ? fail(err, ENOMEM, "out of memory") : 0;
}

int attach_ct_judge(struct hook *h, struct attach *a, struct error *err)
{
	const struct port *now;
	bool whole;

	if (load(h, a, err) < 0)
		return error_code(err);
	if (a->ct.is_template)
		return fail(err, EINVAL, "it is a template: attach its clones");
	if (choose_name(a, err) < 0)
		return error_code(err);
	now = port_named(a, a->port.netname);
	if (now && now->bad)
		return fail(err, EINVAL, "%s", now->bad);
	if (now) {
		if (attach_same_port(h, a, now, err) < 0)
			return error_code(err);
		a->port = *now;
		a->has_port = true;
		whole = ct_net_check(&a->ct, now, NULL) == 0 && a->ct.hookscript &&
			hookscript_is_ours(a->ct.hookscript);
		if (whole)
			return 1;
	} else if (choose_slot(a, err) < 0) {
		return error_code(err);
	}
	if (check_name(a, err) < 0 || attach_judge_rest(h, a, err) < 0 ||
	    check_driver(h, a, err) < 0)
		return error_code(err);
	return check_off(h, a->vmid, err);
}

int attach_ct_plan(struct hook *h, const struct attach *a, struct plan *p, struct error *err)
{
	AUTO_FREE char *lines = ct_net_text(&a->ct, &a->port);

	if (!lines)
		return fail(err, ENOMEM, "out of memory");
	if (a->old_hook[0] && plan_chain(h, a->vmid, a->old_hook, p, err) < 0)
		return error_code(err);
	if (!a->has_port && plan_port_section(&a->port, p, err) < 0)
		return error_code(err);
	/* Before the lines: a container that has them must not start without its hook. */
	if (a->set_hook && plan_hookscript(h, &a->guest, a->hookscript, p, err) < 0)
		return error_code(err);
	if (a->has_port && ct_net_check(&a->ct, &a->port, NULL) == 0)
		return 0;
	return plan_ct_net(&a->ct, a->port.slot, lines, p, err);
}
