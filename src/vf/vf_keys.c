/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the keys of a VF's settings, and what is read and written by it. */
#include "src/vf/vf_keys.h"

#include <errno.h>
#include <string.h>

#include "src/base/json.h"
#include "src/base/key_value.h"

/* How values of one sort are read and written. member: what the key has of the settings. */
struct vf_value {
	int (*parse)(const struct vf_key *k, const char *text, void *member, struct error *err);
	void (*print)(const struct vf_key *k, const void *member, bool digits, struct str *out);
	void (*to_json)(const struct vf_key *k, const void *member, struct json_out *o);
	int (*from_json)(const struct vf_key *k, const json_t *v, void *member);
};

static void *member_of(const struct vf_key *k, struct vf_settings *s)
{
	return (char *)s + k->offset;
}

static const void *const_member_of(const struct vf_key *k, const struct vf_settings *s)
{
	return (const char *)s + k->offset;
}

/* --- Addresses --- */

static int parse_mac(const struct vf_key *k, const char *text, void *member, struct error *err)
{
	if (mac_parse(text, member) < 0)
		return key_bad_value(k->name, text, "an address like BC:24:11:12:34:56", err);
	return vf_mac_check(member, err);
}

static void print_mac(const struct vf_key *k, const void *member, bool digits, struct str *out)
{
	char text[MAC_LEN];

	(void)k;
	(void)digits;
	str_append(out, mac_format(member, text));
}

static void mac_to_json(const struct vf_key *k, const void *member, struct json_out *o)
{
	char text[MAC_LEN];

	json_out_text(o, k->name, mac_format(member, text));
}

static int mac_from_json(const struct vf_key *k, const json_t *v, void *member)
{
	(void)k;
	return mac_parse(json_string_value(v), member);
}

static const struct vf_value address = {parse_mac, print_mac, mac_to_json, mac_from_json};

/* --- Numbers, in members of one, two or four bytes --- */

static uint32_t number_of(const struct vf_key *k, const void *member)
{
	switch (k->size) {
	case sizeof(uint8_t):
		return *(const uint8_t *)member;
	case sizeof(uint16_t):
		return *(const uint16_t *)member;
	default:
		return *(const uint32_t *)member;
	}
}

static void put_number(const struct vf_key *k, uint32_t n, void *member)
{
	switch (k->size) {
	case sizeof(uint8_t):
		*(uint8_t *)member = (uint8_t)n;
		break;
	case sizeof(uint16_t):
		*(uint16_t *)member = (uint16_t)n;
		break;
	default:
		*(uint32_t *)member = n;
		break;
	}
}

static int parse_number(const struct vf_key *k, const char *text, void *member, struct error *err)
{
	uint32_t n;

	if (key_number(k->name, text, k->max, &n, err) < 0)
		return error_code(err);
	put_number(k, n, member);
	return 0;
}

static void print_number(const struct vf_key *k, const void *member, bool digits, struct str *out)
{
	(void)digits;
	str_printf(out, "%u", number_of(k, member));
}

static void number_to_json(const struct vf_key *k, const void *member, struct json_out *o)
{
	json_out_int(o, k->name, number_of(k, member));
}

static int number_from_json(const struct vf_key *k, const json_t *v, void *member)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > k->max_told)
		return -EINVAL;
	put_number(k, (uint32_t)n, member);
	return 0;
}

static const struct vf_value number = {parse_number, print_number, number_to_json,
				       number_from_json};

/* --- Switches --- */

static int parse_switch(const struct vf_key *k, const char *text, void *member, struct error *err)
{
	return key_flag(k->name, text, member, err);
}

static void print_switch(const struct vf_key *k, const void *member, bool digits, struct str *out)
{
	const bool on = *(const bool *)member;

	(void)k;
	if (digits)
		str_append(out, on ? "1" : "0");
	else
		str_append(out, on ? "on" : "off");
}

static void switch_to_json(const struct vf_key *k, const void *member, struct json_out *o)
{
	json_out_bool(o, k->name, *(const bool *)member);
}

static int switch_from_json(const struct vf_key *k, const json_t *v, void *member)
{
	(void)k;
	if (!json_is_boolean(v))
		return -EINVAL;
	*(bool *)member = json_is_true(v);
	return 0;
}

static const struct vf_value on_off = {parse_switch, print_switch, switch_to_json,
				       switch_from_json};

/* --- Words: the help has all that there are --- */

static int parse_proto(const struct vf_key *k, const char *text, void *member, struct error *err)
{
	return vf_vlan_proto_parse(text, member) < 0 ? key_bad_value(k->name, text, k->help, err)
						     : 0;
}

static void print_proto(const struct vf_key *k, const void *member, bool digits, struct str *out)
{
	(void)k;
	(void)digits;
	str_append(out, vf_vlan_proto_name(*(const uint16_t *)member));
}

static void proto_to_json(const struct vf_key *k, const void *member, struct json_out *o)
{
	json_out_text(o, k->name, vf_vlan_proto_name(*(const uint16_t *)member));
}

static int proto_from_json(const struct vf_key *k, const json_t *v, void *member)
{
	(void)k;
	return vf_vlan_proto_parse(json_string_value(v), member);
}

static const struct vf_value protocol = {parse_proto, print_proto, proto_to_json, proto_from_json};

static int parse_link(const struct vf_key *k, const char *text, void *member, struct error *err)
{
	return vf_link_state_parse(text, member) < 0 ? key_bad_value(k->name, text, k->help, err)
						     : 0;
}

static void print_link(const struct vf_key *k, const void *member, bool digits, struct str *out)
{
	(void)k;
	(void)digits;
	str_append(out, vf_link_state_name(*(const enum vf_link_state *)member));
}

static void link_to_json(const struct vf_key *k, const void *member, struct json_out *o)
{
	json_out_text(o, k->name, vf_link_state_name(*(const enum vf_link_state *)member));
}

static int link_from_json(const struct vf_key *k, const json_t *v, void *member)
{
	(void)k;
	return vf_link_state_parse(json_string_value(v), member);
}

static const struct vf_value link_state = {parse_link, print_link, link_to_json, link_from_json};

/* --- The table --- */

static bool has_no_priority(const struct vf_settings *s)
{
	return !s->qos;
}

static bool has_plain_tag(const struct vf_settings *s)
{
	return s->proto != VLAN_PROTO_8021AD;
}

#define MEMBER(m)                                                                                  \
	.offset = offsetof(struct vf_settings, m), .size = sizeof(((struct vf_settings *)0)->m)
#define DIGITS_(n) #n
#define DIGITS(n)  DIGITS_(n)
#define RATE	   .value = &number, .max = VF_RATE_MAX, .max_told = UINT32_MAX, .form = "MBIT"
#define SWITCH	   .value = &on_off, .form = "on|off"

/* 4095 may stand in what the kernel said of a VF before us. */
#define VLAN_TOLD_MAX 4095

const struct vf_key vf_keys[VF_KEY_COUNT] = {
	[VF_KEY_MAC] = {"mac", VF_MAC, HAS_MAC, .value = &address, MEMBER(mac)},
	[VF_KEY_VLAN] = {"vlan", VF_VLAN, HAS_VLAN, .value = &number, MEMBER(vlan),
			 .max = VLAN_ID_MAX, .max_told = VLAN_TOLD_MAX, .form = "ID",
			 .help = "0 to " DIGITS(VLAN_ID_MAX) "; 0: no VLAN"},
	[VF_KEY_VLAN_QOS] = {"vlan-qos", VF_VLAN, HAS_VLAN, .value = &number, MEMBER(qos),
			     .max = VLAN_QOS_MAX, .max_told = VLAN_QOS_MAX, .form = "N",
			     .help = "0 to " DIGITS(VLAN_QOS_MAX), .left_out = has_no_priority},
	[VF_KEY_VLAN_PROTO] = {"vlan-proto", VF_VLAN, HAS_VLAN, .value = &protocol, MEMBER(proto),
			       .form = "P", .help = "802.1Q or 802.1ad", .left_out = has_plain_tag},
	[VF_KEY_SPOOFCHK] = {"spoofchk", VF_SPOOFCHK, HAS_SPOOFCHK, SWITCH, MEMBER(spoofchk),
			     .help = "let the NIC drop frames with a forged MAC"},
	[VF_KEY_TRUST] = {"trust", VF_TRUST, HAS_TRUST, SWITCH, MEMBER(trust),
			  .help = "let the guest change its MAC, be promiscuous"},
	[VF_KEY_MIN_RATE] = {"min-rate", VF_RATE, HAS_MIN_RATE, RATE, MEMBER(min_rate),
			     .help = "guaranteed, 0: none"},
	[VF_KEY_MAX_RATE] = {"max-rate", VF_RATE, HAS_MAX_RATE, RATE, MEMBER(max_rate),
			     .help = "limit, 0: none"},
	[VF_KEY_LINK_STATE] = {"link-state", VF_LINK_STATE, HAS_LINK_STATE, .value = &link_state,
			       MEMBER(link_state), .form = "STATE",
			       .help = "auto, enable or disable"},
	[VF_KEY_QUERY_RSS] = {"query-rss", VF_QUERY_RSS, HAS_QUERY_RSS, SWITCH, MEMBER(query_rss),
			      .help = "let the guest read its RSS configuration"},
};

const struct vf_key *vf_key_find(const char *name)
{
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		if (!strcmp(vf_keys[i].name, name))
			return &vf_keys[i];
	}
	return NULL;
}

bool vf_key_is_detail(const char *name)
{
	const struct vf_key *k = vf_key_find(name);

	return k && k->left_out;
}

int vf_key_parse(const struct vf_key *k, const char *text, struct vf_settings *s, struct error *err)
{
	int r = k->value->parse(k, text, member_of(k, s), err);

	if (!r && !k->left_out)
		s->has |= k->bit;
	return r;
}

bool vf_key_is_written(const struct vf_key *k, const struct vf_settings *s)
{
	return (s->has & k->bit) && !(k->left_out && k->left_out(s));
}

void vf_key_print(const struct vf_key *k, const struct vf_settings *s, bool digits, struct str *out)
{
	k->value->print(k, const_member_of(k, s), digits, out);
}

const char *vf_attr_key(enum vf_attr attr)
{
	if (attr == VF_RATE)
		return vf_attr_name(attr);
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		if (vf_keys[i].attr == attr)
			return vf_keys[i].name;
	}
	return NULL;
}

void vf_settings_merge(struct vf_settings *now, const struct vf_settings *to, uint32_t bits)
{
	bits &= to->has & now->has;
	for (const struct vf_key *k = vf_keys; k < vf_keys + VF_KEY_COUNT; k++) {
		if (bits & k->bit)
			memcpy(member_of(k, now), const_member_of(k, to), k->size);
	}
}

void vf_settings_print(const struct vf_settings *s, const char *key, struct json_out *o)
{
	json_out_begin(o, key, '{');
	for (const struct vf_key *k = vf_keys; k < vf_keys + VF_KEY_COUNT; k++) {
		if (s->has & k->bit)
			k->value->to_json(k, const_member_of(k, s), o);
	}
	json_out_end(o, '}');
}

json_t *vf_settings_to_json(const struct vf_settings *s)
{
	struct json_out o = JSON_OUT_INIT;

	vf_settings_print(s, NULL, &o);
	return json_out_parse(&o);
}

static int setting_from_json(const char *key, const json_t *v, struct vf_settings *s)
{
	const struct vf_key *k = vf_key_find(key);

	if (!k)
		return 0; /* of another version: what it does not know it cannot mean */
	if (!k->left_out)
		s->has |= k->bit;
	return k->value->from_json(k, v, member_of(k, s));
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
