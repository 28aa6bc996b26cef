/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of VFs, through rtnetlink. One implementation speaks to the
 * kernel (netlink.c); the tests link another one in its place that keeps the
 * same promises over a file and can misbehave as drivers do that no rig has.
 */
#ifndef VFHOOK_SRC_KERNEL_H
#define VFHOOK_SRC_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "src/vf.h"

struct kernel;

/* What RTM_GETLINK says of a PF and its VFs. Release with pf_link_free(). */
struct pf_link {
	int ifindex;
	char ifname[16];
	bool up;      /* IFF_UP: administratively */
	bool carrier; /* IFF_LOWER_UP */
	unsigned mtu;
	bool has_perm_mac; /* the address it was made with, whatever it has now */
	uint8_t perm_mac[6];
	size_t n_vfs;
	struct vf_settings *vfs; /* index = VF number; has = what the driver reports */
};

/* root is where the tests' stand-in finds its file; the real one ignores it. */
int kernel_open(int root, struct kernel **out, struct error *err);
void kernel_close(struct kernel *k);

/*
 * The most VFs of a PF that the kernel can list without statistics (net/core/rtnetlink.c:
 * rtnl_fill_vfinfo; 196 bytes each, in an attribute whose length has 16 bits). There is no other
 * way to read what a VF is set to.
 */
#define PF_VFS_LISTED 334

/*
 * Read a PF with all its VFs in one request, statistics left out: with them the
 * kernel's 16-bit attribute length wraps from 222 VFs on, without from 335 on,
 * and what follows is garbage. IFLA_NUM_VF stays right, so a list that does not
 * have as many VFs as that is refused: -EMSGSIZE, and then out has no VFs and no
 * permanent MAC, but the rest is right. -ENODEV: no such interface.
 */
int kernel_pf_read(struct kernel *k, int ifindex, struct pf_link *out, struct error *err);
void pf_link_free(struct pf_link *l);

/* What the driver has counted for a VF, as the VF sees it: received is what came to the guest. */
struct vf_stats {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t broadcast;
	uint64_t multicast;
	uint64_t rx_dropped;
	uint64_t tx_dropped;
};

/*
 * The statistics of all VFs of a PF, *list[i] belongs to VF i and *list is the
 * caller's to free(). Read apart from the settings, since a list with
 * statistics wraps from 222 VFs on: -EMSGSIZE. The kernel gives zeros for all VFs
 * where the driver counts nothing (net/core/rtnetlink.c: rtnl_fill_vfinfo).
 */
int kernel_pf_stats(struct kernel *k, int ifindex, struct vf_stats **list, size_t *n,
		    struct error *err);

/*
 * Set one attribute of one VF, in a message of its own: the kernel applies the
 * attributes of a message in order and stops at the first error, keeping what
 * came before. EAGAIN and EBUSY (i40e, ice: the VF is in reset) and ENOBUFS are tried
 * again for up to 10 s. On refusal returns the kernel's -errno, and err has
 * what the driver said (extack) if it said anything.
 */
int kernel_vf_set(struct kernel *k, int ifindex, unsigned vf, enum vf_attr attr,
		  const struct vf_settings *to, struct error *err);

/*
 * Set an interface up, as `ip link set <interface> up` does. Some drivers (bnxt_en) make
 * no VFs before that, others forget a VF's settings at it. Returns 0 or the kernel's -errno.
 */
int kernel_link_up(struct kernel *k, int ifindex, struct error *err);

/* 1 if the interface has any IPv4 or IPv6 address other than a link-local one, 0 if not. */
int kernel_has_address(struct kernel *k, int ifindex, struct error *err);

#endif
