/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One after the other, with a word for who waits. */
#include "src/check/check_all.h"

#include "src/base/cleanup.h"
#include "src/check/check_host.h"
#include "src/check/check_leftovers.h"
#include "src/check/check_pf.h"
#include "src/check/check_pve.h"
#include "src/port/config.h"
#include "src/port/config_load.h"

void check_all(struct hook *h, struct report *r)
{
	CLEANUP(config_free) struct config c = {0};
	struct error err = ERROR_INIT;

	if (config_load(h->root, &c, &err) < 0)
		report_add(r, CHECK_FAIL, "config", "", "mend the file by hand: man vfhook.cfg",
			   "%s", err.text);
	report_progress(r, "the host");
	check_host(h, r);
	report_progress(r, "the PFs");
	check_pfs(h, &c, r);
	report_progress(r, "what else makes VFs");
	check_leftovers(h, &c, r);
	check_pve(h, &c, r);
	report_progress_end(r);
}

const char *check_level_name(enum check_level level)
{
	static const char *const names[] = {"PASS", "WARN", "FAIL"};

	return names[level];
}

size_t check_count(const struct report *r, enum check_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->list[i].level == level;
	return n;
}
