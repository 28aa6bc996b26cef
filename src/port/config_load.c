/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook.cfg is read: sections become pools, ports and notes, each with what is wrong with it. */
#include "src/port/config_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/same_set.h"
#include "src/base/text.h"
#include "src/port/guest_note.h"
#include "src/port/host_vfs_config.h"
#include "src/port/pool_keys.h"
#include "src/port/port_keys.h"
#include "src/vf/vf_keys.h"

/* Once is enough, and twice is a question that nobody can answer. */
static int check_once(const struct section *s, size_t i, struct error *err)
{
	/* Each of the other keys is known and there once: they are few, while `pf` may be many. */
	if (pool_key_repeats(s->props[i].key))
		return 0;
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(s->props[k].key, s->props[i].key))
			return fail(err, EINVAL, "'%s' is here a second time, see line %u",
				    s->props[i].key, s->props[k].line);
	}
	return 0;
}

static char *keep_bad(const char *name, unsigned line, const struct error *why)
{
	char *text = NULL;

	if (asprintf(&text, "%s:%u: %s", name, line, why->text) < 0)
		return NULL;
	return text;
}

static int parse_pool(const char *name, const struct section *s, struct pool *p)
{
	struct error why = ERROR_INIT;
	unsigned line = s->line;

	*p = (struct pool){0};
	snprintf(p->name, sizeof(p->name), "%.*s", NAME_LEN - 1, s->id);
	if (!is_plain_name(s->id, NAME_LEN - 1))
		fail(&why, EINVAL, "the pool's name wants letters, digits, '-' and '_'");
	for (size_t i = 0; !why.code && i < s->n_props; i++) {
		line = s->props[i].line;
		if (!pool_set_key(s->props[i].key, s->props[i].value, p, &why))
			check_once(s, i, &why);
	}
	if (!why.code && (pool_check(p, &why) < 0 || host_vfs_join(p, &why) < 0))
		line = s->line;
	if (why.code)
		p->bad = keep_bad(name, line, &why);
	return why.code && !p->bad ? -ENOMEM : 0;
}

static int check_port(const struct port *p, const struct section *s, struct error *err)
{
	bool has_tag_options = false;

	for (size_t i = 0; i < s->n_props; i++)
		has_tag_options |= vf_key_is_detail(s->props[i].key);
	return port_check(p, has_tag_options, err);
}

static int parse_port(const char *name, const struct section *s, struct port *p, struct error *err)
{
	struct error why = ERROR_INIT;
	unsigned line = s->line;

	*p = (struct port){.want = {.proto = VLAN_PROTO_8021Q}};
	/* Without its VM nobody could be told: then the file as a whole is wrong. */
	if (port_id_parse(s->id, p, err) < 0)
		return fail_context(err, "%s:%u", name, s->line);
	for (size_t i = 0; !why.code && i < s->n_props; i++) {
		line = s->props[i].line;
		if (!port_set_key(s->props[i].key, s->props[i].value, p, &why))
			check_once(s, i, &why);
	}
	if (!why.code && check_port(p, s, &why) < 0)
		line = s->line;
	if (why.code)
		p->bad = keep_bad(name, line, &why);
	return why.code && !p->bad ? fail(err, ENOMEM, "out of memory") : 0;
}

static int parse_guest(const char *name, const struct section *s, struct guest_note *g,
		       struct error *err)
{
	struct error why = ERROR_INIT;
	unsigned line = s->line;
	char clean[64];

	*g = (struct guest_note){0};
	if (guest_id_parse(s->id, &g->vmid) < 0)
		return fail(err, EINVAL, "%s:%u: '%s' is no VM id", name, s->line,
			    text_clean(s->id, clean, sizeof(clean)));
	for (size_t i = 0; !why.code && i < s->n_props; i++) {
		line = s->props[i].line;
		if (!guest_note_set_key(s->props[i].key, s->props[i].value, g, &why))
			check_once(s, i, &why);
	}
	if (why.code)
		g->bad = keep_bad(name, line, &why);
	return why.code && !g->bad ? fail(err, ENOMEM, "out of memory") : 0;
}

/* A port of a pool without a network wishes for nothing: a VLAN that nobody sets is a mistake. */
static int check_networks(const char *name, struct config *c)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		struct port *p = &c->ports[i];
		const struct pool *pool = p->bad ? NULL : config_pool(c, p->pool);
		struct error why = ERROR_INIT;

		if (!pool || port_check_network(p, pool, &why) >= 0)
			continue;
		if (asprintf(&p->bad, "%s: port %u-%u: %s", name, p->vmid, p->slot, why.text) < 0) {
			p->bad = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

static bool same_mac(size_t a, size_t b, const void *arg)
{
	const struct port *ports = arg;

	return !memcmp(ports[a].want.mac, ports[b].want.mac, 6);
}

static int tell_double_mac(const char *name, struct port *p, const struct port *a,
			   const struct port *b)
{
	char mac[MAC_LEN];

	if (p->bad)
		return 0;
	mac_format(p->want.mac, mac);
	return asprintf(&p->bad, "%s: ports %u-%u and %u-%u have the same MAC %s", name, a->vmid,
			a->slot, b->vmid, b->slot, mac) < 0
		       ? -ENOMEM
		       : 0;
}

/* Two ports with one MAC: both are wrong, and neither VM may start with it. */
static int find_double_macs(const char *name, struct config *c)
{
	CLEANUP(seen_free) struct seen seen;

	if (seen_init(&seen, c->n_ports, same_mac, c->ports) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_ports; i++) {
		struct port *p = &c->ports[i];
		size_t first;

		if (!(p->want.has & HAS_MAC))
			continue;
		first = seen_add(&seen, seen_hash(&seen, 0, p->want.mac, 6), i);
		if (first != i &&
		    (tell_double_mac(name, p, &c->ports[first], p) < 0 ||
		     tell_double_mac(name, &c->ports[first], &c->ports[first], p) < 0))
			return -ENOMEM;
	}
	return 0;
}

/* In either case of letters, with either sign between. mac: as mac_format() makes it. */
static bool is_mac_text(const char *value, const char mac[MAC_LEN])
{
	size_t i = MAC_LEN - 1;

	if (strlen(value) != i)
		return false;
	/* From the end, where they differ. */
	while (i-- > 0) {
		if ((value[i] | 0x20) != mac[i] && !(mac[i] == ':' && value[i] == '-'))
			return false;
	}
	return true;
}

/* The same with the ports of other VMs, of which only the MACs were read. */
static int find_others_macs(const char *name, const struct section_file *f, struct config *c)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		struct port *p = &c->ports[i];
		char mac[MAC_LEN];

		if (!(p->want.has & HAS_MAC))
			continue;
		mac_format(p->want.mac, mac);
		for (size_t k = 0; k < f->n_others; k++) {
			struct port other = {0};

			if (is_mac_text(f->others[k].value, mac) &&
			    !port_id_parse(f->others[k].id, &other, NULL) &&
			    tell_double_mac(name, p, p, &other) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* All PFs of all pools, one after the other. */
struct pf_line {
	struct pool *pool;
	const struct pool_pf *pf;
};

/*
 * A line that names another card's MAC means another card: of the two, one is there no more, and
 * the other has its address now (a start compares the MAC, src/vf/snapshot.c).
 */
static bool same_pf(size_t a, size_t b, const void *arg)
{
	const struct pf_line *lines = arg;
	const struct pool_pf *x = lines[a].pf;
	const struct pool_pf *y = lines[b].pf;

	return !pci_addr_cmp(&x->id.addr, &y->id.addr) && !strcmp(x->node, y->node) &&
	       (!x->id.has_mac || !y->id.has_mac || !memcmp(x->id.mac, y->id.mac, 6));
}

static int tell_double_pf(const char *name, const struct pool_pf *pf, struct pool *a,
			  struct pool *b)
{
	char addr[PCI_ADDR_LEN];
	int r = 0;

	pci_addr_format(&pf->id.addr, addr);
	for (int i = 0; i < 2 && r >= 0; i++) {
		struct pool *p = i ? b : a;

		if (p->shared)
			continue;
		if (a == b)
			r = asprintf(&p->shared,
				     "%s: PF %s of node %s is in pool '%s' twice: take one of the "
				     "lines out",
				     name, addr, pf->node, a->name);
		else
			r = asprintf(
				&p->shared,
				"%s: PF %s of node %s is in pools '%s' and '%s': a PF leads to "
				"one network, and has one number of VFs: take it out of one of "
				"them",
				name, addr, pf->node, a->name, b->name);
	}
	return r < 0 ? -ENOMEM : 0;
}

static size_t list_pfs(struct config *c, struct pf_line *lines)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; k < c->pools[i].n_pfs; k++, n++) {
			if (lines)
				lines[n] = (struct pf_line){&c->pools[i], &c->pools[i].pfs[k]};
		}
	}
	return n;
}

/* Two pools with one PF: written by hand, since pool add makes none such. */
static int find_double_pfs(const char *name, struct config *c)
{
	CLEANUP(seen_free) struct seen seen = {0};
	AUTO_FREE struct pf_line *lines = NULL;
	size_t n = list_pfs(c, NULL);

	if (n < 2)
		return 0;
	lines = calloc(n, sizeof(*lines));
	if (!lines || seen_init(&seen, n, same_pf, lines) < 0)
		return -ENOMEM;
	list_pfs(c, lines);
	for (size_t i = 0; i < n; i++) {
		const struct pool_pf *pf = lines[i].pf;
		const struct pci_addr *a = &pf->id.addr;
		uint64_t bdf = (uint64_t)a->domain << 16 | a->bus << 8 | a->dev << 3 | a->fn;
		uint64_t hash = seen_hash(&seen, 0, pf->node, strlen(pf->node));
		size_t first;

		hash = seen_hash(&seen, hash, &bdf, sizeof(bdf));
		first = seen_add(&seen, hash, i);
		if (first != i && tell_double_pf(name, pf, lines[first].pool, lines[i].pool) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Those VMs whose sections are wanted. */
struct concern {
	const uint32_t *vmids;
	size_t n;
};

static bool concerns(const struct concern *c, uint32_t vmid)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->vmids[i] == vmid)
			return true;
	}
	return false;
}

/* What cannot be a VM's is wanted: it is judged, and found wrong. */
static const char *of_concern(const char *type, const char *id, const void *arg)
{
	struct port p = {0};
	uint32_t vmid;

	if (!strcmp(type, "port"))
		return port_id_parse(id, &p, NULL) < 0 || concerns(arg, p.vmid)
			       ? NULL
			       : vf_keys[VF_KEY_MAC].name;
	if (!strcmp(type, "guest"))
		return guest_id_parse(id, &vmid) < 0 || concerns(arg, vmid) ? NULL : "";
	return NULL;
}

static int parse_section(const char *name, const struct section *s, struct config *c,
			 struct error *err)
{
	char clean[64];

	if (!strcmp(s->type, "pool"))
		return parse_pool(name, s, &c->pools[c->n_pools++]) < 0
			       ? fail(err, ENOMEM, "read %s: out of memory", name)
			       : 0;
	if (!strcmp(s->type, "port"))
		return parse_port(name, s, &c->ports[c->n_ports++], err);
	if (!strcmp(s->type, "guest"))
		return parse_guest(name, s, &c->guests[c->n_guests++], err);
	return fail(err, EINVAL, "%s:%u: unknown section type '%s'", name, s->line,
		    text_clean(s->type, clean, sizeof(clean)));
}

static int parse_sections(const char *name, const struct section_file *f, struct config *out,
			  struct error *err)
{
	CLEANUP(config_free) struct config c = {0};

	c.pools = calloc(f->n_sections + 1, sizeof(*c.pools));
	c.ports = calloc(f->n_sections + 1, sizeof(*c.ports));
	c.guests = calloc(f->n_sections + 1, sizeof(*c.guests));
	if (!c.pools || !c.ports || !c.guests)
		return fail(err, ENOMEM, "read %s: out of memory", name);
	for (size_t i = 0; i < f->n_sections; i++) {
		int r = parse_section(name, &f->sections[i], &c, err);

		if (r < 0)
			return r;
	}
	if (check_networks(name, &c) < 0 || find_double_pfs(name, &c) < 0 ||
	    find_double_macs(name, &c) < 0 || find_others_macs(name, f, &c) < 0)
		return fail(err, ENOMEM, "read %s: out of memory", name);
	*out = c;
	c = (struct config){0};
	return 0;
}

int config_parse(const char *name, const char *text, size_t len, struct config *out,
		 struct error *err)
{
	CLEANUP(section_file_free) struct section_file f = {0};
	int r = section_parse(name, text, len, true, NULL, &f, err);

	*out = (struct config){0};
	return r < 0 ? r : parse_sections(name, &f, out, err);
}

/* whose: NULL for everything. */
static int load(int root, const struct concern *whose, struct config *out, struct error *err)
{
	const struct section_filter filter = {of_concern, whose};
	CLEANUP(section_file_free) struct section_file f = {0};
	char *text = NULL;
	ssize_t len = file_read(root, VFHOOK_CFG, PVE_FILE_MAX, &text, err);
	int r;

	*out = (struct config){0};
	if (len == -ENOENT) {
		error_clear(err);
		return 0;
	}
	if (len < 0)
		return (int)len;
	r = section_take("/" VFHOOK_CFG, text, (size_t)len, true, whose ? &filter : NULL, &f, err);
	return r < 0 ? r : parse_sections("/" VFHOOK_CFG, &f, out, err);
}

int config_load(int root, struct config *out, struct error *err)
{
	return load(root, NULL, out, err);
}

int config_load_for(int root, const uint32_t *vmids, size_t n, struct config *out,
		    struct error *err)
{
	return load(root, &(struct concern){vmids, n}, out, err);
}
