/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a pool, as its section in vfhook.cfg has them, and its name. */
#ifndef VFHOOK_PORT_POOL_KEYS_H
#define VFHOOK_PORT_POOL_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/config.h"

/* One key of a pool as it stands in the file; *p owns what it has of it. -EINVAL or -ENOMEM with
 * err. */
int pool_set_key(const char *key, const char *v, struct pool *p, struct error *err);

/* The names of all keys, one after the other; NULL behind the last one. */
const char *pool_key_name(size_t i);
/* By design a pool has several of these: pf, host-vfs. */
bool pool_key_repeats(const char *key);

/*
 * The keys of a pool together, all of them read: what is not for a pool of its kind, -EINVAL with
 * err. Tells its PFs of which kind they are.
 */
int pool_check(struct pool *p, struct error *err);

/* The value of a `pf` line. -EINVAL with err. */
int pool_pf_parse(const char *v, struct pool_pf *pf, struct error *err);
/* Append a `pf` line, as the file has it, with tab and line break. */
void pool_pf_text(const char *node, const struct pf_id *pf, struct str *out);

/* Is this a pool's name: PVE could use it as a mapping's id, and it is no vf-<vmid>-<N>? */
int pool_name_check(const char *name, struct error *err);

#endif
