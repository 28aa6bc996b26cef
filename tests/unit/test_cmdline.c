/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/host/cmdline.h"

#include <cmocka.h>

static const char *const both[] = {"intel_iommu=on", "iommu=pt"};

static void test_has(void **state)
{
	(void)state;
	assert_true(cmdline_has("quiet iommu=pt", "iommu=pt"));
	assert_true(cmdline_has("iommu=pt\tquiet\n", "iommu=pt"));
	assert_false(cmdline_has("intel_iommu=pt", "iommu=pt"));
	assert_false(cmdline_has("iommu=ptx", "iommu=pt"));
	assert_false(cmdline_has("quiet\niommu=pt", "iommu=pt"));
	assert_false(cmdline_has("", "iommu=pt"));
	/* Names: '-' is '_'; values: not. A quoted word keeps its blanks. */
	assert_true(cmdline_has("intel-iommu=on", "intel_iommu=on"));
	assert_false(cmdline_has("a=x-y", "a=x_y"));
	assert_false(cmdline_has("note=\"a iommu=pt b\"", "iommu=pt"));
	assert_false(cmdline_has("IOMMU=pt", "iommu=pt"));
}

static void test_values(void **state)
{
	char value[16];

	(void)state;
	assert_true(cmdline_has_value("intel_iommu=on,sm_on", "intel_iommu", "on"));
	assert_true(cmdline_has_value("intel_iommu=sm_on,on", "intel_iommu", "on"));
	assert_true(cmdline_has_value("iommu=soft iommu=pt", "iommu", "pt"));
	assert_false(cmdline_has_value("intel_iommu=sm_on", "intel_iommu", "on"));
	assert_false(cmdline_has_value("intel_iommu", "intel_iommu", "on"));
	assert_false(cmdline_has_value("intel_iommu=", "intel_iommu", "on"));
	assert_true(cmdline_get("a pcie_acs_override=downstream,multifunction b",
				"pcie_acs_override", value, sizeof(value)));
	assert_string_equal(value, "downstream,mult");
	assert_false(cmdline_get("x=1", "y", value, sizeof(value)));
}

static void check_add(const char *text, const char *want)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	cmdline_add(text, both, 2, &s);
	assert_string_equal(str_get(&s), want);
}

static void test_add(void **state)
{
	(void)state;
	check_add("root=ZFS=rpool/ROOT/pve-1 boot=zfs\n",
		  "root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt\n");
	check_add("root=x", "root=x intel_iommu=on iommu=pt");
	check_add("root=x  \nsecond line\n", "root=x intel_iommu=on iommu=pt\nsecond line\n");
	check_add("iommu=pt root=x\n", "iommu=pt root=x intel_iommu=on\n");
	check_add("intel_iommu=on iommu=pt\n", "intel_iommu=on iommu=pt\n");
	check_add("", "intel_iommu=on iommu=pt");
}

static void check_remove(const char *text, const char *want)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	cmdline_remove(text, both, 2, &s);
	assert_string_equal(str_get(&s), want);
}

static void test_remove(void **state)
{
	(void)state;
	check_remove("root=x intel_iommu=on iommu=pt\n", "root=x\n");
	check_remove("root=x intel_iommu=on quiet iommu=pt", "root=x quiet");
	check_remove("iommu=pt root=x\n", "root=x\n");
	check_remove("iommu=pt", "");
	/* The first words take the blank behind them with them, all of them. */
	check_remove("intel_iommu=on iommu=pt quiet\n", "quiet\n");
	check_remove("iommu=pt intel_iommu=on iommu=pt", "");
	check_remove("a=\"x iommu=pt y\"  b\n", "a=\"x iommu=pt y\"  b\n");
	check_remove("root=x\niommu=pt\n", "root=x\niommu=pt\n");
}

static void test_grub(void **state)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	(void)state;
	grub_words("# GRUB_CMDLINE_LINUX=\"iommu=off\"\n"
		   "GRUB_TIMEOUT=5\n"
		   "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet iommu=pt\" # intel_iommu=on\n"
		   "  GRUB_CMDLINE_LINUX='a=b'\n"
		   "GRUB_CMDLINE_LINUX=c d\n"
		   "GRUB_CMDLINE_LINUX_RECOVERY=\"single\"\n"
		   "GRUB_CMDLINE_LINUX=\"unended",
		   &s);
	assert_string_equal(str_get(&s), " quiet iommu=pt a=b c unended");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has),  cmocka_unit_test(test_values),
		cmocka_unit_test(test_add),  cmocka_unit_test(test_remove),
		cmocka_unit_test(test_grub),
	};

	return cmocka_run_group_tests_name("cmdline", tests, NULL, NULL);
}
