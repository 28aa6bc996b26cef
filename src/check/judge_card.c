/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a driver makes VFs shows when it is asked to. What its module shows before that is told;
 * the rest (firmware, licences, what a BIOS hides) is in the kernel's log alone.
 */
#include "src/check/judge_card.h"

#include <stdio.h>
#include <string.h>

#include "src/base/text.h"

#define GUC_LOG "dmesg | grep -iE 'guc|huc|sr-iov'"

struct card_judge {
	const struct pf_facts *f;
	const char *subject;
	struct report *r;
};

#define CARD_ADD(j, level, remedy, ...)                                                            \
	report_add((j)->r, level, "pf-driver", (j)->subject, remedy, __VA_ARGS__)

/* The kernel's own i915 has no SR-IOV; the module that has it knows max_vfs (i915-sriov-dkms). */
static void judge_i915(struct card_judge *j)
{
	const struct gpu_facts *g = &j->f->gpu;
	uint32_t guc;

	if (!g->max_vfs[0])
		CARD_ADD(
			j, CHECK_FAIL,
			"newer kernels' xe makes VFs of some of these GPUs "
			"(module_blacklist=i915 xe.force_probe=<device id> xe.max_vfs=7); else the "
			"out-of-tree module i915-sriov-dkms, built for this very kernel",
			"the i915 that is loaded%s has no parameter max_vfs: the kernel's own "
			"makes no VFs",
			g->out_of_tree ? " (out of tree)" : "");
	else if (!strcmp(g->max_vfs, "0"))
		CARD_ADD(j, CHECK_FAIL, "i915.max_vfs=7 on the kernel command line, then reboot",
			 "i915 may make no VFs (its parameter max_vfs is 0)");
	else if (!parse_u32(g->enable_guc, UINT32_MAX, &guc) && !(guc & 1)) /* -1: its own choice */
		CARD_ADD(j, CHECK_FAIL,
			 "i915.enable_guc=3 on the kernel command line, then reboot; the GuC "
			 "firmware must be there: " GUC_LOG,
			 "i915 submits without GuC (enable_guc is %s), and VFs need it",
			 g->enable_guc);
	else
		CARD_ADD(j, CHECK_PASS, "", "i915 with SR-IOV (max_vfs %s, enable_guc %s)",
			 g->max_vfs, g->enable_guc[0] ? g->enable_guc : "not shown");
}

/* xe_sriov_pf_readiness() lowers sriov_totalvfs to what max_vfs allows. */
static void judge_xe(struct card_judge *j)
{
	const struct gpu_facts *g = &j->f->gpu;

	if (!j->f->info.total_vfs && !strcmp(g->max_vfs, "0"))
		CARD_ADD(j, CHECK_FAIL,
			 "xe.max_vfs=7 on the kernel command line (or `options xe max_vfs=7` in "
			 "/etc/modprobe.d, then update-initramfs -u), then reboot",
			 "xe may make no VFs (its parameter max_vfs is 0, as kernels have it whose "
			 "xe does so only when told)");
	else if (!j->f->info.total_vfs)
		CARD_ADD(
			j, CHECK_FAIL,
			"a newer kernel; or SR-IOV in the firmware (BIOS); what xe found: " GUC_LOG,
			"xe makes no VFs of this GPU (sriov_totalvfs is 0): which ones it can "
			"depends on the kernel, GuC firmware and platform");
	else if (!strcmp(g->max_vfs, "0"))
		CARD_ADD(j, CHECK_WARN, "xe.max_vfs=7 on the kernel command line, then reboot",
			 "xe's parameter max_vfs is 0: after the next boot it may make no VFs");
	else
		CARD_ADD(j, CHECK_PASS, "", "xe may make %u VFs of it", j->f->info.total_vfs);
}

static void judge_other(struct card_judge *j)
{
	if (!j->f->info.total_vfs)
		CARD_ADD(j, CHECK_FAIL,
			 "SR-IOV in the firmware (BIOS) of the board and of the card; dmesg",
			 "it can have 0 VFs: SR-IOV is off, or its driver %s makes none",
			 j->f->info.driver);
	else if (!strcmp(j->f->info.driver, "nvme"))
		CARD_ADD(j, CHECK_PASS, "",
			 "nvme makes VFs; what namespaces and queues they have is the drive's own "
			 "management (nvme list-secondary)");
	else
		CARD_ADD(j, CHECK_PASS, "", "whether its driver %s makes VFs shows at vfhook boot",
			 j->f->info.driver);
}

void judge_card(const struct pf_facts *f, const char *subject, struct report *r)
{
	struct card_judge j = {.f = f, .subject = subject, .r = r};

	if (!strcmp(f->info.driver, "i915"))
		judge_i915(&j);
	else if (!strcmp(f->info.driver, "xe"))
		judge_xe(&j);
	else
		judge_other(&j);
}
