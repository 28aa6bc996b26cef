/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VF's state, VLAN and faults in words. */
#include "src/show/vf_words.h"

#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"

const char *vf_vlan_words(const struct vf_settings *s, char *buf, size_t size)
{
	char qos[8] = "";

	buf[0] = '\0';
	if (!(s->has & HAS_VLAN) || (!s->vlan && !s->qos))
		return buf;
	if (s->qos)
		snprintf(qos, sizeof(qos), " q%u", s->qos);
	snprintf(buf, size, "%u%s%s", s->vlan, qos, s->proto == VLAN_PROTO_8021AD ? " ad" : "");
	return buf;
}

const char *vf_state_word(const struct vf_report *r)
{
	return r->stale ? "stale" : vf_use_name(r->use);
}

enum style vf_state_style(const char *word)
{
	static const struct {
		const char *word;
		enum style style;
	} styles[] = {
		{"free", STYLE_DIM},	  {"starting", STYLE_WARN}, {"running", STYLE_GOOD},
		{"dirty", STYLE_BAD},	  {"unusable", STYLE_WARN}, {"unplugged", STYLE_WARN},
		{"arriving", STYLE_WARN}, {"stale", STYLE_BAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(styles); i++) {
		if (!strcmp(word, styles[i].word))
			return styles[i].style;
	}
	return STYLE_PLAIN;
}

void vf_differences(const struct vf_report *r, struct str *out)
{
	bool first = true;
	char now[64];
	char want[64];

	for (unsigned a = 0; a < VF_ATTR_COUNT; a++) {
		if (!(r->differs & (1U << a)))
			continue;
		vf_attr_value((enum vf_attr)a, &r->vf->now, now, sizeof(now));
		vf_attr_value((enum vf_attr)a, &r->vf->lease.want, want, sizeof(want));
		str_printf(out, "%s%s is %s, wanted %s", first ? "" : "; ",
			   vf_attr_name((enum vf_attr)a), now, want);
		first = false;
	}
}

void vf_advice_words(const struct vf_counts *c, struct str *out)
{
	size_t was = out->len;

	if (c->mismatched)
		str_printf(out, "%zu VF%s not set as wanted (!). ", c->mismatched,
			   c->mismatched == 1 ? " is" : "s are");
	if (c->stale)
		str_printf(out, "%zu VF%s stale: leased, but the guest does not run. ", c->stale,
			   c->stale == 1 ? " is" : "s are");
	if (c->use[USE_DIRTY])
		str_printf(out, "%zu VF%s dirty: not clean yet after the guest. ",
			   c->use[USE_DIRTY], c->use[USE_DIRTY] == 1 ? " is" : "s are");
	if (out->len > was)
		str_append(out, "To mend that: vfhook repair");
}
