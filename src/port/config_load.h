/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook.cfg is read. What was read is released with config_free(). */
#ifndef VFHOOK_PORT_CONFIG_LOAD_H
#define VFHOOK_PORT_CONFIG_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/config.h"

/*
 * Load the file; a missing one is an empty one. A mistake inside one section
 * is kept with that section (bad): it stops the VMs that need it and no other.
 * A file whose sections cannot be told apart is an error as a whole.
 */
int config_load(int root, struct config *out, struct error *err);
/*
 * What concerns these VMs: their own ports and notes, and all pools. Nothing else is in *out or
 * judged, except that no other port may have the MAC of one of theirs: a start needs one or two
 * of what may be a thousand sections.
 */
int config_load_for(int root, const uint32_t *vmids, size_t n, struct config *out,
		    struct error *err);
/* The same of a text; name is the file as messages have it. */
int config_parse(const char *name, const char *text, size_t len, struct config *out,
		 struct error *err);

#endif
