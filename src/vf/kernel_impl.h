/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What src/vf/netlink.c does once, and the tests' stand-in in its place; kernel.c adds patience and
 * words to it. Nobody else includes this.
 */
#ifndef VFHOOK_VF_KERNEL_IMPL_H
#define VFHOOK_VF_KERNEL_IMPL_H

#include "src/vf/kernel.h"

/* The kernel's own, in no header for programs: bnxt_en answers it where others say EOPNOTSUPP. */
#define KERNEL_ENOTSUPP 524

/* How long a run still waits in all. */
struct patience {
	long left_ms;
};

/* The one of k, which it has from kernel_open() on. */
struct patience *kernel_patience(struct kernel *k);

/*
 * Ask once, and return the kernel's -errno as it is. *said: what the driver said to a refusal,
 * or ""; it belongs to k, until the next call.
 */
int kernel_vf_set_once(struct kernel *k, int ifindex, unsigned vf, enum vf_attr attr,
		       const struct vf_settings *to, const char **said);

#endif
