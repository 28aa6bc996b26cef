/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVE's reservation of a VF that is plugged into a running VM, or that a container has, as an
 * object of a plan. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/reservations.h"
#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/device.h"
#include "src/port/objects.h"

/* Of that VM alone: another one's is nothing that this plan could have made. */
static int reservation_read(struct hook *h, const char *name, char **text, struct error *err)
{
	AUTO_FREE struct pci_reservation *all = NULL;
	struct pci_addr vf = {0};
	uint32_t vmid = 0;
	size_t n;

	*text = NULL;
	if (vm_vf_parse(name, &vmid, &vf, err) < 0 || pci_reservations(h->root, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		bool container = all[i].expires == PCI_RESERVED_FOR_CT;
		char holder[32];

		/* Others with a time are of a start that PVE is at. */
		if (all[i].vmid != vmid || (!all[i].pid && !container) ||
		    pci_addr_cmp(&all[i].addr, &vf) != 0)
			continue;
		snprintf(holder, sizeof(holder), "%s:%lld", container ? "time" : "pid",
			 container ? (long long)all[i].expires : (long long)all[i].pid);
		free(*text);
		*text = strdup(holder);
		if (!*text)
			return fail(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int reservation_set(struct hook *h, const char *name, enum object_how how, const char *from,
			   const char *to, struct error *err)
{
	struct pci_addr vf = {0};
	uint32_t vmid = 0;

	(void)how;
	(void)from;
	if (vm_vf_parse(name, &vmid, &vf, err) < 0)
		return error_code(err);
	return to ? pci_reserve(h->root, &vf, vmid, to, err)
		  : pci_unreserve(h->root, &vf, vmid, err);
}

const struct object_kind object_reservation = {
	OBJECT_RESERVATION, false, reservation_read, reservation_set, NULL,
};
