/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases: /run/vfhook/leases/<pci address>, one file per VF that somebody
 * holds. Taking one is a single link(2) of a finished file: whoever wins has
 * the VF, there is no half-written lease and no global lock. Only who holds the
 * owner's lock may change or drop a lease (src/vf/owner.h).
 */
#ifndef VFHOOK_VF_LEASE_H
#define VFHOOK_VF_LEASE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/jsonout.h"
#include "src/base/text.h"
#include "src/vf/owner.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf.h"

/*
 * The owner of a VF that vfhook itself holds for a moment, as if it were a VM: no VM has this
 * number (PVE::JSONSchema: VM ids begin at 100).
 */
#define LEASE_SELF 1

enum lease_phase {
	LEASE_STARTING, /* pre-start took it; QEMU is not known yet */
	LEASE_RUNNING,	/* post-start saw QEMU with it */
	LEASE_DIRTY,	/* its VM is gone, but the VF could not be cleaned: nobody may have it */
	/*
	 * The VM runs, and the device is not in its QEMU any more: taken away while it ran. The VF
	 * is parked, and kept for the VM.
	 */
	LEASE_UNPLUGGED,
	/* The VM has come from another node: its QEMU has the device, its guest has not seen it. */
	LEASE_ARRIVING,
};

#define LEASE_WHY_LEN 64

struct lease {
	struct pci_addr vf;
	struct pci_addr pf;
	unsigned index;
	uint32_t vmid;
	unsigned slot; /* hostpci<slot>; of a container its network of that number */
	enum lease_phase phase;
	int64_t taken;	/* epoch seconds */
	pid_t qemu_pid; /* 0 until known */
	bool no_net; /* of a PF without a network: whoever gives it back must know, by /run alone */
	/* Plugged in while QEMU ran: what its command line says of that slot is over. */
	bool hot;
	unsigned long long qemu_start; /* its start time, in clock ticks after boot */
	/*
	 * UNPLUGGED: for a migration to that node, until it is over. ARRIVING: from that node, and
	 * STARTING likewise, for a live migration. Else "", and an unplugged one stays so until a
	 * person has it plugged in again.
	 */
	char peer[NAME_LEN];
	char why[LEASE_WHY_LEN]; /* UNPLUGGED: in words, "by hand"; else "" */
	/*
	 * When its guest was last asked to let go of it, if it has not: that cannot be taken back,
	 * and the guest may do it any time. Epoch seconds, 0: it was not.
	 */
	int64_t asked;
	char pool[NAME_LEN];	   /* "" where it is no port's */
	char name[NAME_LEN];	   /* the VM's, for messages; may be "" */
	char netname[IFNAME_LEN];  /* a container's: its interface there, "eth1"; of a VM "" */
	struct vf_settings before; /* what the VF looked like before it was taken */
	struct vf_settings want;   /* what the port asked for */
};

/* Its PF, for who reads it without vfhook.cfg: which card it should be is not asked then. */
static inline struct pf_id lease_pf_id(const struct lease *l)
{
	return (struct pf_id){.addr = l->pf, .no_net = l->no_net};
}

/* "starting", "running", "dirty", ...: as in the file; "?" for any other value. */
const char *lease_phase_name(enum lease_phase phase);
/* Is it of a VM that runs, and has or is to have the VF again: running, arriving or unplugged? */
bool lease_phase_is_live(enum lease_phase phase);

/* Is it a container's? */
static inline bool lease_is_ct(const struct lease *l)
{
	return l->netname[0] != '\0';
}
/* "VM 100 hostpci0", "CT 110 eth1": whose it is, for a person. Returns buf. */
#define LEASE_HOLDER_LEN 48
const char *lease_holder(const struct lease *l, char buf[LEASE_HOLDER_LEN]);

/* As a member of something larger, and on its own: a new reference, NULL when memory ran out. */
void lease_print(const struct lease *l, const char *key, struct json_out *o);
json_t *lease_to_json(const struct lease *l);
/* -EINVAL with err if any member is missing or wrong. */
int lease_from_json(const json_t *j, struct lease *out, struct error *err);

/*
 * The lease is taken for the owner's VM. -EEXIST (err filled): somebody has the VF; -EPERM: the
 * lease is not the owner's, or the owner is a dry run's.
 */
int lease_take(int root, const struct owner *o, const struct lease *l, struct error *err);
/*
 * Replace the owner's lease of l->vf in one step. -EEXIST: it is another's by now, or nobody can
 * tell whose; -ENOENT: it is not leased any more; -EPERM as above; others: that cannot be read now.
 */
int lease_write(int root, const struct owner *o, const struct lease *l, struct error *err);

/* A lease file as it was looked at: another one in its place has another number or time. */
struct lease_stamp {
	bool known;
	struct pci_addr vf;
	uint64_t ino;
	int64_t sec;
	int64_t nsec;
};

/*
 * Drop the owner's lease on a VF, as above; one that is not there is fine. seen: as in
 * lease_owned(), or NULL.
 */
int lease_drop(int root, const struct owner *o, const struct pci_addr *vf, struct lease_stamp *seen,
	       struct error *err);

/* Look at a lease that was just taken, so that lease_owned() need not read it. */
void lease_stamp_read(int root, const struct pci_addr *vf, struct lease_stamp *out);

/*
 * Is the VF leased to the owner's VM at this moment? Under the owner's lock the answer stays what
 * it is, for only that lock's holder changes such a lease. NO with err: it is not leased (-ENOENT),
 * or to another, or its file is no lease (-EEXIST); UNKNOWN with err: that cannot be read now. seen
 * may be NULL: with it, a file that was read before is only looked at (one system call).
 */
enum answer lease_owned(int root, const struct owner *o, const struct pci_addr *vf,
			struct lease_stamp *seen, struct error *err);

/*
 * Take over a VF whose lease file cannot be used (-EINVAL of lease_read()): the file is kept as
 * <address>.broken, and l, a lease of the owner's, is in its place, without a moment in which the
 * VF had none. -EEXIST: it has a good lease by now, or none.
 */
int lease_replace_broken(int root, const struct owner *o, const struct lease *l, struct error *err);

/* -ENOENT: not leased; -EINVAL: there is a file, but it is no lease of this VF; others: unknown. */
int lease_read(int root, const struct pci_addr *vf, struct lease *out, struct error *err);

/* A VF whose lease file exists. broken: the file cannot be used, why tells. */
struct lease_entry {
	struct pci_addr vf;
	bool broken;
	char why[256];
	struct lease lease; /* unless broken */
};

/*
 * Which VFs have a lease file, sorted by address, without a look into it; *list is the caller's to
 * free(). No directory: none.
 */
int lease_vfs(int root, struct pci_addr **list, size_t *n, struct error *err);
/* Is it in that list? */
bool lease_vfs_have(const struct pci_addr *list, size_t n, const struct pci_addr *vf);

/* All of them, sorted by address; *list is the caller's to free(). No directory: none. */
int lease_list(int root, struct lease_entry **list, size_t *n, struct error *err);

#endif
