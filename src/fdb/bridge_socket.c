/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two sockets of rtnetlink: one for events, one for questions and orders. */
#include "src/fdb/bridge_socket.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/vf/nlmsg.h"

/* The kernel fills what it is given, up to 32 KiB a datagram (netlink_dump). */
#define RECV_BUF (32 * 1024)
/* Of events that wait for us: a bridge that loses a port tells of each MAC behind it. */
#define EVENTS_BUF (2 * 1024 * 1024)
#define REPLY_MS   10000
#define DUMP_TRIES 5

struct bridge_socket {
	int events;
	int requests;
	uint32_t seq;
	char buf[RECV_BUF] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static int open_one(uint32_t groups)
{
	struct sockaddr_nl me = {.nl_family = AF_NETLINK, .nl_groups = groups};
	AUTO_CLOSE int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	const int size = EVENTS_BUF;

	if (fd < 0)
		return -errno;
	if (groups && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0)
		return -errno;
	return STEAL_FD(fd);
}

int bridge_socket_open(struct bridge_socket **out, struct error *err)
{
	struct bridge_socket *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	s->requests = -1;
	s->events = open_one(RTMGRP_LINK | RTMGRP_NEIGH);
	if (s->events >= 0)
		s->requests = open_one(0);
	if (s->requests < 0) {
		int r = s->events < 0 ? s->events : s->requests;

		bridge_socket_close(s);
		return fail_errno(err, -r, "rtnetlink: cannot open a socket");
	}
	*out = s;
	return 0;
}

void bridge_socket_close(struct bridge_socket *s)
{
	if (!s)
		return;
	if (s->events >= 0)
		close(s->events);
	if (s->requests >= 0)
		close(s->requests);
	free(s);
}

int bridge_socket_fd(const struct bridge_socket *s)
{
	return s->events;
}

/* The next datagram into s->buf: its length, or -EAGAIN, -ENOBUFS and the like. */
static int receive(struct bridge_socket *s, int fd)
{
	while (true) {
		struct sockaddr_nl from = {0};
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, s->buf, sizeof(s->buf), MSG_TRUNC,
				     (struct sockaddr *)&from, &len);

		if (n < 0 && errno != EINTR)
			return -errno;
		/* Only the kernel is believed. One that does not fit is as good as lost. */
		if (n >= 0 && !from.nl_pid)
			return (size_t)n > sizeof(s->buf) ? -ENOBUFS : (int)n;
	}
}

static int pass_on(const struct nlmsghdr *h, const struct bridge_sink *to)
{
	struct link_info l;
	struct fdb_entry e;
	int ifindex;
	bool vepa;

	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (!bridge_mode_read(h, &ifindex, &vepa))
			return to->mode(to->arg, ifindex, vepa);
		return link_msg_read(h, &l) < 0
			       ? 0
			       : to->link(to->arg, &l, h->nlmsg_type == RTM_DELLINK);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return fdb_msg_read(h, &e) < 0
			       ? 0
			       : to->entry(to->arg, &e, h->nlmsg_type == RTM_DELNEIGH);
	default:
		return 0;
	}
}

/*
 * Away with what the kernel had kept before it ran out of room: it is older than a look that comes
 * now, and until all of it is read the kernel keeps nothing new, and does not say so again
 * (af_netlink.c: NETLINK_S_CONGESTED).
 */
static int discard(struct bridge_socket *s)
{
	int left = 1;

	while (left >= 0 || left == -ENOBUFS)
		left = receive(s, s->events);
	return left == -EAGAIN ? -ENOBUFS : left;
}

int bridge_socket_events(struct bridge_socket *s, const struct bridge_sink *to, struct error *err)
{
	while (true) {
		struct nlmsghdr *h = (struct nlmsghdr *)s->buf;
		int left = receive(s, s->events);

		if (left == -EAGAIN)
			return 0;
		if (left == -ENOBUFS)
			left = discard(s);
		if (left == -ENOBUFS)
			return left;
		if (left < 0)
			return fail_errno(err, -left, "rtnetlink: events of bridges");
		for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			int r = pass_on(h, to);

			if (r < 0)
				return fail_errno(err, -r, "events of bridges");
		}
	}
}

/* Waits for an answer, which as a rule is there. */
static int receive_reply(struct bridge_socket *s)
{
	struct pollfd p = {.fd = s->requests, .events = POLLIN};
	int r = receive(s, s->requests);

	if (r != -EAGAIN)
		return r;
	do
		r = poll(&p, 1, REPLY_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r ? -errno : -ETIMEDOUT;
	return receive(s, s->requests);
}

/* 1: that was the last message of the answer, whose outcome is *done. */
static int read_reply(struct bridge_socket *s, const struct nlmsghdr *h,
		      const struct bridge_sink *to, int *done)
{
	if (h->nlmsg_seq != s->seq)
		return 0;
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		*done = -EINTR;
	if (h->nlmsg_type == NLMSG_DONE)
		return 1;
	if (h->nlmsg_type == NLMSG_ERROR) {
		*done = -EBADMSG;
		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
			*done = ((struct nlmsgerr *)NLMSG_DATA(h))->error;
		return 1;
	}
	return to ? pass_on(h, to) : 0;
}

static int talk(struct bridge_socket *s, struct nl_msg *msg, const struct bridge_sink *to)
{
	int done = 0;

	nlmsg_hdr(msg)->nlmsg_seq = ++s->seq;
	if (send(s->requests, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, 0) < 0)
		return -errno;
	while (true) {
		struct nlmsghdr *h = (struct nlmsghdr *)s->buf;
		int left = receive_reply(s);

		if (left < 0)
			return left;
		for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			int r = read_reply(s, h, to, &done);

			if (r)
				return r < 0 ? r : done;
		}
	}
}

static int dump(struct bridge_socket *s, int type, void *head, size_t size,
		const struct bridge_sink *to, struct error *err)
{
	AUTO_MSG struct nl_msg *msg = netlink_request(type, NLM_F_DUMP, head, size);
	int r = -EINTR;

	if (!msg)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	for (int tries = 0; tries < DUMP_TRIES && (r == -EINTR || r == -ENOBUFS); tries++)
		r = talk(s, msg, to);
	return r < 0 ? fail_errno(err, -r, "rtnetlink: the list of %s",
				  type == RTM_GETLINK ? "interfaces" : "bridges' entries")
		     : 0;
}

int bridge_socket_look(struct bridge_socket *s, const struct bridge_sink *to, struct error *err)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC};
	struct ifinfomsg modes = {.ifi_family = AF_BRIDGE};
	struct ndmsg ndm = {.ndm_family = AF_BRIDGE};

	if (dump(s, RTM_GETLINK, &ifi, sizeof(ifi), to, err) < 0)
		return error_code(err);
	/* Few drivers can tell; whose cannot does as all do. */
	dump(s, RTM_GETLINK, &modes, sizeof(modes), to, NULL);
	if (dump(s, RTM_GETNEIGH, &ndm, sizeof(ndm), to, err) < 0)
		return error_code(err);
	return 0;
}

int bridge_fdb_set(struct bridge_socket *s, int ifindex, const uint8_t mac[6], bool add)
{
	struct ndmsg ndm = {.ndm_family = AF_BRIDGE,
			    .ndm_ifindex = ifindex,
			    .ndm_state = NUD_PERMANENT,
			    .ndm_flags = NTF_SELF};
	AUTO_MSG struct nl_msg *msg = netlink_request(
		add ? RTM_NEWNEIGH : RTM_DELNEIGH,
		NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0), &ndm, sizeof(ndm));

	if (!msg || nla_put(msg, NDA_LLADDR, 6, mac) < 0)
		return -ENOBUFS;
	return talk(s, msg, NULL);
}
