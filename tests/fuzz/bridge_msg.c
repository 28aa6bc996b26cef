/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message of rtnetlink on an interface or an address behind a bridge. max_len=512 */
#include <linux/netlink.h>

#include "src/fdb/bridge_msg.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *copy = bytes_of(data, size);
	struct nlmsghdr *h = (struct nlmsghdr *)copy;
	struct link_info l;
	struct fdb_entry e;
	int ifindex;
	bool vepa;

	if (size < sizeof(*h))
		return 0;
	/* As nlmsg_ok() lets through. */
	h->nlmsg_len = (uint32_t)size;
	if (!link_msg_read(h, &l))
		NEED(l.ifindex > 0 && memchr(l.name, '\0', sizeof(l.name)));
	if (!fdb_msg_read(h, &e))
		NEED(e.ifindex > 0 && !(e.mac[0] & 1));
	if (!bridge_mode_read(h, &ifindex, &vepa))
		NEED(ifindex > 0);
	return 0;
}
