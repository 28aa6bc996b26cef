/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /proc/<pid>/stat and cmdline. max_len=512 */
#include "pveapi/process.c"
#include "pveapi/vmstate.c"
#include "tests/fuzz/fuzz.h"

static void stat_line(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = text_of(data, size);
	unsigned long long start = 0;
	char state = 0;

	if (!parse_stat(text, &state, &start))
		NEED(state);
}

/* With the NUL behind the last argument, and the one that proc_cmdline() puts behind that. */
static void command_line(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = text_of(data, size);
	struct error err = ERROR_INIT;
	struct pci_addr a;
	int r;

	if (!size)
		return;
	is_qemu(text);
	is_of_vm(text, size, 100);
	for (unsigned slot = 0; slot < 2; slot++) {
		r = cmdline_hostpci(text, size, slot, &a, &err);
		if (r < 0)
			check_error(r, &err);
		NEED(r <= 0 || (a.dev < 32 && a.fn < 8));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	stat_line(data, size);
	command_line(data, size);
	return 0;
}
