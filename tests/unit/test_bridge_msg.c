/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made messages of rtnetlink, good and broken. */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "src/fdb/bridge_msg.h"
#include "tests/unit/tree.h"

static struct nl_msg *neigh(int family, int state, int flags, const void *mac, int len)
{
	struct ndmsg ndm = {.ndm_family = (uint8_t)family,
			    .ndm_ifindex = 3,
			    .ndm_state = (uint16_t)state,
			    .ndm_flags = (uint8_t)flags};
	struct nl_msg *m = nlmsg_alloc();

	assert_non_null(nlmsg_put(m, 0, 0, RTM_NEWNEIGH, 0, 0));
	assert_int_equal(nlmsg_append(m, &ndm, sizeof(ndm), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put(m, NDA_LLADDR, len, mac), 0);
	return m;
}

static int read_it(struct nl_msg *m, struct fdb_entry *e)
{
	int r = fdb_msg_read(nlmsg_hdr(m), e);

	nlmsg_free(m);
	return r;
}

static void test_entries(void **state)
{
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 1};
	static const uint8_t many[] = {1, 0, 0x5e, 0, 0, 1};
	struct nl_msg *m = neigh(AF_BRIDGE, NUD_REACHABLE, 0, mac, 6);
	struct fdb_entry e;

	(void)state;
	nla_put_u32(m, NDA_MASTER, 2);
	nla_put_u16(m, NDA_VLAN, 20);
	assert_int_equal(read_it(m, &e), 0);
	assert_true(!e.self && e.vlan == 20 && e.ifindex == 3 && e.state == FDB_LEARNED);
	assert_int_equal(read_it(neigh(AF_BRIDGE, NUD_PERMANENT, NTF_SELF, mac, 6), &e), 0);
	assert_true(e.self && e.state == FDB_LOCAL);
	assert_int_equal(read_it(neigh(AF_BRIDGE, NUD_NOARP, 0, mac, 6), &e), 0);
	assert_int_equal(e.state, FDB_STATIC);
	assert_int_equal(read_it(neigh(AF_BRIDGE, NUD_REACHABLE, 0, many, 6), &e), -ENOMSG);
	assert_int_equal(read_it(neigh(AF_BRIDGE, NUD_REACHABLE, 0, mac, 5), &e), -ENOMSG);
	assert_int_equal(read_it(neigh(AF_INET, NUD_REACHABLE, 0, mac, 6), &e), -ENOMSG);
	m = neigh(AF_BRIDGE, NUD_REACHABLE, NTF_SELF, mac, 6);
	nla_put_u32(m, NDA_DST, 1);
	assert_int_equal(read_it(m, &e), -ENOMSG);
	m = neigh(AF_BRIDGE, NUD_REACHABLE, 0, mac, 6);
	nlmsg_hdr(m)->nlmsg_len = NLMSG_HDRLEN + 4;
	assert_int_equal(read_it(m, &e), -EBADMSG);
}

static struct nl_msg *link_msg(int family, int ifindex, unsigned flags)
{
	struct ifinfomsg ifi = {
		.ifi_family = (uint8_t)family, .ifi_index = ifindex, .ifi_flags = flags};
	struct nl_msg *m = nlmsg_alloc();

	assert_non_null(nlmsg_put(m, 0, 0, RTM_NEWLINK, 0, 0));
	assert_int_equal(nlmsg_append(m, &ifi, sizeof(ifi), NLMSG_ALIGNTO), 0);
	return m;
}

static void put_kind(struct nl_msg *m, const char *kind)
{
	struct nlattr *info = nla_nest_start(m, IFLA_LINKINFO);

	assert_int_equal(nla_put_string(m, IFLA_INFO_KIND, kind), 0);
	nla_nest_end(m, info);
}

static int read_link(struct nl_msg *m, struct link_info *l)
{
	int r = link_msg_read(nlmsg_hdr(m), l);

	nlmsg_free(m);
	return r;
}

static void test_links(void **state)
{
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 1};
	static const uint8_t longer[] = {2, 0, 0, 0, 0, 1, 0, 0};
	struct nl_msg *m = link_msg(AF_UNSPEC, 7, IFF_UP);
	struct link_info l;

	(void)state;
	nla_put_string(m, IFLA_IFNAME, "vmbr0");
	nla_put(m, IFLA_ADDRESS, 6, mac);
	put_kind(m, "bridge");
	assert_int_equal(read_link(m, &l), 0);
	assert_int_equal(l.ifindex, 7);
	assert_string_equal(l.name, "vmbr0");
	assert_memory_equal(l.mac, mac, 6);
	assert_true(l.kind == LINK_BRIDGE && l.up && !l.master && !l.lower && !l.represents_vf);

	m = link_msg(AF_UNSPEC, 8, 0);
	nla_put_u32(m, IFLA_MASTER, 7);
	nla_put_u32(m, IFLA_LINK, 9);
	nla_put(m, IFLA_ADDRESS, 8, longer); /* of no Ethernet */
	put_kind(m, "veth");
	assert_int_equal(read_link(m, &l), 0);
	assert_true(l.kind == LINK_VETH && !l.up && l.master == 7 && l.lower == 9);
	assert_true(mac_is_zero(l.mac) && !l.name[0]);

	/* The peer is in another network namespace: its number means another one here. */
	m = link_msg(AF_UNSPEC, 8, 0);
	nla_put_u32(m, IFLA_LINK, 9);
	nla_put_u32(m, IFLA_LINK_NETNSID, 0);
	put_kind(m, "veth");
	assert_int_equal(read_link(m, &l), 0);
	assert_int_equal(l.lower, 0);
	m = link_msg(AF_UNSPEC, 8, 0);
	put_kind(m, "a kind of a very long name");
	assert_int_equal(read_link(m, &l), 0);
	assert_int_equal(l.kind, LINK_OTHER);
}

static void test_links_broken(void **state)
{
	struct nl_msg *m = link_msg(AF_UNSPEC, 8, 0);
	struct link_info l;

	(void)state;
	nla_put_u16(m, IFLA_MASTER, 7);
	assert_int_equal(read_link(m, &l), 0);
	assert_int_equal(l.master, 0);
	assert_int_equal(read_link(link_msg(AF_UNSPEC, 0, 0), &l), -EBADMSG);
	assert_int_equal(read_link(link_msg(AF_UNSPEC, -1, 0), &l), -EBADMSG);
	assert_int_equal(read_link(link_msg(AF_BRIDGE, 8, 0), &l), -ENOMSG);
	m = link_msg(AF_UNSPEC, 8, 0);
	nlmsg_hdr(m)->nlmsg_len = NLMSG_HDRLEN + 4;
	assert_int_equal(read_link(m, &l), -EBADMSG);
}

/* Representors: "pf0vf3" by their port, the PF by their device. */
static void test_representors(void **state)
{
	const struct pci_addr pf = addr_of("0000:01:00.0");
	struct nl_msg *m = link_msg(AF_UNSPEC, 9, IFF_UP);
	struct link_info l;

	(void)state;
	nla_put_string(m, IFLA_PHYS_PORT_NAME, "pf0vf3");
	nla_put_string(m, IFLA_PARENT_DEV_NAME, "0000:01:00.0");
	assert_int_equal(read_link(m, &l), 0);
	assert_true(l.represents_vf && !pci_addr_cmp(&l.device, &pf));
	/* The uplink. */
	m = link_msg(AF_UNSPEC, 9, IFF_UP);
	nla_put_string(m, IFLA_PHYS_PORT_NAME, "p0");
	nla_put_string(m, IFLA_PARENT_DEV_NAME, "0000:01:00.0");
	assert_int_equal(read_link(m, &l), 0);
	assert_false(l.represents_vf);
	/* On no PCI bus. */
	m = link_msg(AF_UNSPEC, 9, IFF_UP);
	nla_put_string(m, IFLA_PHYS_PORT_NAME, "pf0vf3");
	nla_put_string(m, IFLA_PARENT_DEV_NAME, "netdevsim10 with a name that is long");
	assert_int_equal(read_link(m, &l), 0);
	assert_true(l.represents_vf && pci_addr_cmp(&l.device, &pf));
}

static int read_mode(struct nl_msg *m, int *ifindex, bool *vepa)
{
	int r = bridge_mode_read(nlmsg_hdr(m), ifindex, vepa);

	nlmsg_free(m);
	return r;
}

static struct nl_msg *mode_msg(int family, int ifindex, int mode)
{
	struct nl_msg *m = link_msg(family, ifindex, IFF_UP);
	struct nlattr *spec = nla_nest_start(m, IFLA_AF_SPEC);

	nla_put_u16(m, IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
	if (mode >= 0)
		nla_put_u16(m, IFLA_BRIDGE_MODE, (uint16_t)mode);
	nla_nest_end(m, spec);
	return m;
}

static void test_modes(void **state)
{
	struct nl_msg *m = link_msg(AF_BRIDGE, 4, IFF_UP);
	int ifindex = 0;
	bool vepa = false;

	(void)state;
	assert_int_equal(read_mode(mode_msg(AF_BRIDGE, 3, BRIDGE_MODE_VEPA), &ifindex, &vepa), 0);
	assert_true(ifindex == 3 && vepa);
	assert_int_equal(read_mode(mode_msg(AF_BRIDGE, 4, BRIDGE_MODE_VEB), &ifindex, &vepa), 0);
	assert_true(ifindex == 4 && !vepa);
	/* A bridge's port, an interface, and what is none. */
	assert_int_equal(read_mode(mode_msg(AF_BRIDGE, 3, -1), &ifindex, &vepa), -ENOMSG);
	assert_int_equal(read_mode(m, &ifindex, &vepa), -ENOMSG);
	assert_int_equal(read_mode(mode_msg(AF_UNSPEC, 3, BRIDGE_MODE_VEPA), &ifindex, &vepa),
			 -ENOMSG);
	assert_int_equal(read_mode(mode_msg(AF_BRIDGE, 0, BRIDGE_MODE_VEPA), &ifindex, &vepa),
			 -EBADMSG);
	m = mode_msg(AF_BRIDGE, 3, BRIDGE_MODE_VEPA);
	nlmsg_hdr(m)->nlmsg_len = NLMSG_HDRLEN + 4;
	assert_int_equal(read_mode(m, &ifindex, &vepa), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),	     cmocka_unit_test(test_links),
		cmocka_unit_test(test_links_broken), cmocka_unit_test(test_representors),
		cmocka_unit_test(test_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
