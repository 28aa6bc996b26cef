/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vfhook.cfg notes of a guest beside its ports, and PVE's hookscripts by their volume ids.
 */
#ifndef VFHOOK_PORT_GUEST_NOTE_H
#define VFHOOK_PORT_GUEST_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/config.h"

/* "local:snippets/name": a volume that PVE takes for a hookscript, and no trick in its name. */
bool hookscript_valid(const char *volid);
/* Is it our own program? */
bool hookscript_is_ours(const char *volid);

/* The id of a guest's section, in one spelling only. 0 or -EINVAL. */
int guest_id_parse(const char *id, uint32_t *vmid);
/* The names of all keys, one after the other; NULL behind the last one. */
const char *guest_note_key_name(size_t i);
/* One key of a guest as it stands in the file. -EINVAL with err. */
int guest_note_set_key(const char *key, const char *v, struct guest_note *g, struct error *err);

/* The text that the section of a guest with that other hookscript would have; the caller's to
 * free(). -ENOMEM with err. */
int config_guest_section(uint32_t vmid, const char *volid, char **out, struct error *err);

#endif
