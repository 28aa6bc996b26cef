/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's config: read, its raw lines changed; its ports' lines; does it run. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "pveapi/ct_config.h"
#include "pveapi/ct_state.h"
#include "src/base/cleanup.h"
#include "src/port/ct_net.h"
#include "tests/unit/tree.h"

static const char config[] = "#a note with lxc.net.32.name: eth9\n"
			     "arch: amd64\n"
			     "hookscript: local:snippets/vfhook\n"
			     "hostname: web\n"
			     "net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01\n"
			     "lxc.net.32.type: phys\n"
			     "lxc.net.32.link = vf110n0\n"
			     "lxc.net.32.name: eth1\n"
			     "lxc.net.5.name: eth5\n"
			     "lxc.net.32.flags: up\n"
			     "lxc.mount.entry: a b\n"
			     "\n"
			     "[pve:pending]\n"
			     "net1: bridge=vmbr0,name=eth2\n"
			     "\n"
			     "[snap]\n"
			     "hostname: old\n"
			     "net3: name=eth3\n"
			     "lxc.net.32.name: eth8\n";

static void load(const char *text, struct ct_config *c)
{
	assert_int_equal(ct_config_parse("110.conf", text, strlen(text), 110, c, NULL), 0);
}

static void test_parse(void **state)
{
	CLEANUP(ct_config_free) struct ct_config c = {0};

	(void)state;
	load(config, &c);
	assert_string_equal(c.name, "web");
	assert_string_equal(c.hookscript, "local:snippets/vfhook");
	assert_false(c.is_template);
	assert_int_equal(c.n_nets, 4);
	assert_non_null(ct_net_named(&c, 9, "eth1"));
	assert_null(ct_net_named(&c, 0, "eth1")); /* its own */
	assert_int_equal(ct_net_named(&c, 0, "eth0")->index, 0);
	assert_int_equal(ct_net_named(&c, 0, "eth2")->index, 1); /* pending */
	assert_null(ct_net_named(&c, 0, "eth3"));		 /* a snapshot's */
	assert_null(ct_net_named(&c, 0, "eth9"));
}

static void test_lines(void **state)
{
	AUTO_FREE char *lines = NULL;

	(void)state;
	assert_int_equal(ct_net_lines(config, strlen(config), 32, &lines), 0);
	assert_string_equal(lines, "lxc.net.32.type: phys\nlxc.net.32.link: vf110n0\n"
				   "lxc.net.32.name: eth1\nlxc.net.32.flags: up\n");
	free(lines);
	assert_int_equal(ct_net_lines(config, strlen(config), 33, &lines), 0);
	assert_null(lines);
}

/* Only its own lines go, and the snapshot stays as it is, to the byte. */
static void test_replace(void **state)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	CLEANUP(str_free) struct str back = STR_INIT;
	AUTO_FREE char *lines = NULL;
	const char *tail = strstr(config, "\n[pve:pending]");

	(void)state;
	ct_net_replace(config, strlen(config), 32, NULL, &out);
	assert_true(str_ok(&out));
	assert_int_equal(ct_net_lines(str_get(&out), out.len, 32, &lines), 0);
	assert_null(lines);
	assert_string_equal(strstr(str_get(&out), "\n[pve:pending]"), tail);
	assert_non_null(strstr(str_get(&out), "lxc.net.5.name: eth5\n"));
	assert_non_null(strstr(str_get(&out), "#a note with lxc.net.32.name: eth9\n"));
	ct_net_replace(str_get(&out), out.len, 32, "lxc.net.32.type: phys\n", &back);
	assert_has(str_get(&back),
		   "lxc.mount.entry: a b\nlxc.net.32.type: phys\n\n[pve:pending]\n");
}

static void test_replace_shapes(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{"", "L\n"},
		{"a: b", "a: b\nL\n"},
		{"a: b\n\n\n", "a: b\nL\n\n\n"},
		{"[snap]\nlxc.net.32.type: phys\n", "L\n[snap]\nlxc.net.32.type: phys\n"},
		{"lxc.net.32.type: phys\n", "L\n"},
		{"lxc.net.320.type: phys\n", "lxc.net.320.type: phys\nL\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(str_free) struct str out = STR_INIT;

		ct_net_replace(cases[i].text, strlen(cases[i].text), 32, "L\n", &out);
		assert_string_equal(str_get(&out), cases[i].want);
	}
}

static void test_port(void **state)
{
	CLEANUP(ct_config_free) struct ct_config c = {0};
	struct port p = {.vmid = 110, .pool = "lan", .netname = "eth1"};
	struct error err = ERROR_INIT;

	(void)state;
	load(config, &c);
	assert_int_equal(ct_net_check(&c, &p, &err), 0);
	p.mtu = 9000;
	assert_int_equal(ct_net_check(&c, &p, &err), -EINVAL);
	p.mtu = 0;
	p.slot = 1;
	assert_int_equal(ct_net_check(&c, &p, &err), -ENOENT);
	p.slot = 0;
	p.vmid = 111; /* the lines are another's */
	assert_int_equal(ct_net_check(&c, &p, &err), -EINVAL);
}

static void test_link_names(void **state)
{
	char buf[IFNAME_LEN];
	uint32_t vmid;
	unsigned slot;

	(void)state;
	assert_string_equal(ct_link_name(999999999, 15, buf), "vf999999999n15");
	assert_true(ct_link_parse("vf110n0", &vmid, &slot));
	assert_int_equal(vmid, 110);
	assert_int_equal(slot, 0);
	assert_false(ct_link_parse("vf110n", &vmid, &slot));
	assert_false(ct_link_parse("vf0110n0", &vmid, &slot));
	assert_false(ct_link_parse("vf110n00", &vmid, &slot));
	assert_false(ct_link_parse("enp6s0f0", &vmid, &slot));
	assert_false(ct_link_parse("", &vmid, &slot));
}

/* --- Does it run --- */

#define UNIX "proc/net/unix"
#define HEAD "Num       RefCount Protocol Flags    Type St Inode Path\n"

static void test_runs(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct proc_id monitor;

	assert_int_equal(ct_runs(t->root, 110, &monitor, &err), ANSWER_UNKNOWN);
	tree_write(t->root, UNIX, HEAD);
	assert_int_equal(ct_runs(t->root, 110, &monitor, NULL), ANSWER_NO);
	/* A connection that a stop still has is none. */
	tree_write(t->root, UNIX,
		   HEAD "0000000000000000: 00000003 00000000 00000000 0001 03 4711 "
			"@/var/lib/lxc/110/command\n");
	assert_int_equal(ct_runs(t->root, 110, &monitor, NULL), ANSWER_NO);
	tree_write(t->root, UNIX,
		   HEAD "0000000000000000: 00000002 00000000 00010000 0001 01 4711 "
			"@/var/lib/lxc/110/command\n");
	assert_int_equal(ct_runs(t->root, 110, &monitor, NULL), ANSWER_YES);
	assert_int_equal(ct_runs(t->root, 11, &monitor, NULL), ANSWER_NO);
	assert_int_equal(ct_runs(t->root, 10, &monitor, NULL), ANSWER_NO);
}

/* What is left of it when its monitor was killed. */
static void test_payload(void **state)
{
	const struct tree *t = *state;
	struct proc_id monitor;

	tree_write(t->root, UNIX, HEAD);
	tree_write(t->root, "sys/fs/cgroup/lxc/110/cgroup.events", "populated 1\nfrozen 0\n");
	assert_int_equal(ct_runs(t->root, 110, &monitor, NULL), ANSWER_YES);
	tree_write(t->root, "sys/fs/cgroup/lxc/110/cgroup.events", "populated 0\nfrozen 0\n");
	assert_int_equal(ct_runs(t->root, 110, &monitor, NULL), ANSWER_NO);
}

/* A folder that was written just now may be a reboot's. */
static void test_reboot(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct proc_id monitor;
	const struct timespec old[2] = {{time(NULL) - 100, 0}, {time(NULL) - 100, 0}};

	tree_write(t->root, UNIX, HEAD);
	assert_int_equal(ct_lives(t->root, 110, &monitor, NULL), ANSWER_NO);
	tree_write(t->root, "var/lib/lxc/110/config", "");
	assert_int_equal(ct_lives(t->root, 110, &monitor, &err), ANSWER_UNKNOWN);
	assert_has(err.text, "may be rebooting");
	assert_int_equal(utimensat(t->root, "var/lib/lxc/110", old, 0), 0);
	assert_int_equal(ct_lives(t->root, 110, &monitor, NULL), ANSWER_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_replace_shapes),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_link_names),
		cmocka_unit_test_setup_teardown(test_runs, ram_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_payload, ram_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_reboot, ram_setup, tree_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
