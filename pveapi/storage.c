/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading storage.cfg, and what a volume id names. */
#include "pveapi/storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"

#define LOCAL_PATH "/var/lib/vz"
/* In the values of content and nodes. */
#define LIST_SEPARATORS ",; "
#define LOCAL_CONTENT	"backup,images,iso,rootdir,snippets,vztmpl"

/* Types whose storages PVE mounts below /mnt/pve when they name no path. */
static bool is_mounted_type(const char *type)
{
	static const char *const types[] = {"nfs", "cifs", "cephfs", "glusterfs"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!strcmp(type, types[i]))
			return true;
	}
	return false;
}

static int read_sections(int root, struct section_file *f, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, STORAGE_CFG, PVE_FILE_MAX, &text, err);

	if (len < 0 && len != -ENOENT)
		return (int)len;
	if (len == -ENOENT) {
		error_clear(err);
		len = 0;
	}
	return section_parse("/" STORAGE_CFG, text ? text : "", (size_t)len, true, NULL, f, err);
}

/* The folder of a section; s may be NULL: then it is "local" or nothing. malloc'd, or NULL. */
static char *section_path(const struct section *s, const char *id)
{
	const char *dir = s ? section_get(s, "path") : NULL;
	char *path = NULL;

	if (dir) {
		path = dir[0] == '/' && !strstr(dir, "..") ? strdup(dir) : NULL;
		if (path)
			path_tidy(path);
		return path;
	}
	if (!strcmp(id, "local"))
		return strdup(LOCAL_PATH);
	if (s && is_mounted_type(s->type) && is_plain_name(id, 100) &&
	    asprintf(&path, "/mnt/pve/%s", id) < 0)
		return NULL;
	return path;
}

int storage_path(int root, const char *id, char *path, size_t size, struct error *err)
{
	CLEANUP(section_file_free) struct section_file f = {0};
	AUTO_FREE char *dir = NULL;
	const struct section *s;

	if (read_sections(root, &f, err) < 0)
		return error_code(err);
	s = section_find(&f, NULL, id);
	dir = section_path(s, id);
	if (!dir && !s)
		return fail(err, ENOENT, "there is no storage '%s' in /" STORAGE_CFG, id);
	if (!dir)
		return fail(err, EINVAL, "storage '%s' has no folder for snippets", id);
	if (snprintf(path, size, "%s", dir) >= (int)size)
		return fail(err, ENAMETOOLONG, "storage '%s': its path is too long", id);
	return 0;
}

bool storage_has_content(const struct storage *s, const char *kind)
{
	return has_word(s->content, kind, LIST_SEPARATORS);
}

static bool is_here(const struct section *s, const char *node)
{
	const char *nodes = section_get(s, "nodes");
	const char *disable = section_get(s, "disable");
	bool off = disable && (!*disable || !strcmp(disable, "1"));

	return !off &&
	       (!nodes || !strcmp(s->id, "local") || has_word(nodes, node, LIST_SEPARATORS));
}

static int add(struct storages *out, const char *id, char *path, const char *content, bool here)
{
	struct storage *s = &out->list[out->n++];

	*s = (struct storage){strdup(id), path, strdup(content ? content : ""), here};
	return s->id && s->content ? 0 : -ENOMEM;
}

static int judge_sections(const struct section_file *f, const char *node, struct storages *out,
			  struct error *err)
{
	CLEANUP(storages_free) struct storages all = {0};

	all.list = calloc(f->n_sections + 1, sizeof(*all.list));
	if (!all.list)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct section *s = &f->sections[i];
		char *path = section_path(s, s->id);

		if (path && add(&all, s->id, path, section_get(s, "content"), is_here(s, node)) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	if (!section_find(f, NULL, "local")) {
		char *path = strdup(LOCAL_PATH);

		if (!path || add(&all, "local", path, LOCAL_CONTENT, true) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	*out = all;
	all = (struct storages){0};
	return 0;
}

int storages_load(int root, const char *node, struct storages *out, struct error *err)
{
	CLEANUP(section_file_free) struct section_file f = {0};

	*out = (struct storages){0};
	if (read_sections(root, &f, err) < 0)
		return error_code(err);
	return judge_sections(&f, node, out, err);
}

void storages_free(struct storages *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->list[i].id);
		free(s->list[i].path);
		free(s->list[i].content);
	}
	free(s->list);
	*s = (struct storages){0};
}
