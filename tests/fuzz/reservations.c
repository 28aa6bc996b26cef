/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /run/qemu-server/pci-id-reservations. max_len=256 */
#include "pveapi/reservations.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const struct pci_reservation *r)
{
	AUTO_FREE struct pci_reservation *list = NULL;
	CLEANUP(str_free) struct str line = STR_INIT;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	size_t n = 0;

	str_printf(&line, "%s %u %s:%lld\n", pci_addr_format(&r->addr, addr), r->vmid,
		   r->pid ? "pid" : "time", r->pid ? (long long)r->pid : (long long)r->expires);
	NEED(!pci_reservations_parse(str_get(&line), line.len, &list, &n, &err));
	NEED(n == 1 && !pci_addr_cmp(&list->addr, &r->addr));
	NEED(list->vmid == r->vmid && list->pid == r->pid && list->expires == r->expires);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);
	AUTO_FREE struct pci_reservation *list = NULL;
	struct error err = ERROR_INIT;
	size_t n = 0;

	NEED(!pci_reservations_parse(text, size, &list, &n, &err));
	/* "06:10 1 pid:1": eight functions out of 13 characters. */
	NEED(n * 13 <= (size + 1) * 8);
	for (size_t i = 0; i < n && i < 64; i++)
		check_again(&list[i]);
	return 0;
}
