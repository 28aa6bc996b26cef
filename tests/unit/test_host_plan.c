/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/host/host_plan.h"

#include <cmocka.h>

#define ZFS   "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n"
#define ADDED "root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt\n"

/* What becomes of a file: its new text, "-" if it is deleted, NULL if it stays. */
static const char *becomes(const struct host_plan *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!strcmp(p->changes[i].path, path))
			return p->changes[i].to ? p->changes[i].to : "-";
	}
	return NULL;
}

/* An Intel host whose IOMMU is off. The texts are literals: not to be freed. */
static struct boot_facts intel(void)
{
	return (struct boot_facts){.host = {.vendor = CPU_INTEL,
					    .dmar = true,
					    .major = 6,
					    .minor = 8,
					    .cmdline = "BOOT_IMAGE=/boot/vmlinuz root=x quiet"}};
}

static struct boot_facts intel_zfs(void)
{
	struct boot_facts f = intel();

	f.efi = f.boot_tool = true;
	strcpy(f.loader, "systemd-boot 252.31");
	f.cmdline = (char *)ZFS;
	f.grub = (char *)"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n";
	return f;
}

static struct boot_facts intel_grub(void)
{
	struct boot_facts f = intel();

	f.grub = (char *)"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n";
	return f;
}

static struct host_plan prepared(const struct boot_facts *f)
{
	struct error err = ERROR_INIT;
	struct host_plan p;

	if (plan_prepare(f, &p, &err) < 0)
		print_error("%s\n", err.text);
	assert_int_equal(err.code, 0);
	return p;
}

static void test_systemd_boot(void **state)
{
	struct boot_facts f = intel_zfs();
	CLEANUP(host_plan_free) struct host_plan p = prepared(&f);

	(void)state;
	assert_string_equal(becomes(&p, KERNEL_CMDLINE), ADDED);
	assert_string_equal(becomes(&p, KERNEL_CMDLINE_BACKUP), ZFS);
	assert_null(becomes(&p, GRUB_OURS));
	assert_non_null(strstr(becomes(&p, MODULES_OURS), "\nvfio_pci\n"));
	assert_null(strstr(becomes(&p, MODULES_OURS), "virqfd"));
	assert_int_equal(p.program, BOOT_TOOL_REFRESH);
	assert_true(p.reboot);
}

static void test_grub(void **state)
{
	struct boot_facts f = intel_grub();
	CLEANUP(host_plan_free) struct host_plan p = prepared(&f);

	(void)state;
	assert_non_null(strstr(becomes(&p, GRUB_OURS),
			       "\nGRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT "
			       "intel_iommu=on iommu=pt\"\n"));
	assert_null(becomes(&p, KERNEL_CMDLINE));
	assert_int_equal(p.program, BOOT_UPDATE_GRUB);
}

/* Both a boot loader that does not say what it is and GRUB's own kind are served. */
static void test_boot_tool_with_grub(void **state)
{
	struct boot_facts f = intel_zfs();
	CLEANUP(host_plan_free) struct host_plan p = {0};

	(void)state;
	f.loader[0] = '\0';
	p = prepared(&f);
	assert_non_null(becomes(&p, KERNEL_CMDLINE));
	assert_non_null(becomes(&p, GRUB_OURS));
	assert_int_equal(p.program, BOOT_TOOL_REFRESH);
	host_plan_free(&p);
	f.efi = false; /* BIOS: only GRUB */
	p = prepared(&f);
	assert_null(becomes(&p, KERNEL_CMDLINE));
	assert_non_null(becomes(&p, GRUB_OURS));
	assert_int_equal(p.program, BOOT_TOOL_REFRESH);
}

static void test_words(void **state)
{
	struct host_facts f = intel().host;
	const char *words[2];

	(void)state;
	assert_int_equal(words_wanted(&f, words), 2);
	/* On without the word: the kernel's default. On with it: the word stays wanted. */
	f.iommu = true;
	assert_int_equal(words_wanted(&f, words), 1);
	assert_string_equal(words[0], "iommu=pt");
	strcpy(f.cmdline, "root=x intel_iommu=on");
	assert_int_equal(words_wanted(&f, words), 2);
	f.iommu = false;
	f.vendor = CPU_AMD;
	assert_int_equal(words_wanted(&f, words), 1);
}

/* Words that somebody wrote are not written again, in whatever file they stand. */
static void test_nothing_twice(void **state)
{
	struct boot_facts f = intel_grub();
	CLEANUP(host_plan_free) struct host_plan p = {0};
	CLEANUP(host_plan_free) struct host_plan second = {0};

	(void)state;
	f.grub = (char *)"GRUB_CMDLINE_LINUX=\"intel_iommu=on,sm_on\"\n";
	f.grub_other = (char *)"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet iommu=pt\"\n";
	p = prepared(&f);
	assert_null(becomes(&p, GRUB_OURS));
	assert_int_equal(p.program, BOOT_NOTHING);
	host_plan_free(&p);
	f.grub_other = NULL;
	p = prepared(&f);
	assert_null(strstr(becomes(&p, GRUB_OURS), "intel_iommu"));
	assert_non_null(strstr(becomes(&p, GRUB_OURS), " iommu=pt\""));
	/* What was done is not done again. */
	f.grub_ours = p.changes[0].to;
	f.modules_ours = p.changes[1].to;
	second = prepared(&f);
	assert_int_equal(second.n, 0);
	assert_true(second.reboot);
}

/* The admin's first state is what is kept. */
static void test_first_backup_stays(void **state)
{
	struct boot_facts f = intel_zfs();
	CLEANUP(host_plan_free) struct host_plan p = {0};

	(void)state;
	f.backup = (char *)"root=first\n";
	p = prepared(&f);
	assert_null(becomes(&p, KERNEL_CMDLINE_BACKUP));
	assert_string_equal(becomes(&p, KERNEL_CMDLINE), ADDED);
}

static void test_old_kernel(void **state)
{
	struct boot_facts f = intel_grub();
	CLEANUP(host_plan_free) struct host_plan p = {0};

	(void)state;
	f.host.major = 5;
	f.host.minor = 15;
	p = prepared(&f);
	assert_non_null(strstr(becomes(&p, MODULES_OURS), "vfio_virqfd\n"));
}

static void refused(const struct boot_facts *f, const char *why)
{
	CLEANUP(host_plan_free) struct host_plan p = {0};
	struct error err = ERROR_INIT;

	assert_true(plan_prepare(f, &p, &err) < 0);
	if (!strstr(err.text, why))
		print_error("\"%s\" is not in \"%s\"\n", why, err.text);
	assert_non_null(strstr(err.text, why));
	assert_int_equal(p.n, 0);
}

static void test_refused(void **state)
{
	struct boot_facts f = intel();

	(void)state;
	refused(&f, "by hand");
	f = intel_zfs();
	f.cmdline = (char *)"root=x intel_iommu=off\n";
	refused(&f, "'intel_iommu=off' in /etc/kernel/cmdline");
	f = intel_grub();
	f.grub_other = (char *)"GRUB_CMDLINE_LINUX=\"iommu=nopt\"\n";
	refused(&f, "'iommu=nopt' in /etc/default/grub");
	/* systemd-boot without proxmox-boot-tool: nobody would read what we write. */
	f = intel_zfs();
	f.boot_tool = false;
	refused(&f, "by hand");
}

static struct host_plan restored(const struct boot_facts *f)
{
	struct error err = ERROR_INIT;
	struct host_plan p;

	assert_int_equal(plan_restore(f, &p, &err), 0);
	return p;
}

static void test_restore(void **state)
{
	struct boot_facts f = intel_zfs();
	CLEANUP(host_plan_free) struct host_plan p = restored(&f);

	(void)state;
	assert_int_equal(p.n, 0); /* nothing of ours */
	assert_int_equal(p.program, BOOT_NOTHING);
	f.cmdline = (char *)ADDED;
	f.backup = (char *)ZFS;
	f.modules_ours = (char *)"vfio\n";
	f.grub_ours = (char *)"x\n";
	p = restored(&f);
	assert_string_equal(becomes(&p, KERNEL_CMDLINE), ZFS);
	assert_string_equal(becomes(&p, KERNEL_CMDLINE_BACKUP), "-");
	assert_string_equal(becomes(&p, MODULES_OURS), "-");
	assert_string_equal(becomes(&p, GRUB_OURS), "-");
	assert_int_equal(p.program, BOOT_TOOL_REFRESH);
	assert_string_equal(p.note, "");
}

/* The admin changed it meanwhile, and had iommu=pt there before: only our word goes. */
static void test_restore_changed(void **state)
{
	struct boot_facts f = intel_zfs();
	CLEANUP(host_plan_free) struct host_plan p = {0};

	(void)state;
	f.cmdline = (char *)"root=x iommu=pt quiet intel_iommu=on nomodeset\n";
	f.backup = (char *)"root=x iommu=pt\n";
	p = restored(&f);
	assert_string_equal(becomes(&p, KERNEL_CMDLINE), "root=x iommu=pt quiet nomodeset\n");
	assert_non_null(strstr(p.note, "was changed"));
}

static void test_restore_modules_only(void **state)
{
	struct boot_facts f = intel_grub();
	CLEANUP(host_plan_free) struct host_plan p = {0};

	(void)state;
	f.modules_ours = (char *)"vfio\n";
	p = restored(&f);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.program, BOOT_NOTHING);
	assert_false(p.reboot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_systemd_boot),
		cmocka_unit_test(test_grub),
		cmocka_unit_test(test_boot_tool_with_grub),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_nothing_twice),
		cmocka_unit_test(test_first_backup_stays),
		cmocka_unit_test(test_old_kernel),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_restore_changed),
		cmocka_unit_test(test_restore_modules_only),
	};

	return cmocka_run_group_tests_name("host_plan", tests, NULL, NULL);
}
