/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's ports against its config: what a start may go by, and what a person has to do. */
#ifndef VFHOOK_PORT_CT_PORTS_H
#define VFHOOK_PORT_CT_PORTS_H

#include <stdint.h>

#include "pveapi/ct_config.h"
#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"

/*
 * Load the container's config and vfhook.cfg into *v, whose guest has its id and name alone, and
 * *c. 1: it has ports, and its config has them as they should be; 0: it is none of ours, or a
 * template. A negative errno with err, which ends in what is to be done: it is a clone of another
 * one, its lines were changed, a name stands twice. vm_ports_free() and ct_config_free() in any
 * case.
 */
int ct_ports_load(struct hook *h, uint32_t vmid, struct vm_ports *v, struct ct_config *c,
		  struct error *err);

/* The same judgement of what is loaded already. 0 or a negative errno with err. */
int ct_ports_judge(const struct config *config, const struct ct_config *c, struct error *err);

/* A wish of each port. 0 or a negative errno with err. */
int ct_ports_wishes(struct hook *h, struct vm_ports *v, struct error *err);

/* A raw network in c that calls an interface of vfhook's which is none of its own: NULL: none. */
const struct ct_net *ct_foreign_net(const struct config *config, const struct ct_config *c);

#endif
