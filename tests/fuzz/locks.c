/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /proc/locks. max_len=512 */
#include "src/base/cleanup.h"
#include "src/base/locks.h"
#include "src/base/text.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = text_of(data, size);
	CLEANUP(str_free) struct str more = STR_INIT;

	locks_have(text, 4711);
	/* Whatever stands before it, a line of its own is found. */
	str_printf(&more, "%s\n1: FLOCK  ADVISORY  WRITE 1 00:19:4711 0 EOF\n", text);
	NEED(locks_have(str_get(&more), 4711));
	return 0;
}
