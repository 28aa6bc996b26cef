/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says of an interface and its VFs, one message of rtnetlink: read apart from
 * the socket that it comes from.
 */
#ifndef VFHOOK_VF_VFLIST_H
#define VFHOOK_VF_VFLIST_H

#include <linux/netlink.h>

#include "src/vf/kernel.h"

/*
 * An RTM_NEWLINK into a struct pf_link (arg), which names the interface by its ifindex; messages
 * about others are passed over. Returns 0; -EMSGSIZE: the list of VFs wrapped or is none, then
 * only what comes before it was read, and n_vfs; -EBADMSG; -ENOMEM. Whatever comes back, arg is
 * the caller's to pf_link_free().
 */
int read_link(struct nlmsghdr *h, void *arg);

struct stats_reply {
	int ifindex;
	struct vf_stats *list; /* the caller's to free(), whatever comes back */
	size_t n;
};

/* The same with statistics, into a struct stats_reply (arg). */
int read_link_stats(struct nlmsghdr *h, void *arg);

#endif
