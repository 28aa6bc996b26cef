/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PFs, VFs and IOMMU groups as sysfs shows them (Documentation/ABI/testing/
 * sysfs-bus-pci). A PF is named by its PCI address: interface names move.
 */
#ifndef VFHOOK_VF_SYSFS_H
#define VFHOOK_VF_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/text.h"

#define IFNAME_LEN 16 /* IFNAMSIZ */
#define DRIVER_LEN 64

/* Some of a PF's first VFs, by number: no kernel is asked for more (PF_VFS_LISTED). */
struct vf_set {
	uint64_t bits[4];
};

static inline bool vf_set_has(const struct vf_set *s, unsigned vf)
{
	return vf < 256 && (s->bits[vf / 64] >> (vf % 64) & 1);
}

static inline bool vf_set_any(const struct vf_set *s)
{
	return s->bits[0] || s->bits[1] || s->bits[2] || s->bits[3];
}

static inline void vf_set_add(struct vf_set *s, unsigned vf)
{
	if (vf < 256)
		s->bits[vf / 64] |= 1ULL << (vf % 64);
}

#define CARD_TEXT_LEN 32

/* What a PF that is no network card's is known again by (src/vf/card.h). "": not known, or none. */
struct card_id {
	char model[10]; /* its vendor and device: "8086:56c0" */
	char serial[CARD_TEXT_LEN];
	char slot[CARD_TEXT_LEN]; /* the slot of the board, as its firmware calls it */
};

/*
 * A PF as what we store names it: by PCI address, and known again by its permanent
 * MAC, since a card that is put in or taken out moves the addresses of others.
 */
struct pf_id {
	struct pci_addr addr;
	bool no_net; /* a GPU, an NVMe drive, ...: no interface and no MAC, but: */
	struct card_id card;
	bool has_mac;
	uint8_t mac[6];
	struct vf_set host; /* those of its VFs that are this host's own: no VM gets them */
};

struct pf_info {
	struct pci_addr addr;
	bool no_net;		 /* no interface was looked for: ifindex is 0, and */
	char ifname[IFNAME_LEN]; /* its address stands here, as what a person calls it */
	int ifindex;
	char driver[DRIVER_LEN];
	int numa_node; /* -1: unknown */
	unsigned total_vfs;
	unsigned num_vfs;
};

struct vf_info {
	struct pci_addr addr;
	struct pci_addr pf;
	unsigned index;
	char id[10];	       /* "8086:10ca", as PVE's mappings have it; see sysfs_vf_ids() */
	char subsystem_id[10]; /* "8086:0000", likewise */
	int iommu_group;       /* -1: none, the IOMMU is off */
	bool group_pure;       /* the group holds nothing but VFs */
	bool group_alone;      /* it holds this VF only */
	char group_intruder[PCI_ADDR_LEN]; /* a member that is no VF, when !group_pure */
	char driver[DRIVER_LEN];	   /* "" when unbound */
	char driver_override[DRIVER_LEN];  /* "" when unset; see sysfs_vf_override() */
	char ifname[IFNAME_LEN];	   /* its netdev on this host, "" when it has none */
	int ifindex;
	bool netdev_up;	      /* IFF_UP */
	char netdev_user[64]; /* "bridge vmbr0", "vlan enp6s0f0v0.5": who sits on the netdev, or ""
			       */
};

/*
 * Read a PF. -ENODEV: no such PCI function; -EOPNOTSUPP: it has no VFs to give; err says which.
 * Any other error: it could not be read, which says nothing about it.
 */
int sysfs_pf_read(int root, const struct pci_addr *addr, struct pf_info *out, struct error *err);
/* The same; with no_net for one that has no network: no interface is looked for, or missed. */
int sysfs_pf_read_as(int root, const struct pci_addr *addr, bool no_net, struct pf_info *out,
		     struct error *err);

/*
 * The same for who knows already that it is a PF, by a VF of its, and reads its link next: driver,
 * ifname and ifindex alone. The VFs are not counted, which is half of the work. An interface that
 * is its only one is taken as it is: that it is a VF's representor, the link tells (pf_link).
 * no_net: as in sysfs_pf_read_as().
 */
int sysfs_pf_glance(int root, const struct pci_addr *addr, bool no_net, struct pf_info *out,
		    struct error *err);

/*
 * Is the PF in switchdev mode? Then it has a representor for each VF (vf_is_representor()). A
 * phys_switch_id alone says nothing: mlx5_core shows one in legacy mode as well (en/devlink:
 * mlx5e_devlink_get_port_parent_id). False too if its interfaces cannot be read.
 */
bool sysfs_pf_is_switchdev(int root, const struct pci_addr *pf);

/*
 * What sriov_numvfs says. Only for who has just written it: a write by somebody else that does not
 * end would never let this return. 0 or a negative errno.
 */
int sysfs_numvfs(int root, const struct pci_addr *pf, unsigned *n);

/* The address of a PF's VF number index. -ENOENT (no text) if it has no such VF; others: unknown.
 */
int sysfs_vf_addr(int root, const struct pci_addr *pf, unsigned index, struct pci_addr *out);

/* Whose VF is this? Fills pf; errors as below, for a fifth of the reads. */
int sysfs_vf_pf(int root, const struct pci_addr *vf, struct pci_addr *pf);

/*
 * Which of this PF's VFs is it? By the PCIe specification all of them are equally far apart (SR-IOV
 * 2.1.2), so that two of them tell where each is, and its own link is asked. -ENOENT: it is none,
 * or they are not: sysfs_vf_identify() knows; any other error: that cannot be told now. No text.
 */
int sysfs_vf_number(int root, const struct pci_addr *vf, const struct pci_addr *pf,
		    unsigned *index);

/*
 * Whose VF is this, and which one? Fills pf and index. -ENODEV: no such
 * function; -EINVAL: it is not a VF; any other error: that cannot be told now. No
 * text: the caller knows what it means.
 */
int sysfs_vf_identify(int root, const struct pci_addr *vf, struct pci_addr *pf, unsigned *index);

/* The number of its IOMMU group alone, -1 if it has none. Errors as sysfs_vf_read(). */
int sysfs_vf_group(int root, const struct pci_addr *vf, int *group, struct error *err);

/* Which function is in which IOMMU group, of the whole machine; see group_map_read(). */
struct group_map;

/*
 * What a VF is on this host: driver, IOMMU group, interface. -ENODEV if it has gone. pf and index
 * as sysfs_vf_identify() gives them. With `groups` its group is taken from there if it is in it.
 */
int sysfs_vf_read(int root, const struct group_map *groups, const struct pci_addr *vf,
		  const struct pci_addr *pf, unsigned index, struct vf_info *out,
		  struct error *err);

/*
 * Its ids as well, for a mapping: id and subsystem_id of vf, which has its addr. -ENODEV if it has
 * gone. Out of its modalias, which has all four and which no lock is taken for
 * (drivers/pci/pci-sysfs.c: modalias_show). uevent has them and the driver, but some kernels take
 * the VF's lock for it (drivers/base/core.c: uevent_show, in stable series of 2024), as below.
 */
int sysfs_vf_ids(int root, struct vf_info *vf, struct error *err);

/*
 * Its driver_override as well. Not asked of a VF that somebody has: the kernel takes the VF's lock
 * for it (before 7.0; drivers/pci/pci-sysfs.c: driver_override_show), which is held for as long as
 * vfio-pci waits for a VM to let go of a VF that is taken away (echo 0 > sriov_numvfs).
 */
int sysfs_vf_override(int root, struct vf_info *vf, struct error *err);

/*
 * The other members of an IOMMU group, up to max; returns how many there are (it
 * may be more than max) or a negative errno.
 */
int sysfs_group_members(int root, int group, struct pci_addr *members, size_t max);

/*
 * Read which function is in which group: one link each, where a look at each VF's group takes
 * five calls. For who looks at all VFs. The caller's to group_map_free(); NULL if it cannot be
 * read, and then each group is looked at by itself.
 */
struct group_map *group_map_read(int root);
void group_map_free(struct group_map *m);

/*
 * Is somebody using the group through VFIO right now? The kernel lets a group
 * be opened once (drivers/vfio/group.c: -EBUSY). NO as well where there is no
 * /dev/vfio/<group> because nothing in it is bound to vfio-pci; UNKNOWN if it cannot be opened for
 * another reason (-EMFILE, -EACCES...): then who would take the VF leaves it. Opening it makes
 * the group busy for that moment: ask only about VFs that nobody is starting with.
 */
enum answer vfio_group_busy(int root, int group);

/*
 * Make vfio-pci the VF's only driver ("" clears it). Needed where the PF has
 * sriov_drivers_autoprobe 0: there bind(2) into a driver answers ENODEV unless
 * driver_override names it (drivers/pci/pci-driver.c: pci_device_can_probe), and
 * PVE only writes new_id and bind (PVE::SysFSTools pci_dev_bind_to_vfio).
 */
int sysfs_set_driver_override(int root, const struct pci_addr *vf, const char *driver,
			      struct error *err);

/*
 * Every PF of a network card: SR-IOV capable, PCI class 02xx. Whoever has no
 * network interface (yet, or because vfio-pci has it) is in it with ifindex 0.
 * With `all` those of other cards too, no_net in each. *list is the caller's to free(). Sorted by
 * address.
 */
int sysfs_pf_list(int root, bool all, struct pf_info **list, size_t *n, struct error *err);

/*
 * With sriov_drivers_autoprobe 0 VFs come without the host's own driver and
 * network interface. Set before the VFs are made. NO where there is no such file; UNKNOWN if it
 * could not be read: it may be on.
 */
enum answer sysfs_autoprobe(int root, const struct pci_addr *pf);
int sysfs_set_autoprobe(int root, const struct pci_addr *pf, bool on, struct error *err);

#endif
