/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a mapping say a VF? */
#include "src/base/cleanup.h"
#include "src/port/mapping_vf.h"
#include "tests/unit/tree.h"
#include "pveapi/mapping.h"
#include "src/vf/sysfs.h"

#define RIGHT "id=8086:10ca,iommugroup=17,node=pve1,path=0000:06:10.1,subsystem-id=8086:1234"

static const struct vf_info vf = {
	.addr = {0, 6, 0x10, 1}, .id = "8086:10ca", .subsystem_id = "8086:1234", .iommu_group = 17};

static bool says(const char *lines, const struct vf_info *v)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(str_free) struct str text = STR_INIT;

	str_printf(&text, "vf-100-0\n%s", lines);
	assert_int_equal(mapping_parse("pci.cfg", str_get(&text), text.len, &f, NULL), 0);
	return mapping_says(mapping_find(&f, "vf-100-0"), "pve1", v);
}

static void test_says(void **state)
{
	(void)state;
	assert_true(says("\tmap " RIGHT "\n", &vf));
	assert_true(says("\tmap id=1:2,node=pve2,path=0000:03:00.1\n\tmap " RIGHT "\n", &vf));
	assert_false(mapping_says(NULL, "pve1", &vf));
	assert_false(says("\tmap id=8086:10ca,node=pve2,path=0000:06:10.1\n", &vf));
	/* Twice: PVE takes one of them. With mdev, or a key that it does not know: none. */
	assert_false(says("\tmap " RIGHT "\n\tmap " RIGHT "\n", &vf));
	assert_false(says("\tmap " RIGHT "\n\tmdev 1\n", &vf));
	assert_false(says("\tmap " RIGHT ",new-key=1\n", &vf));
}

/* PVE compares the texts: what means the same is not the same. */
static void test_text(void **state)
{
	struct vf_info other = vf;

	(void)state;
	assert_false(says("\tmap id=8086:10ca,iommugroup=017,node=pve1,path=0000:06:10.1,"
			  "subsystem-id=8086:1234\n",
			  &vf));
	assert_false(says("\tmap id=8086:10ca,iommugroup=17,node=pve1,path=0000:06:10.1\n", &vf));
	other.addr.fn = 2;
	assert_false(says("\tmap " RIGHT "\n", &other));
	other = vf;
	other.iommu_group = -1;
	assert_false(says("\tmap " RIGHT "\n", &other));
	assert_true(says("\tmap id=8086:10ca,node=pve1,path=0000:06:10.1,subsystem-id=8086:1234\n",
			 &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
