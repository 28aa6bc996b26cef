/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/port/config_edit.h"
#include "src/port/config_load.h"
#include "src/port/config_pools.h"
#include "src/port/config_ports.h"
#include "src/port/config_section.h"
#include "src/port/guest_note.h"
#include "src/port/pool_keys.h"
#include "src/port/port_keys.h"
#include "src/port/config.h"

#include <time.h>

#include "src/base/cleanup.h"
#include "tests/unit/tree.h"
#include "src/vf/sysfs.h"

#define NAME "/etc/pve/vfhook.cfg"
#define POOL "pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\n"

static struct config parse(const char *text)
{
	struct error err = ERROR_INIT;
	struct config c;
	int r = config_parse(NAME, text, strlen(text), &c, &err);

	if (r)
		print_error("%s\n", err.text);
	assert_int_equal(r, 0);
	return c;
}

static void refused(const char *text, unsigned line, const char *part)
{
	struct error err = ERROR_INIT;
	struct config c;
	char begin[64];

	assert_int_equal(config_parse(NAME, text, strlen(text), &c, &err), -EINVAL);
	snprintf(begin, sizeof(begin), NAME ":%u: ", line);
	assert_memory_equal(err.text, begin, strlen(begin));
	assert_has(err.text, part);
	assert_null(c.pools);
	assert_null(c.ports);
	config_free(&c);
}

static void test_everything(void **state)
{
	struct config c = parse("# our networks\n"
				"pool: wan\n"
				"\tcomment the uplink\n"
				"\tpf node=pve1,path=0000:06:00.0\n"
				"\tpf path=0000:03:00.1,node=pve2\n"
				"\tpf node=pve1,path=06:00.1\n"
				"\tallow-pf-down 1\n"
				"\tvfs 6\n"
				"\n"
				"port: 100-0\n"
				"\tpool wan\n"
				"\tcomment  a   firewall \n"
				"\tmac BC:24:11:12:34:56\n"
				"\tvlan 20\n"
				"\tvlan-qos 3\n"
				"\tvlan-proto 802.1AD\n"
				"\tspoofchk off\n"
				"\ttrust yes\n"
				"\tmin-rate 10\n"
				"\tmax-rate 100\n"
				"\tlink-state enable\n"
				"\tquery-rss true\n"
				"\n"
				"port: 999999999-15\n"
				"\tmac auto\n"
				"\tpool lan-2\n");
	const struct pool *pool = config_pool(&c, "wan");
	const struct port *p = config_port(&c, 100, 0);
	struct pci_addr a = addr_of("0000:06:00.1");
	struct pf_id *pfs;

	(void)state;
	assert_null(pool->bad);
	assert_int_equal(pool->n_pfs, 3);
	assert_true(pool->allow_pf_down);
	assert_int_equal(pool->vfs, 6);
	assert_int_equal(pool_node_pfs(pool, "pve1", &pfs), 2);
	assert_int_equal(pci_addr_cmp(&pfs[1].addr, &a), 0);
	free(pfs);
	assert_int_equal(pool_node_pfs(pool, "pve3", &pfs), 0);
	free(pfs);
	assert_null(p->bad);
	assert_int_equal(p->want.has, 0xff);
	assert_int_equal(p->want.vlan, 20);
	assert_int_equal(p->want.qos, 3);
	assert_int_equal(p->want.proto, VLAN_PROTO_8021AD);
	assert_memory_equal(p->want.mac, "\xbc\x24\x11\x12\x34\x56", 6);
	assert_false(p->want.spoofchk);
	assert_true(p->want.trust);
	assert_true(p->want.query_rss);
	assert_int_equal(p->want.min_rate, 10);
	assert_int_equal(p->want.max_rate, 100);
	assert_int_equal(p->want.link_state, VF_LINK_ENABLE);
	assert_false(p->mac_auto);
	p = config_port(&c, 999999999, 15);
	assert_null(p->bad);
	assert_true(p->mac_auto);
	assert_int_equal(p->want.has, 0);
	assert_int_equal(p->want.proto, VLAN_PROTO_8021Q);
	assert_null(config_port(&c, 100, 1));
	assert_null(config_pool(&c, "lan-2"));
	config_free(&c);
}

static void test_empty(void **state)
{
	struct config c = parse("");

	(void)state;
	assert_int_equal(c.n_pools + c.n_ports, 0);
	config_free(&c);
	c = parse("\n# nothing\n\n");
	assert_int_equal(c.n_pools + c.n_ports, 0);
	config_free(&c);
}

/* One bad line in a port; the line is the third after POOL's. */
static void bad_port_line(const char *line, const char *part)
{
	char text[512];
	struct config c;
	const struct port *p;

	snprintf(text, sizeof(text),
		 POOL "port: 100-0\n\tpool wan\n\t%s\n\nport: 101-0\n\tpool wan\n\tvlan 5\n", line);
	c = parse(text);
	p = config_port(&c, 100, 0);
	assert_non_null(p);
	if (!p->bad)
		print_error("'%s' was taken\n", line);
	assert_non_null(p->bad);
	assert_memory_equal(p->bad, NAME ":6: ", strlen(NAME ":6: "));
	assert_has(p->bad, part);
	assert_null(strchr(p->bad, '\n'));
	/* It stops that VM and no other. */
	assert_null(config_port(&c, 101, 0)->bad);
	assert_null(config_pool(&c, "wan")->bad);
	config_free(&c);
}

static void test_bad_values(void **state)
{
	static const struct {
		const char *line;
		const char *part;
	} bad[] = {
		{"vlan 4095", "vlan"},
		{"vlan 4096", "vlan"},
		{"vlan -1", "vlan"},
		{"vlan none", "vlan"},
		{"vlan", "vlan"},
		{"vlan 20 30", "vlan"},
		{"vlan 0x14", "vlan"},
		{"vlan-qos 8", "vlan-qos"},
		{"vlan-proto 802.1x", "vlan-proto"},
		{"mac 00:00:00:00:00:00", "00:00:00:00:00:00"},
		{"mac 01:00:5e:00:00:01", "multicast"},
		{"mac ff:ff:ff:ff:ff:ff", "multicast"},
		{"mac bc:24:11", "mac"},
		{"mac AUTO", "mac"},
		{"mac", "mac"},
		{"spoofchk maybe", "spoofchk"},
		{"trust 2", "trust"},
		{"query-rss", "query-rss"},
		{"min-rate -5", "min-rate"},
		{"max-rate 10000001", "max-rate"},
		{"max-rate 1G", "max-rate"},
		{"link-state up", "link-state"},
		{"pool ../x", "pool"},
		{"pool", "pool"},
		{"vlna 20", "vlna"},
		{"VLAN 20", "VLAN"},
		{"pf node=pve1,path=0000:06:00.0", "pf"},
		{"vlan: 20", "vlan:"},
		{"vlan=20", "vlan=20"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		bad_port_line(bad[i].line, bad[i].part);
}

/* Things that only the whole section shows: the line is the section's. */
static void test_bad_together(void **state)
{
	static const struct {
		const char *lines;
		const char *part;
	} bad[] = {
		{"\tvlan 20\n", "pool"},
		{"\tpool wan\n\tvlan-qos 3\n", "vlan"},
		{"\tpool wan\n\tvlan-proto 802.1ad\n", "vlan"},
		{"\tpool wan\n\tvlan 0\n\tvlan-qos 3\n", "vlan 0"},
		{"\tpool wan\n\tvlan 0\n\tvlan-proto 802.1ad\n", "vlan 0"},
		{"\tpool wan\n\tmin-rate 200\n\tmax-rate 100\n", "min-rate"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[256];
		struct config c;
		const char *why;

		snprintf(text, sizeof(text), POOL "port: 100-0\n%s", bad[i].lines);
		c = parse(text);
		why = config_port(&c, 100, 0)->bad;
		assert_non_null(why);
		assert_memory_equal(why, NAME ":4: ", strlen(NAME ":4: "));
		assert_has(why, bad[i].part);
		config_free(&c);
	}
}

static void test_good_edges(void **state)
{
	struct config c =
		parse(POOL "port: 100-0\n\tpool wan\n\tvlan 0\n\tvlan-qos 0\n\tvlan-proto "
			   "802.1q\n\tmin-rate 5\n\tmax-rate 0\n\n"
			   "port: 100-1\n\tpool wan\n\tvlan 4094\n\tvlan-qos 7\n\n"
			   "port: 100-2\n\tpool nosuch\n");

	(void)state;
	assert_null(config_port(&c, 100, 0)->bad);
	assert_null(config_port(&c, 100, 1)->bad);
	/* A pool that is not there is told when its VM starts. */
	assert_null(config_port(&c, 100, 2)->bad);
	config_free(&c);
}

static void test_bad_pools(void **state)
{
	static const char *const bad[] = {
		"pf",
		"pf node=pve1",
		"pf path=0000:06:00.0",
		"pf node=pve1,path=06:00",
		"pf node=../x,path=0000:06:00.0",
		"pf node=pve1,path=0000:06:00.0,vfs=3",
		"pf pve1,0000:06:00.0",
		"pf node=pve1, path=0000:06:00.0",
		"allow-pf-down perhaps",
		"vfs 65536",
		"vfs all",
		"pfs node=pve1,path=0000:06:00.0",
		"vlan 20",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[512];
		struct config c;
		const struct pool *p;

		snprintf(text, sizeof(text), POOL "pool: lan\n\tcomment x\n\t%s\n", bad[i]);
		c = parse(text);
		p = config_pool(&c, "lan");
		if (!p->bad)
			print_error("'%s' was taken\n", bad[i]);
		assert_non_null(p->bad);
		assert_memory_equal(p->bad, NAME ":6: ", strlen(NAME ":6: "));
		assert_null(config_pool(&c, "wan")->bad);
		config_free(&c);
	}
}

static void test_bad_files(void **state)
{
	(void)state;
	refused("port: 100\n\tpool wan\n", 1, "100");
	refused(POOL "port: 99-0\n\tpool wan\n", 4, "99-0");
	refused("port: 100-16\n\tpool wan\n", 1, "100-16");
	refused("port: 100-\n\tpool wan\n", 1, "100-");
	refused("port: -0\n\tpool wan\n", 1, "-0");
	refused("port: 1000000000-0\n\tpool wan\n", 1, "1000000000-0");
	refused("port: 100-0-0\n\tpool wan\n", 1, "100-0-0");
	refused("port: 99999999999999999999999999-0\n\tpool wan\n", 1, "no port");
	refused(POOL "network: wan\n\tpf x\n", 4, "network");
	refused("\tpool wan\n", 1, "outside");
	refused("pool wan\n", 1, "type: id");
	refused("port: 100-0\n\tpool wan\n\nport: 100-0\n\tpool wan\n", 4, "already");
	refused("pool: wan\r\n\tpf node=pve1,path=0000:06:00.0\r\n", 1, "CR LF");
	refused("port: 100-0\n\tpool wan\n\tvlan\x01 20\n", 3, "0x01");
}

/* 100-0 and 100-00 are one port; a file may not have it twice. */
static void test_one_port_in_two_spellings(void **state)
{
	const char *text = POOL "port: 100-0\n\tpool wan\n\tvlan 20\n\n"
				"port: 100-00\n\tpool wan\n\tvlan 30\n";
	struct error err = ERROR_INIT;
	struct config c;
	int r = config_parse(NAME, text, strlen(text), &c, &err);

	(void)state;
	/* Refused as a whole, or at least not silently one of the two. */
	if (!r) {
		bool told = c.n_ports && (c.ports[0].bad || (c.n_ports > 1 && c.ports[1].bad));

		config_free(&c);
		assert_true(told);
	}
}

/* Which of two values counts is not to be guessed. */
static void test_key_twice(void **state)
{
	static const char *const twice[] = {
		"vlan 20\n\tvlan 30", "mac auto\n\tmac 02:00:00:00:00:01", "trust 1\n\ttrust 0"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char text[256];
		struct config c;
		bool told;

		snprintf(text, sizeof(text), POOL "port: 100-0\n\tpool wan\n\t%s\n", twice[i]);
		c = parse(text);
		told = config_port(&c, 100, 0)->bad != NULL;
		if (!told)
			print_error("taken: %s\n", twice[i]);
		config_free(&c);
		assert_true(told);
	}
}

/* Which of two networks such a PF leads to, and how many VFs it gets, nobody can tell. */
static void test_pf_in_two_pools(void **state)
{
	struct config c =
		parse("pool: wan\n\tpf node=pve1,path=0000:06:00.0,mac=52:54:00:00:00:01\n"
		      "\npool: lan\n\tpf node=pve1,path=0000:06:00.0\n"
		      "\npool: dmz\n\tpf node=pve2,path=0000:06:00.0\n");

	(void)state;
	assert_non_null(c.pools[0].shared);
	assert_has(c.pools[0].shared, "PF 0000:06:00.0 of node pve1 is in pools 'wan' and 'lan'");
	assert_has(c.pools[0].shared, "take it out of one of them");
	assert_string_equal(c.pools[0].shared, c.pools[1].shared);
	assert_null(c.pools[2].shared);
	/* No VM is kept off by that. */
	assert_null(c.pools[0].bad);
	assert_null(c.pools[1].bad);
	config_free(&c);
	/* A card that is there no more, and the one that has its address now. */
	c = parse("pool: wan\n\tpf node=pve1,path=0000:06:00.0,mac=52:54:00:00:00:01\n"
		  "\npool: lan\n\tpf node=pve1,path=0000:06:00.0,mac=52:54:00:00:00:02\n");
	assert_null(c.pools[0].shared);
	assert_null(c.pools[1].shared);
	config_free(&c);
	c = parse("pool: wan\n\tpf node=pve1,path=0000:06:00.0\n"
		  "\tpf node=pve1,path=0000:06:00.0\n");
	assert_non_null(c.pools[0].shared);
	assert_has(c.pools[0].shared, "PF 0000:06:00.0 of node pve1 is in pool 'wan' twice");
	config_free(&c);
}

static void test_double_macs(void **state)
{
	struct config c = parse(POOL "port: 100-0\n\tpool wan\n\tmac 02:00:00:00:00:01\n\n"
				     "port: 101-3\n\tpool lan\n\tmac 02-00-00-00-00-01\n\n"
				     "port: 102-0\n\tpool wan\n\tmac 02:00:00:00:00:02\n\n"
				     "port: 103-0\n\tpool wan\n\tmac auto\n\n"
				     "port: 104-0\n\tpool wan\n\tmac auto\n");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_non_null(c.ports[i].bad);
		assert_has(c.ports[i].bad, "100-0");
		assert_has(c.ports[i].bad, "101-3");
		assert_has(c.ports[i].bad, "02:00:00:00:00:01");
	}
	for (size_t i = 2; i < 5; i++)
		assert_null(c.ports[i].bad);
	config_free(&c);
}

/* The third of three is compared with the first, as the first two are with each other. */
static void test_three_equal_macs(void **state)
{
	struct config c = parse("port: 100-2\n\tpool a\n\tmac 02:00:00:00:00:01\n"
				"port: 100-0\n\tpool a\n\tmac 02:00:00:00:00:01\n"
				"port: 100-1\n\tpool a\n\tmac 02:00:00:00:00:01\n");

	(void)state;
	assert_string_equal(c.ports[0].bad, NAME ": ports 100-2 and 100-0 have the same MAC "
						 "02:00:00:00:00:01");
	assert_string_equal(c.ports[1].bad, c.ports[0].bad);
	assert_string_equal(c.ports[2].bad, NAME ": ports 100-2 and 100-1 have the same MAC "
						 "02:00:00:00:00:01");
	config_free(&c);
}

/* As large as a file in /etc/pve can be: a second, not minutes. */
static struct config parse_fast(const struct str *text)
{
	clock_t begun = clock();
	struct config c = parse(str_get(text));

	assert_true(clock() - begun < 5 * (clock_t)CLOCKS_PER_SEC);
	return c;
}

static void test_large_files(void **state)
{
	CLEANUP(str_free) struct str ports = STR_INIT;
	CLEANUP(str_free) struct str pfs = STR_INIT;
	struct config c;

	(void)state;
	for (unsigned i = 0; i < 20000; i++)
		str_printf(&ports, "port: %u-%u\n\tpool a\n\tmac 02:00:00:00:00:01\n", 100 + i / 16,
			   i % 16);
	c = parse_fast(&ports);
	assert_int_equal(c.n_ports, 20000);
	assert_non_null(c.ports[0].bad);
	assert_non_null(c.ports[19999].bad);
	config_free(&c);
	str_append(&pfs, "pool: wan\n");
	for (unsigned i = 0; i < 40000; i++)
		str_append(&pfs, "\tpf node=a,path=06:00.0\n");
	c = parse_fast(&pfs);
	assert_int_equal(c.pools[0].n_pfs, 40000);
	assert_int_equal(c.pools[0].pfs[39999].id.addr.bus, 6);
	config_free(&c);
}

/* An error is one line, whatever was asked for. */
static void test_key_is_shown_clean(void **state)
{
	struct port p = {.vmid = 100};
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(port_set_key("vl\nan\033", "20", &p, &err), -EINVAL);
	assert_string_equal(err.text, "a port has no 'vl?an?'");
}

/* --- Writing --- */

static void file_is(int root, const char *want)
{
	char *text = tree_read(root, VFHOOK_CFG);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
	assert_false(path_exists(root, "etc/pve/priv/lock/vfhook"));
}

static struct port new_port(uint32_t vmid)
{
	return (struct port){.vmid = vmid,
			     .slot = 1,
			     .pool = "wan",
			     .mac_auto = true,
			     .want = {.has = HAS_MAC,
				      .mac = {0xbc, 0x24, 0x11, 0, 0, 1},
				      .proto = VLAN_PROTO_8021Q}};
}

static void test_load(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct config c;

	assert_int_equal(config_load(t->root, &c, &err), 0);
	assert_int_equal(c.n_pools + c.n_ports, 0);
	assert_int_equal(err.code, 0);
	config_free(&c);
	tree_write(t->root, VFHOOK_CFG, POOL "rubbish\n");
	assert_int_equal(config_load(t->root, &c, &err), -EINVAL);
	assert_memory_equal(err.text, NAME ":4: ", strlen(NAME ":4: "));
	tree_write_len(t->root, VFHOOK_CFG, POOL "\0", sizeof(POOL));
	assert_true(config_load(t->root, &c, &err) < 0);
	assert_null(c.pools);
}

#define SECTION(id, rest) "port: " id "\n\tpool wan\n" rest "\n"

/* A start looks at what concerns its VM; the rest is not even judged, but for its MACs. */
static void test_load_for(void **state)
{
	static const uint32_t vmids[] = {100, 103};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	const struct port *p;
	struct config c;

	tree_write(
		t->root, VFHOOK_CFG,
		POOL SECTION("100-0", "\tmac bc:24:11:00:00:01\n\tvlan 20\n")
			SECTION("100-1", "\tmac bc:24:11:00:00:02\n") SECTION(
				"101-0", "\tvlan 9999\n\tmac BC-24-11-00-00-02\n")
				SECTION("102-0", "\tnonsense\n \n") SECTION(
					"103-0", "\tmac bc:24:11:00:00:03\n") "guest: 101\n\tchain "
									      "rubbish\n\nguest: "
									      "103\n\tchain "
									      "local:snippets/x\n");
	assert_int_equal(config_load_for(t->root, vmids, 2, &c, &err), 0);
	assert_int_equal(c.n_pools, 1);
	assert_int_equal(c.n_ports, 3);
	p = config_port(&c, 100, 0);
	assert_null(p->bad);
	assert_int_equal(p->want.vlan, 20);
	assert_string_equal(p->pool, "wan");
	p = config_port(&c, 100, 1);
	assert_string_equal(p->bad,
			    NAME ": ports 100-1 and 101-0 have the same MAC bc:24:11:00:00:02");
	assert_null(config_port(&c, 102, 0));
	assert_string_equal(config_port(&c, 103, 0)->pool, "wan");
	assert_null(config_guest(&c, 101));
	assert_string_equal(config_guest(&c, 103)->chain, "local:snippets/x");
	config_free(&c);
	tree_write(t->root, VFHOOK_CFG, POOL SECTION("101-x", ""));
	assert_int_equal(config_load_for(t->root, vmids, 2, &c, &err), -EINVAL);
	tree_write(t->root, VFHOOK_CFG, POOL SECTION("100-0", "") SECTION("100-0", ""));
	assert_int_equal(config_load_for(t->root, vmids, 2, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is there already, in line"));
}

/* As plans do it (src/port/objects.c): from one text of the section to another. */
static int add_port(const struct tree *t, const struct port *p, struct error *err)
{
	AUTO_FREE char *text = NULL;
	char id[32];

	snprintf(id, sizeof(id), "%u-%u", p->vmid, p->slot);
	return config_port_section(p, &text, err) < 0
		       ? error_code(err)
		       : config_swap_section(t->root, "port", id, NULL, text, false, err);
}

static int remove_section(const struct tree *t, const char *type, const char *id, struct error *err)
{
	AUTO_FREE char *text = NULL;

	return config_section(t->root, type, id, &text, err) < 0
		       ? error_code(err)
		       : config_swap_section(t->root, type, id, text, NULL, false, err);
}

static int add_chain(const struct tree *t, uint32_t vmid, const char *volid, struct error *err)
{
	AUTO_FREE char *text = NULL;
	char id[16];

	snprintf(id, sizeof(id), "%u", vmid);
	return config_guest_section(vmid, volid, &text, err) < 0
		       ? error_code(err)
		       : config_swap_section(t->root, "guest", id, NULL, text, false, err);
}

static void test_add(void **state)
{
	static const struct {
		const char *before;
		const char *after;
	} cases[] = {
		{"", ""},
		{POOL, POOL "\n"},
		{"# by hand\n\npool: wan\n\t pf   node=pve1,path=06:00.0 ",
		 "# by hand\n\npool: wan\n\t pf   node=pve1,path=06:00.0 \n\n"},
		{POOL "port: 100-0\n\tpool wan\n\tvlan 9999\n",
		 POOL "port: 100-0\n\tpool wan\n\tvlan 9999\n\n"},
	};
	const struct tree *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = ERROR_INIT;
		struct port p = new_port(200);
		char want[1024];

		tree_write(t->root, VFHOOK_CFG, cases[i].before);
		assert_int_equal(add_port(t, &p, &err), 0);
		snprintf(want, sizeof(want), "%sport: 200-1\n\tpool wan\n\tmac bc:24:11:00:00:01\n",
			 cases[i].after);
		file_is(t->root, want);
		assert_int_equal(add_port(t, &p, &err), 0);
		file_is(t->root, want);
		p.want.mac[5]++;
		assert_int_equal(add_port(t, &p, &err), -EAGAIN);
		assert_has(err.text, "200-1");
		file_is(t->root, want);
	}
}

static void test_add_everything(void **state)
{
	const struct tree *t = *state;
	struct port p = new_port(200);
	struct error err = ERROR_INIT;
	struct config c;
	const struct port *back;

	assert_int_equal(mkdirat(t->root, "etc", 0755) | mkdirat(t->root, "etc/pve", 0755), 0);
	p.want = (struct vf_settings){.has = 0xff,
				      .vlan = 20,
				      .qos = 3,
				      .proto = VLAN_PROTO_8021AD,
				      .mac = {2, 0, 0, 0, 0, 1},
				      .trust = true,
				      .min_rate = 1,
				      .max_rate = 2,
				      .link_state = VF_LINK_DISABLE,
				      .query_rss = true};
	assert_int_equal(add_port(t, &p, &err), 0);
	assert_int_equal(config_load(t->root, &c, &err), 0);
	back = config_port(&c, 200, 1);
	assert_non_null(back);
	assert_null(back->bad);
	assert_int_equal(back->want.has, 0xff);
	for (int a = 0; a < VF_ATTR_COUNT; a++)
		assert_true(vf_attr_equal((enum vf_attr)a, &p.want, &back->want));
	config_free(&c);
}

static void test_add_to_a_broken_file(void **state)
{
	const struct tree *t = *state;
	struct port p = new_port(200);
	struct error err = ERROR_INIT;

	tree_write(t->root, VFHOOK_CFG, "rubbish\n");
	assert_int_equal(add_port(t, &p, &err), -EINVAL);
	assert_has(err.text, NAME ":1");
	file_is(t->root, "rubbish\n");
}

static const uint8_t new_mac[6] = {0xbc, 0x24, 0x11, 0, 0, 7};
#define NEW "\tmac bc:24:11:00:00:07\n"

static void test_set_mac(void **state)
{
	static const struct {
		const char *before;
		const char *after;
	} cases[] = {
		{"port: 100-0\n\tpool wan\n\tmac auto\n", "port: 100-0\n" NEW "\tpool wan\n"},
		/* The last line without a line break. */
		{"port: 100-0\n\tpool wan\n\tmac auto", "port: 100-0\n" NEW "\tpool wan\n"},
		{"port: 100-0\n\tmac auto\n\tpool wan", "port: 100-0\n" NEW "\tpool wan"},
		{"port: 100-0", "port: 100-0\n" NEW},
		/* Without a mac line there was one to make all the same. */
		{"port: 100-0\n\tpool wan\n", "port: 100-0\n" NEW "\tpool wan\n"},
		/* Comments and odd blanks stay. */
		{"# one\nport:   100-0  \n# two\n  pool  wan\n\t# mac x\n\tmac\tauto\n# three\n"
		 "\n# four\n",
		 "# one\nport:   100-0  \n" NEW
		 "# two\n  pool  wan\n\t# mac x\n# three\n\n# four\n"},
		/* Others' lines stay. */
		{"port: 1000-0\n\tpool wan\n\tmac auto\n\nport: 100-0\n\tpool wan\n\tmac auto\n\n"
		 "port: 100-11\n\tmac auto\n",
		 "port: 1000-0\n\tpool wan\n\tmac auto\n\nport: 100-0\n" NEW "\tpool wan\n\n"
		 "port: 100-11\n\tmac auto\n"},
		{"pool: 100-0\n\tcomment mac auto\n\nport: 100-0\n\tpool wan\n\tmac auto\n\t"
		 "comment mac auto\n",
		 "pool: 100-0\n\tcomment mac auto\n\nport: 100-0\n" NEW "\tpool wan\n\tcomment mac "
		 "auto\n"},
		/* No empty line between two sections. */
		{"port: 100-0\n\tpool wan\n\tmac auto\nport: 101-0\n\tmac auto\n",
		 "port: 100-0\n" NEW "\tpool wan\nport: 101-0\n\tmac auto\n"},
	};
	const struct tree *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = ERROR_INIT;
		struct config c;

		tree_write(t->root, VFHOOK_CFG, cases[i].before);
		assert_int_equal(config_set_mac(t->root, 100, 0, new_mac, &err), 0);
		file_is(t->root, cases[i].after);
		assert_int_equal(config_load(t->root, &c, &err), 0);
		assert_memory_equal(config_port(&c, 100, 0)->want.mac, new_mac, 6);
		assert_false(config_port(&c, 100, 0)->mac_auto);
		config_free(&c);
	}
}

static void test_set_mac_of_nobody(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	tree_write(t->root, VFHOOK_CFG, POOL "# port: 100-0\n");
	assert_int_equal(config_set_mac(t->root, 100, 0, new_mac, &err), -ENOENT);
	assert_has(err.text, "100-0");
	file_is(t->root, POOL "# port: 100-0\n");
}

/* However its number is spelled, it is that port. */
static void test_set_mac_of_odd_spelling(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct config c;
	int known;

	tree_write(t->root, VFHOOK_CFG, "port: 0100-00\n\tpool wan\n\tmac auto\n");
	known = !config_load(t->root, &c, &err) && config_port(&c, 100, 0) &&
		!config_port(&c, 100, 0)->bad;
	config_free(&c);
	if (known)
		assert_int_equal(config_set_mac(t->root, 100, 0, new_mac, &err), 0);
}

static int add_some(const struct tree *t, uint32_t first)
{
	for (uint32_t i = 0; i < 5; i++) {
		struct port p = new_port(first + i);

		p.want.mac[4] = (uint8_t)(first >> 4);
		p.want.mac[5] = (uint8_t)(first + i);
		if (add_port(t, &p, NULL) < 0 ||
		    config_set_mac(t->root, first + i, 1, p.want.mac, NULL) < 0)
			return 1;
	}
	return 0;
}

/* Eight at once, five ports each, and each of them then changes what it wrote. */
static void test_concurrent_adds(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct config c;
	pid_t pids[8];

	tree_write(t->root, VFHOOK_CFG, "# kept\n" POOL);
	for (uint32_t i = 0; i < 8; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(add_some(t, 1000 + i * 10));
	}
	for (int i = 0; i < 8; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(config_load(t->root, &c, &err), 0);
	assert_int_equal(c.n_ports, 40);
	for (size_t i = 0; i < c.n_ports; i++)
		assert_null(c.ports[i].bad);
	assert_non_null(config_pool(&c, "wan"));
	config_free(&c);
	assert_false(path_exists(t->root, "etc/pve/priv/lock/vfhook"));
}

/* --- Taking out, changing --- */

#define PORT(n) "port: " n "\n\tpool wan\n\tvlan 2\n"

static void test_remove(void **state)
{
	static const struct {
		const char *before;
		const char *after;
	} cases[] = {
		{POOL PORT("100-0"), "pool: wan\n\tpf node=pve1,path=0000:06:00.0\n"},
		{POOL PORT("100-0") "\n" PORT("101-0"), POOL PORT("101-0")},
		{PORT("100-0") "\n" PORT("101-0"), PORT("101-0")},
		{PORT("101-0") "\n" PORT("100-0") "\n", PORT("101-0") "\n"},
		/* What somebody wrote for people stays. */
		{"# a\n" PORT("100-0") "# b\n\n# c\n" PORT("101-0"),
		 "# a\n# b\n\n# c\n" PORT("101-0")},
		{POOL "port:  100-0 \n\t# in it\n\tpool wan\n  vlan 3\n\n\n\n" PORT("1100-0"),
		 POOL "\n\n" PORT("1100-0")},
		/* A wrong section, too, and no line break at the end. */
		{POOL "port: 100-0\n\tvlna 3", "pool: wan\n\tpf node=pve1,path=0000:06:00.0\n"},
	};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tree_write(t->root, VFHOOK_CFG, cases[i].before);
		assert_int_equal(remove_section(t, "port", "100-0", &err), 0);
		file_is(t->root, cases[i].after);
		assert_int_equal(remove_section(t, "port", "100-0", &err), 0);
		file_is(t->root, cases[i].after);
	}
	tree_write(t->root, VFHOOK_CFG, PORT("100-0"));
	assert_int_equal(remove_section(t, "port", "100-0", &err), 0);
	assert_false(path_exists(t->root, VFHOOK_CFG));
	tree_write(t->root, VFHOOK_CFG, PORT("100-0") "rubbish\n");
	assert_int_equal(remove_section(t, "port", "100-0", &err), -EINVAL);
	file_is(t->root, PORT("100-0") "rubbish\n");
}

/* Whatever was there before: added and removed, it is there again. */
static void test_add_and_remove(void **state)
{
	static const char *const texts[] = {
		POOL,
		"pool: wan\n\tpf node=pve1,path=0000:06:00.0\n",
		POOL "\n",
		POOL PORT("101-0"),
		POOL PORT("101-0") "# end\n",
		"\n",
		"# only a comment\n",
	};
	const struct tree *t = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct port p = new_port(200);
		struct error err = ERROR_INIT;

		tree_write(t->root, VFHOOK_CFG, texts[i]);
		assert_int_equal(add_chain(t, 200, "local:snippets/x", &err), 0);
		assert_int_equal(add_port(t, &p, &err), 0);
		assert_int_equal(remove_section(t, "port", "200-1", &err), 0);
		assert_int_equal(remove_section(t, "guest", "200", &err), 0);
		file_is(t->root, texts[i]);
	}
}

static void test_set_keys(void **state)
{
	static const struct key_change changes[] = {
		{"vlan", "30"}, {"vlan-qos", NULL}, {"trust", "on"}};
	static const struct {
		const char *before;
		const char *after;
		const char *back; /* NULL: as before */
	} cases[] = {
		{POOL "port: 100-0\n\tpool wan\n\tvlan 2\n\tmac auto\n",
		 POOL "port: 100-0\n\tpool wan\n\tvlan 30\n\tmac auto\n\ttrust on\n", NULL},
		{POOL "port: 100-0\n\tpool wan",
		 POOL "port: 100-0\n\tpool wan\n\tvlan 30\n\ttrust on\n",
		 POOL "port: 100-0\n\tpool wan\n"},
		{"port: 100-0\n  trust   0 \n# why\n\tvlan-qos 3\n\tvlan 3\n\t# vlan 4\n\tpool "
		 "wan\n"
		 "# end\n\n" POOL,
		 "port: 100-0\n\ttrust on\n# why\n\tvlan 30\n\t# vlan 4\n\tpool wan\n# "
		 "end\n\n" POOL,
		 NULL},
	};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct port after;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *from;
		char *to;

		tree_write(t->root, VFHOOK_CFG, cases[i].before);
		assert_int_equal(
			config_change_keys(t->root, 100, 0, changes, 3, &from, &to, &after, &err),
			0);
		assert_int_equal(after.want.vlan, 30);
		assert_true(after.want.trust);
		file_is(t->root, cases[i].before);
		assert_int_equal(
			config_swap_section(t->root, "port", "100-0", to, from, true, &err),
			0); /* it is that already */
		file_is(t->root, cases[i].before);
		assert_int_equal(
			config_swap_section(t->root, "port", "100-0", from, to, true, &err), 0);
		file_is(t->root, cases[i].after);
		assert_int_equal(
			config_swap_section(t->root, "port", "100-0", "x", "y", true, &err),
			-EAGAIN);
		error_clear(&err);
		assert_int_equal(
			config_swap_section(t->root, "port", "100-0", to, from, false, &err), 0);
		file_is(t->root, cases[i].back ? cases[i].back : cases[i].before);
		free(from);
		free(to);
	}
}

static void test_set_keys_refused(void **state)
{
	static const struct {
		struct key_change change;
		const char *part;
	} cases[] = {
		{{"vlan", "4095"}, "'vlan' cannot be '4095'"},
		{{"vlna", "1"}, "no 'vlna'"},
		{{"pool", NULL}, "no 'pool'"},
		{{"vlan-qos", "1"}, "want a 'vlan'"},
		{{"mac", "bc:24:11:00:00:02"}, "the same MAC"},
		{{"comment", "x\nport: 9-9"}, "9-9"},
	};
	const struct tree *t = *state;
	const char *text = POOL "port: 100-0\n\tpool wan\n\nport: 101-0\n\tpool wan\n"
				"\tmac bc:24:11:00:00:02\n";
	struct error err = ERROR_INIT;
	char *from;
	char *to;

	tree_write(t->root, VFHOOK_CFG, text);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		error_clear(&err);
		assert_int_equal(config_change_keys(t->root, 100, 0, &cases[i].change, 1, &from,
						    &to, NULL, &err),
				 -EINVAL);
		assert_null(from);
		assert_null(to);
		assert_has(err.text, cases[i].part);
		file_is(t->root, text);
	}
	assert_int_equal(
		config_change_keys(t->root, 102, 0, &cases[0].change, 1, &from, &to, NULL, &err),
		-ENOENT);
}

/* As vfhook pool does it: look, and one section for another. */
static int swap_pool(int root, const char *name, struct pool_change *c, int r, struct error *err)
{
	if (!r)
		r = config_swap_section(root, "pool", name, c->from, c->to, true, err);
	pool_change_free(c);
	return r;
}

static int config_add_pool(int root, const struct pool_addition *a, size_t *added, bool *made,
			   struct error *err)
{
	struct pool_change c;
	int r = config_pool_addition(root, a, &c, err);

	*added = c.added;
	*made = !c.from;
	return swap_pool(root, a->name, &c, r, err);
}

static int config_remove_pool(int root, const char *name, struct error *err)
{
	struct pool_change c;
	int r = config_pool_removal(root, name, &c, err);

	return swap_pool(root, name, &c, r, err);
}

/* What was planned for one file must not be wrong in the one that is there by then. */
static void test_pool_meanwhile(void **state)
{
	const struct tree *t = *state;
	const struct pf_id pf = {.addr = addr_of("0000:06:00.0")};
	const struct pool_addition a = {.name = "wan", .node = "pve1", .pfs = &pf, .n_pfs = 1};
	struct error err = ERROR_INIT;
	struct pool_change c;

	assert_int_equal(mkdirat(t->root, "etc", 0755) | mkdirat(t->root, "etc/pve", 0755), 0);
	assert_int_equal(config_pool_addition(t->root, &a, &c, &err), 0);
	assert_false(path_exists(t->root, VFHOOK_CFG));
	assert_non_null(config_pool(&c.after, "wan"));
	tree_write(t->root, VFHOOK_CFG, "pool: lan\n\tpf node=pve1,path=0000:06:00.0\n");
	assert_int_equal(swap_pool(t->root, "wan", &c, 0, &err), -EEXIST);
	assert_has(err.text, "pool 'lan'");
	assert_int_equal(config_pool_removal(t->root, "lan", &c, &err), 0);
	tree_write(t->root, VFHOOK_CFG,
		   "pool: lan\n\tpf node=pve1,path=0000:06:00.0\n\nport: 100-0\n\tpool lan\n");
	assert_int_equal(swap_pool(t->root, "lan", &c, 0, &err), -EBUSY);
	assert_has(err.text, "100-0");
}

static void test_pools(void **state)
{
	const struct tree *t = *state;
	struct pf_id pfs[] = {{.addr = addr_of("0000:06:00.0")}, {.addr = addr_of("0000:07:00.0")}};
	struct pool_addition a = {.name = "wan", .node = "pve1", .pfs = pfs, .n_pfs = 1};
	struct error err = ERROR_INIT;
	size_t added;
	bool made;

	assert_int_equal(mkdirat(t->root, "etc", 0755) | mkdirat(t->root, "etc/pve", 0755), 0);
	assert_int_equal(config_add_pool(t->root, &a, &added, &made, &err), 0);
	assert_true(made);
	file_is(t->root, "pool: wan\n\tpf node=pve1,path=0000:06:00.0\n");
	a.n_pfs = 2;
	a.vfs = "4";
	a.allow_pf_down = "1";
	assert_int_equal(config_add_pool(t->root, &a, &added, &made, &err), 0);
	assert_false(made);
	assert_int_equal(added, 1);
	file_is(t->root, "pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\tvfs 4\n"
			 "\tallow-pf-down 1\n\tpf node=pve1,path=0000:07:00.0\n");
	/* Once more, with what each is known again by. */
	pfs[0].has_mac = true;
	pfs[0].mac[5] = 1;
	a.vfs = a.allow_pf_down = NULL;
	assert_int_equal(config_add_pool(t->root, &a, &added, &made, &err), 0);
	assert_int_equal(added, 0);
	file_is(t->root, "pool: wan\n\tpf node=pve1,path=0000:06:00.0,mac=00:00:00:00:00:01\n"
			 "\tvfs 4\n\tallow-pf-down 1\n\tpf node=pve1,path=0000:07:00.0\n");
	a.name = "lan";
	assert_int_equal(config_add_pool(t->root, &a, &added, &made, &err), -EEXIST);
	assert_has(err.text, "pool 'wan'");
	/* The same address on another node is another card. */
	a.node = "pve2";
	assert_int_equal(config_add_pool(t->root, &a, &added, &made, &err), 0);
	assert_int_equal(config_remove_pool(t->root, "dmz", &err), -ENOENT);
	assert_int_equal(config_remove_pool(t->root, "lan", &err), 0);
	assert_int_equal(config_remove_pool(t->root, "wan", &err), 0);
	assert_false(path_exists(t->root, VFHOOK_CFG));
	tree_write(t->root, VFHOOK_CFG, POOL PORT("100-0") "\n" PORT("100-1"));
	assert_int_equal(config_remove_pool(t->root, "wan", &err), -EBUSY);
	assert_has(err.text, "100-0, 100-1");
}

static void test_pfs_that_moved(void **state)
{
	const struct tree *t = *state;
	const struct pf_change swap[] = {
		{addr_of("0000:06:00.0"),
		 {.addr = addr_of("0000:07:00.0"), .has_mac = true, .mac = {2, 0, 0, 0, 0, 6}}},
		{addr_of("0000:07:00.0"),
		 {.addr = addr_of("0000:06:00.0"), .has_mac = true, .mac = {2, 0, 0, 0, 0, 7}}},
	};
	struct error err = ERROR_INIT;

	assert_int_equal(mkdirat(t->root, "etc", 0755) | mkdirat(t->root, "etc/pve", 0755), 0);
	tree_write(t->root, VFHOOK_CFG,
		   "# mine\npool: wan\n\tpf path=06:00.0,node=pve1\n\tpf "
		   "node=pve2,path=0000:06:00.0\n\tcomment pf node=pve1,path=0000:06:00.0\n\n"
		   "pool: lan\n\tvfs 2\n\tpf node=pve1,path=0000:07:00.0,mac=02:00:00:00:00:07\n");
	assert_int_equal(config_change_pfs(t->root, "pve1", swap, 2, &err), 0);
	file_is(t->root,
		"# mine\npool: wan\n\tpf node=pve1,path=0000:07:00.0,mac=02:00:00:00:00:06\n\tpf "
		"node=pve2,path=0000:06:00.0\n\tcomment pf node=pve1,path=0000:06:00.0\n\n"
		"pool: lan\n\tvfs 2\n\tpf node=pve1,path=0000:06:00.0,mac=02:00:00:00:00:07\n");
}

static void test_pool_names(void **state)
{
	static const char *const bad[] = {"",	      "a",	 "1a",	    "a b",  "a.b",
					  "vf-100-0", "vf-1-99", "../../x", "-wan", "w\nan"};
	static const char *const good[] = {"wan", "w1", "vf-100", "vf-a-0", "vf-100-0-x", "a_b-c"};
	struct error err = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pool_name_check(bad[i], &err), -EINVAL);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(pool_name_check(good[i], &err), 0);
}

static void test_guests(void **state)
{
	static const char *const bad[] = {"local:iso/x",	"local:snippets/",
					  "local:snippets/..",	"local:snippets/a/b",
					  "local:snippets/a b", "snippets/x",
					  ":snippets/x",	"../x:snippets/y",
					  "local:snippets/.",	"local:snippets/vfhook"};
	struct config c = parse("guest: 100\n\tcomment x\n\tchain nfs-1:snippets/a.pl\n");

	(void)state;
	assert_string_equal(config_guest(&c, 100)->chain, "nfs-1:snippets/a.pl");
	assert_null(config_guest(&c, 101));
	config_free(&c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[256];

		snprintf(text, sizeof(text), "guest: 100\n\tchain %s\n", bad[i]);
		c = parse(text);
		assert_has(config_guest(&c, 100)->bad, "'chain' cannot be");
		assert_string_equal(config_guest(&c, 100)->chain, "");
		config_free(&c);
	}
	c = parse("guest: 100\n\tchian x\n");
	assert_has(config_guest(&c, 100)->bad, NAME ":2: a guest has no 'chian'");
	config_free(&c);
	refused("guest: x\n", 1, "no VM id");
	refused("guest: 0100\n", 1, "no VM id");
	refused("guest: 99\n", 1, "no VM id");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bad_together),
		cmocka_unit_test(test_good_edges),
		cmocka_unit_test(test_bad_pools),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_one_port_in_two_spellings),
		cmocka_unit_test(test_key_twice),
		cmocka_unit_test(test_pf_in_two_pools),
		cmocka_unit_test(test_double_macs),
		cmocka_unit_test(test_three_equal_macs),
		cmocka_unit_test(test_large_files),
		cmocka_unit_test(test_key_is_shown_clean),
		ram_test(test_load),
		ram_test(test_load_for),
		ram_test(test_add),
		ram_test(test_add_everything),
		ram_test(test_add_to_a_broken_file),
		ram_test(test_set_mac),
		ram_test(test_set_mac_of_nobody),
		ram_test(test_set_mac_of_odd_spelling),
		ram_test(test_concurrent_adds),
		ram_test(test_remove),
		ram_test(test_add_and_remove),
		ram_test(test_set_keys),
		ram_test(test_set_keys_refused),
		ram_test(test_pools),
		ram_test(test_pool_meanwhile),
		ram_test(test_pfs_that_moved),
		cmocka_unit_test(test_pool_names),
		cmocka_unit_test(test_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
