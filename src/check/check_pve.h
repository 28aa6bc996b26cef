/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: Proxmox VE: the node, its cluster and vfhook.cfg ([pve], [quorum], [config]); then
 * the rest. */
#ifndef VFHOOK_CHECK_CHECK_PVE_H
#define VFHOOK_CHECK_CHECK_PVE_H

#include <stdbool.h>
#include <stddef.h>

#include "pveapi/mapping.h"
#include "src/check/report.h"
#include "src/port/config.h"
#include "src/port/context.h"

/* Snippet, hookscripts, token and its rights, TLS, quorum, mappings, MACs. */
void check_pve(struct hook *h, const struct config *c, struct report *r);

struct node_facts {
	char node[NAME_LEN];
	bool is_pve;		/* /etc/pve/nodes/<node> is there */
	char trouble[300];	/* why /etc/pve is not the cluster's, or "" */
	char version[64];	/* of the package pve-manager, "" if not known */
	bool members_known;	/* /etc/pve/.members could be read */
	bool clustered;		/* it tells of a cluster */
	bool quorate;		/* and of a quorum */
	unsigned nodes;		/* in that cluster */
	char cluster[NAME_LEN]; /* its name */
};

/* Findings on PVE's version and the node's name, and on the cluster's quorum. */
void judge_node(const struct node_facts *f, struct report *r);
void judge_quorum(const struct node_facts *f, struct report *r);

/* The version of an installed package in the text of dpkg's status file. False: not installed. */
bool dpkg_version(const char *status, const char *package, char *buf, size_t size);
/* Fill in what /etc/pve/.members says; text is its content. */
void members_parse(const char *text, size_t len, struct node_facts *f);

/* Findings on vfhook.cfg: sections that are no use, and ports without a pool. */
void judge_config(const struct config *c, struct report *r);

#endif
