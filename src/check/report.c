/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings, one after the other, and what is shown to whoever waits for them. */
#include "src/check/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/text.h"

void report_add(struct report *r, enum check_level level, const char *id, const char *subject,
		const char *remedy, const char *fmt, ...)
{
	struct finding *more = reallocarray(r->list, r->n + 1, sizeof(*more));
	char text[sizeof(more->text)];
	struct finding *f;
	va_list ap;

	if (!more) {
		r->failed = true;
		return;
	}
	r->list = more;
	f = &r->list[r->n++];
	*f = (struct finding){.level = level, .id = id};
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_clean(text, f->text, sizeof(f->text));
	text_clean(subject, f->subject, sizeof(f->subject));
	text_clean(remedy, f->remedy, sizeof(f->remedy));
}

void pass_unless_worse(struct report *r, size_t n_before, const char *id, const char *fmt, ...)
{
	char text[sizeof(r->list->text)];
	va_list ap;

	for (size_t i = n_before; i < r->n; i++) {
		if (r->list[i].level != CHECK_PASS)
			return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report_add(r, CHECK_PASS, id, "", "", "%s", text);
}

const char *vm_subject(uint32_t vmid, char buf[32])
{
	snprintf(buf, 32, "VM %u", vmid);
	return buf;
}

void report_progress(struct report *r, const char *what)
{
	progress_end(&r->progress);
	progress_begin(&r->progress, 0, "looking at %s", what);
}

void report_progress_end(struct report *r)
{
	progress_end(&r->progress);
}

void report_free(struct report *r)
{
	free(r->list);
	*r = (struct report){0};
}

enum check_level report_worst(const struct report *r)
{
	enum check_level worst = r->failed ? CHECK_FAIL : CHECK_PASS;

	for (size_t i = 0; i < r->n; i++) {
		if (r->list[i].level > worst)
			worst = r->list[i].level;
	}
	return worst;
}
