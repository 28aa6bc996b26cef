/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/json.h"
#include "src/base/run_dir.h"
#include "src/port/context.h"
#include "src/port/device.h"
#include "src/port/device_words.h"
#include "src/vf/lease.h"
#include "tests/unit/tree.h"
#include "tests/unit/locked.h"

static const char qemu_words[] =
	"/usr/bin/kvm\0-id\0"
	"100\0-pidfile\0/var/run/qemu-server/100.pid\0-device\0"
	"vfio-pci,host=0000:06:10.0,id=hostpci0,bus=pci.0,addr=0x10,rombar=0,enable-migration=on\0"
	"-device\0vfio-pci,host=0000:06:10.2,id=hostpci1,bus=pci.0,addr=0x11";

static void fake_qemu(int root)
{
	tree_write(root, "proc/4321/stat",
		   "4321 (kvm) S 1 4711 4711 0 -1 4194624 1 2 3 4 5 6 7 8 20 0 3 0 777 123 45 0 0 "
		   "0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n");
	tree_write_len(root, "proc/4321/cmdline", qemu_words, sizeof(qemu_words));
	tree_write(root, "run/qemu-server/100.pid", "4321\n");
}

static int run_setup(void **state)
{
	int r = ram_setup(state) || run_dirs_make(((struct tree *)*state)->root, NULL);

	if (!r)
		fake_qemu(((struct tree *)*state)->root);
	return r;
}

#define dirs_test(f) cmocka_unit_test_setup_teardown(f, run_setup, tree_teardown)

static const struct proc_id qemu = {.pid = 4321, .start = 777};

static void leased(int root, const char *vf, unsigned slot, enum lease_phase phase, bool hot)
{
	struct lease l = {.vf = addr_of(vf),
			  .pf = addr_of(PF0),
			  .vmid = 100,
			  .slot = slot,
			  .phase = phase,
			  .qemu_pid = qemu.pid,
			  .qemu_start = qemu.start,
			  .hot = hot,
			  .pool = "wan",
			  .before = {.proto = VLAN_PROTO_8021Q},
			  .want = {.proto = VLAN_PROTO_8021Q}};

	assert_int_equal(locked_take(root, &l, NULL), 0);
}

static void test_names(void **state)
{
	static const char *const bad[] = {
		"",
		"100",
		"100 0 4321 777",
		"100 16 4321 777 0000:06:10.0",
		"100 -1 4321 777 0000:06:10.0",
		"100 0 1 777 0000:06:10.0",
		"100 0 4321 777 0000:06:10.0 x",
		"100 0 4321 777 0000:06:10.08",
		"99 0 4321 777 0000:06:10.0",
		"100 0 4321 777 nonsense",
	};
	const struct device_name n = {100, 3, qemu, addr_of("0000:06:10.0")};
	struct device_name out;
	char buf[DEVICE_NAME_LEN];

	(void)state;
	assert_string_equal(device_name_format(&n, buf), "100 3 4321 777 0000:06:10.0");
	assert_int_equal(device_name_parse(buf, &out, NULL), 0);
	assert_int_equal(out.vmid, 100);
	assert_int_equal(out.slot, 3);
	assert_int_equal(out.qemu.pid, 4321);
	assert_true(out.qemu.start == 777);
	assert_int_equal(pci_addr_cmp(&out.vf, &n.vf), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(device_name_parse(bad[i], &out, NULL), -EINVAL);
}

/* What is plugged in is what it was started with, in the same place, on the VF that is meant. */
static void test_words(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	const struct device_name first = {100, 0, qemu, addr_of("0000:06:10.5")};
	CLEANUP(str_free) struct str words = STR_INIT;

	assert_int_equal(device_words(&h, &first, &words, NULL), 0);
	assert_string_equal(str_get(&words), "vfio-pci,host=0000:06:10.5,id=hostpci0,bus=pci.0,"
					     "addr=0x10,rombar=0");
}

static void test_running(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	struct proc_id later = qemu;
	struct pci_addr *keep;
	struct vm_hostpci has;

	assert_int_equal(running_hostpci(&h, 100, &qemu, &has, NULL), 0);
	assert_true(has.has[0] && has.has[1] && !has.has[2]);
	leased(t->root, "0000:06:10.0", 0, LEASE_UNPLUGGED, false);
	leased(t->root, "0000:06:10.2", 1, LEASE_RUNNING, false);
	assert_int_equal(running_hostpci(&h, 100, &qemu, &has, NULL), 0);
	assert_true(!has.has[0] && has.has[1]);
	/* Another VF in its place. */
	leased(t->root, "0000:06:10.4", 0, LEASE_RUNNING, true);
	assert_int_equal(running_hostpci(&h, 100, &qemu, &has, NULL), 0);
	assert_true(has.has[0]);
	assert_int_equal(has.vf[0].fn, 4);
	/* What a running VM keeps: both, and the one that is unplugged. */
	assert_int_equal(running_keeps(&h, 100, &qemu, &has, &keep, NULL), 3);
	free(keep);
	/* Of another VM, or of a QEMU of before, they say nothing. */
	later.start++;
	assert_false(lease_is_unplugged(&(struct lease){.phase = LEASE_UNPLUGGED,
							.qemu_pid = qemu.pid,
							.qemu_start = qemu.start},
					&later));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		dirs_test(test_words),
		dirs_test(test_running),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
