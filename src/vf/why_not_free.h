/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a VF is not free, in words for a person. Pure functions of a snapshot. */
#ifndef VFHOOK_VF_WHY_NOT_FREE_H
#define VFHOOK_VF_WHY_NOT_FREE_H

#include <stddef.h>
#include <stdint.h>

#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"

/*
 * Why this VF is not free for that wish, or NULL if it is. The words are in buf, which is what
 * comes back. Does not look at what else a plan gives away.
 */
const char *vf_why_not_free(const struct snapshot *s, const struct pf_state *pf,
			    const struct vf_state *vf, const struct port_wish *wish, char *buf,
			    size_t size) __attribute__((nonnull(5)));

/* The same for the PF alone, whatever VF of it: it cannot be read, or is down. */
const char *pf_why_not(const struct pf_state *pf, const struct port_wish *w, char *buf,
		       size_t size);

/* The same for the VF's lease alone: another's, vfhook's own, or one that cannot be read. */
const char *vf_why_not_lease(const struct vf_state *v, uint32_t vmid, char *buf, size_t size);

/* A driver that has a VF without an interface here, in words for a person. Returns buf. */
const char *driver_without_netdev_words(const char *driver, char *buf, size_t size);

#endif
