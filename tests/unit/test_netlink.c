/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of the kernel that no rig gives. Linked without the fake kernel. */
#include "src/netlink.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* A datagram that says the same link with one VF as often as that. */
static size_t links(char *buf, size_t size, unsigned times)
{
	const struct ifinfomsg ifi = {.ifi_index = 2, .ifi_flags = IFF_UP};
	const struct ifla_vf_mac mac = {.mac = {0xbc, 0x24, 0x11, 0, 0, 1}};
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	struct nlattr *list;
	struct nlattr *info;
	size_t len;

	assert_int_equal(nlmsg_append(msg, (void *)&ifi, sizeof(ifi), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 1), 0);
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	info = nla_nest_start(msg, IFLA_VF_INFO);
	assert_int_equal(nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac), 0);
	nla_nest_end(msg, info);
	nla_nest_end(msg, list);
	nlmsg_hdr(msg)->nlmsg_seq = 1;
	len = NLMSG_ALIGN(nlmsg_hdr(msg)->nlmsg_len);
	assert_true(len * times <= size);
	for (unsigned i = 0; i < times; i++)
		memcpy(buf + i * len, nlmsg_hdr(msg), len);
	return len * times;
}

static int take(struct reply *rep, char *buf, size_t len)
{
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	int left = (int)len;
	int r = 0;

	for (; !r && nlmsg_ok(h, left); h = nlmsg_next(h, &left))
		r = on_message(h, rep);
	return r;
}

/* The last answer counts, and nothing of the others stays (the sanitizer would see it). */
static void test_answers_twice(void **state)
{
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	size_t len = links(buf, sizeof(buf), 3);
	struct pf_link l = {.ifindex = 2};
	struct stats_reply stats = {.ifindex = 2};
	struct reply rep = {.error = 1, .seq = 1, .each = read_link, .arg = &l};

	(void)state;
	assert_int_equal(take(&rep, buf, len), 0);
	assert_int_equal(rep.error, 0);
	assert_int_equal(l.n_vfs, 1);
	assert_int_equal(l.vfs[0].mac[5], 1);
	pf_link_free(&l);
	rep = (struct reply){.error = 1, .seq = 1, .each = read_link_stats, .arg = &stats};
	assert_int_equal(take(&rep, buf, len), 0);
	assert_int_equal(stats.n, 1);
	free(stats.list);
}

/* An answer to an earlier request is none to this one. */
static void test_other_number(void **state)
{
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	size_t len = links(buf, sizeof(buf), 1);
	struct pf_link l = {.ifindex = 2};
	struct reply rep = {.error = 1, .seq = 2, .each = read_link, .arg = &l};

	(void)state;
	assert_int_equal(take(&rep, buf, len), 0);
	assert_int_equal(rep.error, 1);
	assert_int_equal(l.n_vfs, 0);
}

/* One VF as netdevsim's driver reports it: 196 bytes without statistics. */
static void put_vf(struct nl_msg *msg, uint32_t vf, const uint8_t mac[6])
{
	struct nlattr *info = nla_nest_start(msg, IFLA_VF_INFO);
	struct ifla_vf_mac m = {.vf = vf};
	static const char rest[148];

	memcpy(m.mac, mac, 6);
	assert_int_equal(nla_put(msg, IFLA_VF_MAC, sizeof(m), &m), 0);
	assert_int_equal(nla_put(msg, IFLA_VF_BROADCAST, sizeof(rest), rest), 0);
	nla_nest_end(msg, info);
}

/*
 * From 335 VFs on the list's 16-bit length wraps, and the rest of it is read as attributes of
 * the interface. The first ones are the kernel's; a guest may have a hand in the others (the
 * MACs in them).
 */
static void test_list_wraps(void **state)
{
	static char buf[128 * 1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg ifi = {.ifi_index = 2, .ifi_flags = IFF_UP};
	const uint8_t mac[6] = {0xbc, 0x24, 0x11, 0, 0, 1};
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_size(sizeof(buf));
	struct pf_link l = {.ifindex = 2};
	struct reply rep = {.error = 1, .seq = 1, .each = read_link, .arg = &l};
	struct nlattr *list;

	(void)state;
	nlmsg_put(msg, 0, 1, RTM_NEWLINK, 0, 0);
	assert_int_equal(nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put_string(msg, IFLA_IFNAME, "eth1"), 0);
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 400), 0);
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	for (uint32_t i = 0; i < 3; i++)
		put_vf(msg, i, mac);
	nla_nest_end(msg, list);
	/* What is read behind the end of a list that seems to have 3 VFs. */
	assert_int_equal(nla_put_string(msg, IFLA_IFNAME, "other"), 0);
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 3), 0);
	memcpy(buf, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	assert_int_equal(take(&rep, buf, nlmsg_hdr(msg)->nlmsg_len), -EMSGSIZE);
	assert_int_equal(l.n_vfs, 400);
	assert_string_equal(l.ifname, "eth1");
	assert_true(l.up);
	assert_false(l.has_perm_mac);
	pf_link_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_twice),
		cmocka_unit_test(test_other_number),
		cmocka_unit_test(test_list_wraps),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
