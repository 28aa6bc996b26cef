/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One datagram as the kernel's answer. The last byte is the question. max_len=2048 */
#include "src/vf/kernel.h"
#include "src/vf/netlink.c"
#include "tests/fuzz/fuzz.h"

/* The loop of talk() over what was received. */
static int take(struct reply *rep, void *buf, size_t size)
{
	struct nlmsghdr *h = buf;
	int left = (int)size;

	for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
		int r = on_message(h, rep);

		if (r < 0)
			return r;
	}
	return rep->error;
}

static void ask_link(struct reply *rep, void *buf, size_t size)
{
	struct pf_link l = {.ifindex = 2};
	int r;

	rep->each = read_link;
	rep->arg = &l;
	r = take(rep, buf, size);
	NEED(memchr(l.ifname, '\0', sizeof(l.ifname)));
	NEED(l.n_vfs <= 65535 && (!l.n_vfs || l.vfs));
	NEED(l.n_listed <= l.n_vfs);
	for (size_t i = 0; !r && i < l.n_vfs; i++) {
		NEED(!l.vfs[i].has || (l.vfs[i].has & HAS_MAC));
		NEED(!l.vfs[i].has || i < l.n_listed);
		NEED(!(l.vfs[i].has & HAS_LINK_STATE) || l.vfs[i].link_state <= VF_LINK_DISABLE);
	}
	pf_link_free(&l);
}

static void ask_stats(struct reply *rep, void *buf, size_t size)
{
	struct stats_reply stats = {.ifindex = 2};

	rep->each = read_link_stats;
	rep->arg = &stats;
	take(rep, buf, size);
	NEED(stats.n <= 65535 || !stats.list);
	free(stats.list);
}

static void ask_address(struct reply *rep, void *buf, size_t size)
{
	struct address_search s = {.ifindex = 2};

	rep->each = see_address;
	rep->arg = &s;
	take(rep, buf, size);
}

static void ask_name(struct reply *rep, void *buf, size_t size, bool flags)
{
	struct flag_search s = {.name = "vf-true-promisc-support", .is_on = ANSWER_UNKNOWN};
	char ifname[IFNAMSIZ] = "";
	int family = 0;

	rep->each = flags ? see_flags : see_name;
	rep->arg = flags ? (void *)&s : ifname;
	take(rep, buf, size);
	NEED(memchr(ifname, '\0', sizeof(ifname)));
	rep->each = see_family;
	rep->arg = &family;
	take(rep, buf, size);
	NEED(family >= 0 && family <= UINT16_MAX);
}

/* malloc's alignment is the one that struct kernel asks for, and more. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As large as 64 pages and only written to where the kernel says something. */
	static struct kernel kernel;
	unsigned what = last_byte(data, &size);
	AUTO_FREE char *buf = bytes_of(data, size);
	struct reply rep = {.kernel = &kernel, .error = 1, .seq = 1};
	char clean[sizeof(kernel.extack)];

	kernel.extack[0] = '\0';
	switch (what % 6) {
	case 0:
		ask_link(&rep, buf, size);
		break;
	case 1:
		ask_stats(&rep, buf, size);
		break;
	case 2:
		ask_address(&rep, buf, size);
		break;
	case 3:
		take(&rep, buf, size);
		break;
	default:
		ask_name(&rep, buf, size, what % 2);
	}
	NEED(memchr(kernel.extack, '\0', sizeof(kernel.extack)));
	NEED(is_printable(text_clean(kernel.extack, clean, sizeof(clean))));
	return 0;
}
