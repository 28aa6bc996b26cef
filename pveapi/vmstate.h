/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is true of VMs right now on this node: PVE's lock, the QEMU process,
 * PVE's PCI reservations.
 */
#ifndef VFHOOK_PVEAPI_VMSTATE_H
#define VFHOOK_PVEAPI_VMSTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "pveapi/limits.h"

/*
 * Try PVE's own lock on the VM's config, /var/lock/qemu-server/lock-<vmid>.conf
 * (PVE::AbstractConfig lock_config; flock). Returns a descriptor whose close()
 * frees it; -EWOULDBLOCK if a start, stop or other work holds it now; another
 * negative errno with err filled. Waits at most timeout_ms. Creates directory
 * and file if need be, as PVE does.
 */
int vm_lock(int root, uint32_t vmid, int timeout_ms, struct error *err);

/* Where that lock is, below the root. Returns buf. */
const char *vm_lock_path(uint32_t vmid, char buf[64]);

/* A process, told from a later one with the same number by its start time. */
struct proc_id {
	pid_t pid;		  /* 0: none */
	unsigned long long start; /* clock ticks after boot: field 22 of /proc/<pid>/stat */
};

/* Does that very process live? A zombie does not. UNKNOWN: it cannot be told now. */
enum answer proc_alive(int root, const struct proc_id *p);
/* Fills start for pid; -ESRCH if there is no such process. */
int proc_id_get(int root, pid_t pid, struct proc_id *out);

/*
 * Does the VM run on this node? The pid of /run/qemu-server/<vmid>.pid lives, and its command line
 * is a QEMU's with "-id <vmid>" or that file as "-pidfile" (PVE::QemuServer::Helpers
 * vm_running_locally): YES, and *out is that process. UNKNOWN with err: the pid file or /proc
 * cannot be read now, and the VM may run.
 */
enum answer vm_runs(int root, uint32_t vmid, struct proc_id *out, struct error *err);

/*
 * The host functions that the QEMU process has on its command line for slot N:
 * "-device vfio-pci,host=<addr>,...,id=hostpciN" (also "hostpciN.0"). Returns 1
 * and the address, 0 if there is no such device, or a negative errno.
 */
int vm_hostpci_actual(int root, const struct proc_id *p, unsigned slot, struct pci_addr *out,
		      struct error *err);

/* The host functions of a QEMU process, by slot. */
struct vm_hostpci {
	bool has[PVE_HOSTPCI_MAX];
	struct pci_addr vf[PVE_HOSTPCI_MAX];
};

/*
 * The same for all slots, of one look at the command line. 0, or a negative errno with err: -ESRCH
 * if the process is gone, another if what it has for some slot cannot be told.
 */
int vm_hostpci_all(int root, const struct proc_id *p, struct vm_hostpci *out, struct error *err);

/* A host function on the command line of a running VM. */
struct vm_device {
	uint32_t vmid;
	struct pci_addr addr;
};

/*
 * Those of all VMs that run on this node, whatever slot they are for. *list is the caller's to
 * free(). A negative errno with err if that cannot be told of some VM that runs, or may.
 */
int vm_devices(int root, struct vm_device **list, size_t *n, struct error *err);

/* One line of /run/qemu-server/pci-id-reservations. */
struct pci_reservation {
	struct pci_addr addr;
	uint32_t vmid;
	pid_t pid;	 /* 0 for a timed one */
	int64_t expires; /* epoch seconds, 0 for one with a pid */
};

/*
 * All of PVE's reservations, live or not; a missing file is an empty list, a
 * line that PVE would skip is skipped. *list is the caller's to free().
 */
int pci_reservations(int root, struct pci_reservation **list, size_t *n, struct error *err);
/* The same out of the file's text. */
int pci_reservations_parse(const char *text, size_t len, struct pci_reservation **list, size_t *n,
			   struct error *err);

/*
 * PVE's lock on that file (flock). Every start with hostpci takes it before it touches a device,
 * and again once QEMU runs (PVE::QemuServer vm_start_nolock: reserve_pci_usage, waiting 5 s); every
 * stop does (remove_pci_reservation, 2 s). So it is to be held for moments only. Returns a
 * descriptor whose close() frees it, or a negative errno with err.
 */
int pci_reservations_lock(int root, int timeout_ms, struct error *err);

/*
 * As PVE judges it in reserve_pci_usage: not expired, or its pid is the VM's running QEMU. True as
 * well if it cannot be told whether that runs.
 */
bool pci_reservation_live(int root, const struct pci_reservation *r, int64_t now);

#endif
