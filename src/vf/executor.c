/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saying a line while a plan is carried out. */
#include "src/vf/executor.h"

#include <stdarg.h>
#include <stdio.h>

void executor_say(const struct executor *x, const char *fmt, ...)
{
	char line[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	x->say(x->arg, line);
}
