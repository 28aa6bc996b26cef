/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook attach: what was judged, as one plan. */
#include <errno.h>
#include <stdlib.h>

#include "pveapi/hostpci.h"
#include "src/base/cleanup.h"
#include "src/command/attach.h"
#include "src/port/cluster_vfs.h"
#include "src/port/mapping_nodes.h"
#include "src/port/mapping_plan.h"
#include "src/port/port_plan.h"
#include "src/port/vm_ports.h"

/* What else it is to have: one that is the port's already has it, as was judged. */
static int add_options(const struct attach *a, struct entry *e)
{
	char *value;

	if (!a->hostpci || !e->value)
		return 0;
	value = hostpci_with_options(e->value, a->hostpci);
	free(e->value);
	e->value = value;
	return value ? 0 : -ENOMEM;
}

/* The VM as it is once the port is there. */
static int load_with_port(struct hook *h, const struct attach *a, struct vm_ports *v,
			  struct error *err)
{
	struct entry *e = &v->entries[a->port.slot];

	if (vm_ports_load(h, a->vmid, v, err) < 0)
		return error_code(err);
	if ((config_port(&v->config, a->vmid, a->port.slot) != NULL) != a->has_port)
		return fail(err, EAGAIN, "port %u-%u came or went meanwhile", a->vmid,
			    a->port.slot);
	if (!a->has_port && vm_ports_add(v, &a->port, err) < 0)
		return error_code(err);
	vm_ports_judge(h, v);
	/* A mapping of the user's is not ours to replace, unless he says so. */
	if (a->take_over && !a->has_port && e->verdict == ENTRY_REFUSE) {
		entry_free(e);
		*e = (struct entry){.verdict = ENTRY_REWRITE,
				    .value = entry_value(&v->guest, a->port.slot)};
		if (!e->value)
			return fail(err, ENOMEM, "out of memory");
	}
	if (e->verdict != ENTRY_REWRITE && e->verdict != ENTRY_GOOD)
		return fail(err, EAGAIN, "hostpci%u was changed meanwhile: %s", a->port.slot,
			    e->why);
	if (add_options(a, e) < 0)
		return fail(err, ENOMEM, "out of memory");
	return vm_ports_wishes(h, v, true, err);
}

/* The mapping names the VF that is taken over, and has an entry for each node of the pool. */
static int plan_same_vf(struct hook *h, const struct attach *a, struct vm_ports *v, struct plan *p,
			struct error *err)
{
	if (plan_mapping(h, v, a->port.slot, &a->over.vf, false, p, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < v->n_wishes; i++) {
		if (v->wishes[i].slot == a->port.slot &&
		    publish_entries(h, v, &v->wishes[i], p, err) < 0)
			return error_code(err);
	}
	return 0;
}

int attach_plan(struct hook *h, const struct attach *a, struct plan *p, struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	unsigned slot = a->port.slot;

	if (load_with_port(h, a, &v, err) < 0 || hook_kernel(h, err) < 0)
		return error_code(err);
	if (a->old_hook[0] && plan_chain(h, a->vmid, a->old_hook, p, err) < 0)
		return error_code(err);
	if (!a->has_port && plan_port_section(&a->port, p, err) < 0)
		return error_code(err);
	if (a->take_over && !a->has_port && plan_same_vf(h, a, &v, p, err) < 0)
		return error_code(err);
	/* PVE needs the mapping of a running VM as it is. */
	if (!(a->take_over && !a->has_port) &&
	    !(a->running && attach_has_mapping(h, a->vmid, slot)) &&
	    plan_port_mappings(h, &v, (int)slot, p, err) < 0)
		return error_code(err);
	/* Before hostpci: a VM whose config names a VF must not start without its hook. */
	if (a->set_hook && plan_hookscript(h, &v.guest, a->hookscript, p, err) < 0)
		return error_code(err);
	if (v.entries[slot].verdict == ENTRY_GOOD)
		return 0;
	if (plan_hostpci(&v.guest, slot, v.entries[slot].value, p, err) < 0)
		return error_code(err);
	return a->over.live ? plan_live_lease(&a->over, &a->port, v.guest.name, p, err) : 0;
}
