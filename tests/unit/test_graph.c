/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/show/graph.h"

#include "src/base/cleanup.h"
#include "src/host/pci_names.h"
#include "src/host/pf_around.h"
#include "src/show/graph_text.h"
#include "tests/unit/tree.h"
#include "tests/unit/lines.h"

#define NOW 1700000000

/* A node with one PF of so many VFs, all of them free, on which more is done. */
struct scene {
	struct seen_node node;
	struct graph g;
	struct str text;
};

static struct seen_pf *add_pf(struct scene *s, const char *addr, const char *ifname, unsigned vfs)
{
	struct seen_pf *pf;

	s->node.pfs = reallocarray(s->node.pfs, s->node.n_pfs + 1, sizeof(*s->node.pfs));
	pf = &s->node.pfs[s->node.n_pfs++];
	*pf = (struct seen_pf){.up = ANSWER_YES,
			       .carrier = ANSWER_YES,
			       .vfs = calloc(vfs + 1, sizeof(*pf->vfs)),
			       .n_vfs = vfs};
	snprintf(pf->addr, sizeof(pf->addr), "%s", addr);
	snprintf(pf->ifname, sizeof(pf->ifname), "%s", ifname);
	snprintf(pf->pools, sizeof(pf->pools), "wan");
	for (unsigned i = 0; i < vfs; i++) {
		pf->vfs[i] = (struct seen_vf){.index = i, .state = "free", .group = (int)i + 10};
		snprintf(pf->vfs[i].addr, sizeof(pf->vfs[i].addr), "0000:06:%02x.%u", 16 + i / 8,
			 i % 8);
	}
	return pf;
}

static struct seen_vf *lease(struct seen_pf *pf, unsigned vf, uint32_t vmid, const char *name)
{
	struct seen_vf *v = &pf->vfs[vf];

	snprintf(v->state, sizeof(v->state), "running");
	snprintf(v->guest, sizeof(v->guest), "%s", name);
	snprintf(v->place, sizeof(v->place), "hostpci0");
	snprintf(v->mac, sizeof(v->mac), "bc:24:11:00:00:%02x", vf & 0xff);
	snprintf(v->vlan, sizeof(v->vlan), "20");
	v->vmid = vmid;
	return v;
}

static int scene_setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->node.online = ANSWER_YES;
	snprintf(s->node.name, sizeof(s->node.name), "pve1");
	*state = s;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *s = *state;

	graph_free(&s->g);
	seen_node_free(&s->node);
	str_free(&s->text);
	free(s);
	return 0;
}

#define scene_test(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)

static const char *draw(struct scene *s, size_t width)
{
	graph_free(&s->g);
	str_free(&s->text);
	s->text = STR_INIT;
	graph_make(&s->node, 1, NOW, &s->g);
	assert_false(s->g.failed);
	graph_text(&s->g, width, false, &s->text);
	assert_true(str_ok(&s->text));
	return str_get(&s->text);
}

/* How many items of a kind there are, and the last of them. */
static size_t count(const struct scene *s, enum graph_kind kind, const struct graph_item **last)
{
	size_t n = 0;

	for (size_t i = 0; i < s->g.n; i++) {
		if (s->g.items[i].kind != kind)
			continue;
		if (last)
			*last = &s->g.items[i];
		n++;
	}
	return n;
}

static void test_exact(void **state)
{
	struct scene *s = *state;
	struct seen_pf *pf = add_pf(s, "0000:06:00.0", "enp6s0f0", 8);
	struct seen_vf *v;

	pf->speed = 10000;
	pf->mtu = 1500;
	snprintf(pf->above, sizeof(pf->above), "vmbr0");
	snprintf(pf->driver, sizeof(pf->driver), "ixgbe");
	lease(pf, 0, 100, "fw");
	v = lease(pf, 1, 200, "dns");
	v->container = true;
	v->vlan_differs = true;
	v->vlan[0] = '\0';
	snprintf(v->place, sizeof(v->place), "eth1");
	assert_true(seen_mark_add(&v->marks, SEEN_BAD, "VLAN is none, wanted 20"));
	assert_true(seen_mark_add(&pf->marks, SEEN_NOTE, "a word about it"));
	pf = add_pf(s, "0000:06:00.1", "enp6s0f1", 1);
	pf->up = ANSWER_NO;
	assert_string_equal(
		draw(s, 80),
		"pve1\n"
		"└─ card at 0000:06:00\n"
		"   ├─ PF enp6s0f0  up, 10 Gbit/s, MTU 1500, in vmbr0, pool wan, 6 of 8 VFs free,\n"
		"   │  │  0000:06:00.0, ixgbe\n"
		"   │  │  a word about it\n"
		"   │  ├─ VF 0    running  VLAN 20   bc:24:11:00:00:00  g10  VM 100 fw hostpci0\n"
		"   │  ├─ VF 1    running  no VLAN!  bc:24:11:00:00:01  g11  CT 200 dns eth1\n"
		"   │  │     ! VLAN is none, wanted 20\n"
		"   │  └─ VF 2-7  free\n"
		"   └─ PF enp6s0f1  DOWN, pool wan, 1 of 1 VFs free, 0000:06:00.1\n"
		"      └─ VF 0  free\n");
	assert_has(draw(s, 120), "  group 10  VM 100 fw hostpci0\n");
}

static void test_runs(void **state)
{
	struct scene *s = *state;
	struct seen_pf *pf = add_pf(s, "0000:06:00.0", "enp6s0f0", 256);

	lease(pf, 100, 100, "fw");
	lease(pf, 102, 101, "web");
	for (unsigned i = 110; i < 130; i++) {
		snprintf(pf->vfs[i].state, sizeof(pf->vfs[i].state), "unusable");
		seen_mark_add(&pf->vfs[i].marks, SEEN_WARN, i < 120 ? "one reason" : "another");
	}
	draw(s, 80);
	assert_int_equal(count(s, GRAPH_VF, NULL), 2);
	assert_int_equal(count(s, GRAPH_GUEST, NULL), 2);
	assert_int_equal(count(s, GRAPH_RUN, NULL), 6);
	assert_has(str_get(&s->text), "VF 0-99     free\n");
	assert_has(str_get(&s->text), "VF 101      free\n");
	assert_has(str_get(&s->text), "VF 110-119  unusable\n");
	assert_has(str_get(&s->text), "! another\n");
	check_lines(str_get(&s->text), 80, 13);
}

/* One in use does not hide among free ones, nor does a hole in the numbers. */
static void test_no_run(void **state)
{
	struct scene *s = *state;
	struct seen_pf *pf = add_pf(s, "0000:06:00.0", "enp6s0f0", 4);

	pf->vfs[3].index = 7;
	snprintf(pf->vfs[1].vlan, sizeof(pf->vfs[1].vlan), "5");
	draw(s, 80);
	assert_int_equal(count(s, GRAPH_RUN, NULL), 4);
	snprintf(pf->vfs[1].state, sizeof(pf->vfs[1].state), "from-the-future");
	assert_has(draw(s, 80), "VF 1  from-the-future  VLAN 5  g11\n");
}

static void test_cards(void **state)
{
	struct scene *s = *state;
	const struct graph_item *card = NULL;

	add_pf(s, "0000:06:00.0", "a0", 1);
	snprintf(add_pf(s, "0000:06:00.1", "a1", 1)->card.serial, CARD_TEXT_LEN, "12-34");
	/* Behind a bridge of the board's own: by the serial number of the second one. */
	snprintf(add_pf(s, "0000:07:00.0", "a2", 1)->card.serial, CARD_TEXT_LEN, "12-34");
	add_pf(s, "0000:06:01.0", "b0", 1);
	draw(s, 80);
	assert_int_equal(count(s, GRAPH_CARD, &card), 2);
	assert_string_equal(card->name, "at 0000:06:01");
	assert_int_equal(count(s, GRAPH_PF, NULL), 4);
}

static void test_words(void **state)
{
	static const struct {
		unsigned speed;
		const char *want;
	} speeds[] = {{100, "100 Mbit/s"}, {2500, "2.5 Gbit/s"}, {400000, "400 Gbit/s"}};
	struct scene *s = *state;
	struct seen_pf *pf = add_pf(s, "0000:06:00.0", "enp6s0f0", 1);
	const struct graph_item *item = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++) {
		pf->speed = speeds[i].speed;
		draw(s, 80);
		count(s, GRAPH_PF, &item);
		assert_string_equal(graph_word(item, WORD_SPEED)->text, speeds[i].want);
	}
	pf->speed = 0;
	pf->up = pf->carrier = ANSWER_UNKNOWN;
	draw(s, 80);
	count(s, GRAPH_PF, &item);
	assert_null(graph_word(item, WORD_SPEED));
	assert_null(graph_word(item, WORD_LINK));
	pf->up = ANSWER_YES;
	pf->carrier = ANSWER_NO;
	draw(s, 80);
	count(s, GRAPH_PF, &item);
	assert_string_equal(graph_word(item, WORD_LINK)->text, "NO CARRIER");
	assert_int_equal(graph_word(item, WORD_LINK)->style, STYLE_BAD);
}

static void test_old_nodes(void **state)
{
	struct scene *s = *state;
	const struct graph_item *pf = NULL;

	add_pf(s, "0000:06:00.0", "enp6s0f0", 1);
	s->node.source = SEEN_TOLD;
	s->node.time = NOW - 30;
	assert_has(draw(s, 80), "pve1  as told just now\n");
	count(s, GRAPH_PF, &pf);
	assert_false(pf->faint);
	s->node.time = NOW - 45 * 60;
	assert_has(draw(s, 80), "pve1  as told 45 minutes ago\n");
	s->node.time = NOW - 5 * 3600;
	assert_has(draw(s, 80), "pve1  as told 5 hours ago\n");
	count(s, GRAPH_PF, &pf);
	assert_true(pf->faint);
	s->node.time = NOW - 9 * 86400;
	s->node.online = ANSWER_NO;
	assert_has(draw(s, 80), "pve1  OFFLINE, as told 9 days ago\n");
	/* Its clock is ahead of ours. */
	s->node.time = NOW + 3600;
	assert_has(draw(s, 80), "just now");
	s->node.source = SEEN_SILENT;
	assert_has(draw(s, 80), "pve1  OFFLINE, tells nothing of VFs\n");
	snprintf(s->node.pfs->vfs->state, SEEN_STATE_LEN, SEEN_UNTOLD);
	s->node.source = SEEN_ADDRESSES;
	s->node.online = ANSWER_YES;
	assert_has(draw(s, 80), "pve1  tells which VFs it has, and no more\n");
	assert_has(str_get(&s->text), "pool wan, 1 VFs, 0000:06:00.0\n");
}

/* Whatever guests are called, and however narrow it is. */
static void test_hostile_names(void **state)
{
	static const char *const names[] = {
		"\033[2J\a<script>&amp;\"'",
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97"
		"\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6",
		"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
		"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xe2\x80\xae evil \xe2\x80\x8f",
		"\xff\xfe\xc0\x80\xed\xa0\x80",
	};
	struct scene *s = *state;
	struct seen_pf *pf = add_pf(s, "0000:06:00.0", "enp6s0f0", 8);

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		lease(pf, i, 100 + i, names[i]);
		seen_mark_add(&pf->vfs[i].marks, SEEN_BAD, "%s", names[i]);
	}
	for (size_t width = 20; width < 200; width++) {
		const char *text = draw(s, width);
		unsigned lines = 0;

		for (const char *at = text; (at = strchr(at, '\n')); at++)
			lines++;
		check_lines(text, width, lines);
		assert_has(text, "VF 4");
	}
}

static void test_colour(void **state)
{
	struct scene *s = *state;
	struct seen_pf *pf = add_pf(s, "0000:06:00.0", "enp6s0f0", 2);

	lease(pf, 0, 100, "fw")->mac_differs = true;
	draw(s, 80);
	graph_text(&s->g, 80, true, &s->text);
	assert_has(str_get(&s->text), "\033[32mrunning\033[0m");
	assert_has(str_get(&s->text), "\033[1;31mbc:24:11:00:00:00!\033[0m");
}

/* --- Facts --- */

static void test_card_names(void **state)
{
	const struct tree *t = *state;
	struct pci_names n;
	char name[64];

	pci_names_read(t->root, &n);
	assert_false(pci_name(&n, "8086:10c9", name, sizeof(name)));
	assert_string_equal(name, "");
	sys_write(t->root, "usr/share/misc/pci.ids",
		  "# a list\n1002  Advanced Micro Devices, Inc. [AMD/ATI]\n\t10c9  Not this one\n"
		  "8086  Intel Corporation\n\t10c8  No\n\t\t10c9 0000  Nor this\n"
		  "\t10c9  82576 Gigabit\n10ca  Broken\nC 10  No vendor\n\t10cb  x\n");
	pci_names_read(t->root, &n);
	assert_true(pci_name(&n, "8086:10c9", name, sizeof(name)));
	assert_string_equal(name, "Intel 82576 Gigabit");
	assert_true(pci_name(&n, "1002:10c9", name, sizeof(name)));
	assert_string_equal(name, "AMD/ATI Not this one");
	assert_false(pci_name(&n, "8086:10cb", name, sizeof(name)));
	assert_false(pci_name(&n, "", name, sizeof(name)));
	assert_true(pci_name(&n, "8086:10c9", name, 8));
	assert_string_equal(name, "Intel 8");
	pci_names_free(&n);
}

#define NET "sys/class/net/"

static void test_around(void **state)
{
	const struct tree *t = *state;
	struct pci_addr addr = addr_of(PF0);
	struct pf_around a;
	char text[200];

	sys_write(t->root, NET "enp6s0f0/speed", "-1\n");
	pf_around_read(t->root, &addr, "enp6s0f0", &a);
	assert_int_equal(a.speed, 0);
	assert_string_equal(a.card.model, "");
	assert_string_equal(pf_above_text(&a, text, sizeof(text)), "");
	sys_write(t->root, DEV PF0 "/vendor", "0x8086\n");
	sys_write(t->root, DEV PF0 "/device", "0x10c9\n");
	sys_write(t->root, NET "enp6s0f0/speed", "25000\n");
	sys_write(t->root, NET "bond0/bonding/mode", "802.3ad 4\n");
	sys_link(t->root, NET "enp6s0f0/master", "../bond0");
	sys_link(t->root, NET "enp6s0f0/upper_bond0", "../bond0");
	sys_write(t->root, NET "vmbr0/bridge/x", "");
	sys_link(t->root, NET "bond0/upper_vmbr0", "../vmbr0");
	sys_link(t->root, NET "bond0/upper_bond0.20", "../bond0.20");
	sys_write(t->root, NET "vmbr20/bridge/x", "");
	sys_link(t->root, NET "bond0.20/upper_vmbr20", "../vmbr20");
	pf_around_read(t->root, &addr, "enp6s0f0", &a);
	assert_int_equal(a.speed, 25000);
	assert_string_equal(a.card.model, "8086:10c9");
	assert_string_equal(pf_above_text(&a, text, sizeof(text)),
			    "bond0 (802.3ad), vmbr0, vmbr20 (over bond0.20)");
	pf_around_read(t->root, &addr, "", &a);
	assert_int_equal(a.speed, 0);
	assert_string_equal(pf_above_text(&a, text, sizeof(text)), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(test_exact),	 scene_test(test_runs),		 scene_test(test_no_run),
		scene_test(test_cards),	 scene_test(test_words),	 scene_test(test_old_nodes),
		scene_test(test_colour), scene_test(test_hostile_names), ram_test(test_card_names),
		ram_test(test_around),
	};

	return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
