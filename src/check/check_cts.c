/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The config of a container against its ports. */
#include "src/check/check_cts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/ct_config.h"
#include "src/base/cleanup.h"
#include "src/port/ct_driver.h"
#include "src/port/ct_ports.h"
#include "src/port/guest_note.h"
#include "src/port/port_changes.h"

static const struct port *first_port(const struct config *c, uint32_t vmid)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid == vmid && !c->ports[i].bad && c->ports[i].netname[0])
			return &c->ports[i];
	}
	return NULL;
}

/* Its start needs it. */
static void check_drivers(struct hook *h, const struct config *c, uint32_t vmid,
			  const char *subject, struct report *r)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];
		const struct pool *pool =
			p->vmid == vmid && !p->bad ? config_pool(c, p->pool) : NULL;
		struct error err = ERROR_INIT;

		if (pool && !pool->bad && p->netname[0] && ct_driver_check(h, pool, &err) < 0)
			report_add(r, CHECK_FAIL, "port", subject, "as it says", "%s: %s",
				   p->netname, err.text);
	}
}

void check_ct(struct hook *h, const struct config *c, const struct guest_ref *g, struct report *r)
{
	CLEANUP(ct_config_free) struct ct_config ct = {0};
	const struct port *p = first_port(c, g->vmid);
	struct error err = ERROR_INIT;
	char subject[32];
	char remedy[96];

	/* Its own node checks it. */
	if (strcmp(g->node, h->node) != 0)
		return;
	snprintf(subject, sizeof(subject), "CT %u", g->vmid);
	if (ct_config_load(h->root, h->node, g->vmid, &ct, &err) < 0) {
		if (p && err.code != ENOENT)
			report_add(r, CHECK_FAIL, "port", subject, "mend its config by hand", "%s",
				   err.text);
		return;
	}
	if (ct.is_template)
		return;
	if (ct_ports_judge(c, &ct, &err) < 0)
		report_add(r, CHECK_FAIL, "port", subject, "as it says", "%s", err.text);
	check_drivers(h, c, g->vmid, subject, r);
	if (!p || (ct.hookscript && hookscript_is_ours(ct.hookscript)))
		return;
	snprintf(remedy, sizeof(remedy), "pct set %u --hookscript " OUR_HOOKSCRIPT, g->vmid);
	report_add(r, CHECK_FAIL, "hookscript", subject, remedy,
		   "it has a port, but %s%s: nobody makes its interface",
		   ct.hookscript ? "its hookscript is " : "no hookscript",
		   ct.hookscript ? ct.hookscript : "");
}
