/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of keys as a person writes them, and the words for those that are none. */
#include "src/base/key_value.h"

#include <errno.h>
#include <stdio.h>

#include "src/base/text.h"

int key_bad_value(const char *key, const char *value, const char *want, struct error *err)
{
	char clean[64];

	return fail(err, EINVAL, "'%s' cannot be '%s': %s", key,
		    text_clean(value, clean, sizeof(clean)), want);
}

int key_unknown(const char *of, const char *key, struct error *err)
{
	char clean[64];

	return fail(err, EINVAL, "a %s has no '%s'", of, text_clean(key, clean, sizeof(clean)));
}

int key_number(const char *key, const char *v, uint32_t max, uint32_t *out, struct error *err)
{
	char want[64];

	if (!parse_u32(v, max, out))
		return 0;
	snprintf(want, sizeof(want), "a number from 0 to %u", max);
	return key_bad_value(key, v, want, err);
}

int key_flag(const char *key, const char *v, bool *out, struct error *err)
{
	return parse_bool(v, out) < 0 ? key_bad_value(key, v, "1 or 0, on or off", err) : 0;
}
