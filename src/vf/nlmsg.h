/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request to the kernel over netlink: made, and freed at the end of its scope. */
#ifndef VFHOOK_VF_NLMSG_H
#define VFHOOK_VF_NLMSG_H

#include <netlink/msg.h>
#include <stddef.h>

#include "src/base/cleanup.h"

static inline void cleanup_msg(struct nl_msg **m)
{
	if (*m)
		nlmsg_free(*m);
}
#define AUTO_MSG CLEANUP(cleanup_msg)

/* A message with its fixed part, NULL when memory ran out; nlmsg_free() it. It has room for 200
 * bytes of attributes. */
struct nl_msg *netlink_request(int type, int flags, void *head, size_t size);

#endif
