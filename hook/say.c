/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/say.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

/* One write a line: lines of two VMs in one journal stay whole. */
static void put(FILE *f, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void put(FILE *f, const char *fmt, va_list ap)
{
	char raw[2048];
	char clean[2048];

	vsnprintf(raw, sizeof(raw), fmt, ap);
	fprintf(f, "vfhook: %s\n", text_clean(raw, clean, sizeof(clean)));
	fflush(f);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stdout, fmt, ap);
	va_end(ap);
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stderr, fmt, ap);
	va_end(ap);
}

void say_line(void *arg, const char *line)
{
	(void)arg;
	say("%s", line);
}
