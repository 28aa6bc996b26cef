/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The changes that `vfhook host` would make to files, planned from their texts. */
#include "src/host/host_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/host/cmdline.h"

#define OURS_HEAD                                                                                  \
	"# Made by vfhook (vfhook host prepare). `vfhook host restore --apply` takes it away.\n"

static const char *const our_words[] = {"intel_iommu=on", "iommu=pt"};

size_t words_wanted(const struct host_facts *f, const char *words[2])
{
	size_t n = 0;

	/* Once it is on, the running kernel's own line tells whether the word is needed. */
	if (f->vendor == CPU_INTEL &&
	    (!f->iommu || cmdline_has_value(f->cmdline, "intel_iommu", "on")))
		words[n++] = our_words[0];
	words[n++] = our_words[1];
	return n;
}

/* A value of intel_iommu or iommu that somebody chose, and that ours would fight. */
static const char *contradiction(const char *line)
{
	static const struct {
		const char *name, *value, *word;
	} bad[] = {
		{"intel_iommu", "off", "intel_iommu=off"},
		{"amd_iommu", "off", "amd_iommu=off"},
		{"iommu", "off", "iommu=off"},
		{"iommu", "nopt", "iommu=nopt"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (cmdline_has_value(line, bad[i].name, bad[i].value))
			return bad[i].word;
	}
	return NULL;
}

/* Does the line do what the word is for? "intel_iommu=on,sm_on" does what intel_iommu=on does. */
static bool is_there(const char *line, const char *word)
{
	char name[32];
	size_t n = strcspn(word, "=");

	snprintf(name, sizeof(name), "%.*s", (int)n, word);
	return cmdline_has_value(line, name, word + n + 1);
}

static size_t missing_words(const char *line, const char *const *words, size_t n,
			    const char *out[2])
{
	size_t missing = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_there(line, words[i]))
			out[missing++] = words[i];
	}
	return missing;
}

void host_plan_free(struct host_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->changes[i].from);
		free(p->changes[i].to);
	}
	*p = (struct host_plan){0};
}

/* One change, unless it is none; both texts are copied. */
static int add_change(struct host_plan *p, const char *path, const char *from, const char *to,
		      bool quiet, struct error *err)
{
	struct file_change *c = &p->changes[p->n];

	if ((!from && !to) || (from && to && !strcmp(from, to)))
		return 0;
	*c = (struct file_change){.path = path, .quiet = quiet};
	c->from = from ? strdup(from) : NULL;
	c->to = to ? strdup(to) : NULL;
	p->n++;
	if ((from && !c->from) || (to && !c->to))
		return fail(err, ENOMEM, "out of memory");
	return 0;
}

/* --- Which files the boot loader reads --- */

static bool boots_systemd(const struct boot_facts *f)
{
	return !strncmp(f->loader, "systemd-boot", 12);
}

/*
 * proxmox-boot-tool: an EFI partition with GRUB on it gets GRUB's configuration, any other on an
 * EFI machine systemd-boot entries made from the first line of /etc/kernel/cmdline; without EFI
 * it is always GRUB (proxmox-kernel-helper, zz-proxmox-boot). Which one it is shows in
 * what the boot loader said of itself; if it said nothing, both get the words.
 */
static bool reads_cmdline(const struct boot_facts *f)
{
	return f->boot_tool && f->efi && strncmp(f->loader, "GRUB", 4) != 0;
}

static bool reads_grub(const struct boot_facts *f)
{
	return f->grub && !boots_systemd(f);
}

static int check_loader(const struct boot_facts *f, struct error *err)
{
	const char *word = NULL;
	const char *where = KERNEL_CMDLINE;

	if (!reads_grub(f) && !(reads_cmdline(f) && f->cmdline))
		return fail(err, EOPNOTSUPP,
			    "how this host boots is not known (no /" GRUB_DEFAULT
			    ", no /" KERNEL_CMDLINE
			    " that proxmox-boot-tool uses): add the words by hand where your boot "
			    "loader keeps the kernel command line");
	if (reads_cmdline(f) && f->cmdline)
		word = contradiction(f->cmdline);
	if (!word && reads_grub(f)) {
		CLEANUP(str_free) struct str words = STR_INIT;

		grub_words(f->grub, &words);
		grub_words(f->grub_other ? f->grub_other : "", &words);
		word = contradiction(str_get(&words));
		where = "etc/default/grub or grub.d";
	}
	if (word)
		return fail(err, EINVAL,
			    "'%s' in /%s is somebody's decision against it: take that word out "
			    "first",
			    word, where);
	return 0;
}

/* --- prepare --- */

static int prepare_cmdline(const struct boot_facts *f, const char *const *words, size_t n,
			   struct host_plan *p, struct error *err)
{
	CLEANUP(str_free) struct str to = STR_INIT;
	const char *missing[2];

	n = missing_words(f->cmdline, words, n, missing);
	if (!n)
		return 0;
	cmdline_add(f->cmdline, missing, n, &to);
	if (!str_ok(&to))
		return fail(err, ENOMEM, "out of memory");
	/* The first backup is the admin's own state: it is not written over. */
	if (!f->backup && add_change(p, KERNEL_CMDLINE_BACKUP, NULL, f->cmdline, true, err) < 0)
		return error_code(err);
	return add_change(p, KERNEL_CMDLINE, f->cmdline, str_get(&to), false, err);
}

static int prepare_grub(const struct boot_facts *f, const char *const *words, size_t n,
			struct host_plan *p, struct error *err)
{
	CLEANUP(str_free) struct str others = STR_INIT;
	CLEANUP(str_free) struct str to = STR_INIT;
	const char *missing[2];

	grub_words(f->grub, &others);
	grub_words(f->grub_other ? f->grub_other : "", &others);
	n = missing_words(str_get(&others), words, n, missing);
	if (n) {
		str_append(&to,
			   OURS_HEAD "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT");
		for (size_t i = 0; i < n; i++)
			str_printf(&to, " %s", missing[i]);
		str_append(&to, "\"\n");
	}
	if (!str_ok(&others) || !str_ok(&to))
		return fail(err, ENOMEM, "out of memory");
	return add_change(p, GRUB_OURS, f->grub_ours, n ? str_get(&to) : NULL, false, err);
}

/* vfio_virqfd is part of vfio since 6.2 (drivers/vfio/virqfd.c). */
static int prepare_modules(const struct boot_facts *f, struct host_plan *p, struct error *err)
{
	bool old = f->host.major && host_older_than(&f->host, 6, 2);

	return add_change(p, MODULES_OURS, f->modules_ours,
			  old ? OURS_HEAD "vfio\nvfio_iommu_type1\nvfio_pci\nvfio_virqfd\n"
			      : OURS_HEAD "vfio\nvfio_iommu_type1\nvfio_pci\n",
			  false, err);
}

static enum boot_program program_for(const struct boot_facts *f)
{
	/* refresh runs update-grub itself where an EFI partition has GRUB. */
	return f->boot_tool ? BOOT_TOOL_REFRESH : BOOT_UPDATE_GRUB;
}

int plan_prepare(const struct boot_facts *f, struct host_plan *out, struct error *err)
{
	const char *words[2];
	const char *missing[2];
	size_t n = words_wanted(&f->host, words);

	*out = (struct host_plan){0};
	if (check_loader(f, err) < 0)
		return error_code(err);
	if (reads_cmdline(f) && f->cmdline && prepare_cmdline(f, words, n, out, err) < 0)
		return error_code(err);
	if (reads_grub(f) && prepare_grub(f, words, n, out, err) < 0)
		return error_code(err);
	if (out->n || f->pending)
		out->program = program_for(f);
	out->reboot = missing_words(f->host.cmdline, words, n, missing) > 0;
	return prepare_modules(f, out, err);
}

/* --- restore --- */

static bool same_words(const char *a, const char *b)
{
	size_t n;
	size_t m;

	for (;; a += n, b += m) {
		n = cmdline_word(&a);
		m = cmdline_word(&b);
		if (n != m || memcmp(a, b, n) != 0)
			return false;
		if (!n)
			return !strcmp(a + strspn(a, "\n"), b + strspn(b, "\n"));
	}
}

static int restore_cmdline(const struct boot_facts *f, struct host_plan *p, struct error *err)
{
	CLEANUP(str_free) struct str to = STR_INIT;
	const char *ours[2];
	size_t n = missing_words(f->backup, our_words, ARRAY_SIZE(our_words), ours);

	cmdline_remove(f->cmdline, ours, n, &to);
	if (!str_ok(&to))
		return fail(err, ENOMEM, "out of memory");
	if (same_words(str_get(&to), f->backup))
		return add_change(p, KERNEL_CMDLINE, f->cmdline, f->backup, false, err);
	snprintf(p->note, sizeof(p->note),
		 "/" KERNEL_CMDLINE
		 " was changed since vfhook wrote it: only vfhook's own words are "
		 "taken out of it");
	return add_change(p, KERNEL_CMDLINE, f->cmdline, str_get(&to), false, err);
}

int plan_restore(const struct boot_facts *f, struct host_plan *out, struct error *err)
{
	*out = (struct host_plan){0};
	if (f->backup && f->cmdline && restore_cmdline(f, out, err) < 0)
		return error_code(err);
	if (add_change(out, GRUB_OURS, f->grub_ours, NULL, false, err) < 0)
		return error_code(err);
	if (out->n || f->pending) {
		out->program = program_for(f);
		out->reboot = true;
	}
	if (add_change(out, KERNEL_CMDLINE_BACKUP, f->backup, NULL, true, err) < 0 ||
	    add_change(out, MODULES_OURS, f->modules_ours, NULL, false, err) < 0)
		return error_code(err);
	return 0;
}
