/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing sriov_numvfs. The kernel only goes from 0 to N and from N to 0
 * (drivers/pci/iov.c sriov_numvfs_store: EBUSY otherwise), and at 0 every VF is
 * gone, from a running guest too: that nobody has one is the caller's to know.
 *
 * The write is the driver's work, done inside write(2) with the device locked, and nothing
 * bounds it (i40e waits for its own resets). So a child does it, which is waited for with a limit.
 * One that the kernel holds cannot be ended: it goes on, and so may what it writes.
 */
#ifndef VFHOOK_VF_NUMVFS_H
#define VFHOOK_VF_NUMVFS_H

#include <sys/types.h>

#include "src/base/error.h"
#include "src/base/text.h"

/* A write under way. */
struct numvfs_write {
	pid_t pid;
	int answer;
};

#define NUMVFS_WRITE_INIT ((struct numvfs_write){.pid = 0, .answer = -1})

/*
 * Begin to write n. The child keeps no descriptor but `keep` (-1: none): a lock in it stays held
 * as long as the write lasts, whatever becomes of this process. 0, or a negative errno with err.
 */
int numvfs_begin(int root, const struct pci_addr *pf, unsigned n, int keep, struct numvfs_write *w,
		 struct error *err);

/* 0: written; -EINPROGRESS: not yet, wait again; else what the driver answered. No text. */
int numvfs_wait(struct numvfs_write *w, int timeout_ms);

/* End the child if it can be ended. For CLEANUP(): a write that is over is fine. */
void numvfs_end(struct numvfs_write *w);

#endif
