/* SPDX-License-Identifier: GPL-2.0-or-later */
/* storage.cfg: where snippets can be. max_len=512 */
#include "pveapi/storage.c"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);
	CLEANUP(section_file_free) struct section_file f = {0};
	CLEANUP(storages_free) struct storages all = {0};
	struct error err = ERROR_INIT;
	int r = section_parse("/" STORAGE_CFG, text, size, true, NULL, &f, &err);

	if (r < 0) {
		check_error(r, &err);
		return 0;
	}
	NEED(!judge_sections(&f, "pve1", &all, &err));
	for (size_t i = 0; i < all.n; i++) {
		NEED(all.list[i].id && all.list[i].content);
		NEED(all.list[i].path[0] == '/' && !strstr(all.list[i].path, "/../"));
		storage_has_content(&all.list[i], "snippets");
	}
	return 0;
}
