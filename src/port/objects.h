/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What plans change outside of VFs: each kind of object by a word, how it is read, how it is set
 * from one text to another, and how that is told. A STEP_CALL (src/vf/plan.h) names kind and
 * object.
 */
#ifndef VFHOOK_PORT_OBJECTS_H
#define VFHOOK_PORT_OBJECTS_H

#include <stdbool.h>

#include "pveapi/mapping.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/vf/plan.h"
#include "src/vf/sysfs.h"

/* The entry of a node in a mapping, "vf-100-0 pve1": a map value. The mapping comes and goes with
 * its entries. */
#define OBJECT_MAP_ENTRY "map-entry"

/* The whole mapping, "vf-100-0": its description and map lines. Only to be taken away. */
#define OBJECT_MAPPING "mapping"
/* Its live-migration-capable, "vf-100-0": "on" or "off". */
#define OBJECT_MAP_FLAG "map-flag"
/* A section of vfhook.cfg, "100-0", "100" and "wan": its text. */
#define OBJECT_PORT  "port"
#define OBJECT_GUEST "guest"
#define OBJECT_POOL  "pool"
/* "100 0": the value of hostpci0, the pending one if there is one. */
#define OBJECT_HOSTPCI	  "hostpci"
#define OBJECT_HOOKSCRIPT "hookscript"
/*
 * "100": the VM is off, and kept so until the plan is over (PVE's lock and ours); what a start that
 * failed has left it is given back.
 */
#define OBJECT_OFF "off"
/*
 * Of a PF, named by its address and MAC (pf_object_name()): whether its interface is up, its
 * sriov_drivers_autoprobe, and its number of VFs. The last one is changed for h->maker alone;
 * anybody else's undo of it is -ECANCELED, unless there is nothing to undo.
 */
#define OBJECT_PF_LINK	 "pf-link"
#define OBJECT_AUTOPROBE "autoprobe"
#define OBJECT_NUMVFS	 "numvfs"
/*
 * "105 0 0000:06:02.1": the lease of a VF that the VM runs on already, as JSON. Its locks are taken
 * for that moment alone: what else is in the plan PVE does under its own.
 */
#define OBJECT_LEASE "lease"
/* "100 0000:06:10.1": the driver that a VF of the VM is bound to; of a start
 * (src/port/keep_driver.h).
 */
#define OBJECT_DRIVER "driver"
/*
 * "100 0000:06:10.4": PVE's reservation of a VF for a VM that runs, "pid:1234" of its QEMU. PVE
 * takes it back when the VM stops.
 */
#define OBJECT_RESERVATION "reservation"
/*
 * "100 0 1234 56789 0000:06:10.1": a VF as device hostpci0 of QEMU, process 1234 that began at
 * 56789; its text is what -device would have. Taken away, the guest is asked and waited for.
 */
#define OBJECT_DEVICE "device"
/*
 * Of a container: "110 32": its lines lxc.net.32.* (src/port/ct_net.h); "110 0000:06:10.1": network
 * driver and interface of its VF, "igbvf vf110n0", none: parked (src/port/netdev.h).
 */
#define OBJECT_CT_NET "ct-net"
#define OBJECT_NETDEV "netdev"

enum object_how {
	OBJECT_DO,     /* only if it is `from` */
	OBJECT_UNDO,   /* likewise; `to` was there before, and is not judged */
	OBJECT_ANYHOW, /* whatever it is */
};

struct object_kind {
	const char *name;
	bool rest; /* it is set through PVE's API: the token must be there */
	/*
	 * The object as it is: *text is the caller's to free(), NULL: it is not there. 0 or a
	 * negative errno.
	 */
	int (*read)(struct hook *h, const char *name, char **text, struct error *err);
	/*
	 * Set it to `to` (NULL: take it away) if it is `from`, or `to` already. -EAGAIN: it is
	 * neither. Comparing and setting are one where PVE lets them be.
	 */
	int (*set)(struct hook *h, const char *name, enum object_how how, const char *from,
		   const char *to, struct error *err);
	/* What would be sent, in lines of their own; may be NULL. */
	void (*tell)(struct hook *h, const char *name, const char *from, const char *to);
};

/* One by one, in the file that knows them. */
extern const struct object_kind object_map_entry;
extern const struct object_kind object_mapping;
extern const struct object_kind object_map_flag;
extern const struct object_kind object_port;
extern const struct object_kind object_guest;
extern const struct object_kind object_pool;
extern const struct object_kind object_hostpci;
extern const struct object_kind object_hookscript;
extern const struct object_kind object_off;
extern const struct object_kind object_pf_link;
extern const struct object_kind object_autoprobe;
extern const struct object_kind object_numvfs;
extern const struct object_kind object_lease;
extern const struct object_kind object_driver;
extern const struct object_kind object_device;
extern const struct object_kind object_reservation;
extern const struct object_kind object_ct_net;
extern const struct object_kind object_netdev;

#define PF_NAME_LEN (PCI_ADDR_LEN + MAC_LEN + 2 * CARD_TEXT_LEN)
/* "0000:06:00.0 52:54:00:aa:00:01". Returns buf. */
const char *pf_object_name(const struct pf_id *pf, char buf[PF_NAME_LEN]);

/*
 * What an object is now, and the step that makes it `to`; none if it is that already. what may be
 * NULL.
 */
int plan_object(struct hook *h, const char *kind, const char *name, const char *to,
		const char *what, struct plan *p, struct error *err);

/* The executor's `call`. arg is the struct hook. */
int object_call(void *arg, const struct step *s, bool undo, struct error *err);
/* Would a step do anything: is the object what it goes from? Yes too, if that cannot be read. */
bool object_is_from(struct hook *h, const struct step_object *o);
/* The REST call or command behind a step, for a person. */
void object_tell(struct hook *h, const struct step_object *o);
/* Does any step need PVE's API? */
bool plan_needs_rest(const struct plan *p);

/* Append a step that gives a node's entry of a mapping another text. old may be NULL. */
int plan_map_entry(const char *id, const char *node, const struct mapping_entry *old,
		   const char *entry, bool harmless, struct plan *p, struct error *err);

#endif
