/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One section of vfhook.cfg, whatever its type, as text: what a plan changes from one to another.
 */
#ifndef VFHOOK_PORT_CONFIG_SECTION_H
#define VFHOOK_PORT_CONFIG_SECTION_H

#include <stdbool.h>

#include "src/base/error.h"

/*
 * The text of the section "<type>: <id>", from its head to its last property; NULL in *out: there
 * is none. The caller's to free().
 */
int config_section(int root, const char *type, const char *id, char **out, struct error *err);

/*
 * Give a section another text, if it is `from` (NULL: not there); `to` NULL takes it out, and the
 * blank line that belonged to it; the file goes with its last section. One that is `to` already is
 * fine; -EAGAIN: it is neither. check: -EINVAL if a port or pool would be a mistake, -EEXIST if one
 * of a pool's PFs is in another pool, -EBUSY if ports use one that is taken out.
 */
int config_swap_section(int root, const char *type, const char *id, const char *from,
			const char *to, bool check, struct error *err);

#endif
