/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook.cfg is changed: as a whole, under its lock. */
#include "src/port/config_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/port/config_load.h"
#include "src/port/config_text.h"

/* The file as it is now, with the lock held; "" if there is none. */
int edit_look(int root, char **text, struct config *c, struct error *err)
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

int edit_begin(int root, struct edit *e, struct error *err)
{
	if (cfs_lock(root, &e->lock, err) < 0)
		return error_code(err);
	return edit_look(root, &e->text, &e->now, err);
}

void edit_end(struct edit *e)
{
	config_free(&e->now);
	str_free(&e->out);
	free(e->text);
	cfs_unlock(&e->lock);
}

/* Nothing is left: then there is no file either. */
int edit_store(int root, struct edit *e, struct error *err)
{
	if (str_ok(&e->out) && !e->out.len) {
		if (unlinkat(root, VFHOOK_CFG, 0) < 0 && errno != ENOENT)
			return fail_errno(err, errno, "remove /" VFHOOK_CFG);
		return 0;
	}
	return store(root, &e->out, err);
}

/* The file as it is, and a blank line to begin a section after. */
void edit_new_section(struct edit *e)
{
	str_append(&e->out, e->text);
	if (e->out.len && e->out.data[e->out.len - 1] != '\n')
		str_append(&e->out, "\n");
	if (e->out.len)
		str_append(&e->out, "\n");
}

static bool ends_in_empty_line(const struct str *s)
{
	return s->len == 1
		       ? s->data[0] == '\n'
		       : s->len > 1 && s->data[s->len - 1] == '\n' && s->data[s->len - 2] == '\n';
}

/* Everything but the section at head, and the blank line that stood between it and the rest. */
void edit_leave_out(struct edit *e, const char *head)
{
	const char *at = config_line_next(head);

	str_append_len(&e->out, e->text, (size_t)(head - e->text));
	for (; config_line_goes_on(at); at = config_line_next(at)) {
		if (*at == '#') /* perhaps of the section that follows */
			str_append_len(&e->out, at, (size_t)(config_line_next(at) - at));
	}
	if (*at && config_line_is_empty(at) && (!e->out.len || ends_in_empty_line(&e->out)))
		at = config_line_next(at);
	else if (!*at && str_ok(&e->out) && ends_in_empty_line(&e->out))
		e->out.data[--e->out.len] = '\0';
	str_append(&e->out, at);
}

static const struct key_change *find_change(const char *at, const struct key_change *changes,
					    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (config_line_has_key(at, changes[i].key))
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

/* Keys that are there change in their place, new ones come behind the section's last one. */
void edit_change_keys(struct edit *e, const char *head, const struct key_change *changes, size_t n)
{
	const char *at = config_line_next(head);
	const char *end = at; /* behind the last property */
	uint64_t done = 0;

	for (const char *p = at; config_line_goes_on(p); p = config_line_next(p)) {
		if (config_line_is_property(p))
			end = config_line_next(p);
	}
	str_append_len(&e->out, e->text, (size_t)(at - e->text));
	for (; at < end; at = config_line_next(at)) {
		const struct key_change *c = find_change(at, changes, n);

		if (!c) {
			str_append_len(&e->out, at, (size_t)(config_line_next(at) - at));
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

/* The file with another text for that section. */
void edit_swap(struct edit *e, const char *head, const char *to)
{
	if (head && !to) {
		edit_leave_out(e, head);
	} else if (head) {
		str_append_len(&e->out, e->text, (size_t)(head - e->text));
		str_append(&e->out, to);
		str_append(&e->out, config_section_end(head));
	} else {
		edit_new_section(e);
		str_append(&e->out, to);
	}
}
