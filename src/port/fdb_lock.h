/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who keeps the filters of PFs below a bridge (vfhook fdb): one process of a node, which holds this
 * lock. A start only looks whether there is one.
 */
#ifndef VFHOOK_PORT_FDB_LOCK_H
#define VFHOOK_PORT_FDB_LOCK_H

#include "src/base/answer.h"
#include "src/base/run_dir.h"

#define FDB_LOCK LOCKS_DIR "/fdb"

/* Does somebody hold it? */
enum answer fdb_service_runs(int root);

#endif
