/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each PF driver lets be set on a VF: which ndo_set_vf_* it has, and what those refuse. */
#ifndef VFHOOK_VF_DRIVERS_H
#define VFHOOK_VF_DRIVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/vf/vf.h"

/* What a port may wish for, finer than HAS_*. */
enum driver_can {
	CAN_8021AD = 1 << 0,
	CAN_SPOOFCHK = 1 << 1,
	CAN_TRUST = 1 << 2,
	CAN_MIN_RATE = 1 << 3,
	CAN_MAX_RATE = 1 << 4,
	CAN_LINK_ENABLE = 1 << 5,
	CAN_LINK_DISABLE = 1 << 6,
	CAN_QUERY_RSS = 1 << 7,
};

struct nic_driver {
	const char *name;
	uint32_t can;	/* always */
	uint32_t maybe; /* depends on the card, its firmware or its mode: note says on what */
	const char *note;
	bool pf_up_first; /* makes no VFs while its PF is down */
	/* So many addresses beside the PF's own the filter of its smallest cards takes, if the
	 * driver takes more without a word; 0: it says when it is full, or it is not known. */
	unsigned quiet_room;
};

/* NULL: a driver that is not known here. */
const struct nic_driver *nic_driver(const char *name);

/*
 * The VFIO driver of its own that the kernel has for VFs of that PF driver, and without which
 * they cannot migrate; NULL: there is none. It is asked for by driver_override alone.
 */
const char *vf_variant_driver(const char *pf_driver);
/* What driver_override of a VF is to say: vfio-pci, or with keep its own, if there is one. */
const char *vfio_driver(const char *pf_driver, bool keep);
/* vfio-pci, or one of those: what a VF needs that is for QEMU. */
bool is_vfio_driver(const char *driver);

/*
 * The network driver that VFs of that PF driver have on a host: what a container's VF is bound to,
 * by its driver_override. NULL: none is known here.
 */
const char *nic_vf_driver(const char *pf_driver);

/*
 * What the driver cannot do of what is wanted, as vfhook.cfg has it: a key, or a key and its value
 * ("link-state enable"), in buf; NULL if there is none. With maybe, what it can do only sometimes.
 */
#define DRIVER_WISH_LEN 32
const char *nic_driver_refuses(const struct nic_driver *d, const struct vf_settings *want,
			       bool maybe, char buf[DRIVER_WISH_LEN]);

#endif
