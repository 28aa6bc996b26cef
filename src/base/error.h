/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors are values: a function that can fail takes a struct error as its last
 * argument, fills it and returns a negative errno. Text is for a person: what
 * happened, to what, and where it can be said, what to do. It holds no line
 * break and no trailing full stop; the edge (src/base/say.c) prints it.
 */
#ifndef VFHOOK_BASE_ERROR_H
#define VFHOOK_BASE_ERROR_H

/* code is a positive errno (0: no error). The struct owns nothing. */
struct error {
	int code;
	char text[1024];
};

#define ERROR_INIT ((struct error){0, ""})

/* Fill err (which may be NULL) and return -code, so that `return fail(...)` reads well. */
int fail(struct error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As fail(), with ": <strerror(code)>" put behind the text. */
int fail_errno(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "<context>: " in front of what err already says; returns -err->code (-EIO without err). */
int fail_context(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The negative errno that err holds (-EIO without err): for passing a failure on. */
int error_code(const struct error *err);

/* Make err empty again, before a second attempt. */
void error_clear(struct error *err);

#endif
