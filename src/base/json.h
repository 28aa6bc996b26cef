/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small helpers over jansson for our own files: every member is wanted and checked. */
#ifndef VFHOOK_BASE_JSON_H
#define VFHOOK_BASE_JSON_H

#include <jansson.h>

#include "src/base/cleanup.h"
#include "src/base/error.h"
#include "src/base/jsonout.h"
#include "src/base/text.h"

static inline void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define AUTO_JSON CLEANUP(cleanup_json)

/* Read and parse a file of at most max bytes; *out is a new reference to an object. */
int json_file_read(int root, const char *path, size_t max, json_t **out, struct error *err);

/* What was written, read back, and the writer released. NULL when memory ran out. */
json_t *json_out_parse(struct json_out *o);

/* An integer member between min and max. -EINVAL with err. */
int json_need_int(const json_t *obj, const char *key, json_int_t min, json_int_t max,
		  json_int_t *out, struct error *err);

/*
 * The member 'version' of a file of ours: an older one is read like one of now, a newer one
 * than `ours` is refused in words. -EINVAL with err.
 */
int json_need_version(const json_t *obj, int ours, struct error *err);

/* A string member, owned by obj; NULL with err filled. */
const char *json_need_string(const json_t *obj, const char *key, struct error *err);

/* A member that is a PCI address. -EINVAL with err. */
int json_need_addr(const json_t *obj, const char *key, struct pci_addr *out, struct error *err);

#endif
