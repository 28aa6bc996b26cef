/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of this host, other than a VM, has a VF or counts on it: bridges, addresses, containers. */
#ifndef VFHOOK_HOST_HOST_USE_H
#define VFHOOK_HOST_HOST_USE_H

#include "src/port/config.h"
#include "src/port/context.h"
#include "src/vf/snapshot.h"

enum host_use {
	HOST_USE_NONE,
	HOST_USE_MAYBE, /* a driver has it, and no interface of it is here: a container, a program?
			 */
	HOST_USE_SURE,	/* its interface is in use, or a file of this node names it */
};

/*
 * Is the VF in use here, or meant to be? what gets it in words, "enp6s0f0v0 is in vmbr1". A file
 * that cannot be read names nothing.
 */
enum host_use host_use_of(const struct hook *h, const struct vf_state *v, char *what, size_t size);

/*
 * Append what `--host-vfs` would have to be, so that the PF's VFs which the host has now stay as
 * they are: those of `pool` (which may be NULL) and those in use, with the settings they have.
 * Nothing is appended if there are none.
 */
void host_use_propose(const struct hook *h, const struct pool *pool, const struct pf_state *pf,
		      struct str *out);

/* The process, in words: "process 4711 (dpdk-testpmd)". Returns buf. */
const char *process_words(const struct hook *h, uint32_t pid, char *buf, size_t size);

#endif
