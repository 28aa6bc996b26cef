/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judging a container's ports. */
#include "src/port/ct_ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/config_load.h"
#include "src/port/ct_net.h"

const struct ct_net *ct_foreign_net(const struct config *config, const struct ct_config *c)
{
	for (size_t i = 0; i < c->n_nets; i++) {
		const struct ct_net *n = &c->nets[i];
		const struct port *p;
		unsigned slot;
		uint32_t of;

		if (!n->raw || !ct_link_parse(n->link, &of, &slot))
			continue;
		p = of == c->vmid ? config_port(config, of, slot) : NULL;
		if (!p || ct_net_index(slot) != n->index)
			return n;
	}
	return NULL;
}

/* The lines went with a clone, a restore or a rollback, and the port did not. */
static int refuse_foreign(const struct ct_config *c, const struct ct_net *n, struct error *err)
{
	const char *name = n->name[0] ? n->name : "eth1";
	unsigned slot = 0;
	uint32_t of = 0;

	ct_link_parse(n->link, &of, &slot);
	if (of == c->vmid)
		return fail(err, EINVAL,
			    "lxc.net.%u.* in its config calls %s, and it has no such port: vfhook "
			    "attach %u --name %s, or take these lines out: vfhook detach %u --name "
			    "%s",
			    n->index, n->link, c->vmid, name, c->vmid, name);
	return fail(err, EINVAL,
		    "lxc.net.%u.link is %s, which is the interface of CT %u (is it a clone, or a "
		    "restore of it?): vfhook attach %u --name %s gives it a VF of its own, vfhook "
		    "detach %u --name %s takes these lines out",
		    n->index, n->link, of, c->vmid, name, c->vmid, name);
}

static int judge_port(const struct ct_config *c, const struct port *p, struct error *err)
{
	const struct ct_net *other;
	struct error why = ERROR_INIT;
	int r;

	if (p->bad)
		return fail(err, EINVAL, "%s", p->bad);
	if (!p->netname[0])
		return fail(err, EINVAL,
			    "port %u-%u in /" VFHOOK_CFG
			    " is a VM's (it has no 'name'), and this is a container: take the "
			    "section out, or give it a 'name'",
			    p->vmid, p->slot);
	r = ct_net_check(c, p, &why);
	if (r < 0)
		return fail(err, EINVAL,
			    "%s (was it rolled back, restored or edited?): vfhook attach %u --name "
			    "%s writes these lines again, vfhook detach %u --name %s takes the "
			    "port away",
			    why.text, p->vmid, p->netname, p->vmid, p->netname);
	other = ct_net_named(c, p->slot, p->netname);
	if (other)
		return fail(err, EEXIST,
			    "it has two interfaces called %s, and %s%u is the other: call that one "
			    "something else",
			    p->netname, other->raw ? "lxc.net." : "net", other->index);
	return 0;
}

int ct_ports_judge(const struct config *config, const struct ct_config *c, struct error *err)
{
	const struct ct_net *foreign;

	for (size_t i = 0; i < config->n_ports; i++) {
		if (config->ports[i].vmid == c->vmid && judge_port(c, &config->ports[i], err) < 0)
			return error_code(err);
	}
	foreign = ct_foreign_net(config, c);
	return foreign ? refuse_foreign(c, foreign, err) : 0;
}

static bool has_ports(const struct config *config, uint32_t vmid)
{
	for (size_t i = 0; i < config->n_ports; i++) {
		if (config->ports[i].vmid == vmid)
			return true;
	}
	return false;
}

int ct_ports_load(struct hook *h, uint32_t vmid, struct vm_ports *v, struct ct_config *c,
		  struct error *err)
{
	*v = (struct vm_ports){.container = true};
	v->guest = (struct guest_config){.vmid = vmid, .numa_node = -1};
	if (ct_config_load(h->root, h->node, vmid, c, err) < 0)
		return error_code(err);
	if (c->is_template)
		return 0;
	if (c->name) {
		v->guest.name = strdup(c->name);
		if (!v->guest.name)
			return fail(err, ENOMEM, "out of memory");
	}
	if (config_load_for(h->root, &vmid, 1, &v->config, err) < 0)
		return error_code(err);
	h->nothing_chained = !config_guest(&v->config, vmid);
	if (ct_ports_judge(&v->config, c, err) < 0)
		return error_code(err);
	return has_ports(&v->config, vmid);
}

int ct_ports_wishes(struct hook *h, struct vm_ports *v, struct error *err)
{
	v->n_wishes = 0;
	for (size_t i = 0; i < v->config.n_ports; i++) {
		if (v->config.ports[i].vmid == v->guest.vmid &&
		    vm_ports_wish(h, v, &v->config.ports[i], err) < 0)
			return error_code(err);
	}
	return 0;
}
