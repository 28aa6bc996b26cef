/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is above the PFs of a pool, in words. */
#include "src/command/pool_fdb.h"

#include "src/base/say.h"
#include "src/host/bridges_above.h"
#include "src/host/unit_file.h"
#include "src/port/fdb_lock.h"
#include "src/vf/sysfs.h"

/* Nobody has said yet what is to become of it. */
static void propose(const struct pool *p, const struct pf_info *pf, const struct bridges_above *b)
{
	char text[160];

	say("PF %s is below %s: guests on %s and guests with a VF of it cannot talk to each other "
	    "(ARP gets through, nothing else); so that they can: vfhook pool add %s --pf %s "
	    "--fdb on",
	    pf->ifname, bridges_text(b, text, sizeof(text)), b->n == 1 ? "it" : "them", p->name,
	    pf->ifname);
}

static void tell_pf(struct hook *h, const struct pool *p, const char *said,
		    const struct pf_info *pf)
{
	struct bridges_above bridges;
	struct bridge_above ovs;
	char text[64];

	if (sysfs_pf_is_switchdev(h->root, &pf->addr))
		return;
	/* Where something cannot be read, what was found is true all the same. */
	bridges_above(h->root, pf->ifname, &bridges, &ovs);
	if (bridges.n && !p->fdb && !said)
		propose(p, pf, &bridges);
	if (ovs.name[0])
		say("PF %s is below %s: guests on it and guests with a VF of it cannot talk to "
		    "each other, and vfhook fdb does not follow it: vfhook check has what can be "
		    "done",
		    pf->ifname, bridge_text(&ovs, text, sizeof(text)));
}

/* It is enabled by the installation, which does not start it. */
static void tell_service(struct hook *h, const struct pool *p, bool said)
{
	switch (fdb_service_runs(h->root)) {
	case ANSWER_YES:
		if (said)
			say("pool '%s': fdb is on; vfhook fdb runs, and sees to it within a minute",
			    p->name);
		break;
	case ANSWER_NO:
		say("pool '%s': fdb is on, but " FDB_UNIT " does not run: systemctl %s vfhook-fdb",
		    p->name, unit_is_enabled(h->root, FDB_UNIT) ? "start" : "enable --now");
		break;
	case ANSWER_UNKNOWN:
		say("pool '%s': fdb is on; whether " FDB_UNIT " runs cannot be told: systemctl "
		    "status vfhook-fdb, and if it does not: systemctl start vfhook-fdb",
		    p->name);
		break;
	}
}

void pool_tell_bridges(struct hook *h, const struct pool *p, const char *said,
		       const struct pf_info *pfs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tell_pf(h, p, said, &pfs[i]);
	if (p->fdb && !h->dry_run)
		tell_service(h, p, said);
}
