/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port on a command line: --slot, and an option for each key that can be set. */
#include "src/command/port_args.h"

#include <stdlib.h>
#include <string.h>

#include "pveapi/guest.h"
#include "pveapi/guest_list.h"
#include "pveapi/mapping.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/options.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/live_needs.h"
#include "src/port/mac.h"
#include "src/port/port_keys.h"

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

int port_choose_named(const struct config *c, uint32_t vmid, const char *name, unsigned *slot)
{
	CLEANUP(str_free) struct str have = STR_INIT;
	char clean[64];
	unsigned n = 0;

	for (size_t i = 0; i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];

		if (p->vmid != vmid)
			continue;
		if (name && !strcmp(p->netname, name)) {
			*slot = p->slot;
			return 0;
		}
		str_printf(&have, "%s%s", n++ ? ", " : "", p->netname[0] ? p->netname : "?");
		*slot = p->slot;
	}
	if (n == 1 && !name)
		return 0;
	if (name)
		complain("CT %u has no port called %s in /" VFHOOK_CFG "%s%s%s", vmid,
			 text_clean(name, clean, sizeof(clean)), n ? " (" : "", str_get(&have),
			 n ? ")" : "");
	else if (n)
		complain("CT %u has %u ports: say which one with --name (%s)", vmid, n,
			 str_get(&have));
	else
		complain("CT %u has no port in /" VFHOOK_CFG, vmid);
	return EXIT_REFUSED;
}

int port_args_kind(struct hook *h, uint32_t vmid, const char *slot_text, const char *name,
		   const struct port_args *a)
{
	struct error err = ERROR_INIT;
	enum guest_kind kind = guest_kind(h->root, h->node, vmid, &err);

	if (kind == GUEST_UNKNOWN) {
		complain("guest %u: %s", vmid, err.text);
		return -EXIT_REFUSED;
	}
	h->container = kind == GUEST_CT;
	if (h->container && (slot_text || (a && a->live_migration))) {
		complain("%u is a container: %s is for VMs (a container's interface is named with "
			 "--name)",
			 vmid, slot_text ? "--slot" : "--live-migration");
		return -EXIT_USAGE;
	}
	if (!h->container && (name || (a && a->mtu))) {
		complain("%u is no container of this node: %s is for containers", vmid,
			 name ? "--name" : "--mtu");
		return -EXIT_USAGE;
	}
	return h->container;
}

#define MTU	       "mtu"
#define LIVE_MIGRATION "live-migration"

/* Where what an option means stands in a help. */
#define HELP_COLUMN 23

void port_args_help(FILE *out)
{
	for (const struct vf_key *k = vf_keys; k < vf_keys + VF_KEY_COUNT; k++) {
		if (k->help)
			fprintf(out, "  --%s %-*s%s\n", k->name,
				HELP_COLUMN - 5 - (int)strlen(k->name), k->form, k->help);
	}
	fprintf(out, "  --" MTU " N              of a container's interface\n");
	fprintf(out, "  --" LIVE_MIGRATION " on|off  PVE may migrate the VM while it runs\n");
}

void port_args_opts(struct port_args *a, struct opt *opts, size_t *n)
{
	*a = (struct port_args){0};
	for (size_t i = 0; i < VF_KEY_COUNT; i++)
		opts[(*n)++] = (struct opt){vf_keys[i].name, &a->value[i], NULL};
	opts[(*n)++] = (struct opt){MTU, &a->mtu, NULL};
	opts[(*n)++] = (struct opt){LIVE_MIGRATION, &a->live_migration, NULL};
}

bool port_args_have_details(const struct port_args *a)
{
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		if (a->value[i] && vf_keys[i].left_out)
			return true;
	}
	return false;
}

static bool is_unset(const char *value)
{
	return value && !strcmp(value, "unset");
}

/* What a pool without a network has no use for, by its name. */
static int check_network(const struct config *c, const struct port_args *a, bool can_unset,
			 const struct port *p, struct error *err)
{
	const struct pool *pool = config_pool(c, p->pool);

	if (!pool || !pool->no_net)
		return 0;
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		if (a->value[i] && !(can_unset && is_unset(a->value[i])))
			return port_refuse_network(pool, vf_keys[i].name, err);
	}
	return a->live_migration && !(can_unset && is_unset(a->live_migration))
		       ? port_refuse_network(pool, LIVE_MIGRATION, err)
		       : 0;
}

int port_args_apply(struct hook *h, const struct config *c, const struct port_args *a,
		    bool can_unset, struct port *p, struct error *err)
{
	if (check_network(c, a, can_unset, p, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		if (!a->value[i] || (can_unset && is_unset(a->value[i])))
			continue;
		if (port_set_key(vf_keys[i].name, a->value[i], p, err) < 0)
			return error_code(err);
	}
	if (a->mtu && !(can_unset && is_unset(a->mtu)) && port_set_key(MTU, a->mtu, p, err) < 0)
		return error_code(err);
	if (a->live_migration && !(can_unset && is_unset(a->live_migration)) &&
	    port_set_key(LIVE_MIGRATION, a->live_migration, p, err) < 0)
		return error_code(err);
	if (!a->value[VF_KEY_MAC] || p->mac_auto || is_unset(a->value[VF_KEY_MAC]))
		return 0;
	return mac_check_free(h, c, p->vmid, p->slot, p->live_migration, p->want.mac, err);
}

static void say_lack(void *arg, const char *what, const char *remedy)
{
	const struct port *p = arg;

	say("VM %u hostpci%u: live migration: note: %s (%s)", p->vmid, p->slot, what, remedy);
}

void port_tell_lacks(struct hook *h, const struct config *c, const struct guest_config *g,
		     const struct port *p)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	struct config with = *c;
	struct port own = *p;

	if (!p->live_migration)
		return;
	/* The port as it is now, beside the others. */
	with.ports = calloc(c->n_ports + 1, sizeof(*with.ports));
	if (!with.ports)
		return;
	with.ports[0] = own;
	memcpy(with.ports + 1, c->ports, c->n_ports * sizeof(*c->ports));
	with.n_ports = c->n_ports + 1;
	live_lacks(h, &with, g, p, mapping_load(h->root, &f, NULL) < 0 ? NULL : &f, say_lack, &own);
	free(with.ports);
}
