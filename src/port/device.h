/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VF as a device of a running QEMU, and a lease's word on it: what the command line does not say.
 */
#ifndef VFHOOK_PORT_DEVICE_H
#define VFHOOK_PORT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/process.h"
#include "pveapi/vmstate.h"
#include "src/base/error.h"
#include "src/port/context.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/sysfs.h"

/* How long a guest may take to let go of a VF: it answers within seconds, or not at all. */
#define UNPLUG_WAIT_MS 30000

/* Which device of which process: the name of an OBJECT_DEVICE. */
struct device_name {
	uint32_t vmid;
	unsigned slot;
	struct proc_id qemu;
	struct pci_addr vf;
};

/* "100 0 1234 56789 0000:06:10.1", both ways. device_name_parse(): -EINVAL with err. */
#define DEVICE_NAME_LEN 96
const char *device_name_format(const struct device_name *n, char buf[DEVICE_NAME_LEN]);
int device_name_parse(const char *text, struct device_name *out, struct error *err);

/* "100 0000:06:10.1": a VF of a VM, as objects of plans are named. -EINVAL with err. */
int vm_vf_parse(const char *text, uint32_t *vmid, struct pci_addr *vf, struct error *err);

/* The id of the device in QEMU, "hostpci0" (PVE/QemuServer/PCI.pm: print_hostpci_devices). */
const char *device_id(unsigned slot, char buf[16]);

/* The step that takes the device away, or with plug, puts it in. words: as -device has it. */
int plan_device(const struct device_name *n, const char *words, bool plug, struct plan *p,
		struct error *err);

/*
 * What QEMU has by now: its command line, and what leases say of VFs that were plugged and
 * unplugged while this process ran. Asks QEMU nothing. Returns and errors as vm_hostpci_all().
 */
int running_hostpci(struct hook *h, uint32_t vmid, const struct proc_id *qemu,
		    struct vm_hostpci *out, struct error *err);

/*
 * What a running VM is to keep of its leases: what QEMU has, and what is unplugged and kept for it.
 * *keep is the caller's to free(). Returns how many, or a negative errno with err.
 */
int running_keeps(struct hook *h, uint32_t vmid, const struct proc_id *qemu,
		  const struct vm_hostpci *has, struct pci_addr **keep, struct error *err);

/* Does the lease tell of a VF that was unplugged from, or plugged into, this very process? */
bool lease_is_unplugged(const struct lease *l, const struct proc_id *qemu);
bool lease_is_hot(const struct lease *l, const struct proc_id *qemu);

#endif
