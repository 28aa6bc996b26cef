/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: CPU, firmware, IOMMU, kernel command line, VFIO modules. */
#include "src/check/check_host.h"

#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/host/cmdline.h"
#include "src/host/host_facts.h"
#include "src/port/context.h"

#define PREPARE "vfhook host prepare --apply, then reboot"

/* What the mainboard's makers call it. */
static const char *firmware_iommu(const struct host_facts *f)
{
	return f->vendor == CPU_AMD ? "AMD-Vi (IOMMU)" : "VT-d";
}

static void judge_cpu(const struct host_facts *f, struct report *r)
{
	const char *name = f->vendor == CPU_AMD ? "AMD-V (SVM)" : "VT-x";

	if (f->cpu_virt)
		report_add(r, CHECK_PASS, "cpu-virt", "", "", "CPU virtualization is on");
	else if (f->virtual_machine)
		report_add(r, CHECK_WARN, "cpu-virt", "",
			   "switch on nested virtualization for this VM on the host it runs on",
			   "CPU virtualization is missing: this host is itself a VM; VMs in it run "
			   "without KVM, very slowly");
	else
		report_add(r, CHECK_FAIL, "cpu-virt", "",
			   "switch it on in the firmware (BIOS) setup: Intel Virtualization "
			   "Technology, or SVM Mode",
			   "CPU virtualization (%s) is off or missing: VMs start with KVM off only",
			   name);
}

static void judge_firmware(const struct host_facts *f, struct report *r)
{
	if (f->dmar || f->ivrs || f->iommu)
		report_add(r, CHECK_PASS, "iommu-firmware", "", "",
			   "the firmware offers an IOMMU%s",
			   f->dmar   ? " (ACPI table DMAR)"
			   : f->ivrs ? " (ACPI table IVRS)"
				     : "");
	else if (f->virtual_machine)
		report_add(r, CHECK_FAIL, "iommu-firmware", "",
			   "give this VM a virtual IOMMU (q35 with intel-iommu) on the host it "
			   "runs on",
			   "this host is itself a VM, and has no IOMMU (no ACPI table DMAR or "
			   "IVRS)");
	else
		report_add(
			r, CHECK_FAIL, "iommu-firmware", "",
			"switch it on in the firmware (BIOS) setup: it is often under "
			"Chipset, Northbridge or Advanced CPU, and apart from CPU virtualization",
			"%s is off in the firmware, or the board has none (no ACPI table DMAR "
			"or IVRS)",
			firmware_iommu(f));
}

/* The word that switches the IOMMU off, or NULL. */
static const char *iommu_off_word(const struct host_facts *f)
{
	if (cmdline_has_value(f->cmdline, "intel_iommu", "off") && f->vendor != CPU_AMD)
		return "intel_iommu=off";
	if (cmdline_has_value(f->cmdline, "amd_iommu", "off") && f->vendor != CPU_INTEL)
		return "amd_iommu=off";
	if (cmdline_has_value(f->cmdline, "iommu", "off"))
		return "iommu=off";
	return NULL;
}

/* PVE's prepare_pci_device wants exactly this (PVE::SysFSTools check_iommu_support). */
static void judge_iommu(const struct host_facts *f, struct report *r)
{
	const char *off = iommu_off_word(f);
	char remedy[200];

	if (f->iommu) {
		report_add(r, CHECK_PASS, "iommu", "", "", "the IOMMU is on");
		return;
	}
	if (off)
		snprintf(remedy, sizeof(remedy), "take '%s' out of the kernel command line, reboot",
			 off);
	else if (!f->dmar && !f->ivrs)
		snprintf(remedy, sizeof(remedy), "first the firmware setting above");
	else if (f->vendor == CPU_INTEL && !cmdline_has_value(f->cmdline, "intel_iommu", "on"))
		snprintf(remedy, sizeof(remedy), "%s: the kernel needs intel_iommu=on here",
			 PREPARE);
	else
		snprintf(remedy, sizeof(remedy),
			 "see what the kernel says: journalctl -k -b -g 'DMAR|AMD-Vi|IOMMU'");
	report_add(r, CHECK_FAIL, "iommu", "", remedy,
		   "the IOMMU is off (/sys/class/iommu is empty): no VM with a VF starts");
}

static void judge_passthrough_mode(const struct host_facts *f, struct report *r)
{
	if (cmdline_has_value(f->cmdline, "iommu", "pt"))
		report_add(r, CHECK_PASS, "iommu-pt", "", "",
			   "the host's own devices bypass the IOMMU (iommu=pt)");
	else
		report_add(r, CHECK_WARN, "iommu-pt", "", PREPARE,
			   "iommu=pt is not on the kernel command line: the host's own NICs and "
			   "disks may be slower");
}

/* Returns how many contradictions there are. */
static size_t judge_contradictions(const struct host_facts *f, struct report *r)
{
	const char *off = iommu_off_word(f);
	size_t before = r->n;
	char acs[64];

	if (off)
		report_add(r, CHECK_FAIL, "kernel-cmdline", "",
			   "take it out of /etc/default/grub (then: update-grub) or "
			   "/etc/kernel/cmdline (then: proxmox-boot-tool refresh), reboot",
			   "the kernel command line has '%s', which switches the IOMMU off", off);
	if (f->vendor == CPU_AMD && cmdline_has_value(f->cmdline, "intel_iommu", "on"))
		report_add(r, CHECK_WARN, "kernel-cmdline", "",
			   "harmless: take it out when you like",
			   "the kernel command line has 'intel_iommu=on', but this is an AMD CPU, "
			   "whose IOMMU needs no switch");
	if (cmdline_has_value(f->cmdline, "pci", "noacs"))
		report_add(r, CHECK_FAIL, "kernel-cmdline", "",
			   "take it out of the kernel command line, reboot",
			   "the kernel command line has 'pci=noacs': devices are not told apart, "
			   "PF and VFs may land in one IOMMU group");
	if (cmdline_get(f->cmdline, "pcie_acs_override", acs, sizeof(acs)))
		report_add(r, CHECK_WARN, "kernel-cmdline", "",
			   "for guests that you do not trust: take it out, and use a slot with "
			   "real ACS",
			   "the kernel command line has 'pcie_acs_override=%s': the IOMMU groups "
			   "look isolated and are not; a guest can reach other devices' memory",
			   acs);
	return r->n - before;
}

static void judge_intremap(const struct host_facts *f, struct report *r)
{
	const char *param = "allow_unsafe_interrupts";

	if (f->intremap)
		report_add(r, CHECK_PASS, "interrupt-remapping", "", "",
			   "interrupt remapping is on");
	else if (f->unsafe_interrupts)
		report_add(r, CHECK_WARN, "interrupt-remapping", "",
			   "switch on interrupt remapping (x2APIC) in the firmware, then take the "
			   "option out of /etc/modprobe.d",
			   "interrupt remapping is off, and %s=1 lets VMs start all the same: a "
			   "guest can send the host false interrupts",
			   param);
	else if (!f->iommu)
		report_add(r, CHECK_FAIL, "interrupt-remapping", "",
			   "first switch on the IOMMU, see above: it does this as well",
			   "interrupt remapping is off");
	else
		report_add(
			r, CHECK_FAIL, "interrupt-remapping", "",
			"switch on interrupt remapping (x2APIC) in the firmware, update it; take "
			"'intremap=off' and 'nointremap' out of the kernel command line",
			"interrupt remapping is off: the kernel gives no device to a VM "
			"(vfio_iommu_type1 refuses without it)");
}

/* vfio_virqfd became part of vfio in Linux 6.2. */
static void judge_virqfd(const struct host_facts *f, struct report *r)
{
	char remedy[240];

	if (!f->virqfd.where[0] || host_older_than(f, 6, 2))
		return;
	snprintf(remedy, sizeof(remedy),
		 "delete that line, then: systemctl restart systemd-modules-load");
	report_add(r, CHECK_WARN, "vfio-modules", "", remedy,
		   "%s loads vfio_virqfd, which is no module any more (since Linux 6.2): "
		   "systemd-modules-load.service fails at each boot",
		   f->virqfd.where);
}

static void judge_modules(const struct host_facts *f, struct report *r)
{
	static const char *const names[HOST_MODULES] = {
		[HOST_VFIO] = "vfio",
		[HOST_VFIO_TYPE1] = "vfio_iommu_type1",
		[HOST_VFIO_PCI] = "vfio-pci",
	};
	bool waiting = false;
	char missing[96] = "";

	for (int i = 0; i < HOST_MODULES; i++) {
		size_t used = strlen(missing);

		if (f->modules[i] == MODULE_MISSING)
			snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "",
				 names[i]);
		waiting = waiting || f->modules[i] == MODULE_LOADABLE;
	}
	if (missing[0])
		report_add(r, CHECK_FAIL, "vfio-modules", "",
			   "boot a Proxmox VE kernel: apt install proxmox-default-kernel, reboot",
			   "the running kernel %s has no %s: no device can be given to a VM",
			   f->release[0] ? f->release : "(version unknown)", missing);
	else /* PVE::SysFSTools pci_dev_bind_to_vfio: modprobe vfio-pci */
		report_add(
			r, CHECK_PASS, "vfio-modules", "", "", "%s",
			waiting ? "the VFIO modules are there, and loaded at the first VM's start"
				: "the VFIO modules are loaded");
	judge_virqfd(f, r);
}

void judge_host(const struct host_facts *f, struct report *r)
{
	judge_cpu(f, r);
	judge_firmware(f, r);
	judge_iommu(f, r);
	judge_passthrough_mode(f, r);
	if (!judge_contradictions(f, r))
		report_add(r, CHECK_PASS, "kernel-cmdline", "", "",
			   "nothing on the kernel command line is in the way");
	judge_intremap(f, r);
	judge_modules(f, r);
}

void check_host(struct hook *h, struct report *r)
{
	struct host_facts f;

	host_facts_read(h->root, &f);
	judge_host(&f, r);
}
