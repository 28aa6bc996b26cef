/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Out of sysfs, nothing of it missed if it is not there. */
#include "src/host/pf_around.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/vf/card.h"

/* Terabits are not made yet; a driver that does not know says -1. */
#define SPEED_MAX 10000000

void pf_around_read(int root, const struct pci_addr *addr, const char *ifname,
		    struct pf_around *out)
{
	unsigned long long speed = 0;
	char path[PATH_MAX];

	*out = (struct pf_around){.speed = 0};
	card_read(root, addr, &out->card, NULL);
	if (!ifname[0])
		return;
	snprintf(path, sizeof(path), "sys/class/net/%s/speed", ifname);
	if (!attr_read_u64(root, path, SPEED_MAX, &speed))
		out->speed = (unsigned)speed;
	pf_master_read(root, ifname, &out->master);
	out->bridges_unknown = bridges_above(root, ifname, &out->bridges, &out->ovs) < 0;
}

/* Over the bond that was named just now it need not be said. */
static void add_bridge(const struct pf_around *a, const struct bridge_above *b, struct str *out)
{
	struct bridge_above told = *b;
	char text[64];

	if (!strcmp(told.over, a->master.name))
		told.over[0] = '\0';
	str_printf(out, "%s%s", out->len ? ", " : "", bridge_text(&told, text, sizeof(text)));
}

const char *pf_above_text(const struct pf_around *a, char *buf, size_t size)
{
	const struct pf_master *m = &a->master;
	CLEANUP(str_free) struct str s = STR_INIT;

	if (m->kind == MASTER_BOND)
		str_printf(&s, "%s (%s)", m->name, m->mode[0] ? m->mode : "mode not known");
	else if (m->kind == MASTER_OTHER)
		str_append(&s, m->name);
	for (size_t i = 0; i < a->bridges.n && i < BRIDGES_TOLD; i++)
		add_bridge(a, &a->bridges.list[i], &s);
	if (a->bridges.n > BRIDGES_TOLD)
		str_printf(&s, " and %zu more", a->bridges.n - BRIDGES_TOLD);
	if (a->ovs.name[0])
		add_bridge(a, &a->ovs, &s);
	if (a->bridges_unknown)
		str_printf(&s, "%snot all can be read", s.len ? ", " : "");
	snprintf(buf, size, "%s", str_get(&s));
	return buf;
}
