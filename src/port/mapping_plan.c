/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only a mapping that is the port's own is changed. */
#include "src/port/mapping_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/hostpci.h"
#include "pveapi/mapping.h"
#include "src/base/cleanup.h"
#include "src/port/config.h"
#include "src/port/live_flag.h"
#include "src/port/mapping_id.h"
#include "src/port/mapping_owner.h"
#include "src/port/mapping_vf.h"
#include "src/port/objects.h"
#include "src/vf/plan_choice.h"

/* The plan makes the port: what is called like its mapping is not the port's. */
static bool makes_port(const struct plan *p, uint32_t vmid, unsigned slot)
{
	char id[32];

	snprintf(id, sizeof(id), "%u-%u", vmid, slot);
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step_object *o = &p->steps[i].object;

		if (p->steps[i].kind == STEP_CALL && !strcmp(o->kind, OBJECT_PORT) &&
		    !strcmp(o->name, id) && !o->from)
			return true;
	}
	return false;
}

/* The port and the VM's own hostpciN go with it, or it says itself that it is ours. */
static bool is_our_mapping(const struct vm_ports *v, unsigned slot, const struct mapping *m,
			   const struct plan *p)
{
	const struct hostpci *entry = &v->guest.hostpci[slot];

	return mapping_has_our_mark(m) || (entry->mapping && !strcmp(entry->mapping, m->id) &&
					   !makes_port(p, v->guest.vmid, slot));
}

int plan_mapping(struct hook *h, const struct vm_ports *v, unsigned slot, const struct vf_info *vf,
		 bool harmless, struct plan *p, struct error *err)
{
	AUTO_FREE char *entry = NULL;
	const struct mapping_entry *old;
	struct vf_info meant = *vf;
	const struct mapping *m;
	char id[NAME_LEN];
	size_t n;

	port_mapping_id(v->guest.vmid, slot, id);
	m = mapping_find(&v->mappings, id);
	/* Of the one that was chosen, not of all that were looked at. */
	if (sysfs_vf_ids(h->root, &meant, err) < 0)
		return error_code(err);
	if (mapping_says(m, h->node, &meant))
		return 0;
	entry = vf_map_entry(h, &meant);
	if (!entry)
		return fail(err, ENOMEM, "out of memory");
	if (m && !is_our_mapping(v, slot, m, p))
		return mapping_refuse(id, err);
	old = m ? mapping_node_entry(m, h->node, &n) : NULL;
	return plan_map_entry(id, h->node, old, entry, harmless, p, err);
}

int plan_mappings(struct hook *h, const struct vm_ports *v, const struct snapshot *s,
		  const struct port_choice *choices, struct plan *p, struct error *err)
{
	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct vf_info *vf = &s->pfs[choices[i].pf].vfs[choices[i].vf].info;

		if (plan_mapping(h, v, v->wishes[i].slot, vf, true, p, err) < 0 ||
		    plan_flag_off(h, v, v->wishes[i].slot, p, err) < 0)
			return error_code(err);
	}
	h->new_mapping =
		plan_has_object(p, OBJECT_MAP_ENTRY) || plan_has_object(p, OBJECT_MAP_FLAG);
	return 0;
}
