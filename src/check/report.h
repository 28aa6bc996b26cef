/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vfhook check has found: every requirement is one finding. Who checks gathers facts first
 * (observe) and then judges them in a function that looks at nothing else, so that every verdict
 * can be tested.
 */
#ifndef VFHOOK_CHECK_REPORT_H
#define VFHOOK_CHECK_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/progress.h"
#include "src/port/config.h"

enum check_level {
	CHECK_PASS,
	CHECK_WARN, /* works, but not as it should, or is likely to bite later */
	CHECK_FAIL, /* VMs with ports do not start, or not as asked */
};

struct finding {
	enum check_level level;
	const char *id;	  /* "iommu", "pf-driver": a literal, stable, for programs */
	char subject[64]; /* what it is about: "PF enp6s0f0", "VM 100", "" for the host */
	char text[480];	  /* the fact, one line */
	char remedy[480]; /* how to mend it, one line; "" for CHECK_PASS */
};

struct report {
	struct finding *list; /* in the order of adding */
	size_t n;
	bool failed; /* memory ran out: the report is not complete */
	/* For somebody who waits at a terminal (stderr). */
	struct progress progress;
};

/* Tell who waits for longer than a second what is looked at now; nobody else sees it. */
void report_progress(struct report *r, const char *what);
/* Take that line away again. */
void report_progress_end(struct report *r);

/*
 * Add a finding. subject may be ""; what comes from outside in subject, remedy
 * and the text is cleaned of control characters here.
 */
void report_add(struct report *r, enum check_level level, const char *id, const char *subject,
		const char *remedy, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Free its findings, and leave it empty. */
void report_free(struct report *r);
/* The level of the worst finding; with none, that of a PASS. */
enum check_level report_worst(const struct report *r);

/* A PASS, unless something worse was added since the report had n_before findings. */
void pass_unless_worse(struct report *r, size_t n_before, const char *id, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* "VM 100". Returns buf. */
const char *vm_subject(uint32_t vmid, char buf[32]);

#endif
