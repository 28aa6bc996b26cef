/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By its comment, or by what goes with it. */
#include "src/port/mapping_owner.h"

#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/port/config.h"
#include "src/port/mapping_id.h"

bool mapping_has_our_mark(const struct mapping *m)
{
	return m->description && !strncmp(m->description, "vfhook", 6);
}

int mapping_refuse(const char *id, struct error *err)
{
	return fail(err, EEXIST,
		    "mapping %s is there already, and is not vfhook's (its comment does not begin "
		    "with 'vfhook'): give it another name (Datacenter > Resource Mappings, and the "
		    "VMs that name it), or take another slot (vfhook attach --slot <N>)",
		    id);
}

int mapping_may_go(int root, uint32_t vmid, unsigned slot, bool named, bool *may, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	const struct mapping *m;
	char id[NAME_LEN];

	if (mapping_load(root, &f, err) < 0)
		return error_code(err);
	m = mapping_find(&f, port_mapping_id(vmid, slot, id));
	*may = !m || named || mapping_has_our_mark(m);
	return 0;
}
