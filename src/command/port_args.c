/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port on a command line: --slot, and an option for each key that can be set. */
#include "src/command/port_args.h"

#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/mac.h"
#include "src/port/port_keys.h"
#include "pveapi/guest.h"

const char *const wish_keys[WISH_COUNT] = {
	[WISH_MAC] = "mac",
	[WISH_VLAN] = "vlan",
	[WISH_VLAN_QOS] = "vlan-qos",
	[WISH_VLAN_PROTO] = "vlan-proto",
	[WISH_SPOOFCHK] = "spoofchk",
	[WISH_TRUST] = "trust",
	[WISH_MIN_RATE] = "min-rate",
	[WISH_MAX_RATE] = "max-rate",
	[WISH_LINK_STATE] = "link-state",
	[WISH_QUERY_RSS] = "query-rss",
};

int slot_parse(const char *text, unsigned *slot)
{
	uint32_t n;

	if (parse_u32(text, PVE_HOSTPCI_MAX - 1, &n) < 0) {
		complain("--slot is the N of hostpciN, 0 to %d, not '%s'", PVE_HOSTPCI_MAX - 1,
			 text);
		return EXIT_USAGE;
	}
	*slot = n;
	return 0;
}

int port_choose(const struct config *c, uint32_t vmid, const char *slot_text, unsigned *slot)
{
	CLEANUP(str_free) struct str have = STR_INIT;
	unsigned n = 0;

	if (slot_text)
		return slot_parse(slot_text, slot);
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid != vmid)
			continue;
		str_printf(&have, "%s%u", n++ ? ", " : "", c->ports[i].slot);
		*slot = c->ports[i].slot;
	}
	if (n == 1)
		return 0;
	if (n)
		complain("VM %u has %u ports: say which one with --slot (%s)", vmid, n,
			 str_get(&have));
	else
		complain("VM %u has no port in /" VFHOOK_CFG, vmid);
	return EXIT_REFUSED;
}

void wish_opts(struct wish_args *w, struct opt *opts, size_t *n)
{
	*w = (struct wish_args){{NULL}};
	for (size_t i = 0; i < WISH_COUNT; i++)
		opts[(*n)++] = (struct opt){wish_keys[i], &w->value[i], NULL};
}

static bool is_unset(const char *value)
{
	return value && !strcmp(value, "unset");
}

int wish_apply(struct hook *h, const struct config *c, const struct wish_args *w, bool can_unset,
	       struct port *p, struct error *err)
{
	for (size_t i = 0; i < WISH_COUNT; i++) {
		if (!w->value[i] || (can_unset && is_unset(w->value[i])))
			continue;
		if (port_set_key(wish_keys[i], w->value[i], p, err) < 0)
			return error_code(err);
	}
	if (!w->value[WISH_MAC] || p->mac_auto || is_unset(w->value[WISH_MAC]))
		return 0;
	return mac_check_free(h, c, p->vmid, p->slot, p->want.mac, err);
}
