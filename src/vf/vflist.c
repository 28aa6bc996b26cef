/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RTM_NEWLINK taken apart: an interface, the list of its VFs, and their statistics. */
#include "src/vf/vflist.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/vf/vf.h"

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

/* The number of the VF that this entry is about: above all before it, as the kernel lists them. */
static int vf_number(struct nlattr **tb, size_t next, size_t n, size_t *vf)
{
	const struct ifla_vf_mac *mac;

	if (!tb[IFLA_VF_MAC] || nla_len(tb[IFLA_VF_MAC]) < (int)sizeof(*mac))
		return -EMSGSIZE;
	mac = nla_data(tb[IFLA_VF_MAC]);
	*vf = mac->vf;
	return *vf >= next && *vf < n ? 0 : -EMSGSIZE;
}

/* One VF, whose number is *next or above, and then *next is behind it. */
static int read_vf(struct nlattr *info, void *arg, size_t *next)
{
	struct pf_link *l = arg;
	struct nlattr *tb[IFLA_VF_MAX + 1];
	struct vf_settings *s;
	size_t vf;
	uint32_t v;

	if (nla_type(info) != IFLA_VF_INFO || nla_parse_nested(tb, IFLA_VF_MAX, info, NULL) < 0 ||
	    vf_number(tb, *next, l->n_vfs, &vf) < 0)
		return -EMSGSIZE;
	*next = vf + 1;
	s = &l->vfs[vf];
	s->has = HAS_MAC;
	s->proto = VLAN_PROTO_8021Q;
	memcpy(s->mac, ((const struct ifla_vf_mac *)nla_data(tb[IFLA_VF_MAC]))->mac, 6);
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

/*
 * Up to Linux 7.2 the list's length, which has 16 bits, may have wrapped. The message has its real
 * one: what is neither in the list nor ever that much of anything else is the rest of the list.
 */
static bool has_wrapped(const struct nlmsghdr *h, const struct nlattr *list)
{
	return h->nlmsg_len - (list ? list->nla_len : 0U) > UINT16_MAX;
}

/* Goes over the entries of a list: each reads one, see read_vf(). *next is behind the last of them.
 */
static int read_list(struct nlattr *list, int (*each)(struct nlattr *, void *, size_t *), void *arg,
		     size_t *next)
{
	struct nlattr *info;
	int left;

	*next = 0;
	nla_for_each_nested(info, list, left)
	{
		int r = each(info, arg, next);

		if (r < 0)
			return r;
	}
	return left ? -EMSGSIZE : 0; /* it ends in the middle of an entry */
}

/* How many of n VFs the kernel lists, going by the last one there is: all, or those before the cut.
 */
static size_t listed(size_t n, size_t next, size_t cut)
{
	return n > cut && next <= cut ? cut : n;
}

static int read_vfs(const struct nlmsghdr *h, struct nlattr *list, uint32_t num, struct pf_link *l)
{
	size_t next = 0;
	int r;

	pf_link_free(l); /* should the kernel answer twice */
	l->n_listed = 0;
	l->has_list = list;
	if (!num)
		return 0;
	l->vfs = calloc(num, sizeof(*l->vfs));
	if (!l->vfs)
		return -ENOMEM;
	l->n_vfs = num;
	if (has_wrapped(h, list))
		return -EMSGSIZE;
	r = list ? read_list(list, read_vf, l, &next) : 0;
	l->n_listed = listed(num, next, PF_VFS_LISTED);
	return r;
}

int read_link(struct nlmsghdr *h, void *arg)
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
	if (tb[IFLA_PHYS_PORT_NAME]) {
		char port[32];

		nla_strlcpy(port, tb[IFLA_PHYS_PORT_NAME], sizeof(port));
		l->representor = vf_is_representor(port);
	}
	num = vf_count(tb);
	if (num > PF_VFS_MAX)
		return -EBADMSG;
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == 6) {
		memcpy(l->mac, nla_data(tb[IFLA_ADDRESS]), 6);
		l->has_mac = true;
	}
	r = read_vfs(h, tb[IFLA_VFINFO_LIST], num, l);
	/* Since Linux 5.6; drivers that know none send none. It comes behind the VFs. */
	if (!r && tb[IFLA_PERM_ADDRESS] && nla_len(tb[IFLA_PERM_ADDRESS]) == 6) {
		memcpy(l->perm_mac, nla_data(tb[IFLA_PERM_ADDRESS]), 6);
		l->has_perm_mac = true;
	}
	return r;
}

static uint64_t read_counter(struct nlattr **tb, int type)
{
	return tb[type] && nla_len(tb[type]) >= 8 ? nla_get_u64(tb[type]) : 0;
}

static int read_vf_stats(struct nlattr *info, void *arg, size_t *next)
{
	struct stats_reply *rep = arg;
	struct nlattr *tb[IFLA_VF_MAX + 1];
	struct nlattr *st[IFLA_VF_STATS_MAX + 1];
	size_t vf;

	if (nla_type(info) != IFLA_VF_INFO || nla_parse_nested(tb, IFLA_VF_MAX, info, NULL) < 0 ||
	    vf_number(tb, *next, rep->n, &vf) < 0)
		return -EMSGSIZE;
	*next = vf + 1;
	rep->list[vf].known = true;
	if (!tb[IFLA_VF_STATS])
		return 0;
	if (nla_parse_nested(st, IFLA_VF_STATS_MAX, tb[IFLA_VF_STATS], NULL) < 0)
		return -EMSGSIZE;
	rep->list[vf] = (struct vf_stats){
		.known = true,
		.rx_packets = read_counter(st, IFLA_VF_STATS_RX_PACKETS),
		.tx_packets = read_counter(st, IFLA_VF_STATS_TX_PACKETS),
		.rx_bytes = read_counter(st, IFLA_VF_STATS_RX_BYTES),
		.tx_bytes = read_counter(st, IFLA_VF_STATS_TX_BYTES),
		.broadcast = read_counter(st, IFLA_VF_STATS_BROADCAST),
		.multicast = read_counter(st, IFLA_VF_STATS_MULTICAST),
		.rx_dropped = read_counter(st, IFLA_VF_STATS_RX_DROPPED),
		.tx_dropped = read_counter(st, IFLA_VF_STATS_TX_DROPPED),
	};
	return 0;
}

int read_link_stats(struct nlmsghdr *h, void *arg)
{
	struct stats_reply *rep = arg;
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1];
	size_t next;

	if (h->nlmsg_type != RTM_NEWLINK || nlmsg_datalen(h) < (int)sizeof(*ifi) ||
	    ifi->ifi_index != rep->ifindex)
		return 0;
	parse_link(h, tb);
	free(rep->list); /* should the kernel answer twice */
	rep->list = NULL;
	rep->n = vf_count(tb);
	if (rep->n > PF_VFS_MAX)
		return -EBADMSG;
	if (!rep->n)
		return 0;
	rep->list = calloc(rep->n, sizeof(*rep->list));
	if (!rep->list)
		return -ENOMEM;
	if (has_wrapped(h, tb[IFLA_VFINFO_LIST]))
		return -EMSGSIZE;
	return tb[IFLA_VFINFO_LIST] ? read_list(tb[IFLA_VFINFO_LIST], read_vf_stats, rep, &next)
				    : 0;
}
