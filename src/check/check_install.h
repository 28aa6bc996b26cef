/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: can PVE find the program as hookscript, and does systemd run it at boot?
 * ([snippet], [boot-service]) */
#ifndef VFHOOK_CHECK_CHECK_INSTALL_H
#define VFHOOK_CHECK_CHECK_INSTALL_H

#include <stdbool.h>
#include <stddef.h>

#include "pveapi/storage.h"
#include "src/check/report.h"
#include "src/port/context.h"

enum snippet_state { SNIPPET_NONE, SNIPPET_NO_EXEC, SNIPPET_OTHER, SNIPPET_OURS };

/* What is at <path>/snippets/vfhook of one storage. */
struct snippet_facts {
	const struct storage *storage;
	enum snippet_state state;
	bool listed; /* the storage has content type snippets */
};

/* Findings on the folders of snippets that there are: can PVE find the hookscript in one of them?
 */
void judge_snippets(const struct snippet_facts *s, size_t n, struct report *r);
/* The same, gathered on this node. */
void check_snippet(struct hook *h, struct report *r);
/* Are the units installed, and does systemd run them at boot? */
void check_boot_service(struct hook *h, const struct config *c, struct report *r);

#endif
