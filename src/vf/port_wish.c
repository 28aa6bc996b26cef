/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a port asks for, before any VF is looked at. */
#include "src/vf/port_wish.h"

#include <errno.h>
#include <string.h>

bool wish_allows_pf(const struct port_wish *w, const struct pci_addr *pf)
{
	for (size_t i = 0; i < w->n_pfs; i++) {
		if (!pci_addr_cmp(&w->pfs[i].addr, pf))
			return true;
	}
	return false;
}

int port_wishes_check(const struct port_wish *wishes, size_t n, struct error *err)
{
	char mac[MAC_LEN];

	for (size_t i = 0; i < n; i++) {
		if (!wishes[i].n_pfs)
			return fail(err, EINVAL, "pool '%s' of hostpci%u has no PF on this node",
				    wishes[i].pool, wishes[i].slot);
		for (size_t k = 0; k < i; k++) {
			if ((wishes[i].want.has & HAS_MAC) && (wishes[k].want.has & HAS_MAC) &&
			    !memcmp(wishes[i].want.mac, wishes[k].want.mac, 6))
				return fail(err, EINVAL,
					    "hostpci%u and hostpci%u have the same MAC %s",
					    wishes[k].slot, wishes[i].slot,
					    mac_format(wishes[i].want.mac, mac));
		}
	}
	return 0;
}
