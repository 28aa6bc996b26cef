/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interfaces and addresses behind bridges, as rtnetlink tells them. */
#include "src/fdb/bridge_msg.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

#include "src/vf/vf.h"

static bool parse(const struct nlmsghdr *h, size_t head, struct nlattr **tb, int max)
{
	if (h->nlmsg_len < NLMSG_HDRLEN + head)
		return false;
	return nlmsg_parse((struct nlmsghdr *)h, (int)head, tb, max, NULL) >= 0;
}

static int int_attr(struct nlattr *a)
{
	return a && nla_len(a) >= 4 ? nla_get_s32(a) : 0;
}

static enum link_kind kind_of(struct nlattr *info)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1];
	char kind[16] = "";

	if (!info || nla_parse_nested(tb, IFLA_INFO_MAX, info, NULL) < 0 || !tb[IFLA_INFO_KIND])
		return LINK_OTHER;
	nla_strlcpy(kind, tb[IFLA_INFO_KIND], sizeof(kind));
	if (!strcmp(kind, "bridge"))
		return LINK_BRIDGE;
	return !strcmp(kind, "veth") ? LINK_VETH : LINK_OTHER;
}

/* A representor has the PF for its device, as in src/vf/sysfs.c (IFLA_PARENT_DEV_NAME: Linux 5.14).
 */
static void read_device(struct nlattr **tb, struct link_info *out)
{
	char port[32] = "";
	char name[PCI_ADDR_LEN] = "";

	if (tb[IFLA_PHYS_PORT_NAME])
		nla_strlcpy(port, tb[IFLA_PHYS_PORT_NAME], sizeof(port));
	out->represents_vf = vf_is_representor(port);
	if (!tb[IFLA_PARENT_DEV_NAME] || nla_len(tb[IFLA_PARENT_DEV_NAME]) > PCI_ADDR_LEN)
		return;
	nla_strlcpy(name, tb[IFLA_PARENT_DEV_NAME], sizeof(name));
	if (pci_addr_parse(name, &out->device) < 0)
		out->device = (struct pci_addr){0};
}

int link_msg_read(const struct nlmsghdr *h, struct link_info *out)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(h);
	struct nlattr *tb[IFLA_MAX + 1];

	*out = (struct link_info){0};
	if (!parse(h, sizeof(*ifi), tb, IFLA_MAX))
		return -EBADMSG;
	if (ifi->ifi_family != AF_UNSPEC)
		return -ENOMSG;
	if (ifi->ifi_index <= 0)
		return -EBADMSG;
	out->ifindex = ifi->ifi_index;
	out->up = ifi->ifi_flags & IFF_UP;
	if (tb[IFLA_IFNAME])
		nla_strlcpy(out->name, tb[IFLA_IFNAME], sizeof(out->name));
	out->kind = kind_of(tb[IFLA_LINKINFO]);
	out->master = int_attr(tb[IFLA_MASTER]);
	/* One in another network namespace has a number of that namespace (rtnl_fill_link_netnsid).
	 */
	if (!tb[IFLA_LINK_NETNSID])
		out->lower = int_attr(tb[IFLA_LINK]);
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == 6)
		memcpy(out->mac, nla_data(tb[IFLA_ADDRESS]), 6);
	read_device(tb, out);
	return 0;
}

int bridge_mode_read(const struct nlmsghdr *h, int *ifindex, bool *vepa)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(h);
	struct nlattr *spec[IFLA_BRIDGE_MAX + 1];
	struct nlattr *tb[IFLA_MAX + 1];

	if (!parse(h, sizeof(*ifi), tb, IFLA_MAX) || ifi->ifi_index <= 0)
		return -EBADMSG;
	if (ifi->ifi_family != AF_BRIDGE || !tb[IFLA_AF_SPEC])
		return -ENOMSG;
	if (nla_parse_nested(spec, IFLA_BRIDGE_MAX, tb[IFLA_AF_SPEC], NULL) < 0)
		return -EBADMSG;
	if (!spec[IFLA_BRIDGE_MODE] || nla_len(spec[IFLA_BRIDGE_MODE]) < 2)
		return -ENOMSG;
	*ifindex = ifi->ifi_index;
	*vepa = nla_get_u16(spec[IFLA_BRIDGE_MODE]) == BRIDGE_MODE_VEPA;
	return 0;
}

int fdb_msg_read(const struct nlmsghdr *h, struct fdb_entry *out)
{
	const struct ndmsg *ndm = NLMSG_DATA(h);
	struct nlattr *tb[NDA_MAX + 1];

	*out = (struct fdb_entry){0};
	if (h->nlmsg_len < NLMSG_HDRLEN + sizeof(*ndm))
		return -EBADMSG;
	if (ndm->ndm_family != AF_BRIDGE)
		return -ENOMSG;
	if (ndm->ndm_ifindex <= 0 || !parse(h, sizeof(*ndm), tb, NDA_MAX))
		return -EBADMSG;
	/* A tunnel's own table (vxlan) says where a MAC is by an address. */
	if (tb[NDA_DST] || !tb[NDA_LLADDR] || nla_len(tb[NDA_LLADDR]) != 6)
		return -ENOMSG;
	memcpy(out->mac, nla_data(tb[NDA_LLADDR]), 6);
	if (mac_is_multicast(out->mac) || mac_is_zero(out->mac))
		return -ENOMSG;
	if (tb[NDA_VLAN] && nla_len(tb[NDA_VLAN]) >= 2)
		out->vlan = nla_get_u16(tb[NDA_VLAN]);
	out->ifindex = ndm->ndm_ifindex;
	/* Whose table: a bridge's entry has its master, an interface's own has not (br_fdb.c:
	 * fdb_fill_info; rtnetlink.c: nlmsg_populate_fdb_fill). */
	out->self = ndm->ndm_flags & NTF_SELF && !tb[NDA_MASTER];
	if (ndm->ndm_state & NUD_PERMANENT)
		out->state = FDB_LOCAL;
	else
		out->state = ndm->ndm_state & NUD_NOARP ? FDB_STATIC : FDB_LEARNED;
	return 0;
}
