/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A step in words, one line for a person. */
#include "src/vf/plan_words.h"

#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "src/vf/lease.h"

/* One line of it: what is longer is told by who knows what the object is. */
static void describe_object(const struct step_object *o, char *buf, size_t size)
{
	const char *from = o->from ? o->from : "none";
	const char *to = o->to ? o->to : "none";

	if (o->what)
		snprintf(buf, size, "%s", o->what);
	else
		snprintf(buf, size, "%s %s: %.*s -> %.*s", o->kind ? o->kind : "?",
			 o->name ? o->name : "?", (int)strcspn(from, "\n"), from,
			 (int)strcspn(to, "\n"), to);
}

/* "VM 100 hostpci0", or who else holds VFs: a command that parks them. */
static const char *holder(const struct lease *l, bool slot, char buf[LEASE_HOLDER_LEN])
{
	if (l->vmid == LEASE_SELF)
		snprintf(buf, LEASE_HOLDER_LEN, "vfhook itself");
	else if (slot)
		lease_holder(l, buf);
	else
		snprintf(buf, LEASE_HOLDER_LEN, "%s %u", lease_is_ct(l) ? "CT" : "VM", l->vmid);
	return buf;
}

static void describe_lease_step(const struct step *s, const char *vf, char *buf, size_t size)
{
	char who[LEASE_HOLDER_LEN];

	switch (s->kind) {
	case STEP_LEASE_TAKE:
		snprintf(buf, size, "VF %s (VF %u of %s): lease to %s", vf, s->index, s->pf_name,
			 holder(&s->lease, true, who));
		break;
	case STEP_LEASE_WRITE:
		snprintf(buf, size, "VF %s (VF %u of %s): lease of %s %s -> %s", vf, s->index,
			 s->pf_name, holder(&s->lease, true, who),
			 lease_phase_name(s->old_lease.phase), lease_phase_name(s->lease.phase));
		break;
	case STEP_LEASE_SEIZE:
		snprintf(buf, size,
			 "VF %s: lease file that cannot be used -> lease of %s; kept as "
			 "%s.broken",
			 vf, holder(&s->lease, false, who), vf);
		break;
	case STEP_LEASE_DROP:
		snprintf(buf, size, "VF %s: drop the lease of %s", vf,
			 holder(&s->old_lease, false, who));
		break;
	default:
		break;
	}
}

const char *step_describe(const struct step *s, char *buf, size_t size)
{
	char vf[PCI_ADDR_LEN];
	char from[64];
	char to[128];

	pci_addr_format(&s->vf, vf);
	switch (s->kind) {
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
	case STEP_LEASE_SEIZE:
	case STEP_LEASE_DROP:
		describe_lease_step(s, vf, buf, size);
		break;
	case STEP_OVERRIDE:
		snprintf(buf, size, "VF %s: driver_override %s -> %s", vf,
			 s->from_text[0] ? s->from_text : "none",
			 s->to_text[0] ? s->to_text : "none");
		break;
	case STEP_SET:
		snprintf(buf, size, "VF %s: %s%s%s -> %s", vf, vf_attr_name(s->attr),
			 s->from.has & vf_attr_bits(s->attr) ? " " : "",
			 s->from.has & vf_attr_bits(s->attr)
				 ? vf_attr_value(s->attr, &s->from, from, sizeof(from))
				 : "",
			 vf_attr_value(s->attr, &s->to, to, sizeof(to)));
		break;
	case STEP_CLEAR_MAC:
		snprintf(buf, size, "VF %s: MAC %s -> none", vf,
			 vf_attr_value(VF_MAC, &s->from, from, sizeof(from)));
		break;
	case STEP_GUARD:
		if ((s->from.has & HAS_SPOOFCHK) && s->from.spoofchk) {
			snprintf(buf, size, "VF %s: spoofchk stays on", vf);
			break;
		}
		snprintf(buf, size, "VF %s: spoofchk %s -> on", vf,
			 vf_attr_value(VF_SPOOFCHK, &s->from, from, sizeof(from)));
		break;
	case STEP_CUT:
		snprintf(buf, size, "VF %s: link state %s -> disable", vf,
			 vf_attr_value(VF_LINK_STATE, &s->from, from, sizeof(from)));
		break;
	case STEP_VERIFY:
		snprintf(buf, size, "VF %s: read back and compare: %s", vf,
			 vf_settings_describe(&s->to, to, sizeof(to)));
		break;
	case STEP_UNUSED:
		snprintf(buf, size, "VF %s: no process has it open", vf);
		break;
	case STEP_CALL:
		describe_object(&s->object, buf, size);
		break;
	}
	return buf;
}
