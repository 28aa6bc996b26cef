/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This node's pools, kept on its own disk: /etc/pve is there only after the
 * network, and VFs are best made before it (making them resets the PF's link on some
 * cards, and bridges come up then). Same format as vfhook.cfg.
 */
#ifndef VFHOOK_PORT_BOOT_CONFIG_H
#define VFHOOK_PORT_BOOT_CONFIG_H

#include "src/port/config.h"
#include "src/port/context.h"

#define BOOT_CFG "var/lib/vfhook/boot.cfg"

/*
 * Write it anew from c if it has to change; without pools that want VFs or fdb here it goes. A dry
 * run only tells. 0 or a negative errno with err.
 */
int bootcfg_save(struct hook *h, const struct config *c, struct error *err);
/* A missing one is an empty one. config_free() *out. 0 or a negative errno with err. */
int bootcfg_load(struct hook *h, struct config *out, struct error *err);
/* The same without those that are there for fdb alone: an early boot has nothing to do for them. */
int bootcfg_load_makers(struct hook *h, struct config *out, struct error *err);

#endif
