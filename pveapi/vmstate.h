/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VMs run on this node, as which process, and on which functions of the host. */
#ifndef VFHOOK_PVEAPI_VMSTATE_H
#define VFHOOK_PVEAPI_VMSTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/limits.h"
#include "pveapi/process.h"
#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/text.h"

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

/*
 * What stands behind -device for slot N, with another host function in it: what the same device
 * was to be plugged in with. Without `enable-migration`, which PVE adds by the mapping's flag, and
 * which a function that cannot migrate is refused with. 1 and the text in out (the caller's to
 * str_free()); 0: the command line has no such device; a negative errno with err.
 */
int vm_hostpci_words(int root, const struct proc_id *p, unsigned slot, const struct pci_addr *vf,
		     struct str *out, struct error *err);

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

#endif
