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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_twice),
		cmocka_unit_test(test_other_number),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
