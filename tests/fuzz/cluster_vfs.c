/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook.json as another node wrote it, and as this one finds it. max_len=768 */
#include "src/port/cluster_vfs.c"
#include "src/port/mapping_nodes.c"
#include "tests/fuzz/fuzz.h"

/* It goes into a property string: nothing but what was asked for may come of it. */
static void check_entry(const char *entry)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(str_free) struct str text = STR_INIT;
	struct error err = ERROR_INIT;
	const struct mapping_entry *e;
	char again[PCI_ADDR_LEN];
	struct pci_addr a;
	size_t n;

	NEED(is_printable(entry));
	str_printf(&text, "vf-100-0\n\tmap %s\n", entry);
	NEED(!mapping_parse("again", str_get(&text), text.len, &f, &err));
	NEED(f.n_mappings == 1 && f.mappings[0].n_entries == 1);
	e = mapping_node_entry(&f.mappings[0], "pve2", &n);
	NEED(n == 1 && is_id(e->id) && (!e->subsystem_id[0] || is_id(e->subsystem_id)));
	/* PVE compares the path with sysfs's spelling. */
	NEED(!pci_addr_parse(e->path, &a) && !strcmp(e->path, pci_addr_format(&a, again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);
	AUTO_JSON json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	struct pool_pf pf = {.node = "pve2", .id = {.addr = {0, 3, 0, 0}}};
	const struct pool pool = {.name = "wan", .pfs = &pf, .n_pfs = 1};
	struct mapping_file f = {0};
	AUTO_FREE struct published_vf *list = NULL;
	AUTO_FREE struct published_mac *macs = NULL;
	size_t n_macs = 0;
	AUTO_FREE char *entry = choose_entry(&f, &pool, "pve2", json_object_get(j, "vfs"));
	size_t n = 0;

	if (entry)
		check_entry(entry);
	NEED(!vfs_from_json(json_object_get(j, "vfs"), &list, &n));
	NEED(n <= size);
	for (size_t i = 0; i < n; i++)
		NEED(list[i].vf.fn < 8 && list[i].pf.fn < 8 && list[i].index <= UINT16_MAX);
	NEED(!macs_from_json(json_object_get(j, "macs"), &macs, &n_macs));
	for (size_t i = 0; i < n_macs; i++)
		NEED(is_printable(macs[i].ifname));
	return 0;
}
