/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands above a PF: links_sides(). */
#include "src/fdb/links.h"
#include "tests/unit/tree.h"

/* The interfaces of a test, by their numbers; PF is 1. */
struct world {
	struct links links;
	enum side *sides;
	bool *host;
};

static void put(struct world *w, int ifindex, enum link_kind kind, int master, int lower)
{
	struct link_info l = {
		.ifindex = ifindex, .kind = kind, .master = master, .lower = lower, .up = true};

	snprintf(l.name, sizeof(l.name), "if%d", ifindex);
	l.mac[0] = 2;
	l.mac[5] = (uint8_t)ifindex;
	assert_int_equal(links_put(&w->links, &l), 1);
}

static void look(struct world *w, int pf)
{
	free(w->sides);
	free(w->host);
	assert_int_equal(links_sides(&w->links, pf, &w->sides, &w->host), 0);
}

static enum side side(const struct world *w, int ifindex)
{
	return side_of(&w->links, w->sides, ifindex);
}

static bool is_host(const struct world *w, int ifindex)
{
	for (size_t i = 0; i < w->links.n; i++) {
		if (w->links.list[i].ifindex == ifindex)
			return w->host[i];
	}
	return false;
}

static void end(struct world *w)
{
	free(w->sides);
	free(w->host);
	links_free(&w->links);
}

static void test_straight(void **state)
{
	struct world w = {0};

	(void)state;
	put(&w, 1, LINK_OTHER, 10, 0);
	put(&w, 2, LINK_OTHER, 10, 0); /* another NIC of the bridge */
	put(&w, 5, LINK_OTHER, 10, 0); /* tap100i0 */
	put(&w, 6, LINK_OTHER, 11, 0); /* of a bridge that has nothing to do with it */
	put(&w, 10, LINK_BRIDGE, 0, 0);
	put(&w, 11, LINK_BRIDGE, 0, 0);
	look(&w, 1);
	assert_int_equal(side(&w, 1), SIDE_WIRE);
	assert_int_equal(side(&w, 10), SIDE_BRIDGE);
	assert_int_equal(side(&w, 2), SIDE_BEHIND);
	assert_int_equal(side(&w, 5), SIDE_BEHIND);
	assert_int_equal(side(&w, 6), SIDE_NONE);
	assert_int_equal(side(&w, 11), SIDE_NONE);
	assert_int_equal(side(&w, 77), SIDE_NONE);
	assert_true(is_host(&w, 10));
	assert_false(is_host(&w, 1));
	assert_false(is_host(&w, 5));
	/* Of the other NIC this one is behind. */
	look(&w, 2);
	assert_int_equal(side(&w, 1), SIDE_BEHIND);
	/* A PF that is gone, and one that is in no bridge. */
	look(&w, 99);
	assert_int_equal(side(&w, 10), SIDE_NONE);
	end(&w);
}

static void test_vlan_and_bond(void **state)
{
	struct world w = {0};

	(void)state;
	put(&w, 1, LINK_OTHER, 3, 0);
	put(&w, 2, LINK_OTHER, 3, 0);
	put(&w, 3, LINK_OTHER, 0, 0);  /* bond0 of both */
	put(&w, 4, LINK_OTHER, 10, 3); /* bond0.20 in vmbr0v20 */
	put(&w, 5, LINK_OTHER, 10, 0); /* a tap there */
	put(&w, 10, LINK_BRIDGE, 0, 0);
	for (int pf = 1; pf <= 2; pf++) {
		look(&w, pf);
		assert_int_equal(side(&w, 4), SIDE_WIRE);
		assert_int_equal(side(&w, 10), SIDE_BRIDGE);
		assert_int_equal(side(&w, 5), SIDE_BEHIND);
		assert_int_equal(side(&w, 3 - pf), SIDE_NONE);
		assert_true(is_host(&w, 10));
		assert_false(is_host(&w, 3));
		assert_false(is_host(&w, 4));
	}
	end(&w);
}

/* vmbr0.20, a VLAN on the bridge, is a port of a second bridge; a macvlan of the host sits on it
 * too. */
static void test_stacked(void **state)
{
	struct world w = {0};

	(void)state;
	put(&w, 1, LINK_OTHER, 10, 0);
	put(&w, 10, LINK_BRIDGE, 0, 0);
	put(&w, 12, LINK_OTHER, 11, 10);
	put(&w, 11, LINK_BRIDGE, 0, 0);
	put(&w, 5, LINK_OTHER, 11, 0);
	put(&w, 13, LINK_OTHER, 0, 10);
	look(&w, 1);
	assert_int_equal(side(&w, 12), SIDE_WIRE);
	assert_int_equal(side(&w, 11), SIDE_BRIDGE);
	assert_int_equal(side(&w, 5), SIDE_BEHIND);
	assert_true(is_host(&w, 11));
	assert_true(is_host(&w, 12));
	assert_true(is_host(&w, 13));
	end(&w);
}

/* PVE's firewall: tap100i0 in fwbr100i0, whose fwln100i0 is a pair with fwpr100p0 in vmbr0. */
static void test_over_veth(void **state)
{
	struct world w = {0};

	(void)state;
	put(&w, 1, LINK_OTHER, 10, 0);
	put(&w, 10, LINK_BRIDGE, 0, 0);
	put(&w, 20, LINK_VETH, 10, 21); /* fwpr100p0 */
	put(&w, 21, LINK_VETH, 11, 20); /* fwln100i0 */
	put(&w, 11, LINK_BRIDGE, 0, 0);
	put(&w, 5, LINK_OTHER, 11, 0);
	put(&w, 30, LINK_VETH, 10, 0); /* a container's: its peer is elsewhere */
	look(&w, 1);
	assert_int_equal(side(&w, 20), SIDE_BEHIND);
	assert_int_equal(side(&w, 21), SIDE_WIRE);
	assert_int_equal(side(&w, 11), SIDE_BRIDGE);
	assert_int_equal(side(&w, 5), SIDE_BEHIND);
	assert_int_equal(side(&w, 30), SIDE_BEHIND);
	/* Its address is learned by vmbr0 if it is used. */
	assert_false(is_host(&w, 11));
	assert_true(is_host(&w, 10));
	end(&w);
}

/* Two pairs between two bridges, and a pair within one: it ends. */
static void test_loops(void **state)
{
	struct world w = {0};

	(void)state;
	put(&w, 1, LINK_OTHER, 10, 0);
	put(&w, 10, LINK_BRIDGE, 0, 0);
	put(&w, 11, LINK_BRIDGE, 0, 0);
	put(&w, 20, LINK_VETH, 10, 21);
	put(&w, 21, LINK_VETH, 11, 20);
	put(&w, 22, LINK_VETH, 10, 23);
	put(&w, 23, LINK_VETH, 11, 22);
	put(&w, 24, LINK_VETH, 10, 25);
	put(&w, 25, LINK_VETH, 10, 24);
	put(&w, 30, LINK_OTHER, 0, 30); /* on itself */
	look(&w, 1);
	assert_int_equal(side(&w, 11), SIDE_BRIDGE);
	assert_int_equal(side(&w, 20), SIDE_BEHIND);
	assert_int_equal(side(&w, 30), SIDE_NONE);
	end(&w);
}

static void test_put_and_drop(void **state)
{
	struct link_info l = {.ifindex = 7, .name = "eth7"};
	struct world w = {0};

	(void)state;
	assert_int_equal(links_put(&w.links, &l), 1);
	assert_int_equal(links_put(&w.links, &l), 0);
	l.up = true;
	assert_int_equal(links_put(&w.links, &l), 0);
	assert_true(links_find(&w.links, 7)->up);
	l.master = 3;
	assert_int_equal(links_put(&w.links, &l), 1);
	for (int i = 100; i > 0; i--) {
		l.ifindex = i * 10;
		assert_int_equal(links_put(&w.links, &l), 1);
	}
	assert_int_equal(w.links.n, 101);
	assert_non_null(links_find(&w.links, 500));
	assert_true(links_drop(&w.links, 500));
	assert_false(links_drop(&w.links, 500));
	assert_null(links_find(&w.links, 500));
	end(&w);
}

/* Whose VFs have representors is in switchdev mode, as soon as one of them is there. */
static void test_represent(void **state)
{
	const struct pci_addr pf = addr_of("0000:01:00.0");
	const struct pci_addr other = addr_of("0000:01:00.1");
	struct link_info rep = {.ifindex = 20, .name = "rep", .device = other};
	struct world w = {0};

	(void)state;
	put(&w, 1, LINK_OTHER, 10, 0);
	assert_int_equal(links_put(&w.links, &rep), 1);
	assert_false(links_represent(&w.links, &other));
	rep.represents_vf = true;
	assert_int_equal(links_put(&w.links, &rep), 1);
	assert_int_equal(links_put(&w.links, &rep), 0);
	assert_true(links_represent(&w.links, &other));
	assert_false(links_represent(&w.links, &pf));
	rep.device = pf;
	assert_int_equal(links_put(&w.links, &rep), 1);
	assert_true(links_represent(&w.links, &pf));
	assert_true(links_drop(&w.links, 20));
	assert_false(links_represent(&w.links, &pf));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_straight),     cmocka_unit_test(test_vlan_and_bond),
		cmocka_unit_test(test_stacked),	     cmocka_unit_test(test_over_veth),
		cmocka_unit_test(test_loops),	     cmocka_unit_test(test_represent),
		cmocka_unit_test(test_put_and_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
