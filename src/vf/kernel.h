/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of VFs, through rtnetlink. One implementation speaks to the
 * kernel (netlink.c); the tests link another one in its place that keeps the
 * same promises over a file and can misbehave as drivers do that no rig has.
 */
#ifndef VFHOOK_VF_KERNEL_H
#define VFHOOK_VF_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/vf/vf.h"

struct kernel;

/* What RTM_GETLINK says of a PF and its VFs. Release with pf_link_free(). */
struct pf_link {
	int ifindex;
	char ifname[16];
	bool up;	  /* IFF_UP: administratively */
	bool carrier;	  /* IFF_LOWER_UP */
	bool representor; /* of a VF, in switchdev mode: not the PF's own interface */
	unsigned mtu;
	bool has_mac; /* the address it has now: an administrator, or a bond, may have changed it */
	uint8_t mac[6];
	bool has_perm_mac; /* the address it was made with, whatever it has now */
	uint8_t perm_mac[6];
	bool has_list;	 /* the driver can tell what its VFs are set to (ndo_get_vf_config) */
	size_t n_vfs;	 /* as many as there are: IFLA_NUM_VF */
	size_t n_listed; /* the kernel's list ends before this one, whatever the driver could tell
			  */
	struct vf_settings
		*vfs; /* index = VF number; has = what was told of it: see pf_link_vf() */
};

/*
 * root is where the tests' stand-in finds its file; the real one ignores it. *out is the caller's
 * to kernel_close(), which takes NULL. 0 or a negative errno with err.
 */
int kernel_open(int root, struct kernel **out, struct error *err);
void kernel_close(struct kernel *k);

/*
 * A run's patience. A driver whose VF is in reset answers EAGAIN or EBUSY (i40e, ice) or leaves the
 * VF out of the list; both are tried again. All that one run waits for that comes out of one
 * budget, since a start or a stop has PVE's lock on its VM meanwhile: KERNEL_PATIENCE_MS from
 * kernel_open() on, counted from the first refusal of each thing that is tried again to its end.
 * Once it is used up everything is tried once. kernel_set_patience() gives it anew: for who goes on
 * to something that has nothing to do with what came before (the next PF of a boot).
 *
 * It cannot bound the kernel itself: rtnetlink does what it is asked inside sendmsg(), under
 * rtnl_lock, and a driver that waits for its firmware there (or anybody else who holds that lock)
 * holds the process too, in a sleep that only ends with it. The socket's time-out for answers
 * begins after that.
 */
#define KERNEL_PATIENCE_MS 10000
void kernel_set_patience(struct kernel *k, int ms);

/*
 * So many milliseconds are waited for a process that gives VFs back (src/port/give_back.h): for
 * cleaning some VFs, and one run's patience with a driver that is resetting. root is for the tests'
 * stand-in, as in kernel_open().
 */
int kernel_release_limit_ms(int root);

/*
 * The most VFs of a PF that every kernel lists, and so the most that are made. There is no other
 * way to read what a VF is set to than the list, an attribute whose length has 16 bits
 * (net/core/rtnetlink.c). Up to Linux 7.2 that length wraps: 334 VFs fit (rtnl_fill_vfinfo: 196
 * bytes each without statistics), 221 with statistics. From 7.3 on the list is cut: 256 VFs, 128
 * with statistics (rtnl_vfinfo_cap).
 */
#define PF_VFS_LISTED  256
#define PF_VFS_COUNTED 128

/*
 * Read a PF with all its VFs in one request, statistics left out, which leaves room for more VFs. A
 * VF that is not in the list is unknown, for itself alone: rtnl_fill_vfinfo leaves out each whose
 * ndo_get_vf_config fails (ice and i40e while it is in reset, bnxt_en all of them while the PF is
 * down), a driver without that has no list, and Linux 7.3's list ends after 256. IFLA_NUM_VF is
 * right all the same. A list that wrapped is garbage from there on: -EMSGSIZE, and then out has no
 * VFs and no permanent MAC, but the rest is right. -ENODEV: no such interface.
 */
int kernel_pf_read(struct kernel *k, int ifindex, struct pf_link *out, struct error *err);
/* Free what it owns, and leave it empty. */
void pf_link_free(struct pf_link *l);

/*
 * The same, but if one of these VFs (by their numbers) was not told and may be soon, look again,
 * within the run's patience and two seconds at most. Then out is as it is: ask pf_link_vf().
 */
int kernel_pf_read_for(struct kernel *k, int ifindex, const unsigned *wanted, size_t n,
		       struct pf_link *out, struct error *err);

/* What one VF is set to. 0; -ENODEV: the PF has no such VF; -EAGAIN: it has, and nothing was told
 * of it: err has why. */
int pf_link_vf(const struct pf_link *l, unsigned index, struct vf_settings *out, struct error *err);

/* Read one VF: kernel_pf_read_for() and pf_link_vf() in one. */
int kernel_vf_read(struct kernel *k, int ifindex, unsigned vf, struct vf_settings *out,
		   struct error *err);

/* What the driver has counted for a VF, as the VF sees it: received is what came to the guest. */
struct vf_stats {
	bool known; /* the kernel lists it; else all others are zero */
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
 * caller's to free(). Read apart from the settings, since a list with statistics has room for fewer
 * VFs: of those that it leaves out nothing is known, and if it wraps, of none: -EMSGSIZE. The
 * kernel gives zeros for all VFs where the driver counts nothing (net/core/rtnetlink.c:
 * rtnl_fill_vfinfo).
 */
int kernel_pf_stats(struct kernel *k, int ifindex, struct vf_stats **list, size_t *n,
		    struct error *err);

/*
 * Set one attribute of one VF, in a message of its own: the kernel applies the
 * attributes of a message in order and stops at the first error, keeping what
 * came before. EAGAIN and EBUSY (i40e, ice: the VF is in reset), ENOBUFS and EINTR are tried
 * again as long as the run's patience lasts. On refusal returns the kernel's -errno, and err has
 * what the driver said (extack) if it said anything. -EOPNOTSUPP: the driver cannot set that
 * (bnxt_en says 524, the kernel's own ENOTSUPP). Whatever the error, the driver may have done it
 * all the same: some change their own copy before the firmware refuses (bnxt_set_vf_mac,
 * i40e_ndo_set_vf_spoofchk).
 */
int kernel_vf_set(struct kernel *k, int ifindex, unsigned vf, enum vf_attr attr,
		  const struct vf_settings *to, struct error *err);

/*
 * Set an interface up, as `ip link set <interface> up` does. Some drivers (bnxt_en) make
 * no VFs before that, others forget a VF's settings at it. Returns 0 or the kernel's -errno.
 */
int kernel_link_up(struct kernel *k, int ifindex, struct error *err);

/*
 * Set an interface of this network namespace down, which kernels before 6.2 want for it, and give
 * it another name. Returns 0 or the kernel's -errno: EEXIST, another one is called so, or has that
 * as an alternative name.
 */
int kernel_link_rename(struct kernel *k, int ifindex, const char *name, struct error *err);

/*
 * 1 if the interface has any IPv4 or IPv6 address other than a link-local one, 0 if it certainly
 * has none; anything negative is an errno, and then nobody knows.
 */
int kernel_has_address(struct kernel *k, int ifindex, struct error *err);

/*
 * The interface that has this name, or it as one of its alternative names (ip link property add
 * altname), which sysfs does not show and which are up to 127 characters long. -ENODEV: none has.
 */
int kernel_link_find(struct kernel *k, const char *name, char ifname[16], struct error *err);

/*
 * Is that private flag of the interface's driver on (ethtool --show-priv-flags)? UNKNOWN: the
 * driver has none of that name, or could not be asked.
 */
enum answer kernel_priv_flag(struct kernel *k, int ifindex, const char *flag);

#endif
