/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a port asks for, before any VF is looked at. */
#include "src/vf/port_wish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *wish_device(const struct port_wish *w, char buf[WISH_DEVICE_LEN])
{
	if (w->netname[0])
		snprintf(buf, WISH_DEVICE_LEN, "%s", w->netname);
	else
		snprintf(buf, WISH_DEVICE_LEN, "hostpci%u", w->slot);
	return buf;
}

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
	char one[WISH_DEVICE_LEN];
	char two[WISH_DEVICE_LEN];
	char mac[MAC_LEN];

	for (size_t i = 0; i < n; i++) {
		if (!wishes[i].n_pfs)
			return fail(err, EINVAL, "pool '%s' of %s has no PF on this node",
				    wishes[i].pool, wish_device(&wishes[i], one));
		for (size_t k = 0; k < i; k++) {
			if ((wishes[i].want.has & HAS_MAC) && (wishes[k].want.has & HAS_MAC) &&
			    !memcmp(wishes[i].want.mac, wishes[k].want.mac, 6))
				return fail(err, EINVAL, "%s and %s have the same MAC %s",
					    wish_device(&wishes[k], one),
					    wish_device(&wishes[i], two),
					    mac_format(wishes[i].want.mac, mac));
		}
	}
	return 0;
}
