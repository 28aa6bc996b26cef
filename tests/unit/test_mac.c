/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/port/config.h"
#include "src/port/mac.h"
#include "tests/unit/tree.h"

static void make(const struct tree *t, const struct config *c, uint8_t mac[6])
{
	struct error err = ERROR_INIT;
	int r = mac_make(t->root, c, mac, &err);

	if (r)
		print_error("%s\n", err.text);
	assert_int_equal(r, 0);
	assert_int_equal(vf_mac_check(mac, NULL), 0);
}

static void prefix(const struct tree *t, const char *text)
{
	char line[64];

	snprintf(line, sizeof(line), "keyboard: de\nmac_prefix: %s\n", text);
	tree_write(t->root, "etc/pve/datacenter.cfg", line);
}

static void test_prefix(void **state)
{
	const struct tree *t = *state;
	struct config none = {0};
	uint8_t mac[6];

	make(t, &none, mac);
	assert_memory_equal(mac, "\xbc\x24\x11", 3);
	prefix(t, "02:AB:cd");
	make(t, &none, mac);
	assert_memory_equal(mac, "\x02\xab\xcd", 3);
	prefix(t, "06");
	make(t, &none, mac);
	assert_int_equal(mac[0], 0x06);
}

static void test_prefix_bad(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct config none = {0};
	uint8_t mac[6];

	prefix(t, "01:00:5e");
	assert_true(mac_make(t->root, &none, mac, &err) < 0);
	assert_has(err.text, "/etc/pve/datacenter.cfg:2");
}

static void test_never_multicast(void **state)
{
	const struct tree *t = *state;
	struct config none = {0};

	for (int i = 0; i < 2000; i++) {
		uint8_t mac[6];

		make(t, &none, mac);
	}
}

/* Nothing twice, as long as what was made is written down. */
static void test_unique(void **state)
{
	const struct tree *t = *state;
	struct port ports[300] = {0};
	struct config c = {.ports = ports};

	prefix(t, "02:00:00:f");
	for (size_t i = 0; i < 300; i++) {
		make(t, &c, ports[i].want.mac);
		ports[i].want.has = HAS_MAC;
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(ports[i].want.mac, ports[k].want.mac, 6);
		c.n_ports++;
	}
}

/* Guests all over the cluster have theirs, snapshots and containers too. */
static void test_guests_keep_theirs(void **state)
{
	const struct tree *t = *state;
	struct config none = {0};
	struct str conf = STR_INIT;

	/* Four bytes of prefix; of the last two, guests have all that end in 0. */
	prefix(t, "02:00:00:0");
	for (int i = 0; i < 256; i++)
		str_printf(&conf, "net%d: virtio=02:00:00:00:%02X:00,bridge=vmbr0\n", i % 32, i);
	tree_write(t->root, "etc/pve/nodes/pve2/qemu-server/300.conf", str_get(&conf));
	str_free(&conf);
	for (int i = 0; i < 200; i++) {
		uint8_t mac[6];

		make(t, &none, mac);
		assert_false(!memcmp(mac, "\x02\0\0\0", 4) && !mac[5]);
	}
}

static void test_all_used_up(void **state)
{
	const struct tree *t = *state;
	size_t n = 65536;
	struct port *ports = calloc(n, sizeof(*ports));
	struct config c = {.ports = ports, .n_ports = n};
	struct error err = ERROR_INIT;
	uint8_t mac[6];

	/* "02:00:00:0" leaves two bytes: all of them are ports'. */
	prefix(t, "02:00:00:0");
	for (size_t i = 0; i < n; i++) {
		ports[i].want.has = HAS_MAC;
		memcpy(ports[i].want.mac, "\x02\0\0\0", 4);
		ports[i].want.mac[4] = (uint8_t)(i >> 8);
		ports[i].want.mac[5] = (uint8_t)i;
	}
	assert_int_equal(mac_make(t->root, &c, mac, &err), -ENOSPC);
	assert_has(err.text, "mac_prefix");
	free(ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ram_test(test_prefix),
		ram_test(test_prefix_bad),
		ram_test(test_never_multicast),
		ram_test(test_unique),
		ram_test(test_guests_keep_theirs),
		ram_test(test_all_used_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
