/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the HA manager's status. */
#include "pveapi/ha.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"

#define MANAGER_STATUS "etc/pve/ha/manager_status"

int ha_vm_state(int root, uint32_t vmid, char state[HA_STATE_LEN])
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, MANAGER_STATUS, PVE_FILE_MAX, &text, NULL);
	const char *found;
	char sid[32];
	json_t *all;

	if (len == -ENOENT)
		return 0;
	if (len < 0)
		return (int)len;
	all = json_loadb(text, (size_t)len, 0, NULL);
	if (!all)
		return -EINVAL;
	snprintf(sid, sizeof(sid), "vm:%u", vmid);
	found = json_string_value(json_object_get(
		json_object_get(json_object_get(all, "service_status"), sid), "state"));
	if (found)
		text_clean(found, state, HA_STATE_LEN);
	json_decref(all);
	return found ? 1 : 0;
}
