/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device by its name, and what a running QEMU has when its command line is put right by leases.
 */
#include "src/port/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/limits.h"
#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/foreseen.h"
#include "src/port/objects.h"

const char *device_name_format(const struct device_name *n, char buf[DEVICE_NAME_LEN])
{
	char addr[PCI_ADDR_LEN];

	snprintf(buf, DEVICE_NAME_LEN, "%u %u %d %llu %s", n->vmid, n->slot, (int)n->qemu.pid,
		 n->qemu.start, pci_addr_format(&n->vf, addr));
	return buf;
}

int device_name_parse(const char *text, struct device_name *out, struct error *err)
{
	char vf[PCI_ADDR_LEN + 1];
	struct device_name n = {0};
	int end = 0;
	int pid;

	/* NOLINTNEXTLINE(cert-err34-c): what overflows is not what device_name_format() makes */
	if (sscanf(text, "%9u %2u %10d %20llu %13s%n", &n.vmid, &n.slot, &pid, &n.qemu.start, vf,
		   &end) != 5 ||
	    text[end] || n.vmid < PVE_VMID_MIN || n.slot >= PVE_HOSTPCI_MAX || pid <= 1 ||
	    pci_addr_parse(vf, &n.vf) < 0)
		return fail(err, EINVAL, "this names no device of a VM");
	n.qemu.pid = (pid_t)pid;
	*out = n;
	return 0;
}

int vm_vf_parse(const char *text, uint32_t *vmid, struct pci_addr *vf, struct error *err)
{
	const char *blank = strchr(text, ' ');
	char number[16];

	if (blank && blank - text < (ptrdiff_t)sizeof(number)) {
		memcpy(number, text, (size_t)(blank - text));
		number[blank - text] = '\0';
		if (!parse_u32(number, PVE_VMID_MAX, vmid) && !pci_addr_parse(blank + 1, vf))
			return 0;
	}
	return fail(err, EINVAL, "this names no VF of a VM");
}

const char *device_id(unsigned slot, char buf[16])
{
	snprintf(buf, 16, "hostpci%u", slot);
	return buf;
}

int plan_device(const struct device_name *n, const char *words, bool plug, struct plan *p,
		struct error *err)
{
	char name[DEVICE_NAME_LEN];
	char addr[PCI_ADDR_LEN];
	char what[200];

	snprintf(what, sizeof(what), "VM %u hostpci%u: %s VF %s %s the running VM (QMP %s)",
		 n->vmid, n->slot, plug ? "plug" : "unplug", pci_addr_format(&n->vf, addr),
		 plug ? "into" : "from", plug ? "device_add" : "device_del");
	return plan_add_object(p,
			       &(struct step_object){.kind = OBJECT_DEVICE,
						     .name = device_name_format(n, name),
						     .from = plug ? NULL : words,
						     .to = plug ? words : NULL,
						     .what = what},
			       err);
}

static bool is_of(const struct lease *l, const struct proc_id *qemu)
{
	return l->qemu_pid == qemu->pid && l->qemu_start == qemu->start;
}

bool lease_is_unplugged(const struct lease *l, const struct proc_id *qemu)
{
	return l->phase == LEASE_UNPLUGGED && is_of(l, qemu);
}

bool lease_is_hot(const struct lease *l, const struct proc_id *qemu)
{
	return l->hot && is_of(l, qemu) &&
	       (l->phase == LEASE_RUNNING || l->phase == LEASE_ARRIVING);
}

int running_keeps(struct hook *h, uint32_t vmid, const struct proc_id *qemu,
		  const struct vm_hostpci *has, struct pci_addr **keep, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n_all;
	int n = 0;

	*keep = NULL;
	if (foreseen_leases(h, &all, &n_all, err) < 0)
		return error_code(err);
	*keep = calloc(n_all + PVE_HOSTPCI_MAX, sizeof(**keep));
	if (!*keep)
		return fail(err, ENOMEM, "out of memory");
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (has->has[slot])
			(*keep)[n++] = has->vf[slot];
	}
	for (size_t i = 0; i < n_all; i++) {
		const struct lease *l = &all[i].lease;

		if (!all[i].broken && l->vmid == vmid && lease_is_unplugged(l, qemu))
			(*keep)[n++] = l->vf;
	}
	return n;
}

int running_hostpci(struct hook *h, uint32_t vmid, const struct proc_id *qemu,
		    struct vm_hostpci *out, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	if (vm_hostpci_all(h->root, qemu, out, err) < 0 || foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	/* A slot may have both: the VF that was kept for it, and the other one that it got. */
	for (size_t i = 0; i < n; i++) {
		const struct lease *l = &all[i].lease;

		if (!all[i].broken && l->vmid == vmid && lease_is_unplugged(l, qemu))
			out->has[l->slot] = false;
	}
	for (size_t i = 0; i < n; i++) {
		const struct lease *l = &all[i].lease;

		if (all[i].broken || l->vmid != vmid || !lease_is_hot(l, qemu))
			continue;
		out->has[l->slot] = true;
		out->vf[l->slot] = l->vf;
	}
	return 0;
}
