/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is noted of a guest, and which hookscripts can be noted. */
#include "src/port/guest_note.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/guest.h"
#include "src/base/cleanup.h"
#include "src/base/key_value.h"
#include "src/base/text.h"

bool hookscript_valid(const char *volid)
{
	const char *colon = strchr(volid, ':');
	const char *name = colon ? colon + 1 : "";
	char storage[NAME_LEN];

	if (!colon || strlen(volid) >= VOLID_LEN ||
	    snprintf(storage, sizeof(storage), "%.*s", (int)(colon - volid), volid) >=
		    (int)sizeof(storage) ||
	    !is_plain_name(storage, NAME_LEN - 1) || strncmp(name, "snippets/", 9) != 0)
		return false;
	name += 9;
	for (const char *c = name; *c; c++) {
		if (*c == '/' || (unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	}
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool hookscript_is_ours(const char *volid)
{
	const char *name = strstr(volid, ":snippets/");

	return name && !strcmp(name, ":snippets/vfhook");
}

int guest_id_parse(const char *id, uint32_t *vmid)
{
	if (parse_u32(id, PVE_VMID_MAX, vmid) < 0 || *vmid < PVE_VMID_MIN || id[0] == '0')
		return -EINVAL;
	return 0;
}

static const char *const guest_keys[] = {"chain", "comment"};

const char *guest_note_key_name(size_t i)
{
	return i < ARRAY_SIZE(guest_keys) ? guest_keys[i] : NULL;
}

int guest_note_set_key(const char *key, const char *v, struct guest_note *g, struct error *err)
{
	if (!strcmp(key, "comment"))
		return 0;
	if (strcmp(key, "chain") != 0)
		return key_unknown("guest", key, err);
	if (!hookscript_valid(v) || hookscript_is_ours(v))
		return key_bad_value("chain", v, "another hookscript, like local:snippets/name",
				     err);
	snprintf(g->chain, sizeof(g->chain), "%s", v);
	return 0;
}

int config_guest_section(uint32_t vmid, const char *volid, char **out, struct error *err)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	str_printf(&s, "guest: %u\n\tchain %s\n", vmid, volid);
	*out = str_take(&s);
	return *out ? 0 : fail(err, ENOMEM, "out of memory");
}
