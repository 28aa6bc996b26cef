/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is made of `data` in replies, and of pci.cfg for a request. max_len=512 */
#include "pveapi/api_mapping.c"
#include "pveapi/api_vm.c"
#include "tests/fuzz/fuzz.h"

#define ENTRY "id=8086:10ca,iommugroup=17,node=pve1,path=0000:06:10.1"

static void task(const char *text)
{
	json_t *data = json_loads(text, JSON_DECODE_ANY, NULL);
	const char *upid = json_string_value(data);
	struct error err = ERROR_INIT;
	int r = judge_task(data, "UPID:pve1:0", &err);

	if (r < 0) {
		check_error(r, &err);
		NEED(is_printable(err.text));
	}
	if (is_upid(upid))
		NEED(!strpbrk(upid, " /\n") && strlen(upid) <= UPID_MAX_LEN);
	json_decref(data);
}

/* One entry for our node, everything of the others', nothing that PVE could not read. */
static void request(const char *text, size_t len)
{
	const struct wish w = {
		.node = "pve1", .id = "vf-100-0", .description = "VM 100", .entry = ENTRY};
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(request_free) struct request q = {0};
	struct error err = ERROR_INIT;
	const struct mapping *m;
	size_t others = 0;
	size_t ours = 0;

	if (mapping_parse("/etc/pve/mapping/pci.cfg", text, len, &f, &err) < 0)
		return;
	m = mapping_find(&f, w.id);
	NEED(!make_request(m, f.digest, &w, &q, &err));
	for (size_t i = 0; i < q.n; i++) {
		bool map = !strcmp(q.params[i].key, "map");

		NEED(q.params[i].value && !strchr(q.params[i].value, '\n'));
		ours += map && !strcmp(q.params[i].value, ENTRY);
		others += map && strcmp(q.params[i].value, ENTRY) != 0;
	}
	NEED(ours >= 1);
	for (size_t i = 0; m && i < m->n_entries; i++) {
		const struct mapping_entry *e = &m->entries[i];

		others -= *e->node && !e->unknown_key && strcmp(e->node, w.node) != 0 &&
			  strcmp(e->raw, ENTRY) != 0;
	}
	NEED(!others);
}

static void wishes(const char *text)
{
	const struct wish w = {.node = text, .id = text, .description = text, .entry = text};
	struct error err = ERROR_INIT;
	int r = check_wish(&w, &err);

	if (r < 0)
		check_error(r, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = text_of(data, size);

	task(text);
	request(text, size);
	wishes(text);
	return 0;
}
