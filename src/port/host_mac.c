/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/port/host_mac.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/port/cluster_vfs.h"

#define NET_DIR "sys/class/net"

struct mac_list {
	struct host_mac *all;
	size_t n;
};

static int add_mac(struct mac_list *l, const uint8_t mac[6], const char *ifname, const char *node)
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
	return add_mac(l, mac, ifname, h->node);
}

static int add_own(struct hook *h, struct mac_list *l, struct error *err)
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
	if (add_own(h, &l, err) < 0) {
		free(l.all);
		return error_code(err);
	}
	*list = l.all;
	*n = l.n;
	return 0;
}

/* Was that node's file read already, for another PF? */
static bool seen_before(const struct config *c, size_t pool, size_t pf)
{
	const char *node = c->pools[pool].pfs[pf].node;

	for (size_t i = 0; i <= pool; i++) {
		for (size_t k = 0; k < (i == pool ? pf : c->pools[i].n_pfs); k++) {
			if (!strcmp(c->pools[i].pfs[k].node, node))
				return true;
		}
	}
	return false;
}

static int add_published(struct hook *h, const char *node, struct mac_list *l)
{
	AUTO_FREE struct published_mac *macs = NULL;
	size_t n;
	int r = published_macs(h, node, &macs, &n);

	for (size_t i = 0; !r && i < n; i++)
		r = add_mac(l, macs[i].mac, macs[i].ifname, node);
	return r;
}

static int add_nodes(struct hook *h, const struct config *c, struct mac_list *l)
{
	int r = 0;

	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; !r && k < c->pools[i].n_pfs; k++) {
			const struct pool_pf *pf = &c->pools[i].pfs[k];

			if (strcmp(pf->node, h->node) != 0 && !seen_before(c, i, k))
				r = add_published(h, pf->node, l);
			if (!r && pf->id.has_mac)
				r = add_mac(l, pf->id.mac, "", pf->node);
		}
	}
	return r;
}

int all_host_macs(struct hook *h, const struct config *c, struct host_mac **list, size_t *n,
		  struct error *err)
{
	struct mac_list l = {0};
	int r = add_own(h, &l, err);

	*list = NULL;
	*n = 0;
	if (!r && add_nodes(h, c, &l) < 0)
		r = fail(err, ENOMEM, "out of memory");
	if (r < 0) {
		free(l.all);
		return r;
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
