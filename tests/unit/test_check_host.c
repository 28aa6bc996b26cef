/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "src/port/config.h"
#include "src/base/cleanup.h"
#include "src/host/host_facts.h"
#include "src/check/check_host.h"
#include "src/check/check_leftovers.h"
#include "src/check/judge_pf.h"
#include "src/check/leftovers.h"
#include "src/check/pf_facts.h"
#include "src/vf/drivers.h"

#include "tests/unit/tree.h"
#include "src/port/context.h"

static struct report report;

/* The worst finding with this id, or NULL. */
static const struct finding *found(const char *id)
{
	const struct finding *worst = NULL;

	for (size_t i = 0; i < report.n; i++) {
		const struct finding *f = &report.list[i];

		if (!strcmp(f->id, id) && (!worst || f->level > worst->level))
			worst = f;
	}
	return worst;
}

/* Every WARN and FAIL says what to do, no PASS does. */
static void check_remedies(void)
{
	for (size_t i = 0; i < report.n; i++) {
		const struct finding *f = &report.list[i];

		if ((f->level == CHECK_PASS) != !f->remedy[0])
			print_error("%s: %s: remedy \"%s\"\n", f->id, f->text, f->remedy);
		assert_true((f->level == CHECK_PASS) == !f->remedy[0]);
	}
}

/* part: of the remedy, or for a PASS of the text. */
static void expect(const char *id, enum check_level level, const char *part)
{
	const struct finding *f = found(id);

	assert_non_null(f);
	if (f->level != level || !strstr(level == CHECK_PASS ? f->text : f->remedy, part))
		print_error("%s: level %d: %s -> %s\n", id, f->level, f->text, f->remedy);
	assert_int_equal(f->level, level);
	assert_non_null(strstr(level == CHECK_PASS ? f->text : f->remedy, part));
	check_remedies();
}

static int forget(void **state)
{
	(void)state;
	report_free(&report);
	return 0;
}

/* --- The host --- */

static struct host_facts good_host(void)
{
	struct host_facts f = {.vendor = CPU_INTEL,
			       .cpu_virt = true,
			       .release = "6.8.12-4-pve",
			       .major = 6,
			       .minor = 8,
			       .dmar = true,
			       .iommu = true,
			       .intremap = true,
			       .cmdline = "root=x quiet iommu=pt"};

	for (int i = 0; i < HOST_MODULES; i++)
		f.modules[i] = MODULE_LOADED;
	return f;
}

static void host(const struct host_facts *f)
{
	report_free(&report);
	judge_host(f, &report);
}

static void test_host_good(void **state)
{
	struct host_facts f = good_host();

	(void)state;
	host(&f);
	assert_int_equal(report_worst(&report), CHECK_PASS);
	assert_int_equal(report.n, 7);
	check_remedies();
}

static void test_cpu(void **state)
{
	struct host_facts f = good_host();

	(void)state;
	f.cpu_virt = false;
	host(&f);
	expect("cpu-virt", CHECK_FAIL, "firmware");
	f.virtual_machine = true;
	host(&f);
	expect("cpu-virt", CHECK_WARN, "nested virtualization");
}

static void test_iommu(void **state)
{
	struct host_facts f = good_host();

	(void)state;
	f.iommu = false;
	host(&f);
	expect("iommu", CHECK_FAIL, "vfhook host prepare --apply");
	expect("iommu-firmware", CHECK_PASS, "DMAR");
	/* The word is there, and it does not help. */
	strcpy(f.cmdline, "intel_iommu=on iommu=pt");
	host(&f);
	expect("iommu", CHECK_FAIL, "journalctl");
	strcpy(f.cmdline, "intel_iommu=off iommu=pt");
	host(&f);
	expect("iommu", CHECK_FAIL, "take 'intel_iommu=off' out");
	expect("kernel-cmdline", CHECK_FAIL, "update-grub");
	f.dmar = false;
	strcpy(f.cmdline, "iommu=pt");
	host(&f);
	expect("iommu-firmware", CHECK_FAIL, "firmware (BIOS)");
	expect("iommu", CHECK_FAIL, "firmware");
	f.vendor = CPU_AMD;
	host(&f);
	assert_non_null(strstr(found("iommu-firmware")->text, "AMD-Vi"));
	f.ivrs = true;
	host(&f);
	expect("iommu", CHECK_FAIL, "journalctl"); /* AMD needs no word */
}

static void test_cmdline(void **state)
{
	struct host_facts f = good_host();

	(void)state;
	strcpy(f.cmdline, "root=x");
	host(&f);
	expect("iommu-pt", CHECK_WARN, "vfhook host prepare --apply");
	strcpy(f.cmdline, "iommu=pt pci=realloc,noacs");
	host(&f);
	expect("kernel-cmdline", CHECK_FAIL, "take it out");
	strcpy(f.cmdline, "iommu=pt pcie_acs_override=downstream");
	host(&f);
	expect("kernel-cmdline", CHECK_WARN, "ACS");
	/* What is meant for the other maker's CPU. */
	strcpy(f.cmdline, "iommu=pt amd_iommu=off");
	host(&f);
	expect("kernel-cmdline", CHECK_PASS, "nothing");
	f.vendor = CPU_AMD;
	strcpy(f.cmdline, "iommu=pt intel_iommu=on");
	host(&f);
	expect("kernel-cmdline", CHECK_WARN, "harmless");
}

static void test_intremap(void **state)
{
	struct host_facts f = good_host();

	(void)state;
	f.intremap = false;
	host(&f);
	expect("interrupt-remapping", CHECK_FAIL, "x2APIC");
	f.unsafe_interrupts = true;
	host(&f);
	expect("interrupt-remapping", CHECK_WARN, "modprobe.d");
}

static void test_modules(void **state)
{
	struct host_facts f = good_host();

	(void)state;
	f.modules[HOST_VFIO_PCI] = MODULE_LOADABLE;
	host(&f);
	expect("vfio-modules", CHECK_PASS, "first VM");
	f.modules[HOST_VFIO_PCI] = MODULE_MISSING;
	host(&f);
	expect("vfio-modules", CHECK_FAIL, "kernel");
	assert_non_null(strstr(found("vfio-modules")->text, "vfio-pci"));
	f = good_host();
	strcpy(f.virqfd.where, "/etc/modules:4");
	host(&f);
	expect("vfio-modules", CHECK_WARN, "delete that line");
	assert_non_null(strstr(found("vfio-modules")->text, "/etc/modules:4"));
	f.major = 5;
	host(&f);
	expect("vfio-modules", CHECK_PASS, "loaded");
}

static void test_vfio_ids(void **state)
{
	(void)state;
	assert_true(vfio_ids_have("options vfio-pci ids=8086:1572", "8086:1572"));
	assert_true(
		vfio_ids_have("options vfio-pci ids=10DE:1c82,8086:1572:8086:1 x=1", "8086:1572"));
	assert_true(vfio_ids_have("options vfio-pci ids=1:2 ids=\"10de:1c82\"", "10DE:1C82"));
	assert_false(vfio_ids_have("options vfio-pci ids=8086:15720", "8086:1572"));
	assert_false(vfio_ids_have("options vfio-pci 8086:1572", "8086:1572"));
	assert_false(vfio_ids_have("options vfio-pci ids=", "8086:1572"));
}

/* --- A PF --- */

static struct pf_facts good_pf(void)
{
	struct pf_facts f = {.pool = "wan",
			     .addr = "0000:06:00.0",
			     .id = "8086:10c9",
			     .vfs_wanted = 7,
			     .link_known = true,
			     .up = true,
			     .carrier = true,
			     .mtu = 9000,
			     .listed = 7,
			     .groups = {.alone = 7},
			     .last_bus = 7,
			     .bus_max = 7,
			     .bars = 2,
			     .bars_known = true};

	strcpy(f.info.ifname, "enp6s0f0");
	strcpy(f.info.driver, "igb");
	f.info.ifindex = 2;
	f.info.total_vfs = f.info.num_vfs = 7;
	return f;
}

static void pf(const struct pf_facts *f)
{
	report_free(&report);
	judge_pf(f, NULL, 0, &report);
}

static void test_pf_good(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	pf(&f);
	assert_int_equal(report_worst(&report), CHECK_PASS);
	check_remedies();
	assert_string_equal(found("pf")->subject, "PF enp6s0f0");
	assert_non_null(strstr(found("pf-up")->text, "MTU 9000"));
}

static void test_pf_presence(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.info.total_vfs = f.info.num_vfs = 0;
	pf(&f);
	expect("pf", CHECK_FAIL, "firmware (BIOS)");
	assert_null(found("vfs")); /* nothing more can be said */
	strcpy(f.info.driver, "mlx5_core");
	pf(&f);
	expect("pf", CHECK_FAIL, "mlxconfig -d 0000:06:00.0 set SRIOV_EN=1");
	memset(&f.info, 0, sizeof(f.info));
	strcpy(f.trouble, "there is no PCI device 0000:06:00.0 on this node");
	pf(&f);
	expect("pf", CHECK_FAIL, "vfhook pool add wan --pf");
	assert_string_equal(found("pf")->subject, "PF 0000:06:00.0");
	strcpy(f.trouble, "0000:06:00.0 is no SR-IOV PF");
	pf(&f);
	expect("pf", CHECK_FAIL, "lspci -ks 0000:06:00.0");
}

static void test_pf_link(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.carrier = false;
	pf(&f);
	expect("pf-up", CHECK_WARN, "cable");
	f.up = false;
	pf(&f);
	expect("pf-up", CHECK_FAIL, "ip link set enp6s0f0 up");
	f.allow_down = true;
	pf(&f);
	expect("pf-up", CHECK_WARN, "ip link set enp6s0f0 up");
	f.link_known = false;
	pf(&f);
	expect("pf-up", CHECK_FAIL, "ip link");
}

static void test_pf_vfs(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.info.num_vfs = 3;
	pf(&f);
	expect("vfs", CHECK_FAIL, "vfhook boot");
	f.vfs_wanted = 0;
	pf(&f);
	expect("vfs", CHECK_WARN, "vfhook pool add wan --pf enp6s0f0 --vfs 3");
	f.info.num_vfs = 0;
	pf(&f);
	expect("vfs", CHECK_FAIL, "--vfs 7; vfhook boot");
	f.vfs_wanted = 8;
	f.info.num_vfs = 7;
	pf(&f);
	expect("vfs", CHECK_WARN, "--vfs 7");
}

/* Another card in the slot: nothing else about it matters. */
static void test_pf_stranger(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.stranger = true;
	pf(&f);
	expect("pf", CHECK_FAIL, "vfhook boot");
	expect("pf", CHECK_FAIL, "vfhook pool add wan --pf enp6s0f0");
}

static void test_pf_host_drivers(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.autoprobe = true;
	f.host_vfs = (struct host_vf_facts){
		.n = 6, .addr = "0000:06:10.0", .driver = "igbvf", .ifname = "enp6s0f0v0"};
	pf(&f);
	expect("autoprobe", CHECK_WARN, "vfhook boot");
	expect("vf-host-driver", CHECK_WARN, "vfhook boot");
	strcpy(f.host_vfs.user, "vmbr0");
	pf(&f);
	expect("vf-host-driver", CHECK_WARN, "take enp6s0f0v0 out");
	assert_non_null(strstr(found("vf-host-driver")->text, "in vmbr0"));
	expect("vf-host-driver", CHECK_WARN, "--host-vfs 0");
	f.host_vfs = (struct host_vf_facts){
		.n = 1, .index = 3, .addr = "0000:06:10.6", .driver = "igbvf"};
	pf(&f);
	expect("vf-host-driver", CHECK_WARN, "--host-vfs 3");
}

static void test_pf_groups(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.groups = (struct group_facts){.others = 7};
	pf(&f);
	expect("iommu-group", CHECK_WARN, "ACS");
	f.groups = (struct group_facts){
		.mixed = 7, .mixed_group = 12, .intruder_is_pf = true, .intruder = "0000:06:00.0"};
	pf(&f);
	expect("iommu-group", CHECK_FAIL, "gives up isolation");
	assert_non_null(strstr(found("iommu-group")->text, "the PF itself"));
	f.groups = (struct group_facts){.none = 7};
	pf(&f);
	expect("iommu-group", CHECK_FAIL, "IOMMU");
}

static void test_pf_more_than_listed(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.info.total_vfs = 512;
	f.info.num_vfs = f.listed = 334;
	f.vfs_wanted = 400;
	pf(&f);
	expect("vfs", CHECK_WARN, "--vfs 256");
	f.info.num_vfs = 400;
	f.link_known = false;
	strcpy(f.link_trouble, "PF enp6s0f0 has 400 VFs, and the kernel's list is not whole");
	pf(&f);
	expect("pf-up", CHECK_FAIL, "sriov_numvfs");
	assert_null(found("vf-list"));
}

/* VFs that the kernel does not list, for one reason or another. */
static void test_pf_unlisted(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.listed = 7;
	pf(&f);
	assert_null(found("vf-list"));
	f.untold = 1;
	f.first_untold = 3;
	pf(&f);
	expect("vf-list", CHECK_WARN, "dmesg");
	assert_non_null(strstr(found("vf-list")->text, "VF 3 first (in reset?)"));
	f.up = false;
	pf(&f);
	expect("vf-list", CHECK_WARN, "ip link set enp6s0f0 up");
	f.up = f.no_list = true;
	pf(&f);
	expect("vf-list", CHECK_FAIL, "another NIC");
	f = good_pf();
	f.info.total_vfs = 512;
	f.info.num_vfs = f.vfs_wanted = 300;
	f.listed = 256;
	pf(&f);
	expect("vf-list", CHECK_WARN, "--vfs 256");
	assert_non_null(strstr(found("vf-list")->text,
			       "300 VFs, of which this kernel lists the first 256"));
}

static void test_pf_resources(void **state)
{
	struct pf_facts f = good_pf();

	(void)state;
	f.bus_max = 6;
	pf(&f);
	expect("vf-bus", CHECK_FAIL, "pci=assign-busses");
	f.bus_max = 0; /* on a root bus */
	pf(&f);
	assert_null(found("vf-bus"));
	f.bars_lost = 1;
	pf(&f);
	expect("vf-bar", CHECK_FAIL, "Above 4G");
	f.bars_lost = f.bars = f.info.num_vfs = 0;
	pf(&f);
	expect("vf-bar", CHECK_FAIL, "pci=realloc");
	f.switchdev = true;
	strcpy(f.vfio_ids.where, "/etc/modprobe.d/vfio.conf:1");
	pf(&f);
	expect("switchdev", CHECK_FAIL, "devlink dev eswitch set pci/0000:06:00.0 mode legacy");
	expect("blacklist", CHECK_FAIL, "update-initramfs");
}

static void test_iov_bars(void **state)
{
	static const char pf_bars[] = "0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200\n"
				      "0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n"
				      "0x0 0x0 0x0\n0x0 0x0 0x0\n";
	char text[1024];
	unsigned wanted;
	unsigned lost;

	(void)state;
	snprintf(text, sizeof(text),
		 "%s0xfe800000 0xfe81bfff 0x14220c\n0x0 0x0 0x0\n0x0 0x0 0x0\n"
		 "0x0000000000000000 0x1bfff 0x14220c\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n",
		 pf_bars);
	assert_true(iov_bars_parse(text, &wanted, &lost));
	assert_int_equal(wanted, 2);
	assert_int_equal(lost, 1);
	assert_false(iov_bars_parse(pf_bars, &wanted, &lost)); /* a kernel without PCI_IOV */
	assert_false(iov_bars_parse("nonsense", &wanted, &lost));
}

/* --- Drivers and ports --- */

static void test_drivers(void **state)
{
	struct vf_settings w = {.has = HAS_LINK_STATE | HAS_SPOOFCHK | HAS_TRUST | HAS_MAC,
				.link_state = VF_LINK_ENABLE,
				.spoofchk = true,
				.trust = true};
	char buf[DRIVER_WISH_LEN];

	(void)state;
	assert_null(nic_driver("r8169"));
	assert_string_equal(nic_driver_refuses(nic_driver("igb"), &w, false, buf),
			    "link-state enable");
	assert_string_equal(nic_driver_refuses(nic_driver("ixgbe"), &w, false, buf),
			    "link-state enable");
	assert_null(nic_driver_refuses(nic_driver("i40e"), &w, false, buf));
	w.link_state = VF_LINK_DISABLE;
	assert_null(nic_driver_refuses(nic_driver("ixgbe"), &w, false, buf));
	/* What every VF is anyway asks nothing of the driver. */
	w.link_state = VF_LINK_AUTO;
	w.has |= HAS_MIN_RATE | HAS_QUERY_RSS;
	assert_null(nic_driver_refuses(nic_driver("igb"), &w, false, buf));
	w.min_rate = 100;
	assert_string_equal(nic_driver_refuses(nic_driver("i40e"), &w, false, buf), "min-rate");
	assert_null(nic_driver_refuses(nic_driver("ice"), &w, false, buf));
	assert_string_equal(nic_driver_refuses(nic_driver("ice"), &w, true, buf), "min-rate");
	assert_null(nic_driver_refuses(nic_driver("bnxt_en"), &w, true, buf));
	w = (struct vf_settings){.has = HAS_VLAN, .vlan = 20, .proto = VLAN_PROTO_8021AD};
	assert_string_equal(nic_driver_refuses(nic_driver("mlx5_core"), &w, false, buf),
			    "vlan-proto 802.1ad");
	assert_string_equal(nic_driver_refuses(nic_driver("bnxt_en"), &w, true, buf),
			    "vlan-proto 802.1ad");
}

static void test_ports(void **state)
{
	struct port p = {.vmid = 100, .want = {.has = HAS_LINK_STATE}};
	struct port_view view = {.port = &p, .here = true};
	struct pf_facts f = good_pf();

	(void)state;
	p.want.link_state = VF_LINK_DISABLE;
	judge_pf(&f, &view, 1, &report);
	expect("pf-driver", CHECK_FAIL, "vfhook set 100 --slot 0 --link-state unset");
	assert_non_null(strstr(found("pf-driver")->text,
			       "port 100-0 wants link-state disable, which the driver igb"));
	view.here = false;
	report_free(&report);
	judge_pf(&f, &view, 1, &report);
	expect("pf-driver", CHECK_WARN, "--link-state unset");
	p.want = (struct vf_settings){.has = HAS_MAX_RATE, .max_rate = 100};
	report_free(&report);
	judge_pf(&f, &view, 1, &report);
	expect("pf-driver", CHECK_WARN, "--max-rate unset");
	strcpy(f.info.driver, "other");
	report_free(&report);
	judge_pf(&f, &view, 1, &report);
	expect("pf-driver", CHECK_WARN, "read back");
}

/* --- Leftovers --- */

static void test_leftover_lines(void **state)
{
	static const struct {
		const char *line;
		enum leftover what;
	} lines[] = {
		{"echo 7 > /sys/class/net/enp6s0f0/device/sriov_numvfs", LEFTOVER_NUMVFS},
		{"ACTION==\"add\", ATTR{device/sriov_numvfs}=\"4\"", LEFTOVER_NUMVFS},
		{"class/net/enp6s0f0/device/sriov_numvfs = 7", LEFTOVER_NUMVFS},
		{"options igb max_vfs=7", LEFTOVER_NUMVFS},
		{"ExecStart=/usr/bin/ip link set enp6s0f0 vf 0 mac 02:00:00:00:00:00",
		 LEFTOVER_VF_SET},
		{"\tpost-up ip link set dev enp6s0f0 vf 1 vlan 20", LEFTOVER_VF_SET},
		{"ExecStart=/usr/bin/bash -c '/usr/bin/ip link set eth0 vf 3 trust on'",
		 LEFTOVER_VF_SET},
		{"for i in 0 1; do ip link set $IF vf $i spoofchk off; done", LEFTOVER_VF_SET},
		{"@reboot root /sbin/ip link set eth0 vf 0 mac 02:00:00:00:00:01", LEFTOVER_VF_SET},
		{"# ip link set enp6s0f0 vf 0 mac 02:00:00:00:00:00", LEFTOVER_NONE},
		{"  # echo 7 > sriov_numvfs", LEFTOVER_NONE},
		{"ip link set enp6s0f0 up\necho 7 > sriov_numvfs", LEFTOVER_NONE},
		{"echo vf 0", LEFTOVER_NONE},
		{"ip link show vf", LEFTOVER_NONE},
		{"Description=VF 0 of the IP network", LEFTOVER_NONE},
		{"options loop max_loop=7", LEFTOVER_NONE},
		{"", LEFTOVER_NONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (leftover_of_line(lines[i].line) != lines[i].what)
			print_error("%s\n", lines[i].line);
		assert_int_equal(leftover_of_line(lines[i].line), lines[i].what);
	}
}

/* An indented line is shown to its end, and not into the next one. */
static void test_leftover_shown(void **state)
{
	const struct tree *t = *state;
	struct hook h = HOOK_INIT;
	struct report r = {0};

	sys_write(t->root, "etc/rc.local",
		  "if true; then\n\t\t echo 7 "
		  ">/sys/class/net/eth0/device/sriov_numvfs\nsecret=1\nfi\n");
	h.root = t->root;
	check_leftovers(&h, NULL, &r);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.list[0].text, "/etc/rc.local:2 makes VFs by hand: echo 7 "
					    ">/sys/class/net/eth0/device/sriov_numvfs");
	report_free(&r);
}

#define test(f) cmocka_unit_test_teardown(f, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_host_good),	    test(test_cpu),
		test(test_iommu),	    test(test_cmdline),
		test(test_intremap),	    test(test_modules),
		test(test_vfio_ids),	    test(test_pf_good),
		test(test_pf_presence),	    test(test_pf_stranger),
		test(test_pf_link),	    test(test_pf_vfs),
		test(test_pf_host_drivers), test(test_pf_groups),
		test(test_pf_resources),    test(test_pf_more_than_listed),
		test(test_pf_unlisted),	    test(test_iov_bars),
		test(test_drivers),	    test(test_ports),
		test(test_leftover_lines),  ram_test(test_leftover_shown),
	};

	return cmocka_run_group_tests_name("check_host", tests, NULL, NULL);
}
