/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON text, written member by member into a growing string. For what every start and stop
 * writes (leases, journals, events): building jansson's objects first, only to print and free
 * them, was half of a start's instructions. What is read is read by jansson.
 */
#ifndef VFHOOK_BASE_JSONOUT_H
#define VFHOOK_BASE_JSONOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/text.h"

/* Start with JSON_OUT_INIT, release with json_out_free(). After the last member str_ok(&o.text)
 * is false if memory ran out. */
struct json_out {
	struct str text;
	bool more; /* something stands before the next member */
};

#define JSON_OUT_INIT ((struct json_out){STR_INIT, false})

static inline void json_out_free(struct json_out *o)
{
	str_free(&o->text);
}

/*
 * A member: key and value, or the value alone (key NULL) in a list and at the top. Keys are
 * constants that need no escaping. What is not valid UTF-8 in a text becomes '?'.
 */
void json_out_text(struct json_out *o, const char *key, const char *value);
void json_out_int(struct json_out *o, const char *key, int64_t value);
void json_out_bool(struct json_out *o, const char *key, bool value);

/* bracket: '{' or '[', then what is in it, then the other one. */
void json_out_begin(struct json_out *o, const char *key, char bracket);
void json_out_end(struct json_out *o, char bracket);

#endif
