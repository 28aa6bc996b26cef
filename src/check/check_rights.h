/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: what the token may do against what it needs ([token-rights]) */
#ifndef VFHOOK_CHECK_CHECK_RIGHTS_H
#define VFHOOK_CHECK_CHECK_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/check/report.h"

enum right { RIGHT_HWTYPE, RIGHT_POWER, RIGHT_USE, RIGHT_MODIFY, RIGHT_COUNT };

/* PVE's names of them. */
extern const char *const right_names[RIGHT_COUNT];

/* What the token may do on one path of PVE's ACLs; bit 1 << enum right. */
struct path_rights {
	char path[NAME_LEN + 16];
	uint32_t vmid;		/* /vms/<vmid>, or 0 */
	char mapping[NAME_LEN]; /* /mapping/pci/<id>, or "" */
	bool asked;		/* GET /access/permissions gave an answer for it */
	unsigned has;
	unsigned propagates; /* to what is below the path */
	unsigned tried;	     /* a call that needs the right was not refused */
	unsigned refused;    /* or it was; why has the server's words */
	char why[RIGHT_COUNT][200];
};

struct token_facts {
	char name[160];		     /* user@realm!id */
	struct path_rights vms;	     /* /vms */
	struct path_rights mappings; /* /mapping/pci */
	struct path_rights *objects; /* this node's VMs with ports, and their mappings */
	size_t n_objects;
	bool incomplete;   /* not every path was answered for */
	char surplus[320]; /* "Sys.Modify on /, ...": far more than needed, or "" */
};

/* Findings on what the token may not do and needs to, and on what it may do beyond that. */
void judge_rights(const struct token_facts *f, struct report *r);
/* Does a privilege go beyond what vfhook needs, so far that it should be told? */
bool is_surplus(const char *privilege);

#endif
