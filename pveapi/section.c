/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One pass over the text, in place: this is most of what a start reads. */
#include "pveapi/section.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/lines.h"
#include "src/base/cleanup.h"
#include "src/base/same_set.h"

#define LINE_MAX_LEN 8192
#define LINES_MAX    65536

struct parser {
	const char *name;
	unsigned line;
	bool typed;
	bool open;	  /* the last section still takes properties */
	const char *only; /* of the last section, as section_filter has it */
	const char *id;	  /* the last section's */
	const struct section_filter *filter;
	struct section_file *out;
	size_t cap_sections;
	size_t cap_props;
	size_t cap_others;
	struct error *err;
};

void section_file_free(struct section_file *f)
{
	free(f->sections);
	free(f->props);
	free(f->others);
	free(f->text);
	*f = (struct section_file){0};
}

static int fail_memory(const struct parser *p)
{
	return fail(p->err, ENOMEM, "%s:%u: out of memory", p->name, p->line);
}

/* Makes room for one more element behind n; the new room is not initialised. */
static bool grow(void **array, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 8;
	void *bigger;

	if (n < *cap)
		return true;
	bigger = reallocarray(*array, more, size);
	if (!bigger)
		return false;
	*array = bigger;
	*cap = more;
	return true;
}

static int check_bytes(const struct parser *p, struct span line)
{
	if (line.len > LINE_MAX_LEN)
		return fail(p->err, EINVAL, "%s:%u: the line is longer than %d bytes", p->name,
			    p->line, LINE_MAX_LEN);
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (c == '\r' && i + 1 == line.len)
			return fail(p->err, EINVAL,
				    "%s:%u: the line ends in CR LF (written on Windows?); "
				    "`sed -i 's/\\r$//' %s` mends it",
				    p->name, p->line, p->name);
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return fail(p->err, EINVAL, "%s:%u: control character 0x%02x in column %zu",
				    p->name, p->line, c, i + 1);
	}
	return 0;
}

static size_t word_len(struct span s)
{
	size_t n = 0;

	while (n < s.len && !is_blank(s.p[n]))
		n++;
	return n;
}

static bool is_type(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool other = (c >= '0' && c <= '9') || c == '-' || c == '_';

		if (!letter && !(i && other))
			return false;
	}
	return s.len > 0;
}

/* The text is ours: a span of it becomes a string in its place. */
static const char *terminate(const struct section_file *f, struct span s)
{
	f->text[(size_t)(s.p - f->text) + s.len] = '\0';
	return s.p;
}

/* A line that is no header of a section, and looks like something else. */
static int no_header(const struct parser *p, struct span line)
{
	if (line.len >= 3 && !memcmp(line.p, "\xef\xbb\xbf", 3))
		return fail(p->err, EINVAL,
			    "%s:%u: it begins with a byte order mark (BOM), which some editors put "
			    "there: sed -i '1s/^\\xef\\xbb\\xbf//' %s",
			    p->name, p->line, p->name);
	if (p->open)
		return fail(p->err, EINVAL,
			    "%s:%u: \"%.*s\" has no tab in front: did it lose it? A property of "
			    "the section above must begin with one; a new section's header is "
			    "\"type: id\"",
			    p->name, p->line, (int)(word_len(line) > 64 ? 64 : word_len(line)),
			    line.p);
	return fail(p->err, EINVAL,
		    "%s:%u: expected a section header \"type: id\" (properties begin with a tab)",
		    p->name, p->line);
}

/* Takes "type: id" apart, as PVE/SectionConfig.pm: parse_section_header. */
static int split_header(const struct parser *p, struct span line, struct span *type,
			struct span *id)
{
	struct span rest = span_trim(line);
	const char *colon = memchr(rest.p, ':', rest.len);
	size_t n;

	if (!colon)
		return no_header(p, rest);
	*type = (struct span){rest.p, (size_t)(colon - rest.p)};
	rest.len -= type->len + 1;
	rest.p = colon + 1;
	rest = span_trim(rest);
	if (!is_type(*type))
		return no_header(p, span_trim(line));
	n = word_len(rest);
	if (!n)
		return fail(p->err, EINVAL, "%s:%u: the section header has no id", p->name,
			    p->line);
	if (n != rest.len)
		return fail(p->err, EINVAL,
			    "%s:%u: the section header has something behind the id \"%.*s\" "
			    "(properties begin with a tab)",
			    p->name, p->line, (int)(n > 128 ? 128 : n), rest.p);
	*id = rest;
	return 0;
}

static int open_section(struct parser *p, struct span type, struct span id)
{
	struct section_file *f = p->out;
	struct section *s;

	if (type.len)
		terminate(f, type);
	p->id = terminate(f, id);
	p->only = p->filter ? p->filter->only(type.p, id.p, p->filter->arg) : NULL;
	p->open = true;
	if (p->only)
		return 0;
	if (!grow((void **)&f->sections, f->n_sections, &p->cap_sections, sizeof(*s)))
		return fail_memory(p);
	s = &f->sections[f->n_sections++];
	*s = (struct section){
		.type = type.p, .id = id.p, .line = p->line, .first_prop = f->n_props};
	return 0;
}

static int add_section(struct parser *p, struct span line)
{
	struct span type = {"", 0};
	struct span id = {"", 0};
	int r = split_header(p, line, &type, &id);

	return r < 0 ? r : open_section(p, type, id);
}

static int add_property(struct parser *p, struct span line)
{
	struct span rest = span_trim(line);
	struct section_file *f = p->out;
	struct section_prop *prop;
	struct span key;

	if (!grow((void **)&f->props, f->n_props, &p->cap_props, sizeof(*prop)))
		return fail_memory(p);
	key = (struct span){rest.p, word_len(rest)};
	rest = span_trim((struct span){rest.p + key.len, rest.len - key.len});
	prop = &f->props[f->n_props++];
	f->sections[f->n_sections - 1].n_props++;
	prop->line = p->line;
	prop->value = terminate(f, rest);
	prop->key = terminate(f, key);
	return 0;
}

/* A property of a section that is passed over: as fast as that can be, there may be thousands. */
static int see_other(struct parser *p, struct span line)
{
	struct section_file *f = p->out;
	size_t len;

	while (line.len && is_blank(line.p[0])) {
		line.p++;
		line.len--;
	}
	if (!line.len || line.p[0] != p->only[0])
		return 0;
	len = strlen(p->only);
	if (line.len <= len || memcmp(line.p, p->only, len) != 0 || !is_blank(line.p[len]))
		return 0;
	if (!grow((void **)&f->others, f->n_others, &p->cap_others, sizeof(*f->others)))
		return fail_memory(p);
	line = span_trim((struct span){line.p + len, line.len - len});
	f->others[f->n_others++] = (struct section_other){p->id, terminate(f, line)};
	return 0;
}

static int check_property(const struct parser *p, struct span text)
{
	if (!text.len)
		return fail(p->err, EINVAL,
			    "%s:%u: the line has blanks and nothing else: neither a property nor "
			    "an empty line",
			    p->name, p->line);
	if (!p->open)
		return fail(p->err, EINVAL,
			    "%s:%u: a property (indented line) outside of a section", p->name,
			    p->line);
	return 0;
}

static int ignore(struct parser *p, const char *why)
{
	struct section_file *f = p->out;

	if (!f->n_ignored++) {
		f->ignored_line = p->line;
		f->ignored_why = why;
	}
	return 0;
}

static bool is_odd(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return text.len > LINE_MAX_LEN;
}

/* A line that is neither empty nor a comment, as PVE/SectionConfig.pm: parse_config takes it. */
static int parse_untyped(struct parser *p, struct span line, struct span text)
{
	bool odd = is_odd(text);

	if (p->open) {
		if (!is_blank(line.p[0]))
			return ignore(p, "PVE wants an empty line before a new section, and a tab "
					 "before a property");
		if (!text.len)
			return ignore(p, "it has blanks and nothing else");
		return odd ? ignore(p, "it has control characters, or is too long")
			   : add_property(p, line);
	}
	if (is_blank(line.p[0]))
		return ignore(p, "it is outside of a section");
	if (word_len(text) < text.len)
		return ignore(p, "a section's header is its id alone");
	if (!odd)
		return open_section(p, (struct span){"", 0}, text);
	p->open = true;
	p->only = ""; /* no id for PVE either: what follows is passed over */
	return ignore(p, "it is no id of a section");
}

static int parse_line(struct parser *p, struct span line)
{
	struct span text;
	int r;

	if (p->line > LINES_MAX)
		return fail(p->err, EINVAL, "%s:%u: more than %d lines", p->name, p->line,
			    LINES_MAX);
	if (p->open && p->only && line.len && is_blank(line.p[0]))
		return p->only[0] ? see_other(p, line) : 0;
	text = span_trim(line);
	r = p->typed ? check_bytes(p, line) : 0;
	if (r < 0)
		return r;
	if (text.len && text.p[0] == '#')
		return 0;
	if (!line.len) {
		p->open = false;
		return 0;
	}
	if (!p->typed)
		return parse_untyped(p, line, text);
	if (!is_blank(line.p[0]))
		return add_section(p, line);
	r = check_property(p, text);
	return r < 0 ? r : add_property(p, line);
}

static bool same_section(size_t a, size_t b, const void *arg)
{
	const struct section *s = arg;

	return !strcmp(s[a].id, s[b].id) && !strcmp(s[a].type, s[b].type);
}

/* Of those with the same id the last one counts. */
static int keep_last(struct parser *p)
{
	struct section *all = p->out->sections;
	CLEANUP(seen_free) struct seen seen;
	size_t kept = 0;

	if (seen_init(&seen, p->out->n_sections, same_section, all) < 0)
		return fail_memory(p);
	for (size_t i = p->out->n_sections; i-- > 0;) {
		struct section *s = &all[i];

		if (seen_add(&seen, seen_hash(&seen, 0, s->id, strlen(s->id)), i) == i)
			continue;
		p->line = s->line;
		s->id = "";
		ignore(p, "there is another section with the same id below");
	}
	for (size_t i = 0; i < p->out->n_sections; i++) {
		if (*all[i].id)
			all[kept++] = all[i];
	}
	p->out->n_sections = kept;
	return 0;
}

static int check_unique(struct parser *p)
{
	const struct section *all = p->out->sections;
	CLEANUP(seen_free) struct seen seen;

	if (seen_init(&seen, p->out->n_sections, same_section, all) < 0)
		return fail_memory(p);
	for (size_t i = 0; i < p->out->n_sections; i++) {
		const struct section *s = &all[i];
		uint64_t hash = seen_hash(&seen, 0, s->type, strlen(s->type));
		size_t old = seen_add(&seen, seen_hash(&seen, hash, s->id, strlen(s->id)), i);

		if (old != i)
			return fail(p->err, EINVAL,
				    "%s:%u: \"%.128s\" is there already, in line %u", p->name,
				    s->line, s->id, all[old].line);
	}
	return 0;
}

static int parse_lines(struct parser *p, struct lines lines)
{
	struct span line;

	while (lines_next(&lines, &line)) {
		int r;

		p->line = lines.number;
		r = parse_line(p, line);
		if (r < 0)
			return r;
	}
	return p->typed ? check_unique(p) : keep_last(p);
}

int section_take(const char *name, char *text, size_t len, bool typed,
		 const struct section_filter *filter, struct section_file *out, struct error *err)
{
	struct parser p = {.name = name, .typed = typed, .filter = filter, .out = out, .err = err};
	int r;

	*out = (struct section_file){.text = text};
	text[len] = '\0';
	r = parse_lines(&p, lines_of(text, len));
	if (r < 0) {
		section_file_free(out);
		return r;
	}
	for (size_t i = 0; out->n_props && i < out->n_sections; i++)
		out->sections[i].props = out->props + out->sections[i].first_prop;
	return 0;
}

int section_parse(const char *name, const char *text, size_t len, bool typed,
		  const struct section_filter *filter, struct section_file *out, struct error *err)
{
	char *copy = malloc(len + 1);

	*out = (struct section_file){0};
	if (!copy)
		return fail(err, ENOMEM, "%s: out of memory", name);
	memcpy(copy, text, len);
	return section_take(name, copy, len, typed, filter, out, err);
}

const struct section *section_find(const struct section_file *f, const char *type, const char *id)
{
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct section *s = &f->sections[i];

		if ((!type || !strcmp(s->type, type)) && !strcmp(s->id, id))
			return s;
	}
	return NULL;
}

const char *section_get(const struct section *s, const char *key)
{
	for (size_t i = 0; i < s->n_props; i++) {
		if (!strcmp(s->props[i].key, key))
			return s->props[i].value;
	}
	return NULL;
}
