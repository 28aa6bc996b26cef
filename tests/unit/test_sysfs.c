/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/cleanup.h"
#include "src/vf/sysfs.h"
#include "tests/unit/tree.h"

#define VF0   "0000:06:10.0"
#define GROUP "sys/kernel/iommu_groups/%d/devices/%s"

static struct vf_info read_vf(const struct tree *t, const char *vf)
{
	struct error err = ERROR_INIT;
	struct pci_addr a = addr_of(vf);
	struct pci_addr pf;
	struct vf_info v;
	unsigned index;

	assert_int_equal(sysfs_vf_identify(t->root, &a, &pf, &index), 0);
	assert_int_equal(sysfs_vf_read(t->root, NULL, &a, &pf, index, &v, &err), 0);
	return v;
}

static void put_in_group(const struct tree *t, int group, const char *dev)
{
	char path[256];

	snprintf(path, sizeof(path), GROUP, group, dev);
	sys_link(t->root, path, "../../../../bus/pci/devices/x");
}

static void test_pf(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct pci_addr a = addr_of(PF0);
	struct pf_info pf;

	assert_int_equal(sysfs_pf_read(t->root, &a, &pf, &err), 0);
	assert_string_equal(pf.ifname, "enp6s0f0");
	assert_string_equal(pf.driver, "igb");
	assert_true(pf.ifindex > 0);
	assert_int_equal(pf.total_vfs, 7);
	assert_int_equal(pf.num_vfs, 7);
	assert_int_equal(pf.numa_node, -1);
	sys_write(t->root, DEV PF0 "/numa_node", "1\n");
	assert_int_equal(sysfs_pf_read(t->root, &a, &pf, &err), 0);
	assert_int_equal(pf.numa_node, 1);
}

static void test_pf_refused(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct pci_addr none = addr_of("0000:99:00.0");
	struct pci_addr vf = addr_of(VF0);
	struct pci_addr a = addr_of(PF0);
	struct pf_info pf;

	assert_int_equal(sysfs_pf_read(t->root, &none, &pf, &err), -ENODEV);
	assert_has(err.text, "0000:99:00.0");
	assert_int_equal(sysfs_pf_read(t->root, &vf, &pf, &err), -EOPNOTSUPP);
	assert_has(err.text, VF0);
	/* No driver, no interface: the reason names both. */
	tree_shell("rm -r %s/" DEV PF0 "/net %s/" DEV PF0 "/driver", t->path, t->path);
	assert_int_equal(sysfs_pf_read(t->root, &a, &pf, &err), -ENODEV);
	assert_has(err.text, PF0);
	assert_has(err.text, "no network interface");
	assert_has(err.text, "none");
}

/* In switchdev mode the PF's net/ has the VFs' representors too. */
static void test_pf_with_representors(void **state)
{
	const struct tree *t = *state;
	struct pci_addr a = addr_of(PF0);
	struct pf_info pf;

	sys_write(t->root, DEV PF0 "/net/aaa/ifindex", "1\n");
	sys_write(t->root, DEV PF0 "/net/aaa/phys_port_name", "pf0vf3\n");
	sys_write(t->root, DEV PF0 "/net/zzz/ifindex", "99\n");
	sys_write(t->root, DEV PF0 "/net/bad/ifindex", "nonsense\n");
	assert_int_equal(sysfs_pf_read(t->root, &a, &pf, NULL), 0);
	assert_string_equal(pf.ifname, "enp6s0f0");
	/* An uplink has a port name too. */
	sys_write(t->root, DEV PF0 "/net/enp6s0f0/phys_port_name", "p0\n");
	assert_int_equal(sysfs_pf_read(t->root, &a, &pf, NULL), 0);
	assert_string_equal(pf.ifname, "enp6s0f0");
}

static void test_identify(void **state)
{
	const struct tree *t = *state;
	struct pci_addr want = addr_of(PF0);
	struct pci_addr a;
	struct pci_addr pf;
	unsigned index;

	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(sysfs_vf_addr(t->root, &want, i, &a), 0);
		assert_int_equal(sysfs_vf_identify(t->root, &a, &pf, &index), 0);
		assert_int_equal(index, i);
		assert_int_equal(pci_addr_cmp(&pf, &want), 0);
	}
	assert_int_equal(sysfs_vf_addr(t->root, &want, 7, &a), -ENOENT);
	a = addr_of(PF0);
	assert_int_equal(sysfs_vf_identify(t->root, &a, &pf, &index), -EINVAL);
	a = addr_of("0000:99:00.0");
	assert_int_equal(sysfs_vf_identify(t->root, &a, &pf, &index), -ENODEV);
}

/* They should be equally far apart. Where they are not, all are tried. */
static void test_identify_by_scan(void **state)
{
	const struct tree *t = *state;
	struct pci_addr a = addr_of("0000:06:11.4"); /* VF 6 */
	struct pci_addr want = addr_of(PF0);
	struct pci_addr pf;
	unsigned index = 77;

	assert_int_equal(sysfs_vf_number(t->root, &a, &want, &index), 0);
	assert_int_equal(index, 6);
	/* VF 2 is where VF 1 should be, and VF 1 nowhere. */
	tree_shell("mv -T %s/" DEV PF0 "/virtfn2 %s/" DEV PF0 "/virtfn1", t->path, t->path);
	assert_int_equal(sysfs_vf_number(t->root, &a, &want, &index), -ENOENT);
	index = 77;
	assert_int_equal(sysfs_vf_identify(t->root, &a, &pf, &index), 0);
	assert_int_equal(index, 6);
	unlinkat(t->root, DEV PF0 "/virtfn0", 0);
	index = 77;
	assert_int_equal(sysfs_vf_identify(t->root, &a, &pf, &index), 0);
	assert_int_equal(index, 6);
	/* A VF that its PF does not know is no VF to us. */
	unlinkat(t->root, DEV PF0 "/virtfn6", 0);
	assert_int_equal(sysfs_vf_identify(t->root, &a, &pf, &index), -EINVAL);
}

static void test_vf(void **state)
{
	const struct tree *t = *state;
	struct vf_info v = read_vf(t, VF0);

	assert_string_equal(v.id, "");
	assert_string_equal(v.driver, "");
	assert_string_equal(v.driver_override, "");
	assert_string_equal(v.ifname, "");
	assert_int_equal(v.index, 0);
	assert_true(v.iommu_group >= 0);
	assert_true(v.group_alone);
	assert_true(v.group_pure);
	unlinkat(t->root, DEV VF0 "/iommu_group", 0);
	v = read_vf(t, VF0);
	assert_int_equal(v.iommu_group, -1);
	assert_false(v.group_pure);
}

/* Which function is in which group, read at once, says what a look at each group says. */
static void test_groups_at_once(void **state)
{
	const struct tree *t = *state;
	struct pci_addr members[4];
	struct pci_addr pf = addr_of(PF0);
	struct group_map *m;
	struct vf_info alone = read_vf(t, VF0);
	struct vf_info v;

	/* VF 2 is in the group of VF 1, VF 4 in that of the PF. */
	tree_shell("cd %s/" DEV " && ln -sfn $(readlink 0000:06:10.2/iommu_group) "
		   "0000:06:10.4/iommu_group && ln -sfn $(readlink " PF0 "/iommu_group) "
		   "0000:06:11.0/iommu_group && rm 0000:06:11.4/iommu_group",
		   t->path);
	m = group_map_read(t->root);
	assert_non_null(m);
	for (unsigned i = 0; i < 7; i++) {
		struct pci_addr a;

		assert_int_equal(sysfs_vf_addr(t->root, &pf, i, &a), 0);
		assert_int_equal(sysfs_vf_read(t->root, m, &a, &pf, i, &v, NULL), 0);
		assert_int_equal(v.group_alone, i == 0 || i == 3 || i == 5);
		assert_int_equal(v.group_pure, i != 4 && i != 6);
		assert_string_equal(v.group_intruder, i == 4 ? PF0 : "");
		assert_int_equal(v.iommu_group < 0, i == 6);
		if (!i)
			assert_int_equal(v.iommu_group, alone.iommu_group);
	}
	/* One that came after it was read is looked at by itself. */
	assert_int_equal(sysfs_group_members(t->root, alone.iommu_group, members, 4), 1);
	group_map_free(m);
	tree_shell("mv %s/" DEV VF0 " %s/vf0", t->path, t->path);
	m = group_map_read(t->root);
	assert_non_null(m);
	tree_shell("mv %s/vf0 %s/" DEV VF0, t->path, t->path);
	members[0] = addr_of(VF0);
	assert_int_equal(sysfs_vf_read(t->root, m, &members[0], &pf, 0, &v, NULL), 0);
	assert_int_equal(v.iommu_group, alone.iommu_group);
	assert_true(v.group_alone && v.group_pure);
	group_map_free(m);
}

/* What PVE's mappings name a function by. */
static void test_ids(void **state)
{
	static const char *const bad[] = {"",
					  "pci:",
					  "pci:v00008086d000010CA",
					  "pci:v00008086d000010CAsv00008086sd000",
					  "pci:v00008086d000110CAsv00008086sd00000000bc02",
					  "pci:v00008086d00XX10CAsv00008086sd00000000bc02"};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct vf_info v = {.addr = addr_of(VF0)};

	assert_int_equal(sysfs_vf_ids(t->root, &v, &err), 0);
	assert_string_equal(v.id, "8086:10ca");
	assert_string_equal(v.subsystem_id, "8086:0000");
	sys_write(t->root, DEV VF0 "/modalias",
		  "pci:v0000FFFFd0000FFFFsv0000ABCDsd0000EF01bc02sc00i00\n");
	assert_int_equal(sysfs_vf_ids(t->root, &v, &err), 0);
	assert_string_equal(v.id, "ffff:ffff");
	assert_string_equal(v.subsystem_id, "abcd:ef01");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		sys_write(t->root, DEV VF0 "/modalias", bad[i]);
		error_clear(&err);
		assert_int_equal(sysfs_vf_ids(t->root, &v, &err), -EINVAL);
		assert_has(err.text, VF0);
	}
	unlinkat(t->root, DEV VF0 "/modalias", 0);
	error_clear(&err);
	assert_int_equal(sysfs_vf_ids(t->root, &v, &err), -ENODEV);
	assert_has(err.text, VF0);
}

static void test_vf_gone(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct pci_addr a = addr_of("0000:06:1f.0");
	struct pci_addr pf = addr_of(PF0);
	struct vf_info v;

	assert_int_equal(sysfs_vf_read(t->root, NULL, &a, &pf, 9, &v, &err), -ENODEV);
	assert_has(err.text, "0000:06:1f.0");
}

static void test_group_of_vfs(void **state)
{
	const struct tree *t = *state;
	struct vf_info v = read_vf(t, VF0);
	struct pci_addr members[1];

	put_in_group(t, v.iommu_group, "0000:06:10.2");
	v = read_vf(t, VF0);
	assert_false(v.group_alone);
	assert_true(v.group_pure);
	assert_int_equal(sysfs_group_members(t->root, v.iommu_group, members, 1), 2);
	assert_int_equal(sysfs_group_members(t->root, 4711, members, 1), -ENOENT);
}

/* Without ACS the PF is in the group: giving the VF away would take the PF from the host. */
static void test_group_with_pf(void **state)
{
	const struct tree *t = *state;
	struct vf_info v = read_vf(t, VF0);

	put_in_group(t, v.iommu_group, "0000:00:1c.6");
	v = read_vf(t, VF0);
	assert_false(v.group_pure);
	assert_string_equal(v.group_intruder, "0000:00:1c.6");
	put_in_group(t, v.iommu_group, PF0);
	put_in_group(t, v.iommu_group, "0000:06:10.2");
	v = read_vf(t, VF0);
	assert_false(v.group_pure);
	assert_false(v.group_alone);
	/* The PF says more to a person than a bridge. */
	assert_string_equal(v.group_intruder, PF0);
}

/* A group as large as that is never taken for one that is safe to give away. */
static void test_group_huge(void **state)
{
	const struct tree *t = *state;
	struct vf_info v = read_vf(t, VF0);
	char dev[32];

	for (int i = 0; i < 200; i++) {
		snprintf(dev, sizeof(dev), "0000:%02x:%02x.%d", 0x40 + i / 64, i / 8 % 32, i % 8);
		put_in_group(t, v.iommu_group, dev);
	}
	v = read_vf(t, VF0);
	assert_false(v.group_pure);
	assert_false(v.group_alone);
}

static void test_driver_override(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct pci_addr a = addr_of(VF0);
	struct vf_info v;
	char *text;

	assert_int_equal(sysfs_set_driver_override(t->root, &a, "vfio-pci", &err), 0);
	v = read_vf(t, VF0);
	assert_string_equal(v.driver_override, ""); /* only if it is asked for */
	assert_int_equal(sysfs_vf_override(t->root, &v, &err), 0);
	assert_string_equal(v.driver_override, "vfio-pci");
	assert_int_equal(sysfs_set_driver_override(t->root, &a, "", &err), 0);
	/* The kernel clears it when it gets a line break alone; nothing at all would be no write.
	 */
	text = tree_read(t->root, DEV VF0 "/driver_override");
	assert_string_equal(text, "\n");
	free(text);
	assert_int_equal(sysfs_vf_override(t->root, &v, &err), 0);
	assert_string_equal(v.driver_override, "");
	a = addr_of("0000:06:1f.0");
	assert_int_equal(sysfs_set_driver_override(t->root, &a, "vfio-pci", &err), -ENOENT);
	assert_has(err.text, "0000:06:1f.0");
}

static void give_netdev(const struct tree *t, const char *flags)
{
	sys_link(t->root, DEV VF0 "/driver", "../../../bus/pci/drivers/igbvf");
	sys_write(t->root, DEV VF0 "/net/enp6s0f0v0/ifindex", "30\n");
	sys_write(t->root, DEV VF0 "/net/enp6s0f0v0/flags", flags);
	sys_link(t->root, "sys/class/net/enp6s0f0v0",
		 "../../bus/pci/devices/" VF0 "/net/enp6s0f0v0");
}

static void test_netdev(void **state)
{
	const struct tree *t = *state;
	struct vf_info v;

	give_netdev(t, "0x1002\n");
	v = read_vf(t, VF0);
	assert_string_equal(v.driver, "igbvf");
	assert_string_equal(v.ifname, "enp6s0f0v0");
	assert_int_equal(v.ifindex, 30);
	assert_false(v.netdev_up);
	assert_string_equal(v.netdev_user, "");
	give_netdev(t, "0x1003\n");
	v = read_vf(t, VF0);
	assert_true(v.netdev_up);
}

static void test_netdev_users(void **state)
{
	const struct tree *t = *state;
	struct vf_info v;

	give_netdev(t, "0x1002\n");
	sys_link(t->root, DEV VF0 "/net/enp6s0f0v0/upper_vlan5", "x");
	v = read_vf(t, VF0);
	assert_has(v.netdev_user, "vlan5");
	sys_link(t->root, DEV VF0 "/net/enp6s0f0v0/master", "../../vmbr0");
	v = read_vf(t, VF0);
	assert_has(v.netdev_user, "vmbr0");
}

static void test_vfio_bound_has_no_netdev(void **state)
{
	const struct tree *t = *state;
	struct vf_info v;

	sys_link(t->root, DEV VF0 "/driver", "../../../bus/pci/drivers/vfio-pci");
	v = read_vf(t, VF0);
	assert_string_equal(v.driver, "vfio-pci");
	assert_string_equal(v.ifname, "");
	assert_int_equal(v.ifindex, 0);
}

static void test_group_not_busy(void **state)
{
	const struct tree *t = *state;

	assert_int_equal(vfio_group_busy(t->root, 4711), ANSWER_NO);
	sys_write(t->root, "dev/vfio/4711", "");
	assert_int_equal(vfio_group_busy(t->root, 4711), ANSWER_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		nic_test(test_pf),
		nic_test(test_pf_refused),
		nic_test(test_pf_with_representors),
		nic_test(test_identify),
		nic_test(test_identify_by_scan),
		nic_test(test_vf),
		nic_test(test_ids),
		nic_test(test_groups_at_once),
		nic_test(test_vf_gone),
		nic_test(test_group_of_vfs),
		nic_test(test_group_with_pf),
		nic_test(test_group_huge),
		nic_test(test_driver_override),
		nic_test(test_netdev),
		nic_test(test_netdev_users),
		nic_test(test_vfio_bound_has_no_netdev),
		nic_test(test_group_not_busy),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
