/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lease as JSON. max_len=1024 */
#include "src/vf/lease.h"
#include "src/base/json.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);
	AUTO_JSON json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	AUTO_JSON json_t *once = NULL;
	AUTO_JSON json_t *twice = NULL;
	struct error err = ERROR_INIT;
	struct lease l = {0};
	char shown[512];
	int r = lease_from_json(j, &l, &err);

	if (r < 0) {
		check_error(r, &err);
		return 0;
	}
	NEED(is_printable(l.name) && is_printable(l.pool));
	NEED(is_printable(vf_settings_describe(&l.want, shown, sizeof(shown))));
	once = lease_to_json(&l);
	NEED(once);
	NEED(!lease_from_json(once, &l, &err));
	twice = lease_to_json(&l);
	NEED(json_equal(once, twice));
	return 0;
}
