/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel.h over rtnetlink, with libnl-3 for messages and attributes. Its sockets are not used:
 * nl_send() answers with codes of its own, of which several errnos become one. libnl-route's link
 * cache is not either: it can neither leave the statistics out of the VF list nor send one
 * attribute a message.
 */
#include <errno.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
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
#include "src/vf/kernel_impl.h"
#include "src/vf/nlmsg.h"
#include "src/vf/vflist.h"

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

/* A VF is 196 bytes in the list, 236 on InfiniBand: whatever did not wrap fits with room to spare.
 */
#define RECV_BUF      (256 * 1024)
#define REPLY_WAIT_MS 10000
#define READ_TRIES    3
/* Where the kernels that do not cut the list let it wrap behind it, without statistics. */
#define LIST_WRAPS  334
#define EXTACK_SIZE 256
/* PVE's lock on a VM is held meanwhile. */
#define RELEASE_LIMIT_MS 30000

struct kernel {
	int fd;
	uint32_t seq;
	struct patience patience;
	char extack[EXTACK_SIZE]; /* what the kernel said to the last refused request */
	char reply[RECV_BUF] __attribute__((aligned(NLMSG_ALIGNTO))); /* touched as far as used */
};

static int open_socket(int protocol, struct kernel **out, struct error *err)
{
	const int one = 1;
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	k->patience.left_ms = KERNEL_PATIENCE_MS;
	k->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (k->fd < 0) {
		fail_errno(err, errno, "rtnetlink: cannot open a socket");
		kernel_close(k);
		return error_code(err);
	}
	/* Refusals with the driver's own words; without them it goes too. */
	setsockopt(k->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	*out = k;
	return 0;
}

int kernel_open(int root, struct kernel **out, struct error *err)
{
	(void)root;
	return open_socket(NETLINK_ROUTE, out, err);
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	if (k->fd >= 0)
		close(k->fd);
	free(k);
}

int kernel_release_limit_ms(int root)
{
	(void)root;
	return RELEASE_LIMIT_MS;
}

struct patience *kernel_patience(struct kernel *k)
{
	return &k->patience;
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
	bool interrupted;
	uint32_t seq;
	int (*each)(struct nlmsghdr *h, void *arg);
	void *arg;
};

/* How a dump ended: netlink_dump_done() tells an error that came in the middle with it. */
static int end_of_dump(struct nlmsghdr *h)
{
	int r = 0;

	if (nlmsg_datalen(h) >= (int)sizeof(r))
		memcpy(&r, nlmsg_data(h), sizeof(r));
	return r < 0 ? r : 0;
}

static int on_message(struct nlmsghdr *h, struct reply *rep)
{
	if (h->nlmsg_seq != rep->seq)
		return 0; /* an answer to an earlier request that timed out */
	/* What is listed changed meanwhile: some of it may be missing (netlink.h). */
	rep->interrupted = rep->interrupted || h->nlmsg_flags & NLM_F_DUMP_INTR;
	if (h->nlmsg_type == NLMSG_ERROR) {
		if (nlmsg_datalen(h) < (int)sizeof(struct nlmsgerr))
			return -EBADMSG;
		rep->error = ((struct nlmsgerr *)nlmsg_data(h))->error;
		keep_extack(rep->kernel, h);
		return 0;
	}
	if (h->nlmsg_type == NLMSG_DONE) {
		rep->error = rep->interrupted ? -EINTR : end_of_dump(h);
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

/*
 * Until there is an answer. As a rule it is there when send() is back, since the kernel works in
 * there; this is for one that got lost.
 */
static int wait_for_reply(struct kernel *k)
{
	struct pollfd p = {.fd = k->fd, .events = POLLIN};
	int r = poll(&p, 1, REPLY_WAIT_MS);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r ? 0 : -ETIMEDOUT;
}

/* The next datagram from the kernel into k->reply: its length, or a negative errno. */
static int receive(struct kernel *k)
{
	int r = 0;

	while (!r) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(k->fd, k->reply, sizeof(k->reply), MSG_TRUNC | MSG_DONTWAIT,
				     (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EAGAIN)
			r = wait_for_reply(k);
		else if (n < 0 && errno != EINTR)
			r = -errno;
		else if (n >= 0 && !from.nl_pid) /* only the kernel is believed */
			return (size_t)n > sizeof(k->reply) ? cut_short(k) : (int)n;
	}
	return r;
}

/* Sends msg and reads until its end. Consumes nothing of the caller's. */
static int talk(struct kernel *k, struct nl_msg *msg, int (*each)(struct nlmsghdr *, void *),
		void *arg)
{
	struct reply rep = {.kernel = k, .error = 1, .each = each, .arg = arg};
	int r;

	k->extack[0] = '\0';
	rep.seq = nlmsg_hdr(msg)->nlmsg_seq = ++k->seq;
	/* The kernel does here all that it was asked for. */
	if (send(k->fd, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, 0) < 0)
		return -errno;
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

int kernel_pf_read(struct kernel *k, int ifindex, struct pf_link *out, struct error *err)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	AUTO_MSG struct nl_msg *msg = netlink_request(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	int r = -ENOBUFS;

	*out = (struct pf_link){.ifindex = ifindex};
	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS) < 0)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	for (int tries = 0; tries < READ_TRIES && r == -ENOBUFS; tries++) {
		pf_link_free(out);
		r = talk(k, msg, read_link, out);
	}
	if (!r)
		return 0;
	if (r == -EMSGSIZE)
		fail(err, EMSGSIZE,
		     "PF %s has %zu VFs, and the kernel's list of them is not whole (it holds %d "
		     "at most): lower sriov_numvfs, best to %d or fewer",
		     out->ifname, out->n_vfs, LIST_WRAPS, PF_VFS_LISTED);
	else
		fail_errno(err, -r, "read interface %d with its VFs", ifindex);
	pf_link_free(out);
	return r;
}

int kernel_pf_stats(struct kernel *k, int ifindex, struct vf_stats **list, size_t *n,
		    struct error *err)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	AUTO_MSG struct nl_msg *msg = netlink_request(RTM_GETLINK, 0, &ifi, sizeof(ifi));
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
	AUTO_MSG struct nl_msg *msg = netlink_request(RTM_SETLINK, NLM_F_ACK, &ifi, sizeof(ifi));
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

int kernel_vf_set_once(struct kernel *k, int ifindex, unsigned vf, enum vf_attr attr,
		       const struct vf_settings *to, const char **said)
{
	AUTO_MSG struct nl_msg *msg = set_message(ifindex, vf, attr, to);
	int r = msg ? talk(k, msg, NULL, NULL) : -ENOMEM;

	*said = k->extack;
	return r;
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
	AUTO_MSG struct nl_msg *msg = netlink_request(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
	struct address_search s = {.ifindex = ifindex};
	int r = -EINTR;

	if (!msg)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	/* An address that was seen is there, whatever is missing. */
	for (int tries = 0; tries < READ_TRIES && !s.found && (r == -EINTR || r == -ENOBUFS);
	     tries++)
		r = talk(k, msg, see_address, &s);
	if (r < 0 && !s.found)
		return fail_errno(err, -r, "read the addresses of interface %d", ifindex);
	return s.found;
}

int kernel_link_up(struct kernel *k, int ifindex, struct error *err)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC,
				.ifi_index = ifindex,
				.ifi_flags = IFF_UP,
				.ifi_change = IFF_UP};
	AUTO_MSG struct nl_msg *msg = netlink_request(RTM_NEWLINK, NLM_F_ACK, &ifi, sizeof(ifi));
	int r;

	if (!msg)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	r = talk(k, msg, NULL, NULL);
	if (r < 0)
		return fail_errno(err, -r, "set interface %d up", ifindex);
	return 0;
}

/* --- Names --- */

static int send_link(struct kernel *k, int ifindex, const char *name)
{
	struct ifinfomsg ifi = {
		.ifi_family = AF_UNSPEC, .ifi_index = ifindex, .ifi_change = name ? 0 : IFF_UP};
	AUTO_MSG struct nl_msg *msg = netlink_request(RTM_NEWLINK, NLM_F_ACK, &ifi, sizeof(ifi));

	if (!msg || (name && nla_put_string(msg, IFLA_IFNAME, name) < 0))
		return -ENOMEM;
	return talk(k, msg, NULL, NULL);
}

int kernel_link_rename(struct kernel *k, int ifindex, const char *name, struct error *err)
{
	int r = send_link(k, ifindex, NULL);

	if (!r)
		r = send_link(k, ifindex, name);
	return r < 0 ? fail_errno(err, -r, "call interface %d %s", ifindex, name) : 0;
}

static int see_name(struct nlmsghdr *h, void *arg)
{
	struct nlattr *name;

	if (h->nlmsg_type != RTM_NEWLINK || nlmsg_datalen(h) < (int)sizeof(struct ifinfomsg))
		return 0;
	name = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_IFNAME);
	if (name)
		nla_strlcpy(arg, name, IFNAMSIZ);
	return 0;
}

/* rtnl_getlink() looks for what stands in IFLA_ALT_IFNAME among names and alternative names. */
int kernel_link_find(struct kernel *k, const char *name, char ifname[16], struct error *err)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC};
	AUTO_MSG struct nl_msg *msg = netlink_request(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	int r;

	ifname[0] = '\0';
	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0 ||
	    nla_put_string(msg, IFLA_ALT_IFNAME, name) < 0)
		return fail(err, ENOMEM, "rtnetlink: out of memory");
	r = talk(k, msg, see_name, ifname);
	if (!r && !ifname[0])
		r = -ENODEV;
	return r < 0 ? fail_errno(err, -r, "look for an interface with that name") : 0;
}

/* --- ethtool's family of generic netlink --- */

static struct nl_msg *generic(int family, uint8_t command)
{
	struct genlmsghdr head = {.cmd = command, .version = 1};

	return netlink_request(family, 0, &head, sizeof(head));
}

static int see_family(struct nlmsghdr *h, void *arg)
{
	struct nlattr *id;

	if (nlmsg_datalen(h) < (int)sizeof(struct genlmsghdr))
		return 0;
	id = nlmsg_find_attr(h, sizeof(struct genlmsghdr), CTRL_ATTR_FAMILY_ID);
	if (id && nla_len(id) >= 2)
		*(int *)arg = nla_get_u16(id);
	return 0;
}

/* The families' numbers are given out at boot. */
static int ethtool_family(struct kernel *k)
{
	AUTO_MSG struct nl_msg *msg = generic(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	int family = 0;

	if (!msg || nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME) < 0)
		return 0;
	return talk(k, msg, see_family, &family) < 0 ? 0 : family;
}

struct flag_search {
	const char *name;
	enum answer is_on;
};

static void see_bit(struct nlattr *bit, struct flag_search *s)
{
	struct nlattr *tb[ETHTOOL_A_BITSET_BIT_MAX + 1];

	if (nla_type(bit) != ETHTOOL_A_BITSET_BITS_BIT ||
	    nla_parse_nested(tb, ETHTOOL_A_BITSET_BIT_MAX, bit, NULL) < 0 ||
	    !tb[ETHTOOL_A_BITSET_BIT_NAME] || nla_strcmp(tb[ETHTOOL_A_BITSET_BIT_NAME], s->name))
		return;
	s->is_on = tb[ETHTOOL_A_BITSET_BIT_VALUE] ? ANSWER_YES : ANSWER_NO;
}

/* All flags by name, those that are on with a value (ethnl_put_bitset, with a mask of all). */
static int see_flags(struct nlmsghdr *h, void *arg)
{
	struct nlattr *tb[ETHTOOL_A_PRIVFLAGS_MAX + 1];
	struct nlattr *set[ETHTOOL_A_BITSET_MAX + 1];
	struct nlattr *bit;
	int left;

	if (nlmsg_parse(h, sizeof(struct genlmsghdr), tb, ETHTOOL_A_PRIVFLAGS_MAX, NULL) < 0 ||
	    !tb[ETHTOOL_A_PRIVFLAGS_FLAGS] ||
	    nla_parse_nested(set, ETHTOOL_A_BITSET_MAX, tb[ETHTOOL_A_PRIVFLAGS_FLAGS], NULL) < 0 ||
	    !set[ETHTOOL_A_BITSET_BITS])
		return 0;
	nla_for_each_nested(bit, set[ETHTOOL_A_BITSET_BITS], left)
	{
		see_bit(bit, arg);
	}
	return 0;
}

static enum answer ask_flag(struct kernel *k, int ifindex, const char *flag)
{
	int family = ethtool_family(k);
	AUTO_MSG struct nl_msg *msg = family ? generic(family, ETHTOOL_MSG_PRIVFLAGS_GET) : NULL;
	struct flag_search s = {.name = flag, .is_on = ANSWER_UNKNOWN};
	/* The kernel wants the bit there, which older libnl does not set. */
	struct nlattr *head =
		msg ? nla_nest_start(msg, ETHTOOL_A_PRIVFLAGS_HEADER | NLA_F_NESTED) : NULL;

	if (!head || nla_put_u32(msg, ETHTOOL_A_HEADER_DEV_INDEX, (uint32_t)ifindex) < 0)
		return ANSWER_UNKNOWN;
	nla_nest_end(msg, head);
	return talk(k, msg, see_flags, &s) < 0 ? ANSWER_UNKNOWN : s.is_on;
}

enum answer kernel_priv_flag(struct kernel *k, int ifindex, const char *flag)
{
	struct kernel *g = NULL;
	enum answer is_on;

	(void)k;
	if (open_socket(NETLINK_GENERIC, &g, NULL) < 0 || !g)
		return ANSWER_UNKNOWN;
	is_on = ask_flag(g, ifindex, flag);
	kernel_close(g);
	return is_on;
}
