/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a pool, and its name. */
#include "src/port/pool_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/mapping.h"
#include "src/base/cleanup.h"
#include "src/base/key_value.h"
#include "src/base/text.h"
#include "src/port/host_vfs_config.h"
#include "src/vf/card.h"

#define PF_FORM                                                                                    \
	"node=<node>,path=<PCI address of the PF>[,mac=<its MAC>], or with `network off` "         \
	"[,id=<vendor>:<device>][,serial=<its number>][,slot=<name>]"

static int parse_pf_mac(const char *v, struct pf_id *id)
{
	id->has_mac = true;
	return mac_parse(v, id->mac) < 0 || mac_is_zero(id->mac) ? -EINVAL : 0;
}

/* "8086:56c0" */
static bool is_model(const char *v)
{
	return strspn(v, "0123456789abcdef") == 4 && v[4] == ':' &&
	       strspn(v + 5, "0123456789abcdef") == 4 && !v[9];
}

/* What a card without a network is known by. */
static int parse_pf_card(const char *part, struct card_id *card)
{
	const char *v = strchr(part, '=');

	if (!v)
		return -EINVAL;
	v++;
	if (!strncmp(part, "id=", 3) && is_model(v))
		snprintf(card->model, sizeof(card->model), "%.9s", v);
	else if (!strncmp(part, "serial=", 7) && is_plain_name(v, CARD_TEXT_LEN - 1))
		snprintf(card->serial, sizeof(card->serial), "%s", v);
	else if (!strncmp(part, "slot=", 5) && is_plain_name(v, CARD_TEXT_LEN - 1))
		snprintf(card->slot, sizeof(card->slot), "%s", v);
	else
		return -EINVAL;
	return 0;
}

static int parse_pf_part(const char *part, struct pool_pf *pf)
{
	return !strncmp(part, "mac=", 4) ? parse_pf_mac(part + 4, &pf->id)
					 : parse_pf_card(part, &pf->id.card);
}

int pool_pf_parse(const char *v, struct pool_pf *pf, struct error *err)
{
	char copy[256];
	char *rest = copy;
	char *part;
	bool has_path = false;

	*pf = (struct pool_pf){0};
	if (snprintf(copy, sizeof(copy), "%s", v) >= (int)sizeof(copy))
		return fail(err, EINVAL, "'pf' is too long");
	while ((part = strsep(&rest, ","))) {
		if (!strncmp(part, "node=", 5) && is_plain_name(part + 5, NAME_LEN - 1))
			snprintf(pf->node, sizeof(pf->node), "%s", part + 5);
		else if (!strncmp(part, "path=", 5) && !pci_addr_parse(part + 5, &pf->id.addr))
			has_path = true;
		else if (parse_pf_part(part, pf) < 0)
			return key_bad_value("pf", v, PF_FORM, err);
	}
	return pf->node[0] && has_path ? 0 : key_bad_value("pf", v, PF_FORM, err);
}

static int add_pf(const char *v, struct pool *p, struct error *err)
{
	struct pool_pf pf;
	struct pool_pf *more;

	if (pool_pf_parse(v, &pf, err) < 0)
		return error_code(err);
	/* Full whenever there is a power of two of them: twice as many then. */
	if (!(p->n_pfs & (p->n_pfs - 1))) {
		more = reallocarray(p->pfs, p->n_pfs ? p->n_pfs * 2 : 1, sizeof(*more));
		if (!more)
			return fail(err, ENOMEM, "out of memory");
		p->pfs = more;
	}
	p->pfs[p->n_pfs++] = pf;
	return 0;
}

static int add_host(const char *v, struct pool *p, struct error *err)
{
	struct host_vfs *more = reallocarray(p->hosts, p->n_hosts + 1, sizeof(*more));

	if (!more)
		return fail(err, ENOMEM, "out of memory");
	p->hosts = more;
	return host_vfs_parse(v, &more[p->n_hosts++], err);
}

static int set_allow_pf_down(const char *v, struct pool *p, struct error *err)
{
	return key_flag("allow-pf-down", v, &p->allow_pf_down, err);
}

/* What is not said is a network: a card whose driver is not loaded yet must not become another. */
static int set_network(const char *v, struct pool *p, struct error *err)
{
	bool on = true;
	int r = key_flag("network", v, &on, err);

	p->no_net = !on;
	return r;
}

static int set_fdb(const char *v, struct pool *p, struct error *err)
{
	return key_flag("fdb", v, &p->fdb, err);
}

static int set_vfs(const char *v, struct pool *p, struct error *err)
{
	uint32_t n = 0;
	int r = key_number("vfs", v, 65535, &n, err);

	p->vfs = n;
	return r;
}

static int set_comment(const char *v, struct pool *p, struct error *err)
{
	(void)v;
	(void)p;
	(void)err;
	return 0;
}

static const struct pool_key {
	const char *name;
	int (*set)(const char *v, struct pool *p, struct error *err);
	bool repeats;
} pool_keys[] = {
	{"pf", add_pf, true},
	{"host-vfs", add_host, true},
	{"network", set_network, false},
	{"allow-pf-down", set_allow_pf_down, false},
	{"fdb", set_fdb, false},
	{"vfs", set_vfs, false},
	{"comment", set_comment, false},
};

static const struct pool_key *find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(pool_keys); i++) {
		if (!strcmp(pool_keys[i].name, name))
			return &pool_keys[i];
	}
	return NULL;
}

const char *pool_key_name(size_t i)
{
	return i < ARRAY_SIZE(pool_keys) ? pool_keys[i].name : NULL;
}

bool pool_key_repeats(const char *key)
{
	const struct pool_key *k = find_key(key);

	return k && k->repeats;
}

int pool_set_key(const char *key, const char *v, struct pool *p, struct error *err)
{
	const struct pool_key *k = find_key(key);

	return k ? k->set(v, p, err) : key_unknown("pool", key, err);
}

static bool has_card(const struct pf_id *id)
{
	return card_is_known(&id->card) || id->card.slot[0];
}

int pool_check(struct pool *p, struct error *err)
{
	for (size_t i = 0; i < p->n_pfs; i++) {
		struct pf_id *id = &p->pfs[i].id;

		id->no_net = p->no_net;
		if (p->no_net && id->has_mac)
			return fail(err, EINVAL,
				    "'pf' has a 'mac', and with 'network off' it has none");
		if (!p->no_net && has_card(id))
			return fail(err, EINVAL,
				    "'pf' has 'id', 'serial' or 'slot', which are for pools with "
				    "'network off': a network card is known by its 'mac'");
	}
	if (p->no_net && p->n_hosts)
		return fail(err, EINVAL, "'host-vfs' is not for a pool with 'network off'");
	if (p->no_net && p->allow_pf_down)
		return fail(err, EINVAL, "'allow-pf-down' is not for a pool with 'network off'");
	if (p->no_net && p->fdb)
		return fail(err, EINVAL, "'fdb' is not for a pool with 'network off'");
	return 0;
}

/* "vf-<number>-<number>" */
static bool is_mapping_name(const char *s)
{
	size_t n;

	if (strncmp(s, "vf-", 3) != 0)
		return false;
	s += 3;
	n = strspn(s, "0123456789");
	if (!n || s[n] != '-')
		return false;
	s += n + 1;
	n = strspn(s, "0123456789");
	return n && !s[n];
}

int pool_name_check(const char *name, struct error *err)
{
	char clean[NAME_LEN];

	text_clean(name, clean, sizeof(clean));
	if (strlen(name) >= NAME_LEN || !mapping_id_valid(name))
		return fail(err, EINVAL,
			    "'%s' cannot be a pool's name: PVE wants a letter and then at least "
			    "one letter, digit, '-' or '_', at most %d in all",
			    clean, NAME_LEN - 1);
	if (is_mapping_name(name))
		return fail(err, EINVAL,
			    "'%s' cannot be a pool's name: vf-<vmid>-<N> are the ports' mappings",
			    clean);
	return 0;
}

static void card_text(const struct card_id *c, struct str *out)
{
	str_printf(out, "%s%s", c->model[0] ? ",id=" : "", c->model);
	str_printf(out, "%s%s", c->serial[0] ? ",serial=" : "", c->serial);
	str_printf(out, "%s%s", c->slot[0] ? ",slot=" : "", c->slot);
}

void pool_pf_text(const char *node, const struct pf_id *pf, struct str *out)
{
	char addr[PCI_ADDR_LEN];
	char mac[MAC_LEN];

	if (out->len && out->data[out->len - 1] != '\n')
		str_append(out, "\n");
	str_printf(out, "\tpf node=%s,path=%s%s%s", node, pci_addr_format(&pf->addr, addr),
		   pf->has_mac ? ",mac=" : "", pf->has_mac ? mac_format(pf->mac, mac) : "");
	card_text(&pf->card, out);
	str_append(out, "\n");
}
