/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM id that somebody typed. */
#include "src/port/vmid.h"

#include "pveapi/guest.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/base/text.h"

int vmid_parse(const char *text, uint32_t *vmid)
{
	if (!parse_u32(text, PVE_VMID_MAX, vmid) && *vmid >= PVE_VMID_MIN)
		return 0;
	complain("not a VM id (100 to 999999999): '%s'; see vfhook --help", text);
	return EXIT_USAGE;
}
