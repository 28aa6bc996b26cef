/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a PF's interface is a port of: a bond, a bridge, ... */
#ifndef VFHOOK_HOST_PF_MASTER_H
#define VFHOOK_HOST_PF_MASTER_H

#include "src/vf/sysfs.h"

enum master_kind { MASTER_NONE, MASTER_BOND, MASTER_BRIDGE, MASTER_OVS, MASTER_OTHER };

struct pf_master {
	enum master_kind kind;
	char name[IFNAME_LEN];
	char mode[32]; /* a bond's: "802.3ad"; "" if it is not known */
};

/* Its master as sysfs has it; MASTER_NONE without one. */
void pf_master_read(int root, const char *ifname, struct pf_master *m);

#endif
