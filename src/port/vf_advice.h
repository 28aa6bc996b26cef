/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person can do about VFs that do not come, or are gone. */
#ifndef VFHOOK_PORT_VF_ADVICE_H
#define VFHOOK_PORT_VF_ADVICE_H

#include <stddef.h>

#include "src/base/error.h"
#include "src/port/vm_ports.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

/* A write of n to sriov_numvfs that failed: the error with what helps. code is positive. */
int numvfs_refused(const struct pf_info *pf, unsigned n, int code, struct error *err);

/* How SR-IOV is switched on for a PF that can have no VFs. Returns buf. */
const char *firmware_words(const struct pf_info *pf, char *buf, size_t size);

/* No VF is free for a VM: stop others, or are VFs missing that can be made? Always -ENOSPC. */
int no_vf_advice(const struct snapshot *s, const struct vm_ports *v, struct error *err);

#endif
