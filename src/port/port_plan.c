/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each step from what is there now to what is wanted. */
#include "src/port/port_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/limits.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/guest_note.h"
#include "src/port/hook_lock.h"
#include "src/port/hostpci_judge.h"
#include "src/port/hostpci_planned.h"
#include "src/port/mapping_id.h"
#include "src/port/mapping_nodes.h"
#include "src/port/mapping_plan.h"
#include "src/port/objects.h"
#include "src/port/port_keys.h"
#include "src/vf/journal.h"
#include "src/vf/plan_choice.h"
#include "src/vf/plan_start.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"
#include "src/vf/vf.h"

#define LOCK_WAIT_MS 30000

int config_begin(struct hook *h, uint32_t vmid, struct owner **out, struct error *err)
{
	int r = hook_lock_config(h, vmid, LOCK_WAIT_MS, out, err);

	if (r < 0 || !journal_exists(h->root, JOURNAL_CONFIG, vmid))
		return r;
	r = apply_config_recovery(h, *out, err);
	return r < 0 ? r : 0;
}

int vm_ports_add(struct vm_ports *v, const struct port *p, struct error *err)
{
	struct config *c = &v->config;
	struct port *more = reallocarray(c->ports, c->n_ports + 1, sizeof(*more));

	if (!more)
		return fail(err, ENOMEM, "out of memory");
	c->ports = more;
	c->ports[c->n_ports++] = *p;
	return 0;
}

int plan_port_section(const struct port *port, struct plan *p, struct error *err)
{
	AUTO_FREE char *text = NULL;
	char words[PORT_WORDS_LEN];
	char what[PORT_WORDS_LEN + 96];
	char id[32];

	if (config_port_section(port, &text, err) < 0)
		return error_code(err);
	snprintf(id, sizeof(id), "%u-%u", port->vmid, port->slot);
	snprintf(what, sizeof(what), "port %s in /" VFHOOK_CFG ": none -> %s", id,
		 port_describe(port, words));
	return plan_add_object(
		p, &(struct step_object){.kind = OBJECT_PORT, .name = id, .to = text, .what = what},
		err);
}

int plan_port_removal(struct hook *h, uint32_t vmid, unsigned slot, struct plan *p,
		      struct error *err)
{
	char what[96];
	char id[32];

	snprintf(id, sizeof(id), "%u-%u", vmid, slot);
	snprintf(what, sizeof(what), "port %s in /" VFHOOK_CFG ": there -> none", id);
	return plan_object(h, OBJECT_PORT, id, NULL, what, p, err);
}

int plan_chain(struct hook *h, uint32_t vmid, const char *volid, struct plan *p, struct error *err)
{
	AUTO_FREE char *text = NULL;
	char what[VOLID_LEN + 96];
	char id[16];

	if (volid && config_guest_section(vmid, volid, &text, err) < 0)
		return error_code(err);
	snprintf(id, sizeof(id), "%u", vmid);
	snprintf(what, sizeof(what), "guest %s in /" VFHOOK_CFG ": %s%s", id,
		 volid ? "none -> chain " : "there -> none", volid ? volid : "");
	return plan_object(h, OBJECT_GUEST, id, text, what, p, err);
}

/* One that is `from` in what was judged; nothing if it is `to` there. */
static int plan_judged(const char *kind, const char *id, const char *from, const char *to,
		       const char *what, struct plan *p, struct error *err)
{
	const struct step_object o = {
		.kind = kind, .name = id, .from = from, .to = to, .what = what};

	if (text_same(from, to))
		return 0;
	return plan_add_object(p, &o, err);
}

int plan_hookscript(struct hook *h, const struct guest_config *g, const char *volid, struct plan *p,
		    struct error *err)
{
	char what[2 * VOLID_LEN + 64];
	char id[16];

	snprintf(id, sizeof(id), "%u", g->vmid);
	snprintf(what, sizeof(what), "%s %s hookscript: %.255s -> %.255s", hook_guest(h), id,
		 g->hookscript ? g->hookscript : "none", volid ? volid : "none");
	return plan_judged(OBJECT_HOOKSCRIPT, id, g->hookscript, volid, what, p, err);
}

int plan_hostpci(const struct guest_config *g, unsigned slot, const char *value, struct plan *p,
		 struct error *err)
{
	AUTO_FREE char *now = hostpci_planned(g, slot);
	char what[512];
	char id[24];

	snprintf(id, sizeof(id), "%u %u", g->vmid, slot);
	snprintf(what, sizeof(what), "VM %u hostpci%u: %.200s -> %.200s", g->vmid, slot,
		 now ? now : "none", value ? value : "none");
	return plan_judged(OBJECT_HOSTPCI, id, now, value, what, p, err);
}

int plan_mapping_removal(struct hook *h, uint32_t vmid, unsigned slot, struct plan *p,
			 struct error *err)
{
	char what[NAME_LEN + 32];
	char id[NAME_LEN];

	port_mapping_id(vmid, slot, id);
	snprintf(what, sizeof(what), "mapping %s: there -> none", id);
	return plan_object(h, OBJECT_MAPPING, id, NULL, what, p, err);
}

int plan_off(struct hook *h, uint32_t vmid, struct plan *p, struct error *err)
{
	char what[160];
	char id[16];

	snprintf(id, sizeof(id), "%u", vmid);
	snprintf(what, sizeof(what),
		 "%s %s: off, and locked until this is done; what it still holds is released",
		 hook_guest(h), id);
	return plan_object(h, OBJECT_OFF, id, "off", what, p, err);
}

/* --- Mappings --- */

/* Any VF of the pool will do to make the mapping valid: pre-start says then why none is free. */
static bool any_vf(const struct snapshot *s, const struct port_wish *w, struct port_choice *out)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		for (size_t k = 0; k < w->n_pfs; k++) {
			if (s->pfs[i].n_vfs &&
			    !pci_addr_cmp(&s->pfs[i].info.addr, &w->pfs[k].addr)) {
				*out = (struct port_choice){.chosen = true, .pf = i};
				return true;
			}
		}
	}
	return false;
}

/* Without a slot: what is written next. That of an entry that is right already is its start's to
 * change, and the VM may run with it. */
static bool is_meant(const struct vm_ports *v, unsigned slot, int wanted)
{
	return wanted < 0 ? v->entries[slot].verdict == ENTRY_REWRITE : slot == (unsigned)wanted;
}

int plan_port_mappings(struct hook *h, struct vm_ports *v, int slot, struct plan *p,
		       struct error *err)
{
	struct port_choice choices[PVE_HOSTPCI_MAX] = {{0}};
	CLEANUP(snapshot_free) struct snapshot s = {0};
	AUTO_FREE struct vf_claim *claims = NULL;
	CLEANUP(plan_free) struct plan look; /* only its choices count: pre-start takes the VFs */
	struct error why = ERROR_INIT;

	plan_init(&look, PLAN_START, v->guest.vmid);
	if (observe_wishes(h, v, true, &claims, &s, err) < 0)
		return error_code(err);
	if (plan_start(&s, v->wishes, v->n_wishes, time(NULL), choices, &look, &why) < 0)
		say("%s", why.text);
	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];

		if (!is_meant(v, w->slot, slot))
			continue;
		if (!choices[i].chosen && !any_vf(&s, w, &choices[i]))
			return fail(err, ENOSPC, "pool '%s' of hostpci%u has no VFs on this node",
				    w->pool, w->slot);
		if (plan_mapping(h, v, w->slot, &s.pfs[choices[i].pf].vfs[choices[i].vf].info,
				 false, p, err) < 0 ||
		    publish_entries(h, v, w, p, err) < 0)
			return error_code(err);
	}
	return 0;
}
