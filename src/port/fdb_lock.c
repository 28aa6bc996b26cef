/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is there somebody who keeps the filters of PFs below a bridge? */
#include "src/port/fdb_lock.h"

#include "src/base/locks.h"

enum answer fdb_service_runs(int root)
{
	return lock_look(root, FDB_LOCK);
}
