/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made messages of rtnetlink, good and broken. */
#include <errno.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
