/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook fdb clear: what vfhook has put into PFs' filters is taken out. */
#ifndef VFHOOK_COMMAND_FDB_CLEAR_H
#define VFHOOK_COMMAND_FDB_CLEAR_H

#include "src/port/context.h"

/*
 * By the notes, whatever vfhook.cfg says; refused while somebody keeps the filters, who would put
 * it back. Returns the command's exit status; all is told.
 */
int fdb_clear(struct hook *h);

#endif
