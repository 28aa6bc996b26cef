/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of keys as a person writes them, in a file or on a command line, and the words for those
 * that are none. All return 0, or -EINVAL with err (which may be NULL): "'vlan' cannot be '4095':
 * ...".
 */
#ifndef VFHOOK_BASE_KEY_VALUE_H
#define VFHOOK_BASE_KEY_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"

/* What the key may be is `want`. Always -EINVAL. */
int key_bad_value(const char *key, const char *value, const char *want, struct error *err);
/* "a port has no 'vlam'". Always -EINVAL. */
int key_unknown(const char *of, const char *key, struct error *err);

/* A decimal number from 0 to max; *out is untouched on error. */
int key_number(const char *key, const char *v, uint32_t max, uint32_t *out, struct error *err);
/* 1 or 0, on or off (parse_bool()); *out is untouched on error. */
int key_flag(const char *key, const char *v, bool *out, struct error *err);

#endif
