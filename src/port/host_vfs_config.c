/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `host-vfs` lines of a pool: read, written, and held against the pool. */
#include "src/port/host_vfs_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/port/port_keys.h"
#include "src/vf/kernel.h"
#include "src/vf/vf_keys.h"

#define FORM "node=<node>,path=<PCI address of the PF>,vf=<number>[-<number>][,mac=..][,vlan=..]"

static int bad_line(const char *value, const char *want, struct error *err)
{
	char clean[128];

	return fail(err, EINVAL, "'host-vfs' cannot be '%s': %s",
		    text_clean(value, clean, sizeof(clean)), want);
}

/* "0" or "0-3" */
static int parse_range(const char *text, struct host_vfs *v)
{
	const char *dash = strchr(text, '-');
	char first[8];
	size_t len = dash ? (size_t)(dash - text) : strlen(text);

	if (len >= sizeof(first))
		return -EINVAL;
	snprintf(first, sizeof(first), "%.*s", (int)len, text);
	if (parse_u32(first, PF_VFS_LISTED - 1, &v->first) < 0 ||
	    parse_u32(dash ? dash + 1 : first, PF_VFS_LISTED - 1, &v->last) < 0)
		return -EINVAL;
	return v->last < v->first ? -EINVAL : 0;
}

/* What a port can be set to, with the same words; an address of its own is needed to be one. */
static int set_wish(char *part, struct port *wish, bool *tag_options, struct error *err)
{
	char *value = strchr(part, '=');
	const struct vf_key *k;

	if (!value)
		return fail(err, EINVAL, "a host VF has no '%s'", part);
	*value++ = '\0';
	k = vf_key_find(part);
	if (!k || (k == &vf_keys[VF_KEY_MAC] && !strcmp(value, "auto")))
		return fail(err, EINVAL, "a host VF has no '%s=%s'", part, value);
	*tag_options |= vf_key_is_detail(part);
	return port_set_key(part, value, wish, err);
}

static int finish(struct host_vfs *v, struct port *wish, bool tag_options, struct error *err)
{
	snprintf(wish->pool, sizeof(wish->pool), "-");
	if (port_check(wish, tag_options, err) < 0)
		return error_code(err);
	v->want = wish->want;
	if ((v->want.has & HAS_MAC) && v->first != v->last)
		return fail(err, EINVAL, "'mac' is of one VF, not of %u to %u", v->first, v->last);
	return 0;
}

int host_vfs_parse(const char *value, struct host_vfs *out, struct error *err)
{
	struct port wish = {.want = {.proto = VLAN_PROTO_8021Q}};
	bool tag_options = false;
	bool has_path = false;
	bool has_vf = false;
	char copy[256];
	char clean[64];
	char *rest = copy;
	char *part;

	*out = (struct host_vfs){0};
	text_clean(value, copy, sizeof(copy));
	if (strlen(value) >= sizeof(copy))
		return bad_line(value, "it is too long", err);
	while ((part = strsep(&rest, ","))) {
		if (!strncmp(part, "node=", 5) && is_plain_name(part + 5, NAME_LEN - 1))
			snprintf(out->node, sizeof(out->node), "%s", part + 5);
		else if (!strncmp(part, "path=", 5) && !pci_addr_parse(part + 5, &out->pf))
			has_path = true;
		else if (!strncmp(part, "vf=", 3) && !parse_range(part + 3, out))
			has_vf = true;
		else if (!strncmp(part, "vf=", 3))
			return fail(err, EINVAL, "'%s' is no VF's number, nor two of them: 0 to %d",
				    text_clean(part, clean, sizeof(clean)), PF_VFS_LISTED - 1);
		else if (set_wish(part, &wish, &tag_options, err) < 0)
			return fail_context(err, "host-vfs");
	}
	if (!out->node[0] || !has_path || !has_vf)
		return bad_line(value, FORM, err);
	return finish(out, &wish, tag_options, err);
}

int host_vfs_list_parse(const char *list, const char *node, const struct pci_addr *pf,
			struct host_vfs **out, size_t *n, struct error *err)
{
	AUTO_FREE char *copy = strdup(list);
	char *rest = copy;
	char addr[PCI_ADDR_LEN];
	char *part;

	*n = 0;
	*out = calloc(strlen(list) + 1, sizeof(**out));
	if (!copy || !*out)
		return fail(err, ENOMEM, "out of memory");
	if (!strcmp(list, "none"))
		return 0;
	while ((part = strsep(&rest, "+"))) {
		char line[256];

		if (snprintf(line, sizeof(line), "node=%s,path=%s,vf=%s", node,
			     pci_addr_format(pf, addr), part) >= (int)sizeof(line))
			return bad_line(part, "it is too long", err);
		if (host_vfs_parse(line, &(*out)[*n], err) < 0)
			return error_code(err);
		++*n;
	}
	return 0;
}

static void wish_text(const struct vf_settings *w, struct str *out)
{
	for (const struct vf_key *k = vf_keys; k < vf_keys + VF_KEY_COUNT; k++) {
		if (!vf_key_is_written(k, w))
			continue;
		str_printf(out, ",%s=", k->name);
		vf_key_print(k, w, false, out);
	}
}

void host_vfs_list_text(const struct host_vfs *v, struct str *out)
{
	str_printf(out, v->first == v->last ? "%u" : "%u-%u", v->first, v->last);
	wish_text(&v->want, out);
}

void host_vfs_text(const struct host_vfs *v, struct str *out)
{
	char addr[PCI_ADDR_LEN];

	if (out->len && out->data[out->len - 1] != '\n')
		str_append(out, "\n");
	str_printf(out, "\thost-vfs node=%s,path=%s,vf=", v->node, pci_addr_format(&v->pf, addr));
	host_vfs_list_text(v, out);
	str_append(out, "\n");
}

/* --- In a pool --- */

static struct pf_id *find_pf(struct pool *p, const struct host_vfs *v)
{
	for (size_t i = 0; i < p->n_pfs; i++) {
		if (!strcmp(p->pfs[i].node, v->node) && !pci_addr_cmp(&p->pfs[i].id.addr, &v->pf))
			return &p->pfs[i].id;
	}
	return NULL;
}

static int join_one(struct pool *p, const struct host_vfs *v, struct error *err)
{
	struct pf_id *id = find_pf(p, v);
	char addr[PCI_ADDR_LEN];

	if (!id)
		return fail(err, EINVAL,
			    "'host-vfs' names PF %s of node %s, and the pool has no such 'pf'",
			    pci_addr_format(&v->pf, addr), v->node);
	if (p->vfs && v->last >= p->vfs)
		return fail(err, EINVAL,
			    "'host-vfs' names VF %u, and each PF has %u VFs: 'vfs' must be higher",
			    v->last, p->vfs);
	for (unsigned i = v->first; i <= v->last; i++) {
		if (vf_set_has(&id->host, i))
			return fail(err, EINVAL, "'host-vfs' names VF %u of PF %s twice", i,
				    pci_addr_format(&v->pf, addr));
		vf_set_add(&id->host, i);
	}
	return 0;
}

int host_vfs_join(struct pool *p, struct error *err)
{
	for (size_t i = 0; i < p->n_hosts; i++) {
		if (join_one(p, &p->hosts[i], err) < 0)
			return error_code(err);
	}
	return 0;
}

const struct host_vfs *host_vfs_find(const struct pool *p, const char *node,
				     const struct pci_addr *pf, unsigned index)
{
	for (size_t i = 0; i < p->n_hosts; i++) {
		const struct host_vfs *v = &p->hosts[i];

		if (!strcmp(v->node, node) && !pci_addr_cmp(&v->pf, pf) && index >= v->first &&
		    index <= v->last)
			return v;
	}
	return NULL;
}
