/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/json.h"
#include "src/vf/vf.h"
#include "src/vf/vf_keys.h"
#include "tests/unit/tree.h"

static const struct vf_settings full = {
	.has = 0xff,
	.vlan = 20,
	.qos = 3,
	.proto = VLAN_PROTO_8021AD,
	.mac = {0xbc, 0x24, 0x11, 0, 0, 1},
	.spoofchk = true,
	.trust = true,
	.query_rss = true,
	.min_rate = 100,
	.max_rate = 4000000000U,
	.link_state = VF_LINK_DISABLE,
};

static void same(const struct vf_settings *a, const struct vf_settings *b)
{
	assert_int_equal(a->has, b->has);
	for (int i = 0; i < VF_ATTR_COUNT; i++) {
		assert_true(vf_attr_equal((enum vf_attr)i, a, b));
		assert_true(vf_attr_equal((enum vf_attr)i, b, a));
	}
}

/* Every combination of what is set comes back as it was. */
static void test_json_round_trip(void **state)
{
	(void)state;
	for (unsigned has = 0; has < 256; has++) {
		struct vf_settings s = full;
		struct vf_settings back;
		json_t *j;

		s.has = has;
		j = vf_settings_to_json(&s);
		assert_int_equal(vf_settings_from_json(j, &back, NULL), 0);
		same(&s, &back);
		json_decref(j);
	}
}

static void test_json_zero_is_not_unset(void **state)
{
	struct vf_settings s = {.has = 0xff, .proto = VLAN_PROTO_8021Q};
	struct vf_settings back;
	json_t *j = vf_settings_to_json(&s);

	(void)state;
	assert_int_equal(vf_settings_from_json(j, &back, NULL), 0);
	assert_int_equal(back.has, 0xff);
	assert_int_equal(back.vlan, 0);
	assert_false(back.trust);
	json_decref(j);
	j = json_object();
	assert_int_equal(vf_settings_from_json(j, &back, NULL), 0);
	assert_int_equal(back.has, 0);
	json_decref(j);
}

static void test_json_hostile(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{\"vlan\":4096}",
		"{\"vlan\":-1}",
		"{\"vlan\":\"20\"}",
		"{\"vlan\":20.5}",
		"{\"vlan\":null}",
		"{\"vlan\":18446744073709551596}",
		"{\"vlan-qos\":8}",
		"{\"vlan\":1,\"vlan-proto\":\"802.1x\"}",
		"{\"vlan\":1,\"vlan-proto\":1}",
		"{\"mac\":\"bc:24:11\"}",
		"{\"mac\":7}",
		"{\"mac\":null}",
		"{\"spoofchk\":1}",
		"{\"trust\":\"on\"}",
		"{\"query-rss\":[]}",
		"{\"min-rate\":4294967296}",
		"{\"max-rate\":-1}",
		"{\"link-state\":\"up\"}",
		"{\"link-state\":1}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vf_settings out = {.has = 0x55};
		struct error err = ERROR_INIT;
		json_t *j = json_loads(bad[i], 0, NULL);
		int r = vf_settings_from_json(j, &out, &err);

		if (r != -EINVAL)
			print_error("%s was taken\n", bad[i]);
		assert_int_equal(r, -EINVAL);
		assert_int_equal(err.code, EINVAL);
		assert_true(err.text[0]);
		assert_null(strchr(err.text, '\x1b'));
		assert_int_equal(out.has, 0x55);
		json_decref(j);
	}
	assert_int_equal(vf_settings_from_json(NULL, &(struct vf_settings){0}, NULL), -EINVAL);
}

/* A setting that another version knows: what this one knows still counts. */
static void test_json_of_another_version(void **state)
{
	json_t *j = json_loads("{\"vlan\":20,\"of-tomorrow\":[1],\"VLAN\":1}", 0, NULL);
	struct vf_settings out;

	(void)state;
	assert_int_equal(vf_settings_from_json(j, &out, NULL), 0);
	assert_int_equal(out.has, HAS_VLAN);
	assert_int_equal(out.vlan, 20);
	json_decref(j);
}

/* Without a VLAN there is no protocol to differ in. */
static void test_equal_vlan(void **state)
{
	struct vf_settings a = {.has = HAS_VLAN, .proto = VLAN_PROTO_8021Q};
	struct vf_settings b = {.has = HAS_VLAN, .proto = VLAN_PROTO_8021AD};

	(void)state;
	assert_true(vf_attr_equal(VF_VLAN, &a, &b));
	b.proto = 0;
	assert_true(vf_attr_equal(VF_VLAN, &a, &b));
	a.vlan = b.vlan = 20;
	b.proto = VLAN_PROTO_8021AD;
	assert_false(vf_attr_equal(VF_VLAN, &a, &b));
	b.proto = VLAN_PROTO_8021Q;
	assert_true(vf_attr_equal(VF_VLAN, &a, &b));
	b.qos = 1;
	assert_false(vf_attr_equal(VF_VLAN, &a, &b));
	a.vlan = b.vlan = 0; /* a priority without a VLAN is a tag all the same */
	assert_false(vf_attr_equal(VF_VLAN, &a, &b));
}

/* A wish for one of the two rates does not ask about the other. */
static void test_equal_rates(void **state)
{
	struct vf_settings want = {.has = HAS_MAX_RATE, .max_rate = 500};
	struct vf_settings now = {
		.has = HAS_MIN_RATE | HAS_MAX_RATE, .min_rate = 7, .max_rate = 500};

	(void)state;
	assert_true(vf_attr_equal(VF_RATE, &want, &now));
	now.max_rate = 501;
	assert_false(vf_attr_equal(VF_RATE, &want, &now));
	want = (struct vf_settings){.has = HAS_MIN_RATE, .min_rate = 7};
	assert_true(vf_attr_equal(VF_RATE, &want, &now));
	want.has |= HAS_MAX_RATE;
	assert_false(vf_attr_equal(VF_RATE, &want, &now));
}

static void test_equal_unset(void **state)
{
	struct vf_settings nothing = {0};

	(void)state;
	for (int i = 0; i < VF_ATTR_COUNT; i++) {
		enum vf_attr a = (enum vf_attr)i;

		/* What is not wished for differs from nothing; what the driver does not tell is
		 * not what was wished for. */
		assert_true(vf_attr_equal(a, &nothing, &full));
		assert_false(vf_attr_equal(a, &full, &nothing));
		assert_true(vf_attr_equal(a, &full, &full));
		assert_true(vf_attr_bits(a));
	}
}

static void test_words(void **state)
{
	struct vf_settings s = full;
	char buf[256];
	char small[8];

	(void)state;
	assert_string_equal(vf_attr_value(VF_VLAN, &s, buf, sizeof(buf)), "20 qos 3 802.1ad");
	assert_string_equal(vf_attr_value(VF_MAC, &s, buf, sizeof(buf)), "bc:24:11:00:00:01");
	assert_string_equal(vf_attr_value(VF_SPOOFCHK, &s, buf, sizeof(buf)), "on");
	assert_string_equal(vf_attr_value(VF_RATE, &s, buf, sizeof(buf)),
			    "min 100 max 4000000000 Mbit/s");
	assert_string_equal(vf_attr_value(VF_LINK_STATE, &s, buf, sizeof(buf)), "disable");
	vf_settings_describe(&s, buf, sizeof(buf));
	assert_memory_equal(buf, "MAC bc:24:11:00:00:01, VLAN 20", 30);
	assert_has(buf, "spoofchk on");
	assert_has(buf, "trust on");
	s.has = HAS_MAX_RATE;
	assert_string_equal(vf_settings_describe(&s, buf, sizeof(buf)),
			    "rate max 4000000000 Mbit/s");
	assert_string_equal(vf_attr_value(VF_VLAN, &s, buf, sizeof(buf)), "-");
	s = (struct vf_settings){.has = HAS_VLAN};
	assert_string_equal(vf_settings_describe(&s, buf, sizeof(buf)), "VLAN none");
	s.has = 0;
	assert_string_equal(vf_settings_describe(&s, buf, sizeof(buf)), "nothing");
	assert_int_equal(strlen(vf_settings_describe(&full, small, sizeof(small))), 7);
}

static void test_link_states(void **state)
{
	enum vf_link_state l = VF_LINK_AUTO;

	(void)state;
	for (int i = VF_LINK_AUTO; i <= VF_LINK_DISABLE; i++) {
		assert_int_equal(vf_link_state_parse(vf_link_state_name((enum vf_link_state)i), &l),
				 0);
		assert_int_equal(l, i);
	}
	assert_int_equal(vf_link_state_parse("up", &l), -EINVAL);
	assert_int_equal(vf_link_state_parse("", &l), -EINVAL);
	assert_int_equal(vf_link_state_parse(NULL, &l), -EINVAL);
}

static void test_mac_check(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(vf_mac_check((uint8_t[6]){0}, &err), -EINVAL);
	assert_has(err.text, "00:00:00:00:00:00");
	assert_int_equal(vf_mac_check((uint8_t[6]){1, 0, 0x5e}, &err), -EINVAL);
	assert_has(err.text, "multicast");
	assert_int_equal(vf_mac_check((uint8_t[6]){2, 0, 0, 0, 0, 1}, &err), 0);
}

/* A parking address is locally administered, unicast, and no two VFs have the same. */
static void test_parking_macs(void **state)
{
	uint8_t a[6];
	uint8_t b[6];

	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		struct pci_addr x = {.bus = 6, .dev = (uint8_t)(n >> 3), .fn = n & 7};
		struct pci_addr y = x;

		vf_parking_mac(&x, a);
		assert_int_equal(vf_mac_check(a, NULL), 0);
		assert_int_equal(a[0] & 2, 2);
		y.bus = 7;
		vf_parking_mac(&y, b);
		assert_memory_not_equal(a, b, 6);
		y = x;
		y.domain = 0x10000;
		vf_parking_mac(&y, b);
		assert_memory_not_equal(a, b, 6);
		y = x;
		y.fn ^= 1;
		vf_parking_mac(&y, b);
		assert_memory_not_equal(a, b, 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_round_trip),
		cmocka_unit_test(test_json_zero_is_not_unset),
		cmocka_unit_test(test_json_hostile),
		cmocka_unit_test(test_json_of_another_version),
		cmocka_unit_test(test_equal_vlan),
		cmocka_unit_test(test_equal_rates),
		cmocka_unit_test(test_equal_unset),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_link_states),
		cmocka_unit_test(test_mac_check),
		cmocka_unit_test(test_parking_macs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
