/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be set on a VF: compared, in words for a person, and as JSON in leases and journals. */
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

/*
 * The members of settings as JSON has them, in the order in which they are written. 4095 may stand
 * in what the kernel said of a VF before us.
 */
enum member_type {
	MEMBER_U8,
	MEMBER_U16,
	MEMBER_U32,
	MEMBER_BOOL,
	MEMBER_MAC,
	MEMBER_PROTO,
	MEMBER_LINK
};

static const struct member {
	const char *key;
	uint32_t has;  /* the bit that tells whether it is there */
	bool sets_has; /* reading it sets that bit: one of several that share it does */
	enum member_type type;
	size_t at;	/* in struct vf_settings */
	json_int_t max; /* of a number */
} members[] = {
	{"vlan", HAS_VLAN, true, MEMBER_U16, offsetof(struct vf_settings, vlan), 4095},
	{"vlan-qos", HAS_VLAN, false, MEMBER_U8, offsetof(struct vf_settings, qos), VLAN_QOS_MAX},
	{"vlan-proto", HAS_VLAN, false, MEMBER_PROTO, offsetof(struct vf_settings, proto), 0},
	{"mac", HAS_MAC, true, MEMBER_MAC, offsetof(struct vf_settings, mac), 0},
	{"spoofchk", HAS_SPOOFCHK, true, MEMBER_BOOL, offsetof(struct vf_settings, spoofchk), 0},
	{"trust", HAS_TRUST, true, MEMBER_BOOL, offsetof(struct vf_settings, trust), 0},
	{"min-rate", HAS_MIN_RATE, true, MEMBER_U32, offsetof(struct vf_settings, min_rate),
	 UINT32_MAX},
	{"max-rate", HAS_MAX_RATE, true, MEMBER_U32, offsetof(struct vf_settings, max_rate),
	 UINT32_MAX},
	{"link-state", HAS_LINK_STATE, true, MEMBER_LINK, offsetof(struct vf_settings, link_state),
	 0},
	{"query-rss", HAS_QUERY_RSS, true, MEMBER_BOOL, offsetof(struct vf_settings, query_rss), 0},
};

/* The two that JSON knows of the VLAN's protocol. */
static const struct {
	const char *name;
	uint16_t proto;
} vlan_protos[] = {{"802.1Q", VLAN_PROTO_8021Q}, {"802.1ad", VLAN_PROTO_8021AD}};

static void member_print(const struct member *m, const struct vf_settings *s, struct json_out *o)
{
	const void *at = (const char *)s + m->at;
	char mac[MAC_LEN];

	switch (m->type) {
	case MEMBER_U8:
		json_out_int(o, m->key, *(const uint8_t *)at);
		break;
	case MEMBER_U16:
		json_out_int(o, m->key, *(const uint16_t *)at);
		break;
	case MEMBER_U32:
		json_out_int(o, m->key, *(const uint32_t *)at);
		break;
	case MEMBER_BOOL:
		json_out_bool(o, m->key, *(const bool *)at);
		break;
	case MEMBER_MAC:
		json_out_text(o, m->key, mac_format(at, mac));
		break;
	case MEMBER_PROTO:
		json_out_text(o, m->key, vlan_protos[s->proto == VLAN_PROTO_8021AD].name);
		break;
	case MEMBER_LINK:
		json_out_text(o, m->key, vf_link_state_name(s->link_state));
		break;
	}
}

void vf_settings_print(const struct vf_settings *s, const char *key, struct json_out *o)
{
	json_out_begin(o, key, '{');
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (s->has & members[i].has)
			member_print(&members[i], s, o);
	}
	json_out_end(o, '}');
}

json_t *vf_settings_to_json(const struct vf_settings *s)
{
	struct json_out o = JSON_OUT_INIT;

	vf_settings_print(s, NULL, &o);
	return json_out_parse(&o);
}

static int vlan_proto_parse(const char *text, uint16_t *out)
{
	for (size_t i = 0; text && i < ARRAY_SIZE(vlan_protos); i++) {
		if (!strcmp(text, vlan_protos[i].name)) {
			*out = vlan_protos[i].proto;
			return 0;
		}
	}
	return -EINVAL;
}

/* A number of the member's width; -EINVAL: none, or out of its range. */
static int member_number(const struct member *m, const json_t *v, void *at)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > m->max)
		return -EINVAL;
	if (m->type == MEMBER_U8)
		*(uint8_t *)at = (uint8_t)n;
	else if (m->type == MEMBER_U16)
		*(uint16_t *)at = (uint16_t)n;
	else
		*(uint32_t *)at = (uint32_t)n;
	return 0;
}

static int member_from_json(const struct member *m, const json_t *v, struct vf_settings *s)
{
	void *at = (char *)s + m->at;

	if (m->sets_has)
		s->has |= m->has;
	switch (m->type) {
	case MEMBER_U8:
	case MEMBER_U16:
	case MEMBER_U32:
		return member_number(m, v, at);
	case MEMBER_BOOL:
		*(bool *)at = json_is_true(v);
		return json_is_boolean(v) ? 0 : -EINVAL;
	case MEMBER_MAC:
		return mac_parse(json_string_value(v), at);
	case MEMBER_PROTO:
		return vlan_proto_parse(json_string_value(v), at);
	case MEMBER_LINK:
		return vf_link_state_parse(json_string_value(v), at);
	}
	return -EINVAL;
}

static int setting_from_json(const char *key, const json_t *v, struct vf_settings *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (!strcmp(key, members[i].key))
			return member_from_json(&members[i], v, s);
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
