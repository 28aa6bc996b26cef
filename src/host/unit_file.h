/* SPDX-License-Identifier: GPL-2.0-or-later */
/* systemd's unit files, as far as files tell: is a unit there, and begins it at boot? */
#ifndef VFHOOK_HOST_UNIT_FILE_H
#define VFHOOK_HOST_UNIT_FILE_H

#include <stdbool.h>

#define FDB_UNIT "vfhook-fdb.service"

/* Some <target>.wants or .requires has it (systemctl(1), enable). */
bool unit_is_enabled(int root, const char *unit);
/* In one of the folders of systemd.unit(5). */
bool unit_is_there(int root, const char *unit);

#endif
