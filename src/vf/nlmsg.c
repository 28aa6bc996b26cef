/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request to the kernel over netlink. */
#include "src/vf/nlmsg.h"

#include <linux/netlink.h>
#include <netlink/msg.h>

/* The longest that we send has 80; libnl's default is a page. */
#define REQUEST_SIZE 256

struct nl_msg *netlink_request(int type, int flags, void *head, size_t size)
{
	AUTO_MSG struct nl_msg *msg = nlmsg_alloc_size(REQUEST_SIZE);

	if (!msg || !nlmsg_put(msg, 0, 0, type, 0, NLM_F_REQUEST | flags) ||
	    nlmsg_append(msg, head, size, NLMSG_ALIGNTO) < 0)
		return NULL;
	return STEAL(msg);
}
