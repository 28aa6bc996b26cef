/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/port/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/base/file.h"
#include "src/base/same_set.h"
#include "src/port/cfs_lock.h"
#include "src/port/host_vfs_config.h"
#include "pveapi/guest.h"
#include "pveapi/mapping.h"
#include "pveapi/section.h"

static int bad_value(const char *key, const char *value, const char *want, struct error *err)
{
	char clean[64];

	return fail(err, EINVAL, "'%s' cannot be '%s': %s", key,
		    text_clean(value, clean, sizeof(clean)), want);
}

static int no_key(const char *of, const char *key, struct error *err)
{
	char clean[64];

	return fail(err, EINVAL, "a %s has no '%s'", of, text_clean(key, clean, sizeof(clean)));
}

/* --- One key of a port --- */

static int set_mac(const char *v, struct port *p, struct error *err)
{
	if (!strcmp(v, "auto")) {
		p->mac_auto = true;
		return 0;
	}
	if (mac_parse(v, p->want.mac) < 0)
		return bad_value("mac", v, "an address like BC:24:11:12:34:56, or auto", err);
	p->want.has |= HAS_MAC;
	return vf_mac_check(p->want.mac, err);
}

static int set_number(const char *key, const char *v, uint32_t max, uint32_t *out,
		      struct error *err)
{
	char want[64];

	if (!parse_u32(v, max, out))
		return 0;
	snprintf(want, sizeof(want), "a number from 0 to %u", max);
	return bad_value(key, v, want, err);
}

static int set_flag(const char *key, const char *v, bool *out, struct error *err)
{
	return parse_bool(v, out) < 0 ? bad_value(key, v, "1 or 0, on or off", err) : 0;
}

static int set_vlan_proto(const char *v, struct port *p, struct error *err)
{
	if (!strcasecmp(v, "802.1q"))
		p->want.proto = VLAN_PROTO_8021Q;
	else if (!strcasecmp(v, "802.1ad"))
		p->want.proto = VLAN_PROTO_8021AD;
	else
		return bad_value("vlan-proto", v, "802.1Q or 802.1ad", err);
	return 0;
}

static int set_pool_name(const char *v, struct port *p, struct error *err)
{
	if (!is_plain_name(v, NAME_LEN - 1))
		return bad_value("pool", v, "a name of letters, digits, '-' and '_'", err);
	snprintf(p->pool, sizeof(p->pool), "%s", v);
	return 0;
}

int port_set_key(const char *key, const char *v, struct port *p, struct error *err)
{
	struct vf_settings *w = &p->want;
	uint32_t n = 0;
	int r;

	if (!strcmp(key, "comment"))
		return 0;
	if (!strcmp(key, "pool"))
		return set_pool_name(v, p, err);
	if (!strcmp(key, "mac"))
		return set_mac(v, p, err);
	if (!strcmp(key, "vlan")) {
		r = set_number(key, v, VLAN_ID_MAX, &n, err);
		w->vlan = (uint16_t)n;
		w->has |= HAS_VLAN;
		return r;
	}
	if (!strcmp(key, "vlan-qos")) {
		r = set_number(key, v, VLAN_QOS_MAX, &n, err);
		w->qos = (uint8_t)n;
		return r;
	}
	if (!strcmp(key, "vlan-proto"))
		return set_vlan_proto(v, p, err);
	if (!strcmp(key, "spoofchk")) {
		w->has |= HAS_SPOOFCHK;
		return set_flag(key, v, &w->spoofchk, err);
	}
	if (!strcmp(key, "trust")) {
		w->has |= HAS_TRUST;
		return set_flag(key, v, &w->trust, err);
	}
	if (!strcmp(key, "query-rss")) {
		w->has |= HAS_QUERY_RSS;
		return set_flag(key, v, &w->query_rss, err);
	}
	if (!strcmp(key, "min-rate")) {
		w->has |= HAS_MIN_RATE;
		return set_number(key, v, 10000000, &w->min_rate, err);
	}
	if (!strcmp(key, "max-rate")) {
		w->has |= HAS_MAX_RATE;
		return set_number(key, v, 10000000, &w->max_rate, err);
	}
	if (!strcmp(key, "link-state")) {
		w->has |= HAS_LINK_STATE;
		return vf_link_state_parse(v, &w->link_state) < 0
			       ? bad_value(key, v, "auto, enable or disable", err)
			       : 0;
	}
	/* A typing mistake must not become a VLAN that is silently not set. */
	return no_key("port", key, err);
}

/* "100-0", and no other spelling of it: two would be two ports for one hostpci. */
static int port_id(const char *id, struct port *p, struct error *err)
{
	const char *dash = strchr(id, '-');
	char vmid[16] = "";
	char clean[64];
	uint32_t slot = 0;

	if (dash && (size_t)(dash - id) < sizeof(vmid))
		memcpy(vmid, id, (size_t)(dash - id));
	if (dash && !parse_u32(vmid, PVE_VMID_MAX, &p->vmid) && p->vmid >= PVE_VMID_MIN &&
	    !parse_u32(dash + 1, PVE_HOSTPCI_MAX - 1, &slot)) {
		p->slot = slot;
		/* No second way to write the same. */
		if (id[0] != '0' && (dash[1] != '0' || !dash[2]))
			return 0;
	}
	return fail(err, EINVAL, "'%s' is no port: it wants <vmid>-<hostpci number>, like 100-0",
		    text_clean(id, clean, sizeof(clean)));
}

/* By design a pool has several of these. */
static bool may_repeat(const char *key)
{
	return !strcmp(key, "pf") || !strcmp(key, "host-vfs");
}

/* Once is enough, and twice is a question that nobody can answer. */
static int check_once(const struct section *s, size_t i, struct error *err)
{
	/* Each of the other keys is known and there once: they are few, while `pf` may be many. */
	if (may_repeat(s->props[i].key))
		return 0;
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(s->props[k].key, s->props[i].key))
			return fail(err, EINVAL, "'%s' is here a second time, see line %u",
				    s->props[i].key, s->props[k].line);
	}
	return 0;
}

int port_check(const struct port *p, bool has_tag_options, struct error *err)
{
	if (!p->pool[0])
		return fail(err, EINVAL, "the port has no 'pool'");
	if (!(p->want.has & HAS_VLAN) && has_tag_options)
		return fail(err, EINVAL, "'vlan-qos' and 'vlan-proto' want a 'vlan' with them");
	if ((p->want.has & HAS_VLAN) && !p->want.vlan &&
	    (p->want.qos || p->want.proto != VLAN_PROTO_8021Q))
		return fail(err, EINVAL, "'vlan 0' is no VLAN: it has no priority or protocol");
	if ((p->want.has & HAS_MIN_RATE) && (p->want.has & HAS_MAX_RATE) && p->want.max_rate &&
	    p->want.min_rate > p->want.max_rate)
		return fail(err, EINVAL, "'min-rate' is above 'max-rate'");
	return 0;
}

static int check_port(const struct port *p, const struct section *s, struct error *err)
{
	return port_check(p, section_get(s, "vlan-qos") || section_get(s, "vlan-proto"), err);
}

/* --- One key of a pool --- */

#define PF_FORM "node=<node>,path=<PCI address of the PF>[,mac=<its MAC>]"

static int parse_pf_mac(const char *v, struct pf_id *id)
{
	id->has_mac = true;
	return mac_parse(v, id->mac) < 0 || mac_is_zero(id->mac) ? -EINVAL : 0;
}

static int parse_pf(const char *v, struct pool_pf *pf, struct error *err)
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
		else if (strncmp(part, "mac=", 4) != 0 || parse_pf_mac(part + 4, &pf->id) < 0)
			return bad_value("pf", v, PF_FORM, err);
	}
	return pf->node[0] && has_path ? 0 : bad_value("pf", v, PF_FORM, err);
}

static int add_pf(const char *v, struct pool *p, struct error *err)
{
	struct pool_pf pf;
	struct pool_pf *more;

	if (parse_pf(v, &pf, err) < 0)
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

static int set_pool_key(const char *key, const char *v, struct pool *p, struct error *err)
{
	uint32_t n = 0;
	int r;

	if (!strcmp(key, "comment"))
		return 0;
	if (!strcmp(key, "pf"))
		return add_pf(v, p, err);
	if (!strcmp(key, "host-vfs"))
		return add_host(v, p, err);
	if (!strcmp(key, "allow-pf-down"))
		return set_flag(key, v, &p->allow_pf_down, err);
	if (!strcmp(key, "vfs")) {
		r = set_number(key, v, 65535, &n, err);
		p->vfs = n;
		return r;
	}
	return no_key("pool", key, err);
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

/* --- A VM --- */

bool hookscript_valid(const char *volid)
{
	const char *colon = strchr(volid, ':');
	const char *name = colon ? colon + 1 : "";
	char storage[NAME_LEN];

	if (!colon || strlen(volid) >= VOLID_LEN ||
	    snprintf(storage, sizeof(storage), "%.*s", (int)(colon - volid), volid) >=
		    (int)sizeof(storage) ||
	    !is_plain_name(storage, NAME_LEN - 1) || strncmp(name, "snippets/", 9) != 0)
		return false;
	name += 9;
	for (const char *c = name; *c; c++) {
		if (*c == '/' || (unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	}
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool hookscript_is_ours(const char *volid)
{
	const char *name = strstr(volid, ":snippets/");

	return name && !strcmp(name, ":snippets/vfhook");
}

static int set_guest_key(const char *key, const char *v, struct guest_note *g, struct error *err)
{
	if (!strcmp(key, "comment"))
		return 0;
	if (strcmp(key, "chain") != 0)
		return no_key("guest", key, err);
	if (!hookscript_valid(v) || hookscript_is_ours(v))
		return bad_value("chain", v, "another hookscript, like local:snippets/name", err);
	snprintf(g->chain, sizeof(g->chain), "%s", v);
	return 0;
}

/* --- Sections --- */

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
		if (!set_pool_key(s->props[i].key, s->props[i].value, p, &why))
			check_once(s, i, &why);
	}
	if (!why.code && host_vfs_join(p, &why) < 0)
		line = s->line;
	if (why.code)
		p->bad = keep_bad(name, line, &why);
	return why.code && !p->bad ? -ENOMEM : 0;
}

static int parse_port(const char *name, const struct section *s, struct port *p, struct error *err)
{
	struct error why = ERROR_INIT;
	unsigned line = s->line;

	*p = (struct port){.want = {.proto = VLAN_PROTO_8021Q}};
	/* Without its VM nobody could be told: then the file as a whole is wrong. */
	if (port_id(s->id, p, err) < 0)
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

static int guest_id(const char *id, uint32_t *vmid)
{
	if (parse_u32(id, PVE_VMID_MAX, vmid) < 0 || *vmid < PVE_VMID_MIN || id[0] == '0')
		return -EINVAL;
	return 0;
}

static int parse_guest(const char *name, const struct section *s, struct guest_note *g,
		       struct error *err)
{
	struct error why = ERROR_INIT;
	unsigned line = s->line;
	char clean[64];

	*g = (struct guest_note){0};
	if (guest_id(s->id, &g->vmid) < 0)
		return fail(err, EINVAL, "%s:%u: '%s' is no VM id", name, s->line,
			    text_clean(s->id, clean, sizeof(clean)));
	for (size_t i = 0; !why.code && i < s->n_props; i++) {
		line = s->props[i].line;
		if (!set_guest_key(s->props[i].key, s->props[i].value, g, &why))
			check_once(s, i, &why);
	}
	if (why.code)
		g->bad = keep_bad(name, line, &why);
	return why.code && !g->bad ? fail(err, ENOMEM, "out of memory") : 0;
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
			    !port_id(f->others[k].id, &other, NULL) &&
			    tell_double_mac(name, p, p, &other) < 0)
				return -ENOMEM;
		}
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
		return port_id(id, &p, NULL) < 0 || concerns(arg, p.vmid) ? NULL : "mac";
	if (!strcmp(type, "guest"))
		return guest_id(id, &vmid) < 0 || concerns(arg, vmid) ? NULL : "";
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
	if (find_double_macs(name, &c) < 0 || find_others_macs(name, f, &c) < 0)
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

void config_free(struct config *c)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		free(c->pools[i].pfs);
		free(c->pools[i].hosts);
		free(c->pools[i].bad);
	}
	for (size_t i = 0; i < c->n_ports; i++)
		free(c->ports[i].bad);
	for (size_t i = 0; i < c->n_guests; i++)
		free(c->guests[i].bad);
	free(c->guests);
	free(c->pools);
	free(c->ports);
	*c = (struct config){0};
}

const struct pool *config_pool(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		if (!strcmp(c->pools[i].name, name))
			return &c->pools[i];
	}
	return NULL;
}

const struct port *config_port(const struct config *c, uint32_t vmid, unsigned slot)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid == vmid && c->ports[i].slot == slot)
			return &c->ports[i];
	}
	return NULL;
}

const struct guest_note *config_guest(const struct config *c, uint32_t vmid)
{
	for (size_t i = 0; i < c->n_guests; i++) {
		if (c->guests[i].vmid == vmid)
			return &c->guests[i];
	}
	return NULL;
}

const struct pool *config_pool_of_pf(const struct config *c, const char *node,
				     const struct pci_addr *pf)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; k < c->pools[i].n_pfs; k++) {
			const struct pool_pf *p = &c->pools[i].pfs[k];

			if (!strcmp(p->node, node) && !pci_addr_cmp(&p->id.addr, pf))
				return &c->pools[i];
		}
	}
	return NULL;
}

int pool_node_pfs(const struct pool *p, const char *node, struct pf_id **out)
{
	int n = 0;

	*out = calloc(p->n_pfs + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_pfs; i++) {
		if (!strcmp(p->pfs[i].node, node))
			(*out)[n++] = p->pfs[i].id;
	}
	return n;
}

/* --- Writing --- */

static void port_text(const struct port *p, struct str *out)
{
	const struct vf_settings *w = &p->want;
	char mac[MAC_LEN];

	str_printf(out, "port: %u-%u\n\tpool %s\n", p->vmid, p->slot, p->pool);
	if (w->has & HAS_MAC)
		str_printf(out, "\tmac %s\n", mac_format(w->mac, mac));
	else if (p->mac_auto)
		str_append(out, "\tmac auto\n");
	if (w->has & HAS_VLAN) {
		str_printf(out, "\tvlan %u\n", w->vlan);
		if (w->qos)
			str_printf(out, "\tvlan-qos %u\n", w->qos);
		if (w->proto == VLAN_PROTO_8021AD)
			str_append(out, "\tvlan-proto 802.1ad\n");
	}
	if (w->has & HAS_SPOOFCHK)
		str_printf(out, "\tspoofchk %d\n", w->spoofchk);
	if (w->has & HAS_TRUST)
		str_printf(out, "\ttrust %d\n", w->trust);
	if (w->has & HAS_MIN_RATE)
		str_printf(out, "\tmin-rate %u\n", w->min_rate);
	if (w->has & HAS_MAX_RATE)
		str_printf(out, "\tmax-rate %u\n", w->max_rate);
	if (w->has & HAS_LINK_STATE)
		str_printf(out, "\tlink-state %s\n", vf_link_state_name(w->link_state));
	if (w->has & HAS_QUERY_RSS)
		str_printf(out, "\tquery-rss %d\n", w->query_rss);
}

/* The file as it is now, with the lock held; "" if there is none. */
static int load_for_change(int root, char **text, struct config *c, struct error *err)
{
	ssize_t len = file_read(root, VFHOOK_CFG, PVE_FILE_MAX, text, err);

	if (len == -ENOENT) {
		error_clear(err);
		*text = strdup("");
		len = 0;
	}
	if (len < 0)
		return (int)len;
	if (!*text)
		return fail(err, ENOMEM, "out of memory");
	return config_parse("/" VFHOOK_CFG, *text, (size_t)len, c, err);
}

static int store(int root, const struct str *text, struct error *err)
{
	if (!str_ok(text))
		return fail(err, ENOMEM, "write /" VFHOOK_CFG ": out of memory");
	return file_replace(root, VFHOOK_CFG, 0640, str_get(text), text->len, err);
}

/* The file under its lock, as it is and as it will be. */
struct edit {
	struct cfs_lock lock;
	char *text;
	struct config now;
	struct str out;
};

#define EDIT_INIT ((struct edit){.lock = CFS_LOCK_INIT, .out = STR_INIT})

static int edit_begin(int root, struct edit *e, struct error *err)
{
	if (cfs_lock(root, &e->lock, err) < 0)
		return error_code(err);
	return load_for_change(root, &e->text, &e->now, err);
}

static void edit_end(struct edit *e)
{
	config_free(&e->now);
	str_free(&e->out);
	free(e->text);
	cfs_unlock(&e->lock);
}

/* Nothing is left: then there is no file either. */
static int edit_store(int root, struct edit *e, struct error *err)
{
	if (str_ok(&e->out) && !e->out.len) {
		if (unlinkat(root, VFHOOK_CFG, 0) < 0 && errno != ENOENT)
			return fail_errno(err, errno, "remove /" VFHOOK_CFG);
		return 0;
	}
	return store(root, &e->out, err);
}

/* The file as it is, and a blank line to begin a section after. */
static void begin_section(struct edit *e)
{
	str_append(&e->out, e->text);
	if (e->out.len && e->out.data[e->out.len - 1] != '\n')
		str_append(&e->out, "\n");
	if (e->out.len)
		str_append(&e->out, "\n");
}

/* The line after the one that `at` is in. */
static const char *next_line(const char *at)
{
	const char *nl = strchr(at, '\n');

	return nl ? nl + 1 : at + strlen(at);
}

/* A line of blanks, or of nothing: it ends a section. */
static bool is_empty_line(const char *at)
{
	while (is_blank(*at))
		at++;
	return *at == '\n';
}

static bool line_has_key(const char *at, const char *key)
{
	size_t len = strlen(key);

	if (!is_blank(*at))
		return false;
	while (is_blank(*at))
		at++;
	return !strncmp(at, key, len) && (is_blank(at[len]) || at[len] == '\n' || !at[len]);
}

/* Does the section go on with this line? A comment in the first column may stand in it. */
static bool in_section(const char *at)
{
	return (is_blank(*at) && !is_empty_line(at)) || *at == '#';
}

/* Where the section "<type>: <id>" begins in text, or NULL. */
static const char *find_section(const char *text, const char *type, const char *id)
{
	size_t type_len = strlen(type);
	size_t len = strlen(id);

	for (const char *at = text; *at; at = next_line(at)) {
		const char *p = at;

		if (strncmp(p, type, type_len) != 0 || p[type_len] != ':')
			continue;
		p += type_len + 1;
		while (is_blank(*p))
			p++;
		if (!strncmp(p, id, len) &&
		    (p[len] == '\n' || p[len] == '\r' || is_blank(p[len]) || !p[len]))
			return at;
	}
	return NULL;
}

static const char *find_port_text(const char *text, uint32_t vmid, unsigned slot)
{
	char id[32];

	snprintf(id, sizeof(id), "%u-%u", vmid, slot);
	return find_section(text, "port", id);
}

static bool ends_in_empty_line(const struct str *s)
{
	return s->len == 1
		       ? s->data[0] == '\n'
		       : s->len > 1 && s->data[s->len - 1] == '\n' && s->data[s->len - 2] == '\n';
}

/* Everything but the section at head, and the blank line that stood between it and the rest. */
static void leave_out_section(struct edit *e, const char *head)
{
	const char *at = next_line(head);

	str_append_len(&e->out, e->text, (size_t)(head - e->text));
	for (; in_section(at); at = next_line(at)) {
		if (*at == '#') /* perhaps of the section that follows */
			str_append_len(&e->out, at, (size_t)(next_line(at) - at));
	}
	if (*at && is_empty_line(at) && (!e->out.len || ends_in_empty_line(&e->out)))
		at = next_line(at);
	else if (!*at && str_ok(&e->out) && ends_in_empty_line(&e->out))
		e->out.data[--e->out.len] = '\0';
	str_append(&e->out, at);
}

/* A new mac line behind the header, and the rest as it is, without the section's old one. */
static void change_mac(struct edit *e, const char *head, const uint8_t mac[6])
{
	const char *at = next_line(head);
	char mac_text[MAC_LEN];

	str_append_len(&e->out, e->text, (size_t)(at - e->text));
	if (e->out.len && e->out.data[e->out.len - 1] != '\n')
		str_append(&e->out, "\n");
	str_printf(&e->out, "\tmac %s\n", mac_format(mac, mac_text));
	while (is_blank(*at) || *at == '#') {
		const char *next = next_line(at);

		if (!line_has_key(at, "mac"))
			str_append_len(&e->out, at, (size_t)(next - at));
		at = next;
	}
	str_append(&e->out, at);
}

int config_set_mac(int root, uint32_t vmid, unsigned slot, const uint8_t mac[6], struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	const char *head;

	if (edit_begin(root, &e, err) < 0)
		return error_code(err);
	head = find_port_text(e.text, vmid, slot);
	if (!head)
		return fail(err, ENOENT, "port %u-%u has gone from /" VFHOOK_CFG, vmid, slot);
	change_mac(&e, head, mac);
	return edit_store(root, &e, err);
}

static const struct key_change *find_change(const char *at, const struct key_change *changes,
					    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (line_has_key(at, changes[i].key))
			return &changes[i];
	}
	return NULL;
}

static void put_key(struct str *out, const struct key_change *c)
{
	if (out->len && out->data[out->len - 1] != '\n')
		str_append(out, "\n");
	str_printf(out, "\t%s %s\n", c->key, c->value);
}

static bool is_property(const char *at)
{
	return is_blank(*at) && !is_empty_line(at);
}

/* Keys that are there change in their place, new ones come behind the section's last one. */
static void change_section(struct edit *e, const char *head, const struct key_change *changes,
			   size_t n)
{
	const char *at = next_line(head);
	const char *end = at; /* behind the last property */
	uint64_t done = 0;

	for (const char *p = at; in_section(p); p = next_line(p)) {
		if (is_property(p))
			end = next_line(p);
	}
	str_append_len(&e->out, e->text, (size_t)(at - e->text));
	for (; at < end; at = next_line(at)) {
		const struct key_change *c = find_change(at, changes, n);

		if (!c) {
			str_append_len(&e->out, at, (size_t)(next_line(at) - at));
			continue;
		}
		if (c->value && !(done & (1ULL << (c - changes))))
			put_key(&e->out, c);
		done |= 1ULL << (c - changes);
	}
	for (size_t i = 0; i < n; i++) {
		if (changes[i].value && !(done & (1ULL << i)))
			put_key(&e->out, &changes[i]);
	}
	str_append(&e->out, at);
}

/* What is wrong with the port in what would be written. */
static int check_changed_port(const struct edit *e, uint32_t vmid, unsigned slot, struct port *out,
			      struct error *err)
{
	CLEANUP(config_free) struct config after = {0};
	const struct port *p;

	if (!str_ok(&e->out))
		return fail(err, ENOMEM, "out of memory");
	if (config_parse("/" VFHOOK_CFG, str_get(&e->out), e->out.len, &after, err) < 0)
		return error_code(err);
	p = config_port(&after, vmid, slot);
	if (!p || p->bad)
		return fail(err, EINVAL, "%s", p ? p->bad : "the port is gone");
	if (out)
		*out = *p;
	return 0;
}

/* --- Any section --- */

/* Behind the last property of the section at head. */
static const char *section_end(const char *head)
{
	const char *end = next_line(head);

	for (const char *p = end; in_section(p); p = next_line(p)) {
		if (is_property(p))
			end = next_line(p);
	}
	return end;
}

/* The section's text, always with a line break at its end; NULL in *out: there is none. */
static int copy_section(const char *text, const char *type, const char *id, char **out,
			struct error *err)
{
	const char *head = find_section(text, type, id);
	CLEANUP(str_free) struct str s = STR_INIT;

	*out = NULL;
	if (!head)
		return 0;
	str_append_len(&s, head, (size_t)(section_end(head) - head));
	if (s.len && s.data[s.len - 1] != '\n')
		str_append(&s, "\n");
	*out = str_take(&s);
	return *out ? 0 : fail(err, ENOMEM, "out of memory");
}

int config_section(int root, const char *type, const char *id, char **out, struct error *err)
{
	CLEANUP(config_free) struct config c = {0};
	AUTO_FREE char *text = NULL;

	*out = NULL;
	return load_for_change(root, &text, &c, err) < 0 ? error_code(err)
							 : copy_section(text, type, id, out, err);
}

int config_port_section(const struct port *p, char **out, struct error *err)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	port_text(p, &s);
	*out = str_take(&s);
	return *out ? 0 : fail(err, ENOMEM, "out of memory");
}

int config_guest_section(uint32_t vmid, const char *volid, char **out, struct error *err)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	str_printf(&s, "guest: %u\n\tchain %s\n", vmid, volid);
	*out = str_take(&s);
	return *out ? 0 : fail(err, ENOMEM, "out of memory");
}

/* The file with another text for that section. */
static void swap_text(struct edit *e, const char *head, const char *to)
{
	if (head && !to) {
		leave_out_section(e, head);
	} else if (head) {
		str_append_len(&e->out, e->text, (size_t)(head - e->text));
		str_append(&e->out, to);
		str_append(&e->out, section_end(head));
	} else {
		begin_section(e);
		str_append(&e->out, to);
	}
}

/* A port that would be a mistake, or make one of another port. */
static int check_swapped(const struct edit *e, const char *id, struct error *err)
{
	struct port p = {0};

	return port_id(id, &p, err) < 0 ? error_code(err)
					: check_changed_port(e, p.vmid, p.slot, NULL, err);
}

int config_change_keys(int root, uint32_t vmid, unsigned slot, const struct key_change *changes,
		       size_t n, char **from, char **to, struct port *after, struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	const char *head;
	char id[32];

	*from = *to = NULL;
	if (load_for_change(root, &e.text, &e.now, err) < 0)
		return error_code(err);
	snprintf(id, sizeof(id), "%u-%u", vmid, slot);
	head = find_section(e.text, "port", id);
	if (!head)
		return fail(err, ENOENT, "there is no port %s in /" VFHOOK_CFG, id);
	change_section(&e, head, changes, n);
	if (check_changed_port(&e, vmid, slot, after, err) < 0 ||
	    copy_section(e.text, "port", id, from, err) < 0 ||
	    copy_section(str_get(&e.out), "port", id, to, err) < 0)
		return error_code(err);
	return 0;
}

/* --- Pools --- */

void pool_pf_text(const char *node, const struct pf_id *pf, struct str *out)
{
	char addr[PCI_ADDR_LEN];
	char mac[MAC_LEN];

	if (out->len && out->data[out->len - 1] != '\n')
		str_append(out, "\n");
	str_printf(out, "\tpf node=%s,path=%s%s%s\n", node, pci_addr_format(&pf->addr, addr),
		   pf->has_mac ? ",mac=" : "", pf->has_mac ? mac_format(pf->mac, mac) : "");
}

/* The value of a key, if the line has that. */
static bool line_value(const char *at, const char *key, char value[256])
{
	size_t len = strcspn(at, "\r\n");

	if (!line_has_key(at, key) || len >= 256)
		return false;
	at += strspn(at, " \t") + strlen(key);
	at += strspn(at, " \t");
	len = strcspn(at, "\r\n");
	while (len && is_blank(at[len - 1]))
		len--;
	snprintf(value, 256, "%.*s", (int)len, at);
	return true;
}

/* The PF that a line of a pool names, if it is one of that node's. */
static bool line_names_pf(const char *at, const char *node, struct pool_pf *pf)
{
	char value[256];

	return line_value(at, "pf", value) && !parse_pf(value, pf, NULL) && !strcmp(pf->node, node);
}

/* The same for a line about VFs that are the host's. */
static bool line_has_hosts(const char *at, const char *node, struct host_vfs *v)
{
	char value[256];

	return line_value(at, "host-vfs", value) && !host_vfs_parse(value, v, NULL) &&
	       !strcmp(v->node, node);
}

static const struct pf_change *find_pf_change(const struct pci_addr *pf,
					      const struct pf_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(&changes[i].from, pf))
			return &changes[i];
	}
	return NULL;
}

/* Copy text, with other names for some of the node's PFs. Returns how many lines changed. */
static size_t rewrite_pfs(const char *text, const char *node, const struct pf_change *changes,
			  size_t n, struct str *out)
{
	size_t changed = 0;

	for (const char *at = text; *at; at = next_line(at)) {
		const struct pf_change *found = NULL;
		struct host_vfs host;
		struct pool_pf pf;

		if (line_names_pf(at, node, &pf))
			found = find_pf_change(&pf.id.addr, changes, n);
		if (found) {
			pool_pf_text(node, &found->to, out);
			changed++;
		} else if (line_has_hosts(at, node, &host) &&
			   (found = find_pf_change(&host.pf, changes, n))) {
			host.pf = found->to.addr;
			host_vfs_text(&host, out);
		} else {
			str_append_len(out, at, (size_t)(next_line(at) - at));
		}
	}
	return changed;
}

int config_change_pfs(int root, const char *node, const struct pf_change *changes, size_t n,
		      struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;

	if (edit_begin(root, &e, err) < 0)
		return error_code(err);
	return rewrite_pfs(e.text, node, changes, n, &e.out) ? edit_store(root, &e, err) : 0;
}

static bool same_id(const struct pf_id *a, const struct pf_id *b)
{
	return a->has_mac == b->has_mac && (!a->has_mac || !memcmp(a->mac, b->mac, 6));
}

/* What is to be done about the PFs of an addition: those to append, those to rename. */
struct pf_split {
	struct pf_id *fresh;
	size_t n_fresh;
	struct pf_change *changes;
	size_t n_changes;
};

static void pf_split_free(struct pf_split *s)
{
	free(s->fresh);
	free(s->changes);
}

/* -EEXIST: one is in another pool. */
static int split_pfs(const struct config *c, const struct pool_addition *a, struct pf_split *out,
		     struct error *err)
{
	char addr[PCI_ADDR_LEN];

	out->fresh = calloc(a->n_pfs + 1, sizeof(*out->fresh));
	out->changes = calloc(a->n_pfs + 1, sizeof(*out->changes));
	if (!out->fresh || !out->changes)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < a->n_pfs; i++) {
		const struct pf_id *pf = &a->pfs[i];
		const struct pool *owner = config_pool_of_pf(c, a->node, &pf->addr);

		if (owner && strcmp(owner->name, a->name) != 0)
			return fail(err, EEXIST, "PF %s is in pool '%s' of node %s already",
				    pci_addr_format(&pf->addr, addr), owner->name, a->node);
		if (!owner)
			out->fresh[out->n_fresh++] = *pf;
		for (size_t k = 0; owner && pf->has_mac && k < owner->n_pfs; k++) {
			if (!strcmp(owner->pfs[k].node, a->node) &&
			    !pci_addr_cmp(&owner->pfs[k].id.addr, &pf->addr) &&
			    !same_id(&owner->pfs[k].id, pf))
				out->changes[out->n_changes++] =
					(struct pf_change){.from = pf->addr, .to = *pf};
		}
	}
	return 0;
}

static bool is_added_pf(const struct pool_addition *a, const struct pci_addr *pf)
{
	for (size_t i = 0; i < a->n_pfs; i++) {
		if (!pci_addr_cmp(&a->pfs[i].addr, pf))
			return true;
	}
	return false;
}

/* A section's lines up to `end`, without those about the host's VFs that are said anew. */
static void copy_pool_lines(const struct pool_addition *a, const char *at, const char *end,
			    struct str *out)
{
	for (; at < end; at = next_line(at)) {
		struct host_vfs host;

		if (!a->sets_hosts || !line_has_hosts(at, a->node, &host) ||
		    !is_added_pf(a, &host.pf))
			str_append_len(out, at, (size_t)(next_line(at) - at));
	}
}

/* The pool's other keys first, then its new PFs behind the last line of the section. */
static void extend_pool(struct edit *e, const char *head, const struct pool_addition *a,
			const struct pf_split *pfs)
{
	struct key_change changes[2];
	struct str first = STR_INIT;
	size_t n_changes = 0;
	const char *end;

	if (a->vfs)
		changes[n_changes++] = (struct key_change){"vfs", a->vfs};
	if (a->allow_pf_down)
		changes[n_changes++] = (struct key_change){"allow-pf-down", a->allow_pf_down};
	change_section(e, head, changes, n_changes);
	first = e->out;
	e->out = STR_INIT;
	head = find_section(str_get(&first), "pool", a->name);
	/* Not there: memory ran out on the way, and edit_store() is to say so. */
	if (!head) {
		e->out.failed = true;
		str_free(&first);
		return;
	}
	end = next_line(head);
	for (const char *p = end; in_section(p); p = next_line(p)) {
		if (is_property(p))
			end = next_line(p);
	}
	str_append_len(&e->out, str_get(&first), (size_t)(next_line(head) - str_get(&first)));
	copy_pool_lines(a, next_line(head), end, &e->out);
	for (size_t i = 0; i < pfs->n_fresh; i++)
		pool_pf_text(a->node, &pfs->fresh[i], &e->out);
	for (size_t i = 0; i < a->n_hosts; i++)
		host_vfs_text(&a->hosts[i], &e->out);
	str_append(&e->out, end);
	str_free(&first);
	first = e->out;
	e->out = STR_INIT;
	rewrite_pfs(str_get(&first), a->node, pfs->changes, pfs->n_changes, &e->out);
	e->out.failed = e->out.failed || first.failed;
	str_free(&first);
}

/* The section and the file as they are, and as they would be with e->out. */
static int told_pool(struct edit *e, const char *name, struct pool_change *out, struct error *err)
{
	const struct pool *p;

	if (!str_ok(&e->out))
		return fail(err, ENOMEM, "out of memory");
	if (copy_section(e->text, "pool", name, &out->from, err) < 0 ||
	    copy_section(str_get(&e->out), "pool", name, &out->to, err) < 0)
		return error_code(err);
	if (config_parse("/" VFHOOK_CFG, str_get(&e->out), e->out.len, &out->after, err) < 0)
		return error_code(err);
	p = config_pool(&out->after, name);
	/* Fewer VFs than the host has by another line, say. */
	return p && p->bad ? fail(err, EINVAL, "it would be a mistake: %s", p->bad) : 0;
}

void pool_change_free(struct pool_change *c)
{
	free(c->from);
	free(c->to);
	config_free(&c->after);
	*c = (struct pool_change){0};
}

static int extended_pool(struct edit *e, const struct pool_addition *a, const struct pf_split *pfs,
			 struct error *err)
{
	const char *head = find_section(e->text, "pool", a->name);

	if (!head)
		return fail(err, EINVAL,
			    "the line of pool '%s' in /" VFHOOK_CFG
			    " is not where it was read: write it as 'pool: %s'",
			    a->name, a->name);
	extend_pool(e, head, a, pfs);
	return 0;
}

static void new_pool(struct edit *e, const struct pool_addition *a, const struct pf_split *pfs)
{
	begin_section(e);
	str_printf(&e->out, "pool: %s\n", a->name);
	for (size_t i = 0; i < pfs->n_fresh; i++)
		pool_pf_text(a->node, &pfs->fresh[i], &e->out);
	if (a->vfs)
		str_printf(&e->out, "\tvfs %s\n", a->vfs);
	if (a->allow_pf_down)
		str_printf(&e->out, "\tallow-pf-down %s\n", a->allow_pf_down);
	for (size_t i = 0; i < a->n_hosts; i++)
		host_vfs_text(&a->hosts[i], &e->out);
}

int config_pool_addition(int root, const struct pool_addition *a, struct pool_change *out,
			 struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	CLEANUP(pf_split_free) struct pf_split pfs = {0};
	const struct pool *pool;

	*out = (struct pool_change){0};
	if (load_for_change(root, &e.text, &e.now, err) < 0 || split_pfs(&e.now, a, &pfs, err) < 0)
		return error_code(err);
	pool = config_pool(&e.now, a->name);
	if (pool && pool->bad)
		return fail(err, EINVAL, "%s", pool->bad);
	out->added = pfs.n_fresh;
	if (!pool)
		new_pool(&e, a, &pfs);
	else if (!pfs.n_fresh && !pfs.n_changes && !a->vfs && !a->allow_pf_down && !a->sets_hosts)
		str_append(&e.out, e.text);
	else if (extended_pool(&e, a, &pfs, err) < 0)
		return error_code(err);
	return told_pool(&e, a->name, out, err);
}

/* -EBUSY if ports use it. */
static int check_unused(const struct config *c, const char *name, struct error *err)
{
	CLEANUP(str_free) struct str users = STR_INIT;

	for (size_t i = 0; i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];

		if (!strcmp(p->pool, name))
			str_printf(&users, "%s%u-%u", users.len ? ", " : "", p->vmid, p->slot);
	}
	if (!users.len)
		return 0;
	return fail(err, EBUSY,
		    "pool '%s' is in use by port%s %s: vfhook detach <vmid> --slot <N> "
		    "first",
		    name, strchr(str_get(&users), ',') ? "s" : "", str_get(&users));
}

int config_pool_removal(int root, const char *name, struct pool_change *out, struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	const char *head;

	*out = (struct pool_change){0};
	if (load_for_change(root, &e.text, &e.now, err) < 0 || check_unused(&e.now, name, err) < 0)
		return error_code(err);
	head = find_section(e.text, "pool", name);
	if (!head)
		return fail(err, ENOENT, "there is no pool '%s' in /" VFHOOK_CFG, name);
	leave_out_section(&e, head);
	return told_pool(&e, name, out, err);
}

/* What somebody else has written since it was planned must not become wrong by it. */
static int check_swapped_pool(const struct edit *e, const char *name, const char *to,
			      struct error *err)
{
	CLEANUP(config_free) struct config after = {0};
	char addr[PCI_ADDR_LEN];
	const struct pool *p;

	if (!to)
		return check_unused(&e->now, name, err);
	if (!str_ok(&e->out))
		return fail(err, ENOMEM, "out of memory");
	if (config_parse("/" VFHOOK_CFG, str_get(&e->out), e->out.len, &after, err) < 0)
		return error_code(err);
	p = config_pool(&after, name);
	if (!p || p->bad)
		return fail(err, EINVAL, "%s", p ? p->bad : "the pool is gone");
	for (size_t i = 0; i < p->n_pfs; i++) {
		const struct pool_pf *pf = &p->pfs[i];
		const struct pool *first = config_pool_of_pf(&after, pf->node, &pf->id.addr);

		if (first && first != p)
			return fail(err, EEXIST, "PF %s is in pool '%s' of node %s already",
				    pci_addr_format(&pf->id.addr, addr), first->name, pf->node);
	}
	return 0;
}

/* --- One section for another --- */

int config_swap_section(int root, const char *type, const char *id, const char *from,
			const char *to, bool check, struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	AUTO_FREE char *now = NULL;

	if (edit_begin(root, &e, err) < 0 || copy_section(e.text, type, id, &now, err) < 0)
		return error_code(err);
	if (text_same(now, to))
		return 0;
	if (!text_same(now, from))
		return fail(err, EAGAIN, "%s %s in /" VFHOOK_CFG " was changed meanwhile", type,
			    id);
	swap_text(&e, now ? find_section(e.text, type, id) : NULL, to);
	if (check && to && !strcmp(type, "port") && check_swapped(&e, id, err) < 0)
		return error_code(err);
	if (check && !strcmp(type, "pool") && check_swapped_pool(&e, id, to, err) < 0)
		return error_code(err);
	return edit_store(root, &e, err);
}
