/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said to the kernel, byte by byte, and answers of it that no rig gives. Linked without the
 * fake kernel; socket, time and naps are the test's.
 */
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

static int wire_socket(int domain, int type, int protocol);
static ssize_t wire_send(int fd, const void *buf, size_t len, int flags);
static ssize_t wire_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
			     socklen_t *from_len);
static int wire_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
static int wire_clock(clockid_t clock, struct timespec *now);
static int wire_nanosleep(const struct timespec *nap, struct timespec *left);

/* libc's headers are in by now: only what is called below becomes the test's. */
#include <unistd.h>
#define socket	      wire_socket
#define send	      wire_send
#define recvfrom      wire_recvfrom
#define poll	      wire_poll
#define clock_gettime wire_clock
#define nanosleep     wire_nanosleep
#include "src/vf/kernel.c"
#include "src/vf/kernel.h"
#include "src/vf/netlink.c"

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

/* The same with statistics: 296 bytes. */
static void put_vf_stats(struct nl_msg *msg, uint32_t vf)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_VF_INFO);
	struct ifla_vf_mac m = {.vf = vf};
	static const char rest[148];
	struct nlattr *stats;

	assert_int_equal(nla_put(msg, IFLA_VF_MAC, sizeof(m), &m), 0);
	assert_int_equal(nla_put(msg, IFLA_VF_BROADCAST, sizeof(rest), rest), 0);
	stats = nla_nest_start(msg, IFLA_VF_STATS);
	for (int type = IFLA_VF_STATS_RX_PACKETS; type <= IFLA_VF_STATS_TX_DROPPED; type++) {
		if (type != IFLA_VF_STATS_PAD)
			assert_int_equal(nla_put_u64(msg, type, vf), 0);
	}
	nla_nest_end(msg, stats);
	nla_nest_end(msg, info);
}

/* --- Lists that are not as they should be --- */

/* Where a list's VFs come from: the numbers first, first + 1, ..., but for those left out. */
struct listed {
	uint32_t num; /* IFLA_NUM_VF */
	uint32_t n;   /* VFs 0 to n - 1 are in the list, */
	bool (*left_out)(uint32_t vf);
	bool no_list;
	bool stats;
};

static struct nl_msg *link_message(size_t size)
{
	static const uint8_t now[6] = {2, 0, 0, 0, 0, 8};
	struct ifinfomsg ifi = {.ifi_index = 2, .ifi_flags = IFF_UP};
	struct nl_msg *msg = nlmsg_alloc_size(size);

	nlmsg_put(msg, 0, 1, RTM_NEWLINK, 0, 0);
	assert_int_equal(nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put_string(msg, IFLA_IFNAME, "eth1"), 0);
	assert_int_equal(nla_put(msg, IFLA_ADDRESS, sizeof(now), now), 0);
	return msg;
}

/* What the kernel puts behind the VFs. */
static void put_perm_mac(struct nl_msg *msg)
{
	static const uint8_t perm[6] = {2, 0, 0, 0, 0, 9};

	assert_int_equal(nla_put(msg, IFLA_PERM_ADDRESS, sizeof(perm), perm), 0);
}

/* The kernel's answer as a datagram in buf: its length. */
static size_t answer(char *buf, size_t size, const struct listed *l)
{
	AUTO_MSG struct nl_msg *msg = link_message(size);
	struct nlattr *list;

	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, l->num), 0);
	if (!l->no_list) {
		list = nla_nest_start(msg, IFLA_VFINFO_LIST);
		for (uint32_t i = 0; i < l->n; i++) {
			uint8_t mac[6] = {0xbc, 0x24, 0x11, 0, (uint8_t)(i >> 8), (uint8_t)i};

			if (l->left_out && l->left_out(i))
				continue;
			if (l->stats)
				put_vf_stats(msg, i);
			else
				put_vf(msg, i, mac);
		}
		/* As the kernel's: sixteen bits, whatever the list's length (nla_nest_end()). */
		list->nla_len = (uint16_t)((char *)nlmsg_tail(nlmsg_hdr(msg)) - (char *)list);
	}
	put_perm_mac(msg);
	assert_true(nlmsg_hdr(msg)->nlmsg_len <= size);
	memcpy(buf, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	return nlmsg_hdr(msg)->nlmsg_len;
}

static char big[256 * 1024] __attribute__((aligned(NLMSG_ALIGNTO)));

static int read_answer(const struct listed *l, struct pf_link *out)
{
	struct reply rep = {.error = 1, .seq = 1, .each = read_link, .arg = out};
	size_t len = answer(big, sizeof(big), l);

	*out = (struct pf_link){.ifindex = 2};
	return take(&rep, big, len);
}

static int read_stats_answer(const struct listed *l, struct stats_reply *out)
{
	struct reply rep = {.error = 1, .seq = 1, .each = read_link_stats, .arg = out};
	size_t len = answer(big, sizeof(big), l);

	*out = (struct stats_reply){.ifindex = 2};
	return take(&rep, big, len);
}

static bool is_third(uint32_t vf)
{
	return vf == 2;
}

static bool is_last(uint32_t vf)
{
	return vf == 6;
}

static bool is_any(uint32_t vf)
{
	return vf < UINT32_MAX;
}

static bool has_mac(const struct pf_link *l, uint32_t vf)
{
	return (l->vfs[vf].has & HAS_MAC) && l->vfs[vf].mac[5] == (uint8_t)vf;
}

/* A VF in reset (ice, i40e) is left out of the list: it is unknown, and the others are not. */
static void test_hole(void **state)
{
	struct pf_link l;

	(void)state;
	assert_int_equal(read_answer(&(struct listed){.num = 7, .n = 7, .left_out = is_third}, &l),
			 0);
	assert_int_equal(l.n_vfs, 7);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(has_mac(&l, i), i != 2);
	assert_int_equal(l.vfs[2].has, 0);
	assert_true(l.has_perm_mac && l.perm_mac[5] == 9 && l.has_mac && l.mac[5] == 8);
	pf_link_free(&l);
	assert_int_equal(read_answer(&(struct listed){.num = 7, .n = 7, .left_out = is_last}, &l),
			 0);
	assert_int_equal(l.n_vfs, 7);
	assert_int_equal(l.vfs[6].has, 0);
	pf_link_free(&l);
}

/* bnxt_en with its PF down leaves out all; a driver that cannot tell has no list. */
static void test_nothing_listed(void **state)
{
	struct pf_link l;

	(void)state;
	assert_int_equal(read_answer(&(struct listed){.num = 7, .n = 7, .left_out = is_any}, &l),
			 0);
	assert_int_equal(l.n_vfs, 7);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(l.vfs[i].has, 0);
	pf_link_free(&l);
	assert_int_equal(read_answer(&(struct listed){.num = 7, .no_list = true}, &l), 0);
	assert_int_equal(l.n_vfs, 7);
	assert_true(l.has_perm_mac && l.perm_mac[5] == 9 && l.has_mac && l.mac[5] == 8);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(l.vfs[i].has, 0);
	pf_link_free(&l);
}

/* Linux 7.3 lists the first 256 VFs, and no more; older ones up to 334. */
static void test_list_capped(void **state)
{
	struct pf_link l;

	(void)state;
	for (uint32_t num = 255; num <= 334; num++) {
		uint32_t n = num < 256 ? num : 256;

		assert_int_equal(read_answer(&(struct listed){.num = num, .n = n}, &l), 0);
		assert_int_equal(l.n_vfs, num);
		for (uint32_t i = 0; i < num; i++)
			assert_int_equal(has_mac(&l, i), i < 256);
		assert_true(l.has_perm_mac);
		pf_link_free(&l);
		assert_int_equal(read_answer(&(struct listed){.num = num, .n = num}, &l), 0);
		for (uint32_t i = 0; i < num; i++)
			assert_true(has_mac(&l, i));
		pf_link_free(&l);
	}
	assert_int_equal(read_answer(&(struct listed){.num = 1000, .n = 256}, &l), 0);
	assert_true(has_mac(&l, 255));
	pf_link_free(&l);
}

/* The name of its port tells a VF's representor from a PF's own interface. */
static void test_port_name(void **state)
{
	static const struct {
		const char *port;
		bool representor;
	} ports[] = {{"p0", false}, {"pf0vf3", true}, {"c1pf0vf12", true}, {NULL, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		AUTO_MSG struct nl_msg *msg = link_message(4096);
		struct pf_link l = {.ifindex = 2};

		if (ports[i].port)
			assert_int_equal(nla_put_string(msg, IFLA_PHYS_PORT_NAME, ports[i].port),
					 0);
		assert_int_equal(read_link(nlmsg_hdr(msg), &l), 0);
		assert_int_equal(l.representor, ports[i].representor);
		pf_link_free(&l);
	}
}

/* A list that wrapped is garbage wherever it seems to end. */
static void test_list_wraps_anywhere(void **state)
{
	struct pf_link l;

	(void)state;
	for (uint32_t num = 335; num < 1300; num++) {
		assert_int_equal(read_answer(&(struct listed){.num = num, .n = num}, &l),
				 -EMSGSIZE);
		assert_int_equal(l.n_vfs, num);
		assert_string_equal(l.ifname, "eth1");
		assert_false(l.has_perm_mac);
		pf_link_free(&l);
	}
}

/* Pieces of a list that wrapped look like attributes, and guests have a hand in them (MACs): the
 * first of a kind counts. */
static void test_first_counts(void **state)
{
	AUTO_MSG struct nl_msg *msg = link_message(4096);
	struct pf_link l = {.ifindex = 2};
	struct reply rep = {.error = 1, .seq = 1, .each = read_link, .arg = &l};

	(void)state;
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 1), 0);
	assert_int_equal(nla_put_string(msg, IFLA_IFNAME, "other"), 0);
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 3), 0);
	memcpy(big, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	assert_int_equal(take(&rep, big, nlmsg_hdr(msg)->nlmsg_len), 0);
	assert_int_equal(l.n_vfs, 1);
	assert_string_equal(l.ifname, "eth1");
	pf_link_free(&l);
}

/* With statistics 7.3 lists 128, older ones 221. */
static void test_stats_capped(void **state)
{
	struct stats_reply s;

	(void)state;
	assert_int_equal(
		read_stats_answer(&(struct listed){.num = 129, .n = 128, .stats = true}, &s), 0);
	assert_int_equal(s.n, 129);
	assert_int_equal(s.list[127].rx_packets, 127);
	assert_int_equal(s.list[128].rx_packets, 0);
	free(s.list);
	assert_int_equal(
		read_stats_answer(&(struct listed){.num = 221, .n = 221, .stats = true}, &s), 0);
	assert_int_equal(s.list[220].rx_packets, 220);
	free(s.list);
	for (uint32_t num = 222; num < 800; num++) {
		assert_int_equal(read_stats_answer(
					 &(struct listed){.num = num, .n = num, .stats = true}, &s),
				 -EMSGSIZE);
		free(s.list);
	}
	assert_int_equal(
		read_stats_answer(
			&(struct listed){.num = 7, .n = 7, .left_out = is_third, .stats = true},
			&s),
		0);
	assert_int_equal(s.n, 7);
	assert_int_equal(s.list[6].rx_packets, 6);
	free(s.list);
}

/* A list that names a VF twice, out of order or beyond the last is not believed at all. */
static void test_list_lies(void **state)
{
	static const uint32_t bad[][3] = {{0, 1, 1}, {1, 0, 2}, {0, 1, 7}, {0, 1, UINT32_MAX}};
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_MSG struct nl_msg *msg = link_message(4096);
		struct pf_link l = {.ifindex = 2};
		struct reply rep = {.error = 1, .seq = 1, .each = read_link, .arg = &l};
		struct nlattr *list;

		assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 7), 0);
		list = nla_nest_start(msg, IFLA_VFINFO_LIST);
		for (size_t k = 0; k < 3; k++)
			put_vf(msg, bad[i][k], mac);
		nla_nest_end(msg, list);
		put_perm_mac(msg);
		memcpy(big, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
		assert_int_equal(take(&rep, big, nlmsg_hdr(msg)->nlmsg_len), -EMSGSIZE);
		pf_link_free(&l);
	}
}

/* --- The socket --- */

#define SCRIPT_MAX 64

/* One datagram that the kernel sends, or an error of recvfrom(). */
struct datagram {
	int error; /* errno, or 0 */
	uint32_t from;
	size_t len;
	char data[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* What a test's kernel answers, and what it was asked. */
static struct wire {
	struct datagram script[SCRIPT_MAX]; /* in this order; the last one for ever */
	size_t n;
	size_t next;
	uint32_t seq; /* of the last request */
	char asked[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	size_t asked_len;
	unsigned requests;
	int send_error;
	long now_ms;
	long each_ms; /* what a request takes */
	long napped_ms;
} wire;

static int wire_socket(int domain, int type, int protocol)
{
	assert_int_equal(domain, AF_NETLINK);
	assert_true(protocol == NETLINK_ROUTE || protocol == NETLINK_GENERIC);
	assert_true(type & SOCK_CLOEXEC);
	return dup(STDIN_FILENO);
}

static ssize_t wire_send(int fd, const void *buf, size_t len, int flags)
{
	(void)fd;
	(void)flags;
	assert_true(len <= sizeof(wire.asked));
	memcpy(wire.asked, buf, len);
	wire.asked_len = len;
	wire.seq = ((const struct nlmsghdr *)buf)->nlmsg_seq;
	wire.requests++;
	wire.now_ms += wire.each_ms;
	if (wire.send_error) {
		errno = wire.send_error;
		return -1;
	}
	return (ssize_t)len;
}

/* Whether the script goes on behind "there is nothing yet". */
static int wire_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	assert_int_equal(n, 1);
	assert_int_equal(fds->events, POLLIN);
	assert_int_equal(timeout_ms, 10000);
	return wire.script[wire.next].error != EAGAIN;
}

/* Messages of the script without a number get that of the request. */
static ssize_t wire_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
			     socklen_t *from_len)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	const struct datagram *d = &wire.script[wire.next];
	struct nlmsghdr *h = buf;
	int left = (int)d->len;

	(void)fd;
	assert_int_equal(flags, MSG_TRUNC | MSG_DONTWAIT);
	assert_true(wire.n > 0);
	if (wire.next + 1 < wire.n)
		wire.next++;
	if (d->error) {
		errno = d->error;
		return -1;
	}
	kernel.nl_pid = d->from;
	memcpy(from, &kernel, *from_len < sizeof(kernel) ? *from_len : sizeof(kernel));
	assert_true(d->len <= len);
	memcpy(buf, d->data, d->len);
	for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
		if (!h->nlmsg_seq)
			h->nlmsg_seq = wire.seq;
	}
	return (ssize_t)d->len;
}

static int wire_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
static int wire_clock(clockid_t clock, struct timespec *now)
{
	assert_int_equal(clock, CLOCK_MONOTONIC);
	*now = (struct timespec){wire.now_ms / 1000, wire.now_ms % 1000 * 1000000};
	return 0;
}

static int wire_nanosleep(const struct timespec *nap, struct timespec *left)
{
	(void)left;
	wire.now_ms += nap->tv_sec * 1000 + nap->tv_nsec / 1000000;
	wire.napped_ms += nap->tv_sec * 1000 + nap->tv_nsec / 1000000;
	return 0;
}

/* A kernel with an empty script. */
static struct kernel *wire_open(void)
{
	struct kernel *k;

	wire = (struct wire){.n = 0};
	assert_int_equal(kernel_open(-1, &k, NULL), 0);
	return k;
}

static struct datagram *next_datagram(void)
{
	assert_true(wire.n < SCRIPT_MAX);
	return &wire.script[wire.n++];
}

/* Put a message behind the last datagram of the script. seq 0: the request's. */
static void say_more(const struct nl_msg *msg, uint32_t seq)
{
	struct datagram *d = &wire.script[wire.n - 1];
	struct nlmsghdr *h = nlmsg_hdr((struct nl_msg *)msg);

	h->nlmsg_seq = seq;
	assert_true(d->len + NLMSG_ALIGN(h->nlmsg_len) <= sizeof(d->data));
	memcpy(d->data + d->len, h, h->nlmsg_len);
	d->len += NLMSG_ALIGN(h->nlmsg_len);
}

static void say_datagram(const struct nl_msg *msg, uint32_t seq)
{
	next_datagram();
	say_more(msg, seq);
}

static void say_errno(int code)
{
	next_datagram()->error = code;
}

/* An NLMSG_ERROR as the kernel sends it with NETLINK_CAP_ACK, and the driver's words if any. */
static struct nl_msg *error_message(int code, const char *words)
{
	struct nlmsgerr e = {.error = -code};
	struct nl_msg *msg = nlmsg_alloc_size(512);

	nlmsg_put(msg, 0, 0, NLMSG_ERROR, 0, NLM_F_CAPPED | (words ? NLM_F_ACK_TLVS : 0));
	assert_int_equal(nlmsg_append(msg, &e, sizeof(e), NLMSG_ALIGNTO), 0);
	if (words)
		assert_int_equal(nla_put_string(msg, NLMSGERR_ATTR_MSG, words), 0);
	return msg;
}

static void say_error(int code, const char *words)
{
	AUTO_MSG struct nl_msg *msg = error_message(code, words);

	say_datagram(msg, 0);
}

static const struct vf_settings all_set = {
	.has = 0xff,
	.vlan = 20,
	.qos = 3,
	.proto = VLAN_PROTO_8021Q,
	.mac = {0xbc, 0x24, 0x11, 1, 2, 3},
	.spoofchk = true,
	.trust = true,
	.query_rss = true,
	.min_rate = 10,
	.max_rate = 500,
	.link_state = VF_LINK_DISABLE,
};

/* The payload of the one attribute of VF 5 that was asked for, behind five headers. */
static void asked_for(int type, const void *want, size_t size)
{
	struct nlmsghdr *h = (struct nlmsghdr *)wire.asked;
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *list = nlmsg_attrdata(h, sizeof(*ifi));
	struct nlattr *info = nla_data(list);
	struct nlattr *attr = nla_data(info);

	assert_int_equal(h->nlmsg_len, wire.asked_len);
	assert_int_equal(h->nlmsg_type, RTM_SETLINK);
	assert_int_equal(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(ifi->ifi_index, 2);
	assert_int_equal(nla_type(list), IFLA_VFINFO_LIST);
	assert_int_equal(nlmsg_attrlen(h, sizeof(*ifi)), NLA_ALIGN(list->nla_len));
	assert_int_equal(nla_type(info), IFLA_VF_INFO);
	assert_int_equal(nla_len(list), NLA_ALIGN(info->nla_len));
	assert_int_equal(nla_type(attr), type);
	assert_int_equal(nla_len(info), NLA_ALIGN(attr->nla_len));
	assert_int_equal(nla_len(attr), size);
	assert_memory_equal(nla_data(attr), want, size);
}

static int set_vf5(struct kernel *k, enum vf_attr attr, const struct vf_settings *to,
		   struct error *err)
{
	return kernel_vf_set(k, 2, 5, attr, to, err);
}

/* Each attribute is one message; the bytes are those of include/uapi/linux/if_link.h. */
static void test_each_attribute(void **state)
{
	static const struct {
		enum vf_attr attr;
		int type;
		uint32_t want[4];
		size_t size;
	} cases[] = {
		{VF_VLAN, IFLA_VF_VLAN, {5, 20, 3}, 12},
		{VF_SPOOFCHK, IFLA_VF_SPOOFCHK, {5, 1}, 8},
		{VF_TRUST, IFLA_VF_TRUST, {5, 1}, 8},
		{VF_RATE, IFLA_VF_RATE, {5, 10, 500}, 12},
		{VF_LINK_STATE, IFLA_VF_LINK_STATE, {5, IFLA_VF_LINK_STATE_DISABLE}, 8},
		{VF_QUERY_RSS, IFLA_VF_RSS_QUERY_EN, {5, 1}, 8},
	};
	static const uint8_t mac[36] = {5, 0, 0, 0, 0xbc, 0x24, 0x11, 1, 2, 3};
	struct kernel *k = wire_open();

	(void)state;
	say_error(0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(set_vf5(k, cases[i].attr, &all_set, NULL), 0);
		asked_for(cases[i].type, cases[i].want, cases[i].size);
	}
	assert_int_equal(set_vf5(k, VF_MAC, &all_set, NULL), 0);
	asked_for(IFLA_VF_MAC, mac, sizeof(mac));
	assert_int_equal(wire.requests, ARRAY_SIZE(cases) + 1);
	assert_int_equal(wire.napped_ms, 0);
	kernel_close(k);
}

/* 802.1ad goes the other way: a list of one VLAN, its protocol in network order. */
static void test_vlan_8021ad(void **state)
{
	static const uint8_t want[] = {20, 0, 1, 0, 5, 0, 0, 0,	   20,
				       0,  0, 0, 3, 0, 0, 0, 0x88, 0xa8};
	struct vf_settings to = all_set;
	struct kernel *k = wire_open();
	struct nlattr *list;
	struct nlattr *vlan;

	(void)state;
	to.proto = VLAN_PROTO_8021AD;
	say_error(0, NULL);
	assert_int_equal(set_vf5(k, VF_VLAN, &to, NULL), 0);
	list = nla_data(nlmsg_attrdata((struct nlmsghdr *)wire.asked, sizeof(struct ifinfomsg)));
	vlan = nla_data(list);
	assert_int_equal(nla_type(vlan), IFLA_VF_VLAN_LIST);
	assert_int_equal(nla_len(vlan), 20);
	assert_memory_equal(nla_data(vlan), want, sizeof(want));
	kernel_close(k);
}

static void test_no_such_attribute(void **state)
{
	const char *said;
	struct kernel *k = wire_open();

	(void)state;
	assert_true(kernel_vf_set_once(k, 2, 5, VF_ATTR_COUNT, &all_set, &said) < 0);
	assert_int_equal(wire.requests, 0);
	kernel_close(k);
}

static void test_drivers_words(void **state)
{
	struct error err = ERROR_INIT;
	struct kernel *k = wire_open();

	(void)state;
	say_error(EINVAL, "max rate is above the link's \033[31m");
	say_error(EINVAL, NULL);
	assert_int_equal(set_vf5(k, VF_RATE, &all_set, &err), -EINVAL);
	assert_non_null(strstr(err.text, "set rate to "));
	assert_non_null(strstr(err.text, "the driver says \"max rate is above the link's "));
	assert_null(strchr(err.text, '\033'));
	/* And nothing of it in the next error. */
	assert_int_equal(set_vf5(k, VF_RATE, &all_set, &err), -EINVAL);
	assert_null(strstr(err.text, "driver says"));
	kernel_close(k);
}

/* The request comes back in front of the words where the kernel does not cut it off. */
static void test_words_behind_request(void **state)
{
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_size(512);
	struct nlmsgerr e = {.error = -EPERM, .msg = {.nlmsg_len = sizeof(struct nlmsghdr) + 20}};
	static const char request[20];
	struct error err = ERROR_INIT;
	struct kernel *k = wire_open();

	(void)state;
	nlmsg_put(msg, 0, 0, NLMSG_ERROR, 0, NLM_F_ACK_TLVS);
	nlmsg_append(msg, &e, sizeof(e), 0);
	nlmsg_append(msg, (void *)request, sizeof(request), NLMSG_ALIGNTO);
	nla_put_string(msg, NLMSGERR_ATTR_MSG, "not now");
	say_datagram(msg, 0);
	assert_int_equal(set_vf5(k, VF_TRUST, &all_set, &err), -EPERM);
	assert_non_null(strstr(err.text, "the driver says \"not now\""));
	kernel_close(k);
}

/* bnxt_en says 524 where others say EOPNOTSUPP. */
static void test_enotsupp(void **state)
{
	struct error err = ERROR_INIT;
	struct kernel *k = wire_open();

	(void)state;
	say_error(524, NULL);
	assert_int_equal(set_vf5(k, VF_TRUST, &all_set, &err), -EOPNOTSUPP);
	assert_int_equal(err.code, EOPNOTSUPP);
	assert_non_null(strstr(err.text, strerror(EOPNOTSUPP)));
	kernel_close(k);
}

static void test_busy_then_done(void **state)
{
	static const int codes[] = {EBUSY, EAGAIN, ENOBUFS, EINTR};
	struct kernel *k = wire_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		say_error(codes[i], NULL);
	say_error(0, NULL);
	assert_int_equal(set_vf5(k, VF_MAC, &all_set, NULL), 0);
	assert_int_equal(wire.requests, 5);
	assert_int_equal(wire.napped_ms, 10 + 20 + 40 + 80);
	kernel_close(k);
}

/* The answer got lost: the same again, since a set can be done twice. */
static void test_no_buffers(void **state)
{
	struct kernel *k = wire_open();

	(void)state;
	say_errno(ENOBUFS);
	say_error(0, NULL);
	assert_int_equal(set_vf5(k, VF_MAC, &all_set, NULL), 0);
	assert_int_equal(wire.requests, 2);
	kernel_close(k);
}

/* All that a run waits for comes out of one budget; then everything is tried once. */
static void test_patience_is_one(void **state)
{
	struct error err = ERROR_INIT;
	struct kernel *k = wire_open();
	unsigned tries;

	(void)state;
	say_error(EBUSY, NULL);
	assert_int_equal(set_vf5(k, VF_VLAN, &all_set, &err), -EBUSY);
	assert_int_equal(wire.now_ms, KERNEL_PATIENCE_MS);
	tries = wire.requests;
	assert_true(tries > 10);
	for (int a = 0; a < VF_ATTR_COUNT; a++)
		assert_int_equal(set_vf5(k, (enum vf_attr)a, &all_set, &err), -EBUSY);
	assert_int_equal(wire.requests, tries + VF_ATTR_COUNT);
	assert_int_equal(wire.now_ms, KERNEL_PATIENCE_MS);
	kernel_set_patience(k, 30);
	assert_int_equal(set_vf5(k, VF_VLAN, &all_set, &err), -EBUSY);
	assert_int_equal(wire.now_ms, KERNEL_PATIENCE_MS + 30);
	kernel_close(k);
}

/* A driver that waits inside its function uses it up as well; what is done at once does not. */
static void test_patience_counts_tries(void **state)
{
	struct kernel *k = wire_open();

	(void)state;
	say_error(0, NULL);
	wire.each_ms = 4000;
	for (int i = 0; i < 4; i++)
		assert_int_equal(set_vf5(k, VF_VLAN, &all_set, NULL), 0);
	assert_int_equal(wire.requests, 4);
	wire.n = wire.next = wire.requests = 0;
	say_error(EBUSY, NULL);
	assert_int_equal(set_vf5(k, VF_VLAN, &all_set, NULL), -EBUSY);
	assert_int_equal(wire.requests, 4);
	assert_int_equal(set_vf5(k, VF_MAC, &all_set, NULL), -EBUSY);
	assert_int_equal(wire.requests, 5);
	kernel_close(k);
}

static void test_refused_at_once(void **state)
{
	struct kernel *k = wire_open();

	(void)state;
	say_error(EIO, NULL);
	assert_int_equal(set_vf5(k, VF_VLAN, &all_set, NULL), -EIO);
	assert_int_equal(wire.requests, 1);
	wire.send_error = EPERM;
	assert_int_equal(set_vf5(k, VF_VLAN, &all_set, NULL), -EPERM);
	wire.send_error = 0;
	wire.n = wire.next = 0;
	say_errno(EAGAIN); /* there is no answer: not a driver's */
	assert_int_equal(set_vf5(k, VF_VLAN, &all_set, NULL), -ETIMEDOUT);
	assert_int_equal(wire.requests, 3);
	kernel_close(k);
}

/* Another process's datagram, an answer that comes late, and at last the right one. */
static void test_late_answer(void **state)
{
	AUTO_MSG struct nl_msg *refused = error_message(EPERM, "an old refusal");
	AUTO_MSG struct nl_msg *done = error_message(0, NULL);
	struct kernel *k = wire_open();

	(void)state;
	say_datagram(refused, 0);
	wire.script[0].from = 4711;
	say_datagram(refused, 999);
	say_errno(EINTR);
	say_errno(EAGAIN);	    /* not there yet */
	say_datagram(refused, 999); /* two in one datagram */
	say_more(done, 0);
	assert_int_equal(set_vf5(k, VF_VLAN, &all_set, NULL), 0);
	assert_int_equal(wire.requests, 1);
	assert_int_equal(wire.next, 4);
	kernel_close(k);
}

/* --- Reading through it --- */

/* The list of a PF of 3 VFs without those that out names, as the next datagram. */
static void say_list(bool up, bool (*out)(uint32_t vf))
{
	AUTO_MSG struct nl_msg *msg = link_message(1024);
	struct ifinfomsg *ifi = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *list;

	if (!up)
		ifi->ifi_flags = 0;
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 3), 0);
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	for (uint32_t i = 0; i < 3; i++) {
		uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)i};

		if (!out(i))
			put_vf(msg, i, mac);
	}
	list->nla_len = (uint16_t)((char *)nlmsg_tail(nlmsg_hdr(msg)) - (char *)list);
	say_datagram(msg, 0);
}

static bool is_none(uint32_t vf)
{
	return vf == UINT32_MAX;
}

/* A VF that is wanted is looked at again; one that is not costs nothing. */
static void test_hole_is_looked_at_again(void **state)
{
	struct error err = ERROR_INIT;
	struct vf_settings s;
	struct kernel *k = wire_open();
	unsigned tries;

	(void)state;
	say_list(true, is_third);
	say_list(true, is_third);
	say_list(true, is_none);
	assert_int_equal(kernel_vf_read(k, 2, 1, &s, &err), 0);
	assert_int_equal(s.mac[5], 1);
	assert_int_equal(wire.requests, 1);
	assert_int_equal(kernel_vf_read(k, 2, 2, &s, &err), 0);
	assert_int_equal(s.mac[5], 2);
	assert_int_equal(wire.requests, 3);
	assert_int_equal(kernel_vf_read(k, 2, 3, &s, &err), -ENODEV);
	wire.n = wire.next = wire.requests = 0;
	say_list(true, is_third);
	assert_int_equal(kernel_vf_read(k, 2, 2, &s, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "does not tell its settings now (in reset?)"));
	tries = wire.requests;
	assert_in_range(tries, 5, 30);
	kernel_set_patience(k, 0);
	assert_int_equal(kernel_vf_read(k, 2, 2, &s, &err), -EAGAIN);
	assert_int_equal(wire.requests, tries + 1);
	kernel_close(k);
}

/* What no waiting changes is not waited for. */
static void test_nothing_to_wait_for(void **state)
{
	AUTO_MSG struct nl_msg *msg = link_message(1024);
	struct error err = ERROR_INIT;
	struct vf_settings s;
	struct kernel *k = wire_open();

	(void)state;
	say_list(false, is_any);
	assert_int_equal(kernel_vf_read(k, 2, 2, &s, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "its PF is down"));
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 3), 0);
	say_datagram(msg, 0);
	wire.next = 1;
	assert_int_equal(kernel_vf_read(k, 2, 2, &s, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "driver cannot tell what VFs are set to"));
	assert_int_equal(wire.requests, 2);
	assert_int_equal(wire.napped_ms, 0);
	kernel_close(k);
}

/* Beyond the kernel's list. */
static void test_behind_the_cut(void **state)
{
	struct error err = ERROR_INIT;
	struct vf_settings s;
	struct pf_link l;

	(void)state;
	assert_int_equal(read_answer(&(struct listed){.num = 300, .n = 256}, &l), 0);
	assert_int_equal(l.n_listed, 256);
	assert_int_equal(pf_link_vf(&l, 255, &s, &err), 0);
	assert_int_equal(pf_link_vf(&l, 256, &s, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "the kernel lists only the first 256 VFs"));
	assert_false(may_be_told(&l, 299));
	assert_int_equal(pf_link_vf(&l, 300, &s, &err), -ENODEV);
	pf_link_free(&l);
}

static void test_read_no_buffers(void **state)
{
	struct pf_link l;
	struct kernel *k = wire_open();

	(void)state;
	say_errno(ENOBUFS);
	say_list(true, is_none);
	assert_int_equal(kernel_pf_read(k, 2, &l, NULL), 0);
	assert_int_equal(l.n_vfs, 3);
	assert_int_equal(wire.requests, 2);
	pf_link_free(&l);
	wire.n = wire.next = 0;
	say_errno(ENOBUFS);
	assert_int_equal(kernel_pf_read(k, 2, &l, NULL), -ENOBUFS);
	assert_int_equal(wire.requests, 5);
	kernel_close(k);
}

static void say_address(bool more, int ifindex, int flags)
{
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_size(256);
	struct ifaddrmsg ifa = {.ifa_family = AF_INET, .ifa_index = (unsigned)ifindex};

	nlmsg_put(msg, 0, 0, RTM_NEWADDR, 0, NLM_F_MULTI | flags);
	nlmsg_append(msg, &ifa, sizeof(ifa), NLMSG_ALIGNTO);
	if (more)
		say_more(msg, 0);
	else
		say_datagram(msg, 0);
}

static void say_done(bool more, int code, int flags)
{
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_size(256);

	nlmsg_put(msg, 0, 0, NLMSG_DONE, 0, NLM_F_MULTI | flags);
	nlmsg_append(msg, &code, sizeof(code), NLMSG_ALIGNTO);
	if (more)
		say_more(msg, 0);
	else
		say_datagram(msg, 0);
}

/* A dump that says it was interrupted may lack what it is asked for: then again, but not for ever.
 */
static void test_dump_interrupted(void **state)
{
	struct kernel *k = wire_open();

	(void)state;
	say_address(false, 7, 0);
	say_done(true, 0, NLM_F_DUMP_INTR);
	say_address(false, 7, NLM_F_DUMP_INTR);
	say_done(false, 0, 0);
	say_address(false, 2, 0);
	say_done(true, 0, 0);
	assert_int_equal(kernel_has_address(k, 2, NULL), 1);
	assert_int_equal(wire.requests, 3);
	wire.n = wire.next = wire.requests = 0;
	memset(wire.script, 0, sizeof(wire.script));
	say_done(false, 0, NLM_F_DUMP_INTR);
	assert_int_equal(kernel_has_address(k, 2, NULL), -EINTR);
	assert_int_equal(wire.requests, 3);
	wire.n = wire.next = 0;
	memset(wire.script, 0, sizeof(wire.script));
	say_done(false, -ENOMEM, 0);
	assert_int_equal(kernel_has_address(k, 2, NULL), -ENOMEM);
	wire.n = wire.next = 0;
	memset(wire.script, 0, sizeof(wire.script));
	say_address(false, 7, 0);
	say_done(true, 0, 0);
	assert_int_equal(kernel_has_address(k, 2, NULL), 0);
	kernel_close(k);
}

static void test_link_up(void **state)
{
	struct kernel *k = wire_open();
	const struct ifinfomsg *ifi = nlmsg_data((struct nlmsghdr *)wire.asked);

	(void)state;
	say_error(0, NULL);
	assert_int_equal(kernel_link_up(k, 2, NULL), 0);
	assert_int_equal(((struct nlmsghdr *)wire.asked)->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(ifi->ifi_index, 2);
	assert_int_equal(ifi->ifi_flags, IFF_UP);
	assert_int_equal(ifi->ifi_change, IFF_UP);
	kernel_close(k);
}

static void test_link_find(void **state)
{
	struct kernel *k = wire_open();
	AUTO_MSG struct nl_msg *found = link_message(256);
	char ifname[16];

	(void)state;
	say_datagram(found, 0);
	assert_int_equal(kernel_link_find(k, "enx001b21000001", ifname, NULL), 0);
	assert_string_equal(ifname, "eth1");
	assert_int_equal(((struct nlmsghdr *)wire.asked)->nlmsg_type, RTM_GETLINK);
	assert_non_null(nlmsg_find_attr((struct nlmsghdr *)wire.asked, sizeof(struct ifinfomsg),
					IFLA_ALT_IFNAME));
	wire.n = wire.next = 0;
	memset(wire.script, 0, sizeof(wire.script));
	say_error(ENODEV, NULL);
	assert_int_equal(kernel_link_find(k, "eth9", ifname, NULL), -ENODEV);
	assert_string_equal(ifname, "");
	kernel_close(k);
}

static void say_family(void)
{
	const struct genlmsghdr head = {.cmd = CTRL_CMD_NEWFAMILY};
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_size(256);

	nlmsg_put(msg, 0, 0, GENL_ID_CTRL, 0, 0);
	nlmsg_append(msg, (void *)&head, sizeof(head), NLMSG_ALIGNTO);
	nla_put_u16(msg, CTRL_ATTR_FAMILY_ID, 21);
	say_datagram(msg, 0);
}

static void put_flag(struct nl_msg *msg, const char *name, bool on)
{
	struct nlattr *bit = nla_nest_start(msg, ETHTOOL_A_BITSET_BITS_BIT);

	nla_put_string(msg, ETHTOOL_A_BITSET_BIT_NAME, name);
	if (on)
		nla_put_flag(msg, ETHTOOL_A_BITSET_BIT_VALUE);
	nla_nest_end(msg, bit);
}

static void say_flags(void)
{
	const struct genlmsghdr head = {.cmd = ETHTOOL_MSG_PRIVFLAGS_GET_REPLY};
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_size(512);
	struct nlattr *set;
	struct nlattr *bits;

	nlmsg_put(msg, 0, 0, 21, 0, 0);
	nlmsg_append(msg, (void *)&head, sizeof(head), NLMSG_ALIGNTO);
	set = nla_nest_start(msg, ETHTOOL_A_PRIVFLAGS_FLAGS);
	bits = nla_nest_start(msg, ETHTOOL_A_BITSET_BITS);
	put_flag(msg, "link-down-on-close", true);
	put_flag(msg, "vf-true-promisc-support", false);
	nla_nest_end(msg, bits);
	nla_nest_end(msg, set);
	say_datagram(msg, 0);
}

static enum answer flag_of(const char *name)
{
	wire.n = wire.next = 0;
	memset(wire.script, 0, sizeof(wire.script));
	say_family();
	say_flags();
	return kernel_priv_flag(NULL, 2, name);
}

static void test_priv_flag(void **state)
{
	struct kernel *k = wire_open();

	(void)state;
	assert_int_equal(flag_of("vf-true-promisc-support"), ANSWER_NO);
	assert_int_equal(((struct nlmsghdr *)wire.asked)->nlmsg_type, 21);
	assert_int_equal(flag_of("link-down-on-close"), ANSWER_YES);
	assert_int_equal(flag_of("no-such-flag"), ANSWER_UNKNOWN);
	wire.n = wire.next = 0;
	memset(wire.script, 0, sizeof(wire.script));
	say_family();
	say_error(EOPNOTSUPP, NULL);
	assert_int_equal(kernel_priv_flag(NULL, 2, "x"), ANSWER_UNKNOWN);
	kernel_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_twice),
		cmocka_unit_test(test_other_number),
		cmocka_unit_test(test_hole),
		cmocka_unit_test(test_nothing_listed),
		cmocka_unit_test(test_list_capped),
		cmocka_unit_test(test_list_wraps_anywhere),
		cmocka_unit_test(test_port_name),
		cmocka_unit_test(test_first_counts),
		cmocka_unit_test(test_stats_capped),
		cmocka_unit_test(test_list_lies),
		cmocka_unit_test(test_each_attribute),
		cmocka_unit_test(test_vlan_8021ad),
		cmocka_unit_test(test_no_such_attribute),
		cmocka_unit_test(test_drivers_words),
		cmocka_unit_test(test_words_behind_request),
		cmocka_unit_test(test_enotsupp),
		cmocka_unit_test(test_busy_then_done),
		cmocka_unit_test(test_no_buffers),
		cmocka_unit_test(test_patience_is_one),
		cmocka_unit_test(test_patience_counts_tries),
		cmocka_unit_test(test_refused_at_once),
		cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_hole_is_looked_at_again),
		cmocka_unit_test(test_nothing_to_wait_for),
		cmocka_unit_test(test_behind_the_cut),
		cmocka_unit_test(test_read_no_buffers),
		cmocka_unit_test(test_dump_interrupted),
		cmocka_unit_test(test_link_up),
		cmocka_unit_test(test_link_find),
		cmocka_unit_test(test_priv_flag),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
