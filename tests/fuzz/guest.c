/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest configs: what is taken from them for a start, claims, MACs. max_len=1024 */
#include "pveapi/datacenter.h"
#include "pveapi/guest.h"
#include "pveapi/guest_macs.c"
#include "pveapi/guest_names.c"
#include "tests/fuzz/fuzz.h"

static void parse(const char *text, size_t len)
{
	CLEANUP(guest_config_free) struct guest_config g = {.numa_node = -1};
	struct error err = ERROR_INIT;
	int r = guest_config_parse("/etc/pve/nodes/pve1/qemu-server/100.conf", text, len, 100, &g,
				   &err);

	if (r < 0)
		check_error(r, &err);
	for (size_t i = 0; i < PVE_HOSTPCI_MAX; i++) {
		NEED(r >= 0 || !g.hostpci[i].present);
		NEED(!g.hostpci[i].present || (g.hostpci[i].raw && g.hostpci[i].rest));
	}
	NEED(g.numa_known == (g.numa_node >= 0));
}

static void names(const char *text, size_t len)
{
	CLEANUP(guest_names_free) struct guest_names g = {0};
	struct naming n = {.out = &g, .vmid = 100};
	bool broken = false;

	NEED(!names_of_config(&n, "/etc/pve/nodes/pve1/qemu-server/100.conf", text, len, &broken));
	/* An address takes seven characters at least ("06:10.1", "06:10" and a ';'). */
	NEED(g.n_raw <= len && g.n_mapped <= PVE_HOSTPCI_MAX && g.n_vmids <= 1);
}

static void list_macs(const char *text, size_t len)
{
	struct macs m = {.vmid = 100};

	NEED(!macs_of_config(&m, text, len));
	NEED(m.n * (MAC_LEN - 1) <= len);
	free(m.list);
}

static void prefix(const char *text, size_t len)
{
	struct error err = ERROR_INIT;
	uint8_t mac[6];
	size_t n = 0;
	int r = pve_mac_prefix_parse(text, len, mac, &n, &err);

	if (r < 0) {
		check_error(r, &err);
		return;
	}
	NEED(n >= 1 && n <= 4 && !(mac[0] & 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);

	parse(text, size);
	names(text, size);
	list_macs(text, size);
	prefix(text, size);
	return 0;
}
