/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel.h over rtnetlink, with libnl-3 for sockets, messages and attributes.
 * libnl-route's link cache is not used: it can neither leave the statistics out
 * of the VF list nor send one attribute a message.
 */
#include "src/kernel.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

/* A VF is 196 bytes in the list; PF_VFS_LISTED of them fit with room to spare. */
#define RECV_BUF      (256 * 1024)
#define REQUEST_SIZE  256 /* the longest that we send has 80; libnl's default is a page */
#define VFS_MAX	      65535
#define SET_RETRY_MS  10000
#define REPLY_WAIT_MS 10000

struct kernel {
	struct nl_sock *sock;
	char extack[256]; /* what the kernel said to the last refused request */
	char reply[RECV_BUF] __attribute__((aligned(NLMSG_ALIGNTO))); /* touched as far as used */
};

static void cleanup_msg(struct nl_msg **m)
{
	if (*m)
		nlmsg_free(*m);
}
#define AUTO_MSG CLEANUP(cleanup_msg)

/* A message with its fixed part, NULL when memory ran out. */
static struct nl_msg *request(int type, int flags, void *head, size_t size)
{
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_size(REQUEST_SIZE);

	if (!msg || !nlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags) ||
	    nlmsg_append(msg, head, size, NLMSG_ALIGNTO) < 0)
		return NULL;
	return STEAL(msg);
}

int kernel_open(int root, struct kernel **out, struct error *err)
{
	struct timeval wait = {.tv_sec = REPLY_WAIT_MS / 1000};
	struct kernel *k;
	int one = 1;
	int r;

	(void)root;
	k = calloc(1, sizeof(*k));
	if (!k)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	k->sock = nl_socket_alloc();
	if (!k->sock) {
		kernel_close(k);
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	}
	r = nl_connect(k->sock, NETLINK_ROUTE);
	if (r < 0) {
		kernel_close(k);
		return fail(err, EIO, "rtnetlink: cannot open a socket: %s", nl_geterror(r));
	}
	/* Short error replies with the driver's own words (extack); both only help. */
	setsockopt(nl_socket_get_fd(k->sock), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl_socket_get_fd(k->sock), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	/* A kernel that does not answer must not hold a VM's stop for ever. */
	setsockopt(nl_socket_get_fd(k->sock), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	nl_socket_disable_auto_ack(k->sock);
	*out = k;
	return 0;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	if (k->sock)
		nl_socket_free(k->sock);
	free(k);
}

void pf_link_free(struct pf_link *l)
{
	free(l->vfs);
	l->vfs = NULL;
	l->n_vfs = 0;
}

/* The text the kernel put behind an error (NLMSGERR_ATTR_MSG), into k->extack. */
static void keep_extack(struct kernel *k, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = nlmsg_data(h);
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	size_t skip = sizeof(*e);
	const char *payload = (const char *)e;
	int len = nlmsg_datalen(h);

	k->extack[0] = '\0';
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED)) {
		if (e->msg.nlmsg_len < sizeof(struct nlmsghdr))
			return;
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof(struct nlmsghdr);
	}
	if (len < 0 || (size_t)len <= skip)
		return;
	if (nla_parse(tb, NLMSGERR_ATTR_MAX, (struct nlattr *)(payload + skip), len - (int)skip,
		      NULL) < 0 ||
	    !tb[NLMSGERR_ATTR_MSG])
		return;
	nla_strlcpy(k->extack, tb[NLMSGERR_ATTR_MSG], sizeof(k->extack));
}

/* What one request's replies are gathered into. */
struct reply {
	struct kernel *kernel;
	int error; /* negative errno of an NLMSG_ERROR, 1 until the end was seen */
	uint32_t seq;
	int (*each)(struct nlmsghdr *h, void *arg);
	void *arg;
};

static int on_message(struct nlmsghdr *h, struct reply *rep)
{
	if (h->nlmsg_seq != rep->seq)
		return 0; /* an answer to an earlier request that timed out */
	if (h->nlmsg_type == NLMSG_ERROR) {
		if (nlmsg_datalen(h) < (int)sizeof(struct nlmsgerr))
			return -EBADMSG;
		rep->error = ((struct nlmsgerr *)nlmsg_data(h))->error;
		keep_extack(rep->kernel, h);
		return 0;
	}
	if (h->nlmsg_type == NLMSG_DONE) {
		rep->error = 0;
		return 0;
	}
	if (!rep->each)
		return 0;
	if (!(h->nlmsg_flags & NLM_F_MULTI))
		rep->error = 0; /* the one answer to a request without NLM_F_DUMP or _ACK */
	return rep->each(h, rep->arg);
}

/*
 * A datagram longer than k->reply: an interface with more than 1,300 VFs. Their list has wrapped,
 * but what comes before it is whole, the interface's name and how many VFs it has.
 */
static int cut_short(struct kernel *k)
{
	struct nlmsghdr *h = (struct nlmsghdr *)k->reply;

	if (h->nlmsg_type != RTM_NEWLINK)
		return -EMSGSIZE;
	h->nlmsg_len = sizeof(k->reply);
	return (int)sizeof(k->reply);
}

/* The next datagram from the kernel into k->reply: its length, or a negative errno. */
static int receive(struct kernel *k)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(nl_socket_get_fd(k->sock), k->reply, sizeof(k->reply),
				     MSG_TRUNC, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (from.nl_pid) /* only the kernel is believed */
			continue;
		return (size_t)n > sizeof(k->reply) ? cut_short(k) : (int)n;
	}
}

/* Sends msg and reads until its end. Consumes nothing of the caller's. */
static int talk(struct kernel *k, struct nl_msg *msg, int (*each)(struct nlmsghdr *, void *),
		void *arg)
{
	struct reply rep = {.kernel = k, .error = 1, .each = each, .arg = arg};
	int r;

	k->extack[0] = '\0';
	nl_complete_msg(k->sock, msg);
	rep.seq = nlmsg_hdr(msg)->nlmsg_seq;
	r = nl_send(k->sock, msg);
	if (r < 0)
		return errno ? -errno : -EIO;
	while (rep.error == 1) {
		struct nlmsghdr *h = (struct nlmsghdr *)k->reply;
		int left = receive(k);

		if (left < 0)
			return left;
		for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			r = on_message(h, &rep);
			if (r < 0)
				return r;
		}
	}
	return rep.error;
}

static void read_vlan(struct nlattr **tb, struct vf_settings *s)
{
	if (tb[IFLA_VF_VLAN_LIST]) {
		struct nlattr *info = nla_data(tb[IFLA_VF_VLAN_LIST]);

		if (nla_len(tb[IFLA_VF_VLAN_LIST]) >= NLA_HDRLEN &&
		    nla_ok(info, nla_len(tb[IFLA_VF_VLAN_LIST])) &&
		    nla_type(info) == IFLA_VF_VLAN_INFO &&
		    nla_len(info) >= (int)sizeof(struct ifla_vf_vlan_info)) {
			const struct ifla_vf_vlan_info *v = nla_data(info);

			s->vlan = (uint16_t)v->vlan;
			s->qos = (uint8_t)v->qos;
			s->proto = ntohs(v->vlan_proto);
			s->has |= HAS_VLAN;
			return;
		}
	}
	if (tb[IFLA_VF_VLAN] && nla_len(tb[IFLA_VF_VLAN]) >= (int)sizeof(struct ifla_vf_vlan)) {
		const struct ifla_vf_vlan *v = nla_data(tb[IFLA_VF_VLAN]);

		s->vlan = (uint16_t)v->vlan;
		s->qos = (uint8_t)v->qos;
		s->proto = VLAN_PROTO_8021Q;
		s->has |= HAS_VLAN;
	}
}

/* One of {vf, u32 value}: spoofchk, trust, query_rss, link state. -1 says: not supported. */
static bool read_setting(const struct nlattr *a, uint32_t *value)
{
	const struct ifla_vf_spoofchk *v;

	if (!a || nla_len(a) < (int)sizeof(*v))
		return false;
	v = nla_data(a);
	if (v->setting == UINT32_MAX)
		return false;
	*value = v->setting;
	return true;
}

static int read_vf(struct nlattr *info, struct pf_link *l, size_t *seen)
{
	struct nlattr *tb[IFLA_VF_MAX + 1];
	const struct ifla_vf_mac *mac;
	struct vf_settings *s;
	uint32_t v;

	if (nla_parse_nested(tb, IFLA_VF_MAX, info, NULL) < 0 || !tb[IFLA_VF_MAC] ||
	    nla_len(tb[IFLA_VF_MAC]) < (int)sizeof(*mac))
		return -EBADMSG;
	mac = nla_data(tb[IFLA_VF_MAC]);
	if (mac->vf != *seen || *seen >= l->n_vfs)
		return -EMSGSIZE;
	s = &l->vfs[(*seen)++];
	s->has = HAS_MAC;
	s->proto = VLAN_PROTO_8021Q;
	memcpy(s->mac, mac->mac, 6);
	read_vlan(tb, s);
	if (read_setting(tb[IFLA_VF_SPOOFCHK], &v)) {
		s->has |= HAS_SPOOFCHK;
		s->spoofchk = v != 0;
	}
	if (read_setting(tb[IFLA_VF_TRUST], &v)) {
		s->has |= HAS_TRUST;
		s->trust = v != 0;
	}
	if (read_setting(tb[IFLA_VF_RSS_QUERY_EN], &v)) {
		s->has |= HAS_QUERY_RSS;
		s->query_rss = v != 0;
	}
	if (read_setting(tb[IFLA_VF_LINK_STATE], &v) && v <= VF_LINK_DISABLE) {
		s->has |= HAS_LINK_STATE;
		s->link_state = (enum vf_link_state)v;
	}
	if (tb[IFLA_VF_RATE] && nla_len(tb[IFLA_VF_RATE]) >= (int)sizeof(struct ifla_vf_rate)) {
		const struct ifla_vf_rate *rate = nla_data(tb[IFLA_VF_RATE]);

		s->has |= HAS_MIN_RATE | HAS_MAX_RATE;
		s->min_rate = rate->min_tx_rate;
		s->max_rate = rate->max_tx_rate;
	}
	return 0;
}

/* IFLA_NUM_VF is right even where the list of VFs is not. */
static uint32_t vf_count(struct nlattr **tb)
{
	return tb[IFLA_NUM_VF] && nla_len(tb[IFLA_NUM_VF]) >= 4 ? nla_get_u32(tb[IFLA_NUM_VF]) : 0;
}

/*
 * The attributes of an interface, of each kind the first. Behind a list of VFs that wrapped come
 * pieces of it as if they were attributes, and guests choose some of what is in them (MACs);
 * nla_parse() would let them replace the kernel's own.
 */
static void parse_link(struct nlmsghdr *h, struct nlattr *tb[IFLA_MAX + 1])
{
	const size_t head = sizeof(struct ifinfomsg);
	struct nlattr *a;
	int left;

	for (int i = 0; i <= IFLA_MAX; i++)
		tb[i] = NULL;
	nla_for_each_attr(a, nlmsg_attrdata(h, (int)head), nlmsg_attrlen(h, (int)head), left)
	{
		if (nla_type(a) <= IFLA_MAX && !tb[nla_type(a)])
			tb[nla_type(a)] = a;
	}
}

/* The list has num VFs, or it is not whole: -EMSGSIZE. */
static int read_vfs(struct nlattr *list, uint32_t num, struct pf_link *l)
{
	struct nlattr *info;
	size_t seen = 0;
	int left;

	pf_link_free(l); /* should the kernel answer twice */
	if (!num)
		return 0;
	l->vfs = calloc(num, sizeof(*l->vfs));
	if (!l->vfs)
		return -ENOMEM;
	l->n_vfs = num;
	if (!list)
		return -EMSGSIZE;
	nla_for_each_nested(info, list, left)
	{
		int r = nla_type(info) == IFLA_VF_INFO ? read_vf(info, l, &seen) : -EMSGSIZE;

		if (r < 0)
			return r == -EBADMSG ? -EMSGSIZE : r;
	}
	return seen == num ? 0 : -EMSGSIZE;
}

static int read_link(struct nlmsghdr *h, void *arg)
{
	struct pf_link *l = arg;
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1];
	uint32_t num;
	int r;

	if (h->nlmsg_type != RTM_NEWLINK || nlmsg_datalen(h) < (int)sizeof(*ifi))
		return 0;
	if (ifi->ifi_index != l->ifindex)
		return 0;
	parse_link(h, tb);
	l->up = ifi->ifi_flags & IFF_UP;
	l->carrier = ifi->ifi_flags & IFF_LOWER_UP;
	if (tb[IFLA_IFNAME])
		nla_strlcpy(l->ifname, tb[IFLA_IFNAME], sizeof(l->ifname));
	if (tb[IFLA_MTU] && nla_len(tb[IFLA_MTU]) >= 4)
		l->mtu = nla_get_u32(tb[IFLA_MTU]);
	num = vf_count(tb);
	if (num > VFS_MAX)
		return -EBADMSG;
	r = read_vfs(tb[IFLA_VFINFO_LIST], num, l);
	/* Since Linux 5.6; drivers that know none send none. It comes behind the VFs. */
	if (!r && tb[IFLA_PERM_ADDRESS] && nla_len(tb[IFLA_PERM_ADDRESS]) == 6) {
		memcpy(l->perm_mac, nla_data(tb[IFLA_PERM_ADDRESS]), 6);
		l->has_perm_mac = true;
	}
	return r;
}

int kernel_pf_read(struct kernel *k, int ifindex, struct pf_link *out, struct error *err)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	AUTO_MSG struct nl_msg *msg = request(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	int r = -ENOBUFS;

	*out = (struct pf_link){.ifindex = ifindex};
	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS) < 0)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	for (int tries = 0; tries < 3 && r == -ENOBUFS; tries++) {
		pf_link_free(out);
		r = talk(k, msg, read_link, out);
	}
	if (!r)
		return 0;
	if (r == -EMSGSIZE)
		fail(err, EMSGSIZE,
		     "PF %s has %zu VFs, and the kernel's list of them is not whole (it holds %d "
		     "at most): lower sriov_numvfs",
		     out->ifname, out->n_vfs, PF_VFS_LISTED);
	else
		fail_errno(err, -r, "read interface %d with its VFs", ifindex);
	pf_link_free(out);
	return r;
}

struct stats_reply {
	int ifindex;
	struct vf_stats *list;
	size_t n;
};

static uint64_t read_counter(struct nlattr **tb, int type)
{
	return tb[type] && nla_len(tb[type]) >= 8 ? nla_get_u64(tb[type]) : 0;
}

static int read_vf_stats(struct nlattr *info, struct stats_reply *rep, size_t *seen)
{
	struct nlattr *tb[IFLA_VF_MAX + 1];
	struct nlattr *st[IFLA_VF_STATS_MAX + 1];
	const struct ifla_vf_mac *mac;

	if (nla_type(info) != IFLA_VF_INFO || nla_parse_nested(tb, IFLA_VF_MAX, info, NULL) < 0 ||
	    !tb[IFLA_VF_MAC] || nla_len(tb[IFLA_VF_MAC]) < (int)sizeof(*mac))
		return -EMSGSIZE;
	mac = nla_data(tb[IFLA_VF_MAC]);
	if (mac->vf != *seen || *seen >= rep->n)
		return -EMSGSIZE;
	if (tb[IFLA_VF_STATS]) {
		if (nla_parse_nested(st, IFLA_VF_STATS_MAX, tb[IFLA_VF_STATS], NULL) < 0)
			return -EMSGSIZE;
		rep->list[*seen] = (struct vf_stats){
			.rx_packets = read_counter(st, IFLA_VF_STATS_RX_PACKETS),
			.tx_packets = read_counter(st, IFLA_VF_STATS_TX_PACKETS),
			.rx_bytes = read_counter(st, IFLA_VF_STATS_RX_BYTES),
			.tx_bytes = read_counter(st, IFLA_VF_STATS_TX_BYTES),
			.broadcast = read_counter(st, IFLA_VF_STATS_BROADCAST),
			.multicast = read_counter(st, IFLA_VF_STATS_MULTICAST),
			.rx_dropped = read_counter(st, IFLA_VF_STATS_RX_DROPPED),
			.tx_dropped = read_counter(st, IFLA_VF_STATS_TX_DROPPED),
		};
	}
	++*seen;
	return 0;
}

static int read_link_stats(struct nlmsghdr *h, void *arg)
{
	struct stats_reply *rep = arg;
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1];
	struct nlattr *info;
	size_t seen = 0;
	int left;

	if (h->nlmsg_type != RTM_NEWLINK || nlmsg_datalen(h) < (int)sizeof(*ifi) ||
	    ifi->ifi_index != rep->ifindex)
		return 0;
	parse_link(h, tb);
	free(rep->list); /* should the kernel answer twice */
	rep->list = NULL;
	rep->n = vf_count(tb);
	if (rep->n > VFS_MAX)
		return -EBADMSG;
	if (!rep->n)
		return 0;
	rep->list = calloc(rep->n, sizeof(*rep->list));
	if (!rep->list)
		return -ENOMEM;
	if (!tb[IFLA_VFINFO_LIST])
		return -EMSGSIZE;
	nla_for_each_nested(info, tb[IFLA_VFINFO_LIST], left)
	{
		int r = read_vf_stats(info, rep, &seen);

		if (r < 0)
			return r;
	}
	return seen == rep->n ? 0 : -EMSGSIZE;
}

int kernel_pf_stats(struct kernel *k, int ifindex, struct vf_stats **list, size_t *n,
		    struct error *err)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	AUTO_MSG struct nl_msg *msg = request(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	struct stats_reply rep = {.ifindex = ifindex};
	int r;

	*list = NULL;
	*n = 0;
	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF) < 0)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	r = talk(k, msg, read_link_stats, &rep);
	if (!r) {
		*list = rep.list;
		*n = rep.n;
		return 0;
	}
	free(rep.list);
	if (r == -EMSGSIZE)
		return fail(err, EMSGSIZE,
			    "the kernel's list of %zu VFs with statistics is not whole (it wraps "
			    "from 222 VFs on)",
			    rep.n);
	return fail_errno(err, -r, "read the VF statistics of interface %d", ifindex);
}

static int put_attr(struct nl_msg *msg, unsigned vf, enum vf_attr attr,
		    const struct vf_settings *to)
{
	switch (attr) {
	case VF_VLAN:
		if (to->proto == VLAN_PROTO_8021AD) {
			struct ifla_vf_vlan_info v = {.vf = vf,
						      .vlan = to->vlan,
						      .qos = to->qos,
						      .vlan_proto = htons(ETH_P_8021AD)};
			struct nlattr *list = nla_nest_start(msg, IFLA_VF_VLAN_LIST);

			if (!list || nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(v), &v) < 0)
				return -ENOMEM;
			return nla_nest_end(msg, list);
		}
		return nla_put(msg, IFLA_VF_VLAN, sizeof(struct ifla_vf_vlan),
			       &(struct ifla_vf_vlan){vf, to->vlan, to->qos});
	case VF_MAC: {
		struct ifla_vf_mac v = {.vf = vf};

		memcpy(v.mac, to->mac, 6);
		return nla_put(msg, IFLA_VF_MAC, sizeof(v), &v);
	}
	case VF_SPOOFCHK:
		return nla_put(msg, IFLA_VF_SPOOFCHK, sizeof(struct ifla_vf_spoofchk),
			       &(struct ifla_vf_spoofchk){vf, to->spoofchk});
	case VF_TRUST:
		return nla_put(msg, IFLA_VF_TRUST, sizeof(struct ifla_vf_trust),
			       &(struct ifla_vf_trust){vf, to->trust});
	case VF_RATE:
		return nla_put(msg, IFLA_VF_RATE, sizeof(struct ifla_vf_rate),
			       &(struct ifla_vf_rate){vf, to->min_rate, to->max_rate});
	case VF_LINK_STATE:
		return nla_put(msg, IFLA_VF_LINK_STATE, sizeof(struct ifla_vf_link_state),
			       &(struct ifla_vf_link_state){vf, to->link_state});
	case VF_QUERY_RSS:
		return nla_put(msg, IFLA_VF_RSS_QUERY_EN, sizeof(struct ifla_vf_rss_query_en),
			       &(struct ifla_vf_rss_query_en){vf, to->query_rss});
	case VF_ATTR_COUNT:
		break;
	}
	return -EINVAL;
}

static struct nl_msg *set_message(int ifindex, unsigned vf, enum vf_attr attr,
				  const struct vf_settings *to)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	AUTO_MSG struct nl_msg *msg = request(RTM_SETLINK, NLM_F_ACK, &ifi, sizeof(ifi));
	struct nlattr *list;
	struct nlattr *info;

	if (!msg)
		return NULL;
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	info = list ? nla_nest_start(msg, IFLA_VF_INFO) : NULL;
	if (!info || put_attr(msg, vf, attr, to) < 0)
		return NULL;
	nla_nest_end(msg, info);
	nla_nest_end(msg, list);
	return STEAL(msg);
}

static bool worth_retry(int r)
{
	return r == -EAGAIN || r == -EBUSY || r == -ENOBUFS || r == -EINTR;
}

int kernel_vf_set(struct kernel *k, int ifindex, unsigned vf, enum vf_attr attr,
		  const struct vf_settings *to, struct error *err)
{
	long waited_ms = 0;
	long nap_ms = 10;
	char text[64];
	int r;

	for (;;) {
		/* A fresh message each time: libnl numbers it when it is sent. */
		AUTO_MSG struct nl_msg *msg = set_message(ifindex, vf, attr, to);

		if (!msg)
			return fail(err, ENOMEM, "rtnetlink: out of memory");
		r = talk(k, msg, NULL, NULL);
		if (!worth_retry(r) || waited_ms >= SET_RETRY_MS)
			break;
		nanosleep(&(struct timespec){nap_ms / 1000, nap_ms % 1000 * 1000000}, NULL);
		waited_ms += nap_ms;
		if (nap_ms < 200)
			nap_ms *= 2;
	}
	if (!r)
		return 0;
	vf_attr_value(attr, to, text, sizeof(text));
	if (k->extack[0]) {
		char said[sizeof(k->extack)];

		text_clean(k->extack, said, sizeof(said));
		return fail_errno(err, -r, "set %s to %s: the driver says \"%s\"",
				  vf_attr_name(attr), text, said);
	}
	return fail_errno(err, -r, "set %s to %s", vf_attr_name(attr), text);
}

struct address_search {
	int ifindex;
	bool found;
};

static int see_address(struct nlmsghdr *h, void *arg)
{
	struct address_search *s = arg;
	const struct ifaddrmsg *ifa = nlmsg_data(h);

	if (h->nlmsg_type != RTM_NEWADDR || nlmsg_datalen(h) < (int)sizeof(*ifa))
		return 0;
	if ((int)ifa->ifa_index == s->ifindex && ifa->ifa_scope < RT_SCOPE_LINK)
		s->found = true;
	return 0;
}

int kernel_has_address(struct kernel *k, int ifindex, struct error *err)
{
	struct ifaddrmsg ifa = {.ifa_family = AF_UNSPEC, .ifa_index = (unsigned)ifindex};
	AUTO_MSG struct nl_msg *msg = request(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
	struct address_search s = {.ifindex = ifindex};
	int r;

	if (!msg)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	r = talk(k, msg, see_address, &s);
	if (r < 0)
		return fail_errno(err, -r, "read the addresses of interface %d", ifindex);
	return s.found;
}

int kernel_link_up(struct kernel *k, int ifindex, struct error *err)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC,
				.ifi_index = ifindex,
				.ifi_flags = IFF_UP,
				.ifi_change = IFF_UP};
	AUTO_MSG struct nl_msg *msg = request(RTM_NEWLINK, NLM_F_ACK, &ifi, sizeof(ifi));
	int r;

	if (!msg)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	r = talk(k, msg, NULL, NULL);
	if (r < 0)
		return fail_errno(err, -r, "set interface %d up", ifindex);
	return 0;
}
