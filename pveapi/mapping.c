/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading pci.cfg, and the parts of a map value. */
#include "pveapi/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/lines.h"
#include "pveapi/section.h"
#include "pveapi/sha1.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"

#define MAPPING_PATH "etc/pve/mapping/pci.cfg"
#define ID_MAX_LEN   256

bool mapping_id_valid(const char *id)
{
	size_t len = 0;

	if (!id)
		return false;
	for (; id[len]; len++) {
		char c = id[len];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool other = (c >= '0' && c <= '9') || c == '_' || c == '-';

		if (len >= ID_MAX_LEN || !(letter || (len && other)))
			return false;
	}
	return len >= 2;
}

static void entry_clear(struct mapping_entry *e)
{
	free(e->raw);
	free(e->node);
	free(e->path);
	free(e->id);
	free(e->subsystem_id);
	free(e->iommugroup);
}

static void mapping_clear(struct mapping *m)
{
	for (size_t i = 0; i < m->n_entries; i++)
		entry_clear(&m->entries[i]);
	free(m->entries);
	free(m->description);
	free(m->id);
}

void mapping_file_free(struct mapping_file *f)
{
	for (size_t i = 0; i < f->n_mappings; i++)
		mapping_clear(&f->mappings[i]);
	free(f->mappings);
	f->mappings = NULL;
	f->n_mappings = 0;
}

/* What one property of an entry looks like; false if it makes the entry useless for PVE. */
static bool entry_take(struct span part, struct span *node, struct span *path, struct span *id,
		       struct span *subsystem, struct span *group, bool *unknown)
{
	const char *eq = memchr(part.p, '=', part.len);
	struct span key;
	struct span value;
	struct span *to = NULL;

	if (!eq || eq == part.p || eq + 1 == part.p + part.len)
		return false;
	key = (struct span){part.p, (size_t)(eq - part.p)};
	value = (struct span){eq + 1, part.len - key.len - 1};
	if (span_is(key, "node"))
		to = node;
	else if (span_is(key, "path"))
		to = path;
	else if (span_is(key, "id"))
		to = id;
	else if (span_is(key, "subsystem-id"))
		to = subsystem;
	else if (span_is(key, "iommugroup"))
		to = group;
	if (!to) {
		*unknown = *unknown || !span_is(key, "description");
		return true;
	}
	if (to->len)
		return false;
	*to = value;
	return true;
}

static bool entry_scan(const char *value, struct span *node, struct span *path, struct span *id,
		       struct span *subsystem, struct span *group, bool *unknown)
{
	struct span rest = {value, strlen(value)};
	struct span part;

	while (span_cut(&rest, ',', &part)) {
		if (!span_trim(part).len)
			continue;
		if (!entry_take(part, node, path, id, subsystem, group, unknown))
			return false;
	}
	return node->len && path->len && id->len;
}

/*
 * A value that PVE could not use (it warns and leaves it out: PVE/Mapping/PCI.pm:
 * get_node_mapping) keeps its raw text and has everything else "", so that it is nobody's.
 */
static int entry_parse(const char *value, struct mapping_entry *e)
{
	struct span node = {"", 0};
	struct span path = {"", 0};
	struct span id = {"", 0};
	struct span subsystem = {"", 0};
	struct span group = {"", 0};

	e->unknown_key = false;
	if (!entry_scan(value, &node, &path, &id, &subsystem, &group, &e->unknown_key))
		node = path = id = subsystem = group = (struct span){"", 0};
	e->raw = strdup(value);
	e->node = strndup(node.p, node.len);
	e->path = strndup(path.p, path.len);
	e->id = strndup(id.p, id.len);
	e->subsystem_id = strndup(subsystem.p, subsystem.len);
	e->iommugroup = strndup(group.p, group.len);
	if (!e->raw || !e->node || !e->path || !e->id || !e->subsystem_id || !e->iommugroup)
		return -ENOMEM;
	return 0;
}

static size_t count_maps(const struct section *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_props; i++)
		n += !strcmp(s->props[i].key, "map");
	return n;
}

static bool flag_of(const struct section *s, const char *key)
{
	const char *value = section_get(s, key);
	bool on = false;

	/* A boolean property without a value is true: PVE/SectionConfig.pm: check_value. */
	if (value && !*value)
		return true;
	return value && !parse_bool(value, &on) && on;
}

static int mapping_fill(const struct section *s, struct mapping *m)
{
	const char *description = section_get(s, "description");
	size_t n = count_maps(s);

	m->line = s->line;
	m->mdev = flag_of(s, "mdev");
	m->live_migration = flag_of(s, "live-migration-capable");
	m->id = strdup(s->id);
	if (!m->id)
		return -ENOMEM;
	if (description) {
		m->description = strdup(description);
		if (!m->description)
			return -ENOMEM;
	}
	if (!n)
		return 0;
	m->entries = calloc(n, sizeof(*m->entries));
	if (!m->entries)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_props; i++) {
		if (strcmp(s->props[i].key, "map") != 0)
			continue;
		if (entry_parse(s->props[i].value, &m->entries[m->n_entries++]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* One without an id has been noted already. */
static void note_bad_id(const struct section *s, struct mapping_file *out)
{
	if (!*s->id || out->n_ignored++)
		return;
	out->ignored_line = s->line;
	out->ignored_why = "it is no id of a mapping";
}

static int fill_all(const struct section_file *sections, struct mapping_file *out)
{
	if (!sections->n_sections)
		return 0;
	out->mappings = calloc(sections->n_sections, sizeof(*out->mappings));
	if (!out->mappings)
		return -ENOMEM;
	for (size_t i = 0; i < sections->n_sections; i++) {
		/* PVE skips a section with such an id: it is no mapping for anybody. */
		if (!mapping_id_valid(sections->sections[i].id)) {
			note_bad_id(&sections->sections[i], out);
			continue;
		}
		if (mapping_fill(&sections->sections[i], &out->mappings[out->n_mappings++]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static const char *of_prefix(const char *type, const char *id, const void *arg)
{
	(void)type;
	return strncmp(id, arg, strlen(arg)) ? "" : NULL;
}

static int take_sections(const struct section_file *sections, struct mapping_file *out,
			 struct error *err)
{
	*out = (struct mapping_file){.n_ignored = sections->n_ignored,
				     .ignored_line = sections->ignored_line,
				     .ignored_why = sections->ignored_why};
	if (!fill_all(sections, out))
		return 0;
	mapping_file_free(out);
	return fail(err, ENOMEM, "/" MAPPING_PATH ": out of memory");
}

int mapping_parse(const char *name, const char *text, size_t len, struct mapping_file *out,
		  struct error *err)
{
	CLEANUP(section_file_free) struct section_file sections = {0};
	int r = section_parse(name, text, len, false, NULL, &sections, err);

	*out = (struct mapping_file){0};
	if (!r)
		r = take_sections(&sections, out, err);
	if (!r)
		sha1_hex(text, len, out->digest);
	return r;
}

/* *text: owned, "" for a file that is not there. Returns its length or a negative errno. */
static ssize_t read_file(int root, char **text, struct error *err)
{
	ssize_t len = file_read(root, MAPPING_PATH, PVE_FILE_MAX, text, err);

	if (len != -ENOENT)
		return len;
	error_clear(err);
	*text = strdup("");
	return *text ? 0 : fail(err, ENOMEM, "/" MAPPING_PATH ": out of memory");
}

int mapping_load(int root, struct mapping_file *out, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = read_file(root, &text, err);

	*out = (struct mapping_file){0};
	return len < 0 ? (int)len : mapping_parse("/" MAPPING_PATH, text, (size_t)len, out, err);
}

int mapping_load_some(int root, const char *prefix, struct mapping_file *out, struct error *err)
{
	const struct section_filter filter = {of_prefix, prefix};
	CLEANUP(section_file_free) struct section_file sections = {0};
	char *text = NULL;
	ssize_t len = read_file(root, &text, err);

	*out = (struct mapping_file){0};
	if (len < 0)
		return (int)len;
	if (section_take("/" MAPPING_PATH, text, (size_t)len, false, &filter, &sections, err) < 0)
		return error_code(err);
	return take_sections(&sections, out, err);
}

const struct mapping *mapping_find(const struct mapping_file *f, const char *id)
{
	for (size_t i = 0; i < f->n_mappings; i++) {
		if (!strcmp(f->mappings[i].id, id))
			return &f->mappings[i];
	}
	return NULL;
}

const struct mapping_entry *mapping_node_entry(const struct mapping *m, const char *node, size_t *n)
{
	const struct mapping_entry *first = NULL;

	*n = 0;
	for (size_t i = 0; i < m->n_entries; i++) {
		if (strcmp(m->entries[i].node, node) != 0)
			continue;
		if (!first)
			first = &m->entries[i];
		(*n)++;
	}
	return first;
}

char *mapping_entry_format(const char *node, const char *path, const char *id,
			   const char *subsystem_id, int iommugroup)
{
	struct str s = STR_INIT;

	str_printf(&s, "id=%s", id);
	if (iommugroup >= 0)
		str_printf(&s, ",iommugroup=%d", iommugroup);
	str_printf(&s, ",node=%s,path=%s", node, path);
	if (subsystem_id)
		str_printf(&s, ",subsystem-id=%s", subsystem_id);
	return str_take(&s);
}
