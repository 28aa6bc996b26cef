/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI mappings as objects of a plan: the entry of a node, and a whole one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/api_mapping.h"
#include "pveapi/mapping.h"
#include "src/base/cleanup.h"
#include "src/base/error.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/mapping_id.h"
#include "src/port/objects.h"
#include "src/vf/plan.h"

/* --- A node's entry --- */

/* "vf-100-0 pve1" */
static int split_entry_name(const char *name, char id[NAME_LEN], char node[NAME_LEN],
			    struct error *err)
{
	const char *blank = strchr(name, ' ');

	if (!blank || blank - name >= NAME_LEN || strlen(blank + 1) >= NAME_LEN)
		return fail(err, EINVAL, "this names no entry of a mapping");
	snprintf(id, NAME_LEN, "%.*s", (int)(blank - name), name);
	snprintf(node, NAME_LEN, "%s", blank + 1);
	return 0;
}

/* For the mapping's own node, which makes it; another node's entry leaves it as it is. */
static const char *describe_mapping(struct hook *h, const char *id, const char *node, char *buf,
				    size_t size)
{
	unsigned slot;
	uint32_t vmid;

	if (strcmp(node, h->node) != 0 || !port_mapping_parse(id, &vmid, &slot))
		return NULL;
	snprintf(buf, size, "vfhook: VM %u hostpci%u", vmid, slot);
	return buf;
}

static int map_entry_read(struct hook *h, const char *name, char **text, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	const struct mapping_entry *e;
	const struct mapping *m;
	char id[NAME_LEN];
	char node[NAME_LEN];
	size_t n;

	*text = NULL;
	if (split_entry_name(name, id, node, err) < 0 || mapping_load(h->root, &f, err) < 0)
		return error_code(err);
	m = mapping_find(&f, id);
	e = m ? mapping_node_entry(m, node, &n) : NULL;
	*text = e ? strdup(e->raw) : NULL;
	return e && !*text ? fail(err, ENOMEM, "out of memory") : 0;
}

static int map_entry_set(struct hook *h, const char *name, enum object_how how, const char *from,
			 const char *to, struct error *err)
{
	char id[NAME_LEN];
	char node[NAME_LEN];
	char text[96];
	const char *description;
	int r;

	if (split_entry_name(name, id, node, err) < 0)
		return error_code(err);
	description = describe_mapping(h, id, node, text, sizeof(text));
	if (how != OBJECT_ANYHOW)
		r = api_mapping_swap(h->rest, h->root, node, id, description, from, to, err);
	else
		r = api_mapping_set(h->rest, h->root, node, id, description, to, err);
	if (r == -ESTALE)
		err->code = EAGAIN;
	return r < 0 ? fail_context(err, "mapping %s cannot be written", id) : 0;
}

static void map_entry_tell(struct hook *h, const char *name, const char *from, const char *to)
{
	CLEANUP(str_free) struct str lines = STR_INIT;
	struct error err = ERROR_INIT;
	bool first = true;
	char id[NAME_LEN];
	char node[NAME_LEN];
	char text[96];

	(void)from;
	if (!to || split_entry_name(name, id, node, &err) < 0 || strcmp(node, h->node) != 0)
		return;
	if (api_mapping_describe(h->root, node, id,
				 describe_mapping(h, id, node, text, sizeof(text)), to, &lines,
				 &err) < 0) {
		say("    REST: %s", err.text);
		return;
	}
	for (char *line = lines.data; line;) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		say(first ? "    REST: %s" : "          %s", line);
		first = false;
		line = end;
	}
}

const struct object_kind object_map_entry = {
	OBJECT_MAP_ENTRY, true, map_entry_read, map_entry_set, map_entry_tell,
};

/* --- A whole mapping --- */

static int mapping_read(struct hook *h, const char *id, char **text, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(str_free) struct str s = STR_INIT;
	const struct mapping *m;

	*text = NULL;
	if (mapping_load(h->root, &f, err) < 0)
		return error_code(err);
	m = mapping_find(&f, id);
	if (!m)
		return 0;
	str_printf(&s, "description %s\n", m->description ? m->description : "");
	for (size_t i = 0; i < m->n_entries; i++)
		str_printf(&s, "map %s\n", m->entries[i].raw);
	*text = str_take(&s);
	return *text ? 0 : fail(err, ENOMEM, "out of memory");
}

/* PVE's DELETE knows no digest, so comparing and deleting are two. */
static int mapping_set(struct hook *h, const char *id, enum object_how how, const char *from,
		       const char *to, struct error *err)
{
	AUTO_FREE char *now = NULL;

	if (to)
		return fail(err, EINVAL, "mapping %s is not made as a whole", id);
	if (mapping_read(h, id, &now, err) < 0)
		return error_code(err);
	if (!now)
		return 0;
	if (how != OBJECT_ANYHOW && (!from || strcmp(now, from) != 0))
		return fail(err, EAGAIN, "mapping %s was changed meanwhile", id);
	if (api_mapping_delete(h->rest, h->root, id, err) < 0)
		return fail_context(err, "mapping %s cannot be deleted", id);
	return 0;
}

static void mapping_tell(struct hook *h, const char *id, const char *from, const char *to)
{
	(void)h;
	(void)from;
	if (!to)
		say("    REST: DELETE /cluster/mapping/pci/%s", id);
}

const struct object_kind object_mapping = {
	OBJECT_MAPPING, true, mapping_read, mapping_set, mapping_tell,
};

/* --- Whether PVE lets its VM be migrated live --- */

static int map_flag_read(struct hook *h, const char *id, char **text, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	const struct mapping *m;

	*text = NULL;
	if (mapping_load_some(h->root, id, &f, err) < 0)
		return error_code(err);
	m = mapping_find(&f, id);
	if (!m)
		return 0;
	*text = strdup(m->live_migration ? "on" : "off");
	return *text ? 0 : fail(err, ENOMEM, "out of memory");
}

/* It has two values: what is not `to` is `from`. */
static int map_flag_set(struct hook *h, const char *id, enum object_how how, const char *from,
			const char *to, struct error *err)
{
	(void)how;
	(void)from;
	/* One that was not there when this was planned. */
	if (!to)
		return 0;
	return api_mapping_live(h->rest, h->root, id, !strcmp(to, "on"), err) < 0
		       ? fail_context(err, "mapping %s", id)
		       : 0;
}

static void map_flag_tell(struct hook *h, const char *id, const char *from, const char *to)
{
	(void)h;
	(void)from;
	if (to)
		say("    REST: PUT /cluster/mapping/pci/%s live-migration-capable=%d, its map "
		    "lines as "
		    "they are",
		    id, !strcmp(to, "on"));
}

const struct object_kind object_map_flag = {
	OBJECT_MAP_FLAG, true, map_flag_read, map_flag_set, map_flag_tell,
};

int plan_map_entry(const char *id, const char *node, const struct mapping_entry *old,
		   const char *entry, bool harmless, struct plan *p, struct error *err)
{
	char name[2 * NAME_LEN];
	char what[400];
	struct step_object o = {
		.kind = OBJECT_MAP_ENTRY,
		.name = name,
		.from = old ? old->raw : NULL,
		.to = entry,
		.what = what,
		.harmless = harmless,
	};

	snprintf(name, sizeof(name), "%s %s", id, node);
	snprintf(what, sizeof(what), "mapping %s on %s: %.80s -> %.200s", id, node,
		 old ? old->path : "none", entry ? entry : "none");
	return plan_add_object(p, &o, err);
}
