/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of a device: those it was started with, or those that PVE would start it with. */
#include "src/port/device_words.h"

#include <errno.h>
#include <string.h>

#include "pveapi/guest.h"
#include "pveapi/hostpci.h"
#include "pveapi/lines.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/port/hostpci_planned.h"

/* PVE/QemuServer/PCI.pm: get_pci_addr_map; from hostpci4 on behind the bridge pci.2. */
static const unsigned char pci_slots[PVE_HOSTPCI_MAX] = {16, 17, 27, 28, 13, 14, 15, 16,
							 17, 18, 19, 20, 21, 22, 23, 24};

static bool has_property(const char *rest, const char *wanted)
{
	struct span all = {rest, strlen(rest)};
	struct span part;

	while (span_cut(&all, ',', &part)) {
		if (part.len == strlen(wanted) && !memcmp(part.p, wanted, part.len))
			return true;
	}
	return false;
}

/*
 * As print_hostpci_devices() has it there, as far as a VF needs it. What is not there to take it (a
 * root port from the fifth on, a bridge) QEMU refuses by name.
 */
static void words_of(const struct device_name *n, const struct hostpci *e, struct str *out)
{
	char addr[PCI_ADDR_LEN];
	char id[16];

	str_printf(out, "vfio-pci,host=%s,id=%s", pci_addr_format(&n->vf, addr),
		   device_id(n->slot, id));
	if (has_property(e->rest, "pcie=1"))
		str_printf(out, ",bus=ich9-pcie-port-%u,addr=0x0", n->slot + 1);
	else
		str_printf(out, ",bus=pci.%d,addr=0x%x", n->slot < 4 ? 0 : 2, pci_slots[n->slot]);
	if (has_property(e->rest, "rombar=0"))
		str_append(out, ",rombar=0");
}

/* A VM that was started without it: as its next start would have it, which may be pending. */
static int words_of_config(struct hook *h, const struct device_name *n, struct str *out,
			   struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	CLEANUP(hostpci_clear) struct hostpci e = {0};
	AUTO_FREE char *value = NULL;

	if (guest_config_load(h->root, h->node, NULL, n->vmid, &g, err) < 0)
		return error_code(err);
	value = hostpci_planned(&g, n->slot);
	if (!value || hostpci_parse(value, &e, err) < 0)
		return fail(err, ENOENT, "the VM has no hostpci%u, not even for its next start",
			    n->slot);
	words_of(n, &e, out);
	return str_ok(out) ? 0 : fail(err, ENOMEM, "out of memory");
}

int device_words(struct hook *h, const struct device_name *n, struct str *out, struct error *err)
{
	int r = vm_hostpci_words(h->root, &n->qemu, n->slot, &n->vf, out, err);

	if (r)
		return r < 0 ? r : 0;
	return words_of_config(h, n, out, err);
}
