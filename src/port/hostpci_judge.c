/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each shape of hostpciN means beside its port. */
#include "src/port/hostpci_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/hostpci.h"
#include "src/port/mapping_id.h"
#include "src/vf/vf.h"

__attribute__((format(printf, 3, 4))) static void verdict(struct entry *e, enum entry_verdict v,
							  const char *fmt, ...)
{
	va_list ap;

	e->verdict = v;
	va_start(ap, fmt);
	vsnprintf(e->why, sizeof(e->why), fmt, ap);
	va_end(ap);
}

/*
 * Refused until a command of ours was run: snapshots, rollbacks, restores and clones bring hostpciN
 * and ports out of step, and one of the two has to follow. "attach" makes what hostpciN names a
 * port again, "detach" gives up a port whose place something else has taken.
 */
__attribute__((format(printf, 5, 6))) static void
refuse(struct entry *e, const char *command, uint32_t vmid, unsigned slot, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(e->mend, sizeof(e->mend), "vfhook %s %u --slot %u", command, vmid, slot);
	verdict(e, ENTRY_REFUSE, "%s: %s", why, e->mend);
}

/* It names what is none of ours, and the port is still there. */
__attribute__((format(printf, 4, 5))) static void refuse_beside_port(const struct guest_config *g,
								     unsigned slot, struct entry *e,
								     const char *fmt, ...)
{
	char what[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	refuse(e, "detach", g->vmid, slot,
	       "it names %s, but /" VFHOOK_CFG
	       " has a port %u-%u (a rollback?); to give up the port and keep hostpci%u",
	       what, g->vmid, slot, slot);
}

char *entry_value(const struct guest_config *g, unsigned slot)
{
	const struct hostpci *h = &g->hostpci[slot];
	const char *rest = h->present ? h->rest : "";
	struct str value = STR_INIT;
	char id[NAME_LEN];

	/* PVE's own GUI proposes pcie=1 where the machine type has PCIe. */
	if (!h->present && g->machine && strstr(g->machine, "q35"))
		rest = "pcie=1";
	str_printf(&value, "mapping=%s%s%s", port_mapping_id(g->vmid, slot, id), rest[0] ? "," : "",
		   rest);
	return str_take(&value);
}

static void new_value(const struct guest_config *g, unsigned slot, struct entry *e)
{
	e->value = entry_value(g, slot);
	if (!e->value)
		verdict(e, ENTRY_REFUSE, "out of memory");
}

/* A new port in a pool with nothing but an address of its own. */
static void adopt_from_pool(const struct pool *p, struct entry *e)
{
	snprintf(e->adopt.pool, sizeof(e->adopt.pool), "%s", p->name);
	e->adopt.mac_auto = !p->no_net;
	e->adopt.want.proto = VLAN_PROTO_8021Q;
}

/* A new port with the wishes of another one, but not its address. */
static void adopt_from_port(const struct config *c, const struct port *p, struct entry *e)
{
	const struct pool *pool = config_pool(c, p->pool);

	e->adopt.mac_auto = !pool || !pool->no_net;
	memcpy(e->adopt.pool, p->pool, sizeof(e->adopt.pool));
	e->adopt.want = p->want;
	e->adopt.want.has &= ~(uint32_t)HAS_MAC;
}

static void start_adopting(const struct guest_config *g, unsigned slot, struct entry *e)
{
	e->adopt = (struct port){.vmid = g->vmid, .slot = slot, .mac_auto = true};
}

static void judge_mapping(const struct config *c, const struct guest_config *g, unsigned slot,
			  const struct port *port, struct entry *e)
{
	const char *mapping = g->hostpci[slot].mapping;
	const struct pool *pool = config_pool(c, mapping);
	const struct port *other;
	unsigned other_slot;
	uint32_t other_vm;

	if (port_mapping_parse(mapping, &other_vm, &other_slot)) {
		if (other_vm == g->vmid && other_slot == slot) {
			if (port)
				verdict(e, ENTRY_GOOD, "it is the port's own mapping");
			else
				refuse(e, "attach", g->vmid, slot,
				       "it names mapping %s, but /" VFHOOK_CFG
				       " has no port %u-%u (a rollback, or a restored backup?)",
				       mapping, g->vmid, slot);
			return;
		}
		other = config_port(c, other_vm, other_slot);
		if (port) {
			verdict(e, ENTRY_REWRITE, "it names %s, the mapping of VM %u", mapping,
				other_vm);
		} else if (other && !other->bad) {
			verdict(e, ENTRY_ADOPT,
				"it names %s, the mapping of VM %u (a clone or a restored backup?)",
				mapping, other_vm);
			start_adopting(g, slot, e);
			adopt_from_port(c, other, e);
			e->origin = other_vm;
		} else {
			refuse(e, "attach", g->vmid, slot,
			       "it names %s, the mapping of VM %u, and /" VFHOOK_CFG
			       " has no port %u-%u whose wishes could be taken",
			       mapping, other_vm, other_vm, other_slot);
		}
		return;
	}
	if (pool && port) {
		verdict(e, ENTRY_REWRITE, "it names pool '%s' instead of the port's mapping",
			mapping);
	} else if (pool) {
		verdict(e, ENTRY_ADOPT, "it names pool '%s', and there is no port yet", mapping);
		start_adopting(g, slot, e);
		adopt_from_pool(pool, e);
	} else if (port) {
		refuse_beside_port(g, slot, e, "mapping '%.64s', which is not ours", mapping);
	}
}

/* Nobody would set what is behind the first one. */
static void judge_several(const struct guest_config *g, unsigned slot, const struct raw_vf *raw,
			  const struct pool *pool, struct entry *e)
{
	char vf[PCI_ADDR_LEN];

	pci_addr_format(&raw->vf, vf);
	e->was_raw = true;
	snprintf(e->mend, sizeof(e->mend), "qm set %u --hostpci%u %s", g->vmid, slot, vf);
	verdict(e, ENTRY_REFUSE,
		"%.64s means %u functions, VFs of pool '%.64s' among them, and a port is one VF: "
		"name one, and give the VM a port for each other one: %s",
		g->hostpci[slot].host, raw->n_functions, pool->name, e->mend);
}

static void judge_raw(const struct config *c, const char *node, const struct guest_config *g,
		      unsigned slot, const struct port *port, const struct raw_vf *raw,
		      struct entry *e)
{
	const struct pool *pool = raw->is_vf ? config_pool_of_pf(c, node, &raw->pf) : NULL;
	const char *host = g->hostpci[slot].host;

	if (pool && raw->n_functions > 1) {
		judge_several(g, slot, raw, pool, e);
		return;
	}
	e->was_raw = true;
	if (pool) {
		e->has_vf = true;
		e->vf = raw->vf;
	}
	if (pool && port) {
		verdict(e, ENTRY_REWRITE, "it names %s raw, a VF of pool '%s'", host, pool->name);
	} else if (pool) {
		verdict(e, ENTRY_ADOPT,
			"it names %s raw, a VF of pool '%s', and there is no port yet", host,
			pool->name);
		start_adopting(g, slot, e);
		adopt_from_pool(pool, e);
	} else if (port) {
		refuse_beside_port(g, slot, e, "%.64s, which is no VF of any pool on this node",
				   host);
	}
}

void entry_judge(const struct config *c, const char *node, const struct guest_config *g,
		 unsigned slot, const struct raw_vf *raw, struct entry *out)
{
	const struct port *port = config_port(c, g->vmid, slot);
	const struct hostpci *h = &g->hostpci[slot];

	*out = (struct entry){.verdict = ENTRY_NOT_OURS};
	if (port && port->bad) {
		verdict(out, ENTRY_REFUSE, "%s", port->bad);
		return;
	}
	if (port && port->netname[0]) {
		verdict(out, ENTRY_REFUSE,
			"port %u-%u in /" VFHOOK_CFG
			" is a container's (it has a 'name'), and %u is "
			"a VM: take the section out",
			port->vmid, slot, port->vmid);
		return;
	}
	if (!h->present) {
		if (port)
			verdict(out, ENTRY_REWRITE, "the VM has no hostpci%u yet", slot);
	} else if (h->mapping) {
		judge_mapping(c, g, slot, port, out);
	} else {
		judge_raw(c, node, g, slot, port, raw, out);
	}
	if (out->verdict == ENTRY_REWRITE || out->verdict == ENTRY_ADOPT)
		new_value(g, slot, out);
}

void entry_free(struct entry *e)
{
	free(e->value);
	e->value = NULL;
}
