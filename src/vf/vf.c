/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be set on a VF, compared and told; by its keys: src/vf/vf_keys.c. */
#include "src/vf/vf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "src/base/cleanup.h"

static const struct {
	const char *name;
	uint32_t bits;
} attrs[VF_ATTR_COUNT] = {
	[VF_VLAN] = {"VLAN", HAS_VLAN},
	[VF_MAC] = {"MAC", HAS_MAC},
	[VF_SPOOFCHK] = {"spoofchk", HAS_SPOOFCHK},
	[VF_TRUST] = {"trust", HAS_TRUST},
	[VF_RATE] = {"rate", HAS_MIN_RATE | HAS_MAX_RATE},
	[VF_LINK_STATE] = {"link state", HAS_LINK_STATE},
	[VF_QUERY_RSS] = {"query_rss", HAS_QUERY_RSS},
};

static const char *const link_states[] = {
	[VF_LINK_AUTO] = "auto", [VF_LINK_ENABLE] = "enable", [VF_LINK_DISABLE] = "disable"};

const char *vf_attr_name(enum vf_attr attr)
{
	return attrs[attr].name;
}

uint32_t vf_attr_bits(enum vf_attr attr)
{
	return attrs[attr].bits;
}

const char *vf_link_state_name(enum vf_link_state state)
{
	return (size_t)state < ARRAY_SIZE(link_states) ? link_states[state] : "?";
}

int vf_link_state_parse(const char *s, enum vf_link_state *out)
{
	for (size_t i = 0; s && i < ARRAY_SIZE(link_states); i++) {
		if (!strcmp(s, link_states[i])) {
			*out = (enum vf_link_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *vf_vlan_proto_name(uint16_t proto)
{
	return proto == VLAN_PROTO_8021AD ? "802.1ad" : "802.1Q";
}

int vf_vlan_proto_parse(const char *s, uint16_t *out)
{
	static const uint16_t protos[] = {VLAN_PROTO_8021Q, VLAN_PROTO_8021AD};

	for (size_t i = 0; s && i < ARRAY_SIZE(protos); i++) {
		if (!strcasecmp(s, vf_vlan_proto_name(protos[i]))) {
			*out = protos[i];
			return 0;
		}
	}
	return -EINVAL;
}

static bool vlan_equal(const struct vf_settings *a, const struct vf_settings *b)
{
	/* Without a VLAN there is no tag whose priority and protocol could differ. */
	if (!a->vlan && !a->qos && !b->vlan && !b->qos)
		return true;
	return a->vlan == b->vlan && a->qos == b->qos && a->proto == b->proto;
}

bool vf_attr_equal(enum vf_attr attr, const struct vf_settings *want, const struct vf_settings *now)
{
	uint32_t bits = want->has & attrs[attr].bits;

	if ((now->has & bits) != bits)
		return false;
	switch (attr) {
	case VF_VLAN:
		return !bits || vlan_equal(want, now);
	case VF_MAC:
		return !bits || !memcmp(want->mac, now->mac, 6);
	case VF_SPOOFCHK:
		return !bits || want->spoofchk == now->spoofchk;
	case VF_TRUST:
		return !bits || want->trust == now->trust;
	case VF_RATE:
		return (!(bits & HAS_MIN_RATE) || want->min_rate == now->min_rate) &&
		       (!(bits & HAS_MAX_RATE) || want->max_rate == now->max_rate);
	case VF_LINK_STATE:
		return !bits || want->link_state == now->link_state;
	case VF_QUERY_RSS:
		return !bits || want->query_rss == now->query_rss;
	case VF_ATTR_COUNT:
		break;
	}
	return false;
}

static void vlan_text(const struct vf_settings *s, struct str *out)
{
	if (!s->vlan && !s->qos) {
		str_append(out, "none");
		return;
	}
	str_printf(out, "%u", s->vlan);
	if (s->qos)
		str_printf(out, " qos %u", s->qos);
	if (s->proto == VLAN_PROTO_8021AD)
		str_printf(out, " %s", vf_vlan_proto_name(s->proto));
}

static void rate_text(const struct vf_settings *s, struct str *out)
{
	if (s->has & HAS_MIN_RATE)
		str_printf(out, "min %u", s->min_rate);
	if ((s->has & HAS_MIN_RATE) && (s->has & HAS_MAX_RATE))
		str_append(out, " ");
	if (s->has & HAS_MAX_RATE)
		str_printf(out, "max %u", s->max_rate);
	str_append(out, " Mbit/s");
}

const char *vf_attr_value(enum vf_attr attr, const struct vf_settings *s, char *buf, size_t size)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	char mac[MAC_LEN];

	if (!(s->has & attrs[attr].bits)) {
		snprintf(buf, size, "-");
		return buf;
	}
	switch (attr) {
	case VF_VLAN:
		vlan_text(s, &out);
		break;
	case VF_MAC:
		str_append(&out, mac_format(s->mac, mac));
		break;
	case VF_SPOOFCHK:
		str_append(&out, s->spoofchk ? "on" : "off");
		break;
	case VF_TRUST:
		str_append(&out, s->trust ? "on" : "off");
		break;
	case VF_RATE:
		rate_text(s, &out);
		break;
	case VF_LINK_STATE:
		str_append(&out, vf_link_state_name(s->link_state));
		break;
	case VF_QUERY_RSS:
		str_append(&out, s->query_rss ? "on" : "off");
		break;
	case VF_ATTR_COUNT:
		break;
	}
	snprintf(buf, size, "%s", str_get(&out));
	return buf;
}

const char *vf_settings_describe(const struct vf_settings *s, char *buf, size_t size)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	char value[64];

	/* A person looks for the MAC first. */
	if (s->has & HAS_MAC)
		str_printf(&out, "MAC %s", vf_attr_value(VF_MAC, s, value, sizeof(value)));
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		if (a == VF_MAC || !(s->has & attrs[a].bits))
			continue;
		str_printf(&out, "%s%s %s", out.len ? ", " : "", attrs[a].name,
			   vf_attr_value((enum vf_attr)a, s, value, sizeof(value)));
	}
	snprintf(buf, size, "%s", out.len ? str_get(&out) : "nothing");
	return buf;
}

int vf_mac_check(const uint8_t mac[6], struct error *err)
{
	char text[MAC_LEN];

	if (mac_is_zero(mac))
		return fail(err, EINVAL, "MAC 00:00:00:00:00:00 is no address");
	if (mac_is_multicast(mac))
		return fail(err, EINVAL, "MAC %s is a multicast address", mac_format(mac, text));
	return 0;
}

void vf_parking_mac(const struct pci_addr *vf, uint8_t mac[6])
{
	mac[0] = 0x02;
	mac[1] = (uint8_t)(vf->domain >> 16);
	mac[2] = (uint8_t)(vf->domain >> 8);
	mac[3] = (uint8_t)vf->domain;
	mac[4] = vf->bus;
	mac[5] = (uint8_t)(vf->dev << 3 | vf->fn);
}

bool vf_is_representor(const char *phys_port_name)
{
	return strstr(phys_port_name, "vf");
}
