/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/vf/vf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/json.h"

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

void vf_settings_merge(struct vf_settings *now, const struct vf_settings *to, uint32_t bits)
{
	bits &= to->has & now->has;
	if (bits & HAS_VLAN) {
		now->vlan = to->vlan;
		now->qos = to->qos;
		now->proto = to->proto;
	}
	if (bits & HAS_MAC)
		memcpy(now->mac, to->mac, sizeof(now->mac));
	if (bits & HAS_SPOOFCHK)
		now->spoofchk = to->spoofchk;
	if (bits & HAS_TRUST)
		now->trust = to->trust;
	if (bits & HAS_MIN_RATE)
		now->min_rate = to->min_rate;
	if (bits & HAS_MAX_RATE)
		now->max_rate = to->max_rate;
	if (bits & HAS_LINK_STATE)
		now->link_state = to->link_state;
	if (bits & HAS_QUERY_RSS)
		now->query_rss = to->query_rss;
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
		str_append(out, " 802.1ad");
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

void vf_settings_print(const struct vf_settings *s, const char *key, struct json_out *o)
{
	char mac[MAC_LEN];

	json_out_begin(o, key, '{');
	if (s->has & HAS_VLAN) {
		json_out_int(o, "vlan", s->vlan);
		json_out_int(o, "vlan-qos", s->qos);
		json_out_text(o, "vlan-proto",
			      s->proto == VLAN_PROTO_8021AD ? "802.1ad" : "802.1Q");
	}
	if (s->has & HAS_MAC)
		json_out_text(o, "mac", mac_format(s->mac, mac));
	if (s->has & HAS_SPOOFCHK)
		json_out_bool(o, "spoofchk", s->spoofchk);
	if (s->has & HAS_TRUST)
		json_out_bool(o, "trust", s->trust);
	if (s->has & HAS_MIN_RATE)
		json_out_int(o, "min-rate", s->min_rate);
	if (s->has & HAS_MAX_RATE)
		json_out_int(o, "max-rate", s->max_rate);
	if (s->has & HAS_LINK_STATE)
		json_out_text(o, "link-state", vf_link_state_name(s->link_state));
	if (s->has & HAS_QUERY_RSS)
		json_out_bool(o, "query-rss", s->query_rss);
	json_out_end(o, '}');
}

json_t *vf_settings_to_json(const struct vf_settings *s)
{
	struct json_out o = JSON_OUT_INIT;

	vf_settings_print(s, NULL, &o);
	return json_out_parse(&o);
}

static int json_number(const json_t *v, json_int_t max, json_int_t *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
		return -EINVAL;
	*out = json_integer_value(v);
	return 0;
}

static int json_flag(const json_t *v, bool *out)
{
	if (!json_is_boolean(v))
		return -EINVAL;
	*out = json_is_true(v);
	return 0;
}

static int vlan_proto_from_json(const json_t *v, struct vf_settings *s)
{
	const char *text = json_string_value(v);

	if (!text)
		return -EINVAL;
	if (!strcmp(text, "802.1ad"))
		s->proto = VLAN_PROTO_8021AD;
	else if (!strcmp(text, "802.1Q"))
		s->proto = VLAN_PROTO_8021Q;
	else
		return -EINVAL;
	return 0;
}

static int setting_from_json(const char *key, const json_t *v, struct vf_settings *s)
{
	json_int_t n = 0;
	int r;

	if (!strcmp(key, "vlan")) {
		/* 4095 may stand in what the kernel said of a VF before us. */
		r = json_number(v, 4095, &n);
		s->vlan = (uint16_t)n;
		s->has |= HAS_VLAN;
		return r;
	}
	if (!strcmp(key, "vlan-qos")) {
		r = json_number(v, VLAN_QOS_MAX, &n);
		s->qos = (uint8_t)n;
		return r;
	}
	if (!strcmp(key, "vlan-proto"))
		return vlan_proto_from_json(v, s);
	if (!strcmp(key, "mac")) {
		s->has |= HAS_MAC;
		return mac_parse(json_string_value(v), s->mac);
	}
	if (!strcmp(key, "spoofchk")) {
		s->has |= HAS_SPOOFCHK;
		return json_flag(v, &s->spoofchk);
	}
	if (!strcmp(key, "trust")) {
		s->has |= HAS_TRUST;
		return json_flag(v, &s->trust);
	}
	if (!strcmp(key, "query-rss")) {
		s->has |= HAS_QUERY_RSS;
		return json_flag(v, &s->query_rss);
	}
	if (!strcmp(key, "min-rate")) {
		r = json_number(v, UINT32_MAX, &n);
		s->min_rate = (uint32_t)n;
		s->has |= HAS_MIN_RATE;
		return r;
	}
	if (!strcmp(key, "max-rate")) {
		r = json_number(v, UINT32_MAX, &n);
		s->max_rate = (uint32_t)n;
		s->has |= HAS_MAX_RATE;
		return r;
	}
	if (!strcmp(key, "link-state")) {
		s->has |= HAS_LINK_STATE;
		return vf_link_state_parse(json_string_value(v), &s->link_state);
	}
	return 0; /* of another version: what it does not know it cannot mean */
}

int vf_settings_from_json(const json_t *j, struct vf_settings *out, struct error *err)
{
	struct vf_settings s = {.proto = VLAN_PROTO_8021Q};
	const char *key;
	json_t *v;

	if (!json_is_object(j))
		return fail(err, EINVAL, "VF settings are not a JSON object");
	json_object_foreach((json_t *)j, key, v)
	{
		char clean[64];

		if (setting_from_json(key, v, &s) < 0)
			return fail(err, EINVAL, "bad VF setting '%s'",
				    text_clean(key, clean, sizeof(clean)));
	}
	*out = s;
	return 0;
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
