/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/pve/.members and dpkg's status file. max_len=512 */
#include "src/check/check_pve.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *exact = bytes_of(data, size);
	AUTO_FREE char *text = text_of(data, size);
	struct node_facts f = {0};
	char version[32];

	members_parse(exact, size, &f);
	NEED(strlen(f.cluster) < sizeof(f.cluster));
	if (dpkg_version(text, "pve-manager", version, sizeof(version)))
		NEED(strlen(version) < sizeof(version) && !strchr(version, '\n'));
	return 0;
}
