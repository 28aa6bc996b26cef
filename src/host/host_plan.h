/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `vfhook host prepare` and `host restore` would do to this host's files: a
 * plan made from facts, without looking at or touching anything.
 */
#ifndef VFHOOK_HOST_HOST_PLAN_H
#define VFHOOK_HOST_HOST_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/host/host_facts.h"

#define KERNEL_CMDLINE	      "etc/kernel/cmdline"
#define KERNEL_CMDLINE_BACKUP "etc/kernel/cmdline.vfhook-backup"
#define GRUB_DEFAULT	      "etc/default/grub"
#define GRUB_OURS	      "etc/default/grub.d/vfhook.cfg"
#define MODULES_OURS	      "etc/modules-load.d/vfhook.conf"
/* There while files are written that the boot loader was not told of yet. */
#define BOOT_PENDING "var/lib/vfhook/boot-pending"
#define BOOT_UUIDS   "etc/kernel/proxmox-boot-uuids"

/* The boot loader's files. Texts are owned, NULL where there is no such file. */
struct boot_facts {
	struct host_facts host;
	bool efi;
	bool pending;	 /* a run was cut off before the boot loader was told */
	bool boot_tool;	 /* proxmox-boot-tool keeps the EFI partitions */
	char loader[32]; /* "systemd-boot 252.31", "GRUB 2.12", "" if it did not say */
	char *cmdline;
	char *backup;
	char *grub;	  /* /etc/default/grub */
	char *grub_other; /* and everything in grub.d that is not ours */
	char *grub_ours;
	char *modules_ours;
};

/* Each of these would become a line of the plan. */
struct file_change {
	const char *path;
	char *from; /* NULL: not there. Owned, as is to */
	char *to;   /* NULL: deleted */
	bool quiet; /* a backup: told in one line */
};

enum boot_program { BOOT_NOTHING, BOOT_UPDATE_GRUB, BOOT_TOOL_REFRESH };

struct host_plan {
	struct file_change changes[6];
	size_t n;
	enum boot_program program; /* to be run after the changes */
	bool reboot;		   /* the running kernel lacks a word of what is wanted */
	char note[320];		   /* for a person, or "" */
};

/* boot_facts_free() *f in any case. 0 or a negative errno with err. */
int boot_facts_read(int root, struct boot_facts *f, struct error *err);
void boot_facts_free(struct boot_facts *f);

/*
 * The words that belong on the command line: at most 2, literals. intel_iommu=on only where the
 * IOMMU is not on without it (a kernel with CONFIG_INTEL_IOMMU_DEFAULT_ON needs no word, AMD
 * never does: drivers/iommu/{intel,amd}).
 */
size_t words_wanted(const struct host_facts *f, const char *words[2]);

/* Into *out, which is to be freed with host_plan_free() in any case. -ENOMEM, or a reason why it
 * cannot be done (err). */
int plan_prepare(const struct boot_facts *f, struct host_plan *out, struct error *err);
int plan_restore(const struct boot_facts *f, struct host_plan *out, struct error *err);
void host_plan_free(struct host_plan *p);

#endif
