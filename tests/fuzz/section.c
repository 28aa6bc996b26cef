/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVE's section configs. max_len=512 */
#include "pveapi/section.h"
#include "tests/fuzz/fuzz.h"

static void format(const struct section_file *f, bool typed, struct str *out)
{
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct section *s = &f->sections[i];

		str_printf(out, "%s%s%s\n", s->type, typed ? ": " : "", s->id);
		for (size_t k = 0; k < s->n_props; k++)
			str_printf(out, "\t%s %s\n", s->props[k].key, s->props[k].value);
		str_append(out, "\n");
	}
}

static void check_equal(const struct section_file *a, const struct section_file *b)
{
	NEED(a->n_sections == b->n_sections);
	for (size_t i = 0; i < a->n_sections; i++) {
		const struct section *x = &a->sections[i];
		const struct section *y = &b->sections[i];

		NEED(!strcmp(x->type, y->type) && !strcmp(x->id, y->id));
		NEED(x->n_props == y->n_props);
		for (size_t k = 0; k < x->n_props; k++) {
			NEED(!strcmp(x->props[k].key, y->props[k].key));
			NEED(!strcmp(x->props[k].value, y->props[k].value));
			NEED(section_get(x, x->props[k].key));
		}
		NEED(section_find(a, x->type, x->id) == x);
	}
}

static void parse(const char *text, size_t len, bool typed)
{
	CLEANUP(section_file_free) struct section_file f = {0};
	CLEANUP(section_file_free) struct section_file again = {0};
	CLEANUP(str_free) struct str out = STR_INIT;
	struct error err = ERROR_INIT;
	int r = section_parse("/etc/pve/x.cfg", text, len, typed, NULL, &f, &err);

	if (r < 0) {
		check_error(r, &err);
		NEED(!f.n_sections);
		return;
	}
	format(&f, typed, &out);
	NEED(!section_parse("again", str_get(&out), out.len, typed, NULL, &again, &err));
	check_equal(&f, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);

	parse(text, size, true);
	parse(text, size, false);
	return 0;
}
