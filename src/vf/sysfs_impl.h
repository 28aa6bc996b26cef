/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers of sysfs share: attributes of a PCI function, and what counts as an answer. */
#ifndef VFHOOK_VF_SYSFS_IMPL_H
#define VFHOOK_VF_SYSFS_IMPL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "src/base/names.h"
#include "src/base/text.h"
#include "src/vf/sysfs.h"

#define PCI_DEVICES "sys/bus/pci/devices/"

/* "sys/bus/pci/devices/<addr>/<name>" into path; false if it does not fit (it always does). */
bool dev_path(char path[PATH_MAX], const struct pci_addr *a, const char *name);

/* An attribute of a function: its length or a negative errno, as attr_read() has it. */
ssize_t dev_attr(int root, const struct pci_addr *a, const char *name, char *buf, size_t size);

/*
 * That something is not there, or nonsense, is an answer. Anything else (no descriptor or memory
 * left, say) is none, and must not be taken for one: *bad keeps the first.
 */
void note_trouble(ssize_t r, int *bad);

/* Where a link of the function leads to, its last component; "" if there is none. */
void dev_link(int root, const struct pci_addr *a, const char *name, char *buf, size_t size,
	      int *bad);

/* 0 or a negative errno, -ENOENT if it is not there. */
int dev_has(int root, const struct pci_addr *a, const char *name);

/* names_next(), with what keeps it from going on noted. */
const char *next_name(struct names *d, int *bad);

/*
 * The VF's IOMMU group and what is in it: iommu_group, group_alone, group_pure and group_intruder
 * of v, whose addr and pf are filled. With `groups` out of that, else looked up.
 */
void read_group(int root, const struct group_map *groups, struct vf_info *v, int *bad);

#endif
