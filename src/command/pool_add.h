/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook pool add: a pool is made, or gets PFs of this node. */
#ifndef VFHOOK_COMMAND_POOL_ADD_H
#define VFHOOK_COMMAND_POOL_ADD_H

#include "src/port/context.h"

/* The command, with argv[0] as its name. Returns its exit status. */
int pool_add_run(struct hook *h, int argc, char **argv);

#endif
