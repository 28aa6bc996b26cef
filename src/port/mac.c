/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ports, guests and nodes have is read anew for each. */
#include "src/port/mac.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "pveapi/datacenter.h"
#include "pveapi/guest_macs.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/cluster_macs.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/config_ports.h"
#include "src/port/host_mac.h"
#include "src/port/port_keys.h"
#include "src/vf/vf.h"

static bool is_ports(const struct config *c, const uint8_t mac[6])
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if ((c->ports[i].want.has & HAS_MAC) && !memcmp(c->ports[i].want.mac, mac, 6))
			return true;
	}
	return false;
}

static bool is_guests(const struct guest_mac *macs, size_t n, const uint8_t mac[6])
{
	for (size_t i = 0; i < n; i++) {
		if (!memcmp(macs[i].mac, mac, 6))
			return true;
	}
	return false;
}

int mac_make(int root, const struct config *c, uint8_t mac[6], struct error *err)
{
	CLEANUP(config_free) struct config all = {0};
	AUTO_FREE struct guest_mac *macs = NULL;
	size_t n_macs = 0;
	size_t fixed = 0;

	if (pve_mac_prefix(root, mac, &fixed, err) < 0 || config_load(root, &all, err) < 0 ||
	    guest_all_macs(root, &macs, &n_macs, err) < 0)
		return error_code(err);
	/* The prefix leaves 3 bytes or fewer: with one byte a crowded cluster may run out. */
	for (int tries = 0; tries < 4096; tries++) {
		if (getrandom(mac + fixed, 6 - fixed, 0) != (ssize_t)(6 - fixed))
			return fail_errno(err, errno, "get random bytes for a MAC");
		if (!mac_is_zero(mac) && !mac_is_multicast(mac) && !is_ports(c, mac) &&
		    !is_ports(&all, mac) && !is_guests(macs, n_macs, mac))
			return 0;
	}
	return fail(err, ENOSPC,
		    "no free MAC found below the datacenter's mac_prefix: set `mac` of the port "
		    "yourself");
}

int apply_mac(struct hook *h, struct config *c, struct port *p, struct error *err)
{
	char mac[MAC_LEN];
	char who[PORT_CALLED_LEN];

	port_called(p, who);
	if (mac_make(h->root, c, p->want.mac, err) < 0 ||
	    (!h->dry_run && config_set_mac(h->root, p->vmid, p->slot, p->want.mac, err) < 0))
		return error_code(err);
	p->mac_auto = false;
	p->want.has |= HAS_MAC;
	mac_format(p->want.mac, mac);
	if (h->dry_run)
		say("%s: a MAC would be made below the datacenter's prefix, and kept in "
		    "/" VFHOOK_CFG "; %s stands for it here",
		    who, mac);
	else
		say("%s: MAC %s made, and kept in /" VFHOOK_CFG, who, mac);
	return 0;
}

static int check_nodes(struct hook *h, const struct config *c, const uint8_t mac[6],
		       struct error *err)
{
	AUTO_FREE struct host_mac *list = NULL;
	const struct host_mac *owner;
	char text[MAC_LEN];
	char what[160];
	size_t n;

	if (all_host_macs(h, c, &list, &n, err) < 0)
		return error_code(err);
	owner = host_mac_find(list, n, mac);
	if (!owner)
		return 0;
	return fail(err, EEXIST, "MAC %s is that of %s: no guest can have it as well",
		    mac_format(mac, text), host_mac_describe(owner, what, sizeof(what)));
}

int mac_check_free(struct hook *h, const struct config *c, uint32_t vmid, unsigned slot,
		   bool standby, const uint8_t mac[6], struct error *err)
{
	AUTO_FREE struct guest_mac *macs = NULL;
	char text[MAC_LEN];
	size_t n;

	mac_format(mac, text);
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];

		if ((p->want.has & HAS_MAC) && !memcmp(p->want.mac, mac, 6) &&
		    (p->vmid != vmid || p->slot != slot))
			return fail(err, EEXIST, "MAC %s is port %u-%u's already", text, p->vmid,
				    p->slot);
	}
	if (guest_all_macs(h->root, &macs, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (!memcmp(macs[i].mac, mac, 6) && !(standby && macs[i].vmid == vmid))
			return fail(err, EEXIST,
				    "MAC %s is in some guest's netN already (grep -ri %s "
				    "/etc/pve/nodes/*/qemu-server /etc/pve/nodes/*/lxc)",
				    text, text);
	}
	return check_nodes(h, c, mac, err);
}
