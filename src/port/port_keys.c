/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a port: read, judged together, and written. */
#include "src/port/port_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "src/base/cleanup.h"
#include "src/base/key_value.h"
#include "src/base/text.h"
#include "pveapi/guest.h"

static int set_mac(const char *v, struct port *p, struct error *err)
{
	if (!strcmp(v, "auto")) {
		p->mac_auto = true;
		return 0;
	}
	if (mac_parse(v, p->want.mac) < 0)
		return key_bad_value("mac", v, "an address like BC:24:11:12:34:56, or auto", err);
	p->want.has |= HAS_MAC;
	return vf_mac_check(p->want.mac, err);
}

static int set_vlan_proto(const char *v, struct port *p, struct error *err)
{
	if (!strcasecmp(v, "802.1q"))
		p->want.proto = VLAN_PROTO_8021Q;
	else if (!strcasecmp(v, "802.1ad"))
		p->want.proto = VLAN_PROTO_8021AD;
	else
		return key_bad_value("vlan-proto", v, "802.1Q or 802.1ad", err);
	return 0;
}

static int set_pool_name(const char *v, struct port *p, struct error *err)
{
	if (!is_plain_name(v, NAME_LEN - 1))
		return key_bad_value("pool", v, "a name of letters, digits, '-' and '_'", err);
	snprintf(p->pool, sizeof(p->pool), "%s", v);
	return 0;
}

int port_set_key(const char *key, const char *v, struct port *p, struct error *err)
{
	struct vf_settings *w = &p->want;
	uint32_t n = 0;
	int r;

	if (!strcmp(key, "comment"))
		return 0;
	if (!strcmp(key, "pool"))
		return set_pool_name(v, p, err);
	if (!strcmp(key, "mac"))
		return set_mac(v, p, err);
	if (!strcmp(key, "vlan")) {
		r = key_number(key, v, VLAN_ID_MAX, &n, err);
		w->vlan = (uint16_t)n;
		w->has |= HAS_VLAN;
		return r;
	}
	if (!strcmp(key, "vlan-qos")) {
		r = key_number(key, v, VLAN_QOS_MAX, &n, err);
		w->qos = (uint8_t)n;
		return r;
	}
	if (!strcmp(key, "vlan-proto"))
		return set_vlan_proto(v, p, err);
	if (!strcmp(key, "spoofchk")) {
		w->has |= HAS_SPOOFCHK;
		return key_flag(key, v, &w->spoofchk, err);
	}
	if (!strcmp(key, "trust")) {
		w->has |= HAS_TRUST;
		return key_flag(key, v, &w->trust, err);
	}
	if (!strcmp(key, "query-rss")) {
		w->has |= HAS_QUERY_RSS;
		return key_flag(key, v, &w->query_rss, err);
	}
	if (!strcmp(key, "min-rate")) {
		w->has |= HAS_MIN_RATE;
		return key_number(key, v, 10000000, &w->min_rate, err);
	}
	if (!strcmp(key, "max-rate")) {
		w->has |= HAS_MAX_RATE;
		return key_number(key, v, 10000000, &w->max_rate, err);
	}
	if (!strcmp(key, "link-state")) {
		w->has |= HAS_LINK_STATE;
		return vf_link_state_parse(v, &w->link_state) < 0
			       ? key_bad_value(key, v, "auto, enable or disable", err)
			       : 0;
	}
	/* A typing mistake must not become a VLAN that is silently not set. */
	return key_unknown("port", key, err);
}

/* "100-0", and no other spelling of it: two would be two ports for one hostpci. */
int port_id_parse(const char *id, struct port *p, struct error *err)
{
	const char *dash = strchr(id, '-');
	char vmid[16] = "";
	char clean[64];
	uint32_t slot = 0;

	if (dash && (size_t)(dash - id) < sizeof(vmid))
		memcpy(vmid, id, (size_t)(dash - id));
	if (dash && !parse_u32(vmid, PVE_VMID_MAX, &p->vmid) && p->vmid >= PVE_VMID_MIN &&
	    !parse_u32(dash + 1, PVE_HOSTPCI_MAX - 1, &slot)) {
		p->slot = slot;
		/* No second way to write the same. */
		if (id[0] != '0' && (dash[1] != '0' || !dash[2]))
			return 0;
	}
	return fail(err, EINVAL, "'%s' is no port: it wants <vmid>-<hostpci number>, like 100-0",
		    text_clean(id, clean, sizeof(clean)));
}

int port_check(const struct port *p, bool has_tag_options, struct error *err)
{
	if (!p->pool[0])
		return fail(err, EINVAL, "the port has no 'pool'");
	if (!(p->want.has & HAS_VLAN) && has_tag_options)
		return fail(err, EINVAL, "'vlan-qos' and 'vlan-proto' want a 'vlan' with them");
	if ((p->want.has & HAS_VLAN) && !p->want.vlan &&
	    (p->want.qos || p->want.proto != VLAN_PROTO_8021Q))
		return fail(err, EINVAL, "'vlan 0' is no VLAN: it has no priority or protocol");
	if ((p->want.has & HAS_MIN_RATE) && (p->want.has & HAS_MAX_RATE) && p->want.max_rate &&
	    p->want.min_rate > p->want.max_rate)
		return fail(err, EINVAL, "'min-rate' is above 'max-rate'");
	return 0;
}

static void port_section_text(const struct port *p, struct str *out)
{
	const struct vf_settings *w = &p->want;
	char mac[MAC_LEN];

	str_printf(out, "port: %u-%u\n\tpool %s\n", p->vmid, p->slot, p->pool);
	if (w->has & HAS_MAC)
		str_printf(out, "\tmac %s\n", mac_format(w->mac, mac));
	else if (p->mac_auto)
		str_append(out, "\tmac auto\n");
	if (w->has & HAS_VLAN) {
		str_printf(out, "\tvlan %u\n", w->vlan);
		if (w->qos)
			str_printf(out, "\tvlan-qos %u\n", w->qos);
		if (w->proto == VLAN_PROTO_8021AD)
			str_append(out, "\tvlan-proto 802.1ad\n");
	}
	if (w->has & HAS_SPOOFCHK)
		str_printf(out, "\tspoofchk %d\n", w->spoofchk);
	if (w->has & HAS_TRUST)
		str_printf(out, "\ttrust %d\n", w->trust);
	if (w->has & HAS_MIN_RATE)
		str_printf(out, "\tmin-rate %u\n", w->min_rate);
	if (w->has & HAS_MAX_RATE)
		str_printf(out, "\tmax-rate %u\n", w->max_rate);
	if (w->has & HAS_LINK_STATE)
		str_printf(out, "\tlink-state %s\n", vf_link_state_name(w->link_state));
	if (w->has & HAS_QUERY_RSS)
		str_printf(out, "\tquery-rss %d\n", w->query_rss);
}

int config_port_section(const struct port *p, char **out, struct error *err)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	port_section_text(p, &s);
	*out = str_take(&s);
	return *out ? 0 : fail(err, ENOMEM, "out of memory");
}
