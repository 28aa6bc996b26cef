/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making such an id, and taking one apart. */
#include "src/port/mapping_id.h"

#include <stdio.h>
#include <string.h>

#include "pveapi/limits.h"
#include "src/base/text.h"

const char *port_mapping_prefix(uint32_t vmid, char buf[NAME_LEN])
{
	snprintf(buf, NAME_LEN, "vf-%u-", vmid);
	return buf;
}

const char *port_mapping_id(uint32_t vmid, unsigned slot, char buf[NAME_LEN])
{
	size_t len = strlen(port_mapping_prefix(vmid, buf));

	snprintf(buf + len, NAME_LEN - len, "%u", slot);
	return buf;
}

bool port_mapping_parse(const char *id, uint32_t *vmid, unsigned *slot)
{
	char again[NAME_LEN];
	char number[16];
	const char *dash;
	uint32_t n;

	if (strncmp(id, "vf-", 3) != 0)
		return false;
	dash = strchr(id + 3, '-');
	if (!dash || (size_t)(dash - id - 3) >= sizeof(number))
		return false;
	memcpy(number, id + 3, (size_t)(dash - id - 3));
	number[dash - id - 3] = '\0';
	if (parse_u32(number, PVE_VMID_MAX, vmid) < 0 ||
	    parse_u32(dash + 1, PVE_HOSTPCI_MAX - 1, &n) < 0)
		return false;
	*slot = n;
	/* "vf-0100-00" is somebody else's. */
	return !strcmp(port_mapping_id(*vmid, *slot, again), id);
}
