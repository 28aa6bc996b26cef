/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a VM's hostpciN mean what its port wants, and if not, what its text must be (entry->value)?
 * A pure judgement of the guest config against vfhook.cfg.
 */
#ifndef VFHOOK_PORT_HOSTPCI_JUDGE_H
#define VFHOOK_PORT_HOSTPCI_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "pveapi/guest.h"
#include "src/base/text.h"
#include "src/port/config.h"

enum entry_verdict {
	ENTRY_NOT_OURS, /* no port, and nothing of ours in hostpciN */
	ENTRY_GOOD,	/* mapping=vf-<vmid>-<N>, and the port is there */
	ENTRY_REWRITE,	/* the port is there, hostpciN must be written */
	ENTRY_ADOPT,	/* no port yet: one is to be made (`adopt`), and hostpciN written */
	ENTRY_REFUSE,	/* a person has to say what is meant; why tells, mend does it */
};

/* A raw address in hostpciN, looked up by the caller. */
struct raw_vf {
	bool is_vf;
	struct pci_addr vf;
	struct pci_addr pf;
	/* It means more functions than one, all of a slot or several: vf is the first VF of a pool
	 * among them, if is_vf. */
	unsigned n_functions;
};

struct entry {
	enum entry_verdict verdict;
	char why[320]; /* what is wrong with it, for a person; of REFUSE it ends in `mend` */
	char mend[64]; /* REFUSE: the command that mends it, or "" (a mistake in vfhook.cfg) */
	char *value;   /* the hostpciN to write (REWRITE, ADOPT), owned; else NULL */
	bool was_raw;  /* it holds a raw address: only root@pam may replace that */
	bool has_vf;   /* the user named this very VF: prefer it */
	struct pci_addr vf;
	struct port adopt; /* the port to make (ADOPT); its MAC, if it has one, is always new */
	uint32_t origin;   /* whose clone it seems to be (ADOPT), 0: nobody's */
};

/*
 * raw: what hostpciN's raw addresses mean. node: this node. Release *out with
 * entry_free().
 */
void entry_judge(const struct config *c, const char *node, const struct guest_config *g,
		 unsigned slot, const struct raw_vf *raw, struct entry *out);
void entry_free(struct entry *e);

/* hostpciN as it is with the port's mapping: all else that it has is kept. The caller's to free(),
 * NULL: out of memory. */
char *entry_value(const struct guest_config *g, unsigned slot);

#endif
