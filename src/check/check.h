/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook check: every requirement of the host, of its PFs and of Proxmox VE, each
 * one finding. Who checks gathers facts first (observe) and then judges them in
 * a function that looks at nothing else, so that every verdict can be tested.
 */
#ifndef VFHOOK_CHECK_CHECK_H
#define VFHOOK_CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "src/port/config.h"
#include "src/port/context.h"

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
	bool watched;
	bool shown;
	long long since_ms;
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
void report_free(struct report *r);
enum check_level report_worst(const struct report *r);

/* CPU, firmware, IOMMU, kernel command line, interrupt remapping, VFIO modules. */
void check_host(struct hook *h, struct report *r);
/* Every PF of this node's pools and their VFs; where there is no pool, the SR-IOV NICs there are.
 */
void check_pfs(struct hook *h, const struct config *c, struct report *r);
/* Units, scripts and lines that do by hand what vfhook does. */
void check_leftovers(struct hook *h, const struct config *c, struct report *r);
/* Snippet, hookscripts, token and its rights, TLS, quorum, mappings, MACs. */
void check_pve(struct hook *h, const struct config *c, struct report *r);

#endif
