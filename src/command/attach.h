/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vfhook attach is made of: everything is judged before anything is changed; then it is one
 * plan.
 */
#ifndef VFHOOK_COMMAND_ATTACH_H
#define VFHOOK_COMMAND_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "pveapi/ct_config.h"
#include "src/base/error.h"
#include "src/command/port_args.h"
#include "src/command/takeover.h"
#include "src/port/config.h"
#include "src/vf/plan.h"

/* Owns config and guest: release with attach_free(), which leaves the rest as it is. */
struct attach {
	char hookscript[VOLID_LEN]; /* our own, as this node has it */
	uint32_t vmid;
	const char *pool;
	const char *slot_text;
	const char *hostpci; /* other properties of hostpciN that it is to have, or NULL */
	const char *name;    /* a container's interface, or NULL */
	unsigned slot;	     /* if it was named */
	struct port_args args;
	struct config config;
	struct guest_config guest; /* of a container its id, name and hookscript */
	struct ct_config ct;	   /* a container's */
	struct port port;
	bool running;
	char old_hook[VOLID_LEN]; /* "" if there was none, or ours */
	bool set_hook;		  /* the hookscript is not ours yet */
	bool has_port;		  /* it is in vfhook.cfg, and something else is missing */
	uint32_t origin;	  /* whose clone it is, 0: nobody's */
	bool take_over;		  /* what is named by hand becomes the port as it is */
	struct takeover over;	  /* then, unless the port is there already */
};

/* Free what a owns, also after a failure of what follows. */
void attach_free(struct attach *a);

/*
 * Choose hostpciN and judge what is there of it, into a->port.slot and, for a port that is there or
 * that something there means, a->port. 0; 1: attached already; -EEXIST and the like with err.
 */
int attach_choose_slot(struct hook *h, struct attach *a, struct error *err);
/* Has the port a mapping? False too if that cannot be told. */
bool attach_has_mapping(struct hook *h, uint32_t vmid, unsigned slot);

/*
 * Read the VM and vfhook.cfg into *a, and judge all that was asked for. Nothing is changed. 0;
 * 1: attached already; a negative errno with err.
 */
int attach_judge(struct hook *h, struct attach *a, struct error *err);

/*
 * The parts of it that a container's has too: pool (with a VF here), wishes, hookscripts. 0 or a
 * negative errno with err.
 */
int attach_judge_rest(struct hook *h, struct attach *a, struct error *err);
/* Is that the port that was asked for? 0; -EEXIST with err: it is set otherwise. */
int attach_same_port(struct hook *h, const struct attach *a, const struct port *p,
		     struct error *err);

/* The same two for a container, h->container. */
int attach_ct_judge(struct hook *h, struct attach *a, struct error *err);
int attach_ct_plan(struct hook *h, const struct attach *a, struct plan *p, struct error *err);

/* Append the steps that it takes, after attach_judge(). -EAGAIN: something was changed since. */
int attach_plan(struct hook *h, const struct attach *a, struct plan *p, struct error *err);

#endif
