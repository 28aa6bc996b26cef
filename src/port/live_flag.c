/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each flag is one object, compared and set in one stroke. */
#include "src/port/live_flag.h"

#include <stdio.h>

#include "pveapi/mapping.h"
#include "src/base/cleanup.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/mapping_id.h"
#include "src/port/objects.h"

static const char *word(bool on)
{
	return on ? "on" : "off";
}

static int add_flag(const char *id, bool on, bool harmless, struct plan *p, struct error *err)
{
	char what[120];

	snprintf(what, sizeof(what), "mapping %s: live-migration-capable %d -> %d", id, !on, on);
	return plan_add_object(p,
			       &(struct step_object){.kind = OBJECT_MAP_FLAG,
						     .name = id,
						     .from = word(!on),
						     .to = word(on),
						     .what = what,
						     .harmless = harmless},
			       err);
}

static const struct mapping *mapping_of(const struct port *port, const struct mapping_file *f)
{
	char id[NAME_LEN];

	if (!port || port->bad || !port->live_migration)
		return NULL;
	return mapping_find(f, port_mapping_id(port->vmid, port->slot, id));
}

int plan_flag_off(const struct hook *h, const struct vm_ports *v, unsigned slot, struct plan *p,
		  struct error *err)
{
	const struct mapping *m =
		mapping_of(config_port(&v->config, v->guest.vmid, slot), &v->mappings);

	if (!m || !m->live_migration || (h->migrated_from && h->migrated_from[0]))
		return 0;
	return add_flag(m->id, false, true, p, err);
}

int plan_flag_away(struct hook *h, uint32_t vmid, unsigned slot, struct plan *p, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	const struct mapping *m;
	char id[NAME_LEN];

	if (mapping_load_some(h->root, port_mapping_id(vmid, slot, id), &f, err) < 0)
		return error_code(err);
	m = mapping_find(&f, id);
	return m && m->live_migration ? add_flag(id, false, false, p, err) : 0;
}

/* The mappings of the VM's ports whose flag is not so, one after the other. */
static int each_other(struct hook *h, uint32_t vmid, bool on,
		      int (*fn)(struct hook *h, const char *id, bool on, struct error *err),
		      struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(config_free) struct config c = {0};
	char prefix[NAME_LEN];
	int r = config_load_for(h->root, &vmid, 1, &c, err);

	if (!r)
		r = mapping_load_some(h->root, port_mapping_prefix(vmid, prefix), &f, err);
	for (size_t i = 0; !r && i < c.n_ports; i++) {
		const struct mapping *m =
			c.ports[i].vmid == vmid ? mapping_of(&c.ports[i], &f) : NULL;

		if (m && m->live_migration != on)
			r = fn(h, m->id, on, err);
	}
	return r;
}

static int set_one(struct hook *h, const char *id, bool on, struct error *err)
{
	CLEANUP(plan_free) struct plan p;

	plan_init(&p, PLAN_SWAP, 0);
	return add_flag(id, on, false, &p, err) < 0 ? error_code(err)
						    : apply_plan(h, NULL, &p, err);
}

int live_flags_set(struct hook *h, uint32_t vmid, bool on, struct error *err)
{
	return each_other(h, vmid, on, set_one, err);
}

static int find_one(struct hook *h, const char *id, bool on, struct error *err)
{
	(void)h;
	(void)id;
	(void)on;
	(void)err;
	return 1;
}

enum answer live_flags_are(struct hook *h, uint32_t vmid, bool on, struct error *err)
{
	int r = each_other(h, vmid, on, find_one, err);

	return r < 0 ? ANSWER_UNKNOWN : r ? ANSWER_NO : ANSWER_YES;
}
