/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors as values: set, wrapped in context, cleared. */
#include "src/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fail(struct error *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;

		err->code = code;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return -code;
}

int fail_errno(struct error *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		size_t len;

		err->code = code;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		len = strlen(err->text);
		snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(code));
	}
	return -code;
}

int fail_context(struct error *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list ap;
	size_t len;

	if (!err)
		return -EIO;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	/* A long cause is cut at the end: its beginning names the object. */
	snprintf(err->text + len, sizeof(err->text) - len, ": %.900s", old);
	return error_code(err);
}

int error_code(const struct error *err)
{
	return -(err && err->code ? err->code : EIO);
}

void error_clear(struct error *err)
{
	if (err) {
		err->code = 0;
		err->text[0] = '\0';
	}
}
