/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading this node's interfaces from sysfs. */
#include "src/port/host_mac.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "src/vf/vf.h"

#define NET_DIR "sys/class/net"

int mac_list_add(struct mac_list *l, const uint8_t mac[6], const char *ifname, const char *node)
{
	struct host_mac *more = reallocarray(l->all, l->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	l->all = more;
	more = &l->all[l->n++];
	*more = (struct host_mac){0};
	memcpy(more->mac, mac, 6);
	snprintf(more->ifname, sizeof(more->ifname), "%s", ifname);
	snprintf(more->node, sizeof(more->node), "%s", node);
	return 0;
}

/* What comes and goes with a guest (PVE::Network, PVE::LXC): its MAC is nobody's for long. */
static bool is_guests(const char *ifname)
{
	static const char *const prefixes[] = {"tap", "veth", "fwbr", "fwpr", "fwln"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (!strncmp(ifname, prefixes[i], len) && ifname[len] >= '0' && ifname[len] <= '9')
			return true;
	}
	return false;
}

static int see_interface(struct hook *h, const char *ifname, struct mac_list *l)
{
	char path[PATH_MAX];
	char text[64];
	uint8_t mac[6];

	snprintf(path, sizeof(path), NET_DIR "/%s/device/physfn", ifname);
	if (is_guests(ifname) || path_exists(h->root, path))
		return 0;
	snprintf(path, sizeof(path), NET_DIR "/%s/address", ifname);
	/* InfiniBand's are longer, and are no MACs. */
	if (attr_read(h->root, path, text, sizeof(text)) < 0 || mac_parse(text, mac) < 0 ||
	    mac_is_zero(mac))
		return 0;
	return mac_list_add(l, mac, ifname, h->node);
}

int mac_list_add_own(struct hook *h, struct mac_list *l, struct error *err)
{
	AUTO_CLOSEDIR DIR *d = dir_open(h->root, NET_DIR);
	const struct dirent *e;

	if (!d)
		return fail_errno(err, errno, "read /" NET_DIR);
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= IFNAME_LEN)
			continue;
		if (see_interface(h, e->d_name, l) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	return errno ? fail_errno(err, errno, "read /" NET_DIR) : 0;
}

int host_macs(struct hook *h, struct host_mac **list, size_t *n, struct error *err)
{
	struct mac_list l = {0};

	*list = NULL;
	*n = 0;
	if (mac_list_add_own(h, &l, err) < 0) {
		free(l.all);
		return error_code(err);
	}
	*list = l.all;
	*n = l.n;
	return 0;
}

const struct host_mac *host_mac_find(const struct host_mac *list, size_t n, const uint8_t mac[6])
{
	for (size_t i = 0; i < n; i++) {
		if (!memcmp(list[i].mac, mac, 6))
			return &list[i];
	}
	return NULL;
}

const char *host_mac_describe(const struct host_mac *m, char *buf, size_t size)
{
	if (m->ifname[0])
		snprintf(buf, size, "interface %s of node %s", m->ifname, m->node);
	else
		snprintf(buf, size, "a PF of node %s", m->node);
	return buf;
}

int mac_check_pfs(const struct config *c, const struct port *p, struct error *err)
{
	char mac[MAC_LEN];
	char addr[PCI_ADDR_LEN];

	for (size_t i = 0; (p->want.has & HAS_MAC) && i < c->n_pools; i++) {
		for (size_t k = 0; k < c->pools[i].n_pfs; k++) {
			const struct pool_pf *pf = &c->pools[i].pfs[k];

			if (!pf->id.has_mac || memcmp(pf->id.mac, p->want.mac, 6) != 0)
				continue;
			return fail(err, EINVAL,
				    "port %u-%u: MAC %s is that of PF %s of node %s itself: vfhook "
				    "set %u --slot %u --mac auto",
				    p->vmid, p->slot, mac_format(p->want.mac, mac),
				    pci_addr_format(&pf->id.addr, addr), pf->node, p->vmid,
				    p->slot);
		}
	}
	return 0;
}
