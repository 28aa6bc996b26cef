/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing PCI mappings through the REST API. */
#ifndef VFHOOK_PVEAPI_API_MAPPING_H
#define VFHOOK_PVEAPI_API_MAPPING_H

#include <stdbool.h>

#include "pveapi/rest.h"
#include "src/base/error.h"
#include "src/base/text.h"

/*
 * Make mapping `id` name this node's entry `entry` (a mapping_entry_format()
 * value): creates the mapping if it is not there, replaces this node's entries
 * if it is, and sends all other nodes' entries along unchanged, since PUT
 * replaces the whole array. Reads pci.cfg as a file for each try, sends its
 * digest, and tries again with a short growing pause when somebody else changed
 * the file meanwhile or holds its lock, at most 10 times or 20 s. Nothing is sent if
 * the file already says so. description may be NULL (kept, or none for a new one).
 * Returns 1 if something was written, 0 if nothing had to be, or a negative errno.
 */
int api_mapping_set(struct rest *r, int root, const char *node, const char *id,
		    const char *description, const char *entry, struct error *err);

/*
 * The same, but only if the node's entry is `from` (a map value, NULL: none), or is `entry`
 * already: else -ESTALE, and nothing is changed. entry may be NULL: the node's entry is taken away,
 * and the mapping with its last one.
 */
int api_mapping_swap(struct rest *r, int root, const char *node, const char *id,
		     const char *description, const char *from, const char *entry,
		     struct error *err);

/*
 * What api_mapping_set() would send as things stand, for a person: method and
 * path, then one "key=value" a line. Sends nothing and takes no lock.
 */
int api_mapping_describe(int root, const char *node, const char *id, const char *description,
			 const char *entry, struct str *out, struct error *err);

/*
 * Put a mapping's `live-migration-capable` on or off; a mapping that is not there, or is so
 * already, is fine, and nothing is sent. The map lines go along, since PVE wants them with every
 * PUT (PVE/API2/Cluster/Mapping/PCI.pm: check_config with $create), and digest and tries are as
 * above. -EOPNOTSUPP with err: this PVE does not know it (before 8.4).
 */
int api_mapping_live(struct rest *r, int root, const char *id, bool on, struct error *err);

/* Delete a mapping; one that is not there is fine. */
int api_mapping_delete(struct rest *r, int root, const char *id, struct error *err);

#endif
