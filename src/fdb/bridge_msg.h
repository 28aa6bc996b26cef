/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says of interfaces and of the addresses behind bridges, one message of rtnetlink
 * at a time: read apart from the socket that it comes from.
 */
#ifndef VFHOOK_FDB_BRIDGE_MSG_H
#define VFHOOK_FDB_BRIDGE_MSG_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/vf/sysfs.h"

enum link_kind {
	LINK_OTHER,
	LINK_BRIDGE,
	LINK_VETH,
};

/* An interface, as far as it matters for who is behind which bridge. */
struct link_info {
	int ifindex;
	char name[IFNAME_LEN];
	enum link_kind kind;
	int master; /* the bridge or bond that it is a port of, or 0 */
	int lower;  /* what it sits on (a VLAN, a macvlan), or its peer (veth); 0: none here */
	bool up;
	/* It stands for a VF of its device, as in switchdev mode: "pf0vf3" by its phys_port_name.
	 */
	bool represents_vf;
	struct pci_addr device; /* of the card's function whose it is; zeroed: of none */
	uint8_t mac[6];
};

/* How a MAC is known in a forwarding table. */
enum fdb_state {
	FDB_LEARNED,
	FDB_STATIC, /* put there by somebody, for a port (bridge-disable-mac-learning) */
	FDB_LOCAL,  /* a port's own address, or the bridge's */
};

/* One entry of the forwarding table of a bridge, or of an interface's own (self). */
struct fdb_entry {
	uint8_t mac[6];
	uint16_t vlan; /* 0: none */
	int ifindex;   /* the bridge's port, or the interface whose own it is */
	bool self;     /* of the interface's own filter: for a PF, what the card lets through */
	enum fdb_state state;
};

/*
 * RTM_NEWLINK or RTM_DELLINK. 0, or -EBADMSG: too short, or its attributes are none; then nothing
 * of out counts. What is said of bridge ports alone (ifi_family AF_BRIDGE) is no interface:
 * -ENOMSG.
 */
int link_msg_read(const struct nlmsghdr *h, struct link_info *out);

/*
 * RTM_NEWNEIGH or RTM_DELNEIGH of family AF_BRIDGE. -ENOMSG: about something else (ARP, a tunnel,
 * an address that is no MAC of one station); -EBADMSG as above.
 */
int fdb_msg_read(const struct nlmsghdr *h, struct fdb_entry *out);

/*
 * How a card's own switch forwards (`bridge link set dev IF hwmode`), as RTM_NEWLINK of family
 * AF_BRIDGE has it (rtnetlink.c: ndo_dflt_bridge_getlink). *vepa: all frames go to the switch
 * outside, and what is for another of the card comes back from there. -ENOMSG: it tells nothing
 * of that; -EBADMSG as above.
 */
int bridge_mode_read(const struct nlmsghdr *h, int *ifindex, bool *vepa);

#endif
