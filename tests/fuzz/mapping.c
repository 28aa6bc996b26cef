/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mapping/pci.cfg, and entries written anew. max_len=512 */
#include "pveapi/mapping.h"
#include "tests/fuzz/fuzz.h"

static bool ends_in_blank(const char *s)
{
	size_t n = strlen(s);

	return n && (s[n - 1] == ' ' || s[n - 1] == '\t');
}

static void check_entry(const struct mapping_entry *e)
{
	CLEANUP(str_free) struct str text = STR_INIT;
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	AUTO_FREE char *again = NULL;
	struct error err = ERROR_INIT;
	const struct mapping_entry *same;
	uint32_t group = 0;
	size_t n;

	NEED(e->path[0] && e->id[0]);
	/* A blank before a comma is kept, one at the end of a line is not. */
	if (ends_in_blank(e->path) || ends_in_blank(e->subsystem_id))
		return;
	if (e->iommugroup[0] && parse_u32(e->iommugroup, INT32_MAX, &group) < 0)
		return;
	again = mapping_entry_format(e->node, e->path, e->id,
				     e->subsystem_id[0] ? e->subsystem_id : NULL,
				     e->iommugroup[0] ? (int)group : -1);
	NEED(again);
	str_printf(&text, "xx\n\tmap %s\n", again);
	NEED(!mapping_parse("again", str_get(&text), text.len, &f, &err));
	NEED(f.n_mappings == 1);
	same = mapping_node_entry(&f.mappings[0], e->node, &n);
	NEED(n == 1 && !strcmp(same->path, e->path) && !strcmp(same->id, e->id));
	NEED(!strcmp(same->subsystem_id, e->subsystem_id));
	NEED(!same->iommugroup[0] == !e->iommugroup[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	struct error err = ERROR_INIT;
	int r = mapping_parse("/etc/pve/mapping/pci.cfg", text, size, &f, &err);

	if (r < 0) {
		check_error(r, &err);
		NEED(!f.n_mappings);
		return 0;
	}
	NEED(strlen(f.digest) == 40);
	for (size_t i = 0; i < f.n_mappings; i++) {
		const struct mapping *m = &f.mappings[i];

		NEED(mapping_id_valid(m->id) && mapping_find(&f, m->id) == m);
		for (size_t k = 0; k < m->n_entries; k++) {
			if (m->entries[k].node[0])
				check_entry(&m->entries[k]);
		}
	}
	return 0;
}
