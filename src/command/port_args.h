/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port on a command line: --slot, and an option for each key that can be set. */
#ifndef VFHOOK_COMMAND_PORT_ARGS_H
#define VFHOOK_COMMAND_PORT_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "pveapi/guest.h"
#include "src/base/error.h"
#include "src/base/options.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/vf/vf_keys.h"

/* The port that is meant: --slot's (slot_text), or the only one. Complains; 0 or an exit status. */
int port_choose(const struct config *c, uint32_t vmid, const char *slot_text, unsigned *slot);
/*
 * The same of a container: the port that is called so in it (name), or the only one. *slot is its.
 */
int port_choose_named(const struct config *c, uint32_t vmid, const char *name, unsigned *slot);
/* A hostpci number. Complains and returns EXIT_USAGE if it is none. */
int slot_parse(const char *text, unsigned *slot);

/* The options of a command's help, one a line, but for --mac, which each has its own words for. */
void port_args_help(FILE *out);

/* What was given for the keys, as it was typed (by enum vf_key_id); NULL: nothing. */
struct port_args {
	const char *value[VF_KEY_COUNT];
	const char *mtu; /* of a container's */
	const char *live_migration;
};

#define PORT_OPTS (VF_KEY_COUNT + 2)

/*
 * Is it a container's id? Then what is a VM's alone must not be asked for (slot_text and a), else
 * what is a container's (name and a): complained of. 1: a container; 0: a VM, or no guest of this
 * node; negative: an exit status, negated.
 */
int port_args_kind(struct hook *h, uint32_t vmid, const char *slot_text, const char *name,
		   const struct port_args *a);

/* Was the VLAN's priority or protocol given? */
bool port_args_have_details(const struct port_args *a);

/* Append an option for each key; room for PORT_OPTS in opts. *a is empty then. */
void port_args_opts(struct port_args *a, struct opt *opts, size_t *n);

/*
 * Put what was given into the port. "unset" is allowed with can_unset: it is left out here. -EINVAL
 * for a bad value, or one that the port's pool has no use for; -EEXIST: another port, a guest or a
 * node's interface has that MAC.
 */
int port_args_apply(struct hook *h, const struct config *c, const struct port_args *a,
		    bool can_unset, struct port *p, struct error *err);

/* What a port that is to be migrated live lacks, one line each; nothing if it is not to be. */
void port_tell_lacks(struct hook *h, const struct config *c, const struct guest_config *g,
		     const struct port *p);

#endif
