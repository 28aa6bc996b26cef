/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/run_dir.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"
#include "tests/unit/tree.h"
#include "tests/unit/locked.h"

#define VF0 "0000:06:10.0"
#define VF1 "0000:06:10.2"

struct view {
	struct kernel *kernel;
	struct snapshot s;
};

static void look(const struct tree *t, struct view *v, const struct vf_claim *claims, size_t n,
		 const char *only)
{
	struct pf_id pfs[] = {{.addr = addr_of(PF0)}, {.addr = addr_of(PF1)}};
	struct observer o = {.root = t->root, .claims = claims, .n_claims = n, .vmid = 100};
	struct error err = ERROR_INIT;
	struct pci_addr vf = {0};

	if (only)
		vf = addr_of(only);
	assert_int_equal(kernel_open(t->root, &v->kernel, &err), 0);
	o.kernel = v->kernel;
	assert_int_equal(snapshot_read(&o, pfs, 2, &vf, only != NULL, !only, &v->s, &err), 0);
}

static void done(struct view *v)
{
	snapshot_free(&v->s);
	kernel_close(v->kernel);
}

static const struct vf_state *find(const struct view *v, const char *vf)
{
	struct pci_addr a = addr_of(vf);

	return snapshot_find(&v->s, &a, NULL);
}

static struct lease lease_of(const char *vf, uint32_t vmid)
{
	return (struct lease){
		.vf = addr_of(vf), .pf = addr_of(PF0), .vmid = vmid, .slot = 1, .pool = "wan"};
}

static void test_everything(void **state)
{
	struct pci_addr vf = addr_of(VF1);
	const struct pf_state *pf = NULL;
	struct view v;

	look(*state, &v, NULL, 0, NULL);
	assert_true(v.s.complete);
	assert_int_equal(v.s.n_pfs, 2);
	assert_int_equal(v.s.pfs[0].n_vfs, 7);
	assert_int_equal(v.s.pfs[1].n_vfs, 4);
	assert_string_equal(v.s.pfs[0].info.ifname, "enp6s0f0");
	assert_true(v.s.pfs[0].link.up);
	assert_true(v.s.pfs[0].link.carrier);
	for (unsigned i = 0; i < 7; i++) {
		const struct vf_state *f = &v.s.pfs[0].vfs[i];

		assert_int_equal(f->info.index, i);
		assert_int_equal(f->now.has, 0xff);
		assert_false(f->leased);
		assert_false(f->busy);
		assert_null(f->claim);
	}
	assert_ptr_equal(snapshot_find(&v.s, &vf, &pf), &v.s.pfs[0].vfs[1]);
	assert_ptr_equal(pf, &v.s.pfs[0]);
	vf = addr_of("0000:99:00.0");
	assert_null(snapshot_find(&v.s, &vf, NULL));
	done(&v);
}

/* Another card in the slot of the pool's: nothing of it may be given to anybody. */
static void test_another_card(void **state)
{
	const struct tree *t = *state;
	struct pf_id pf = {.addr = addr_of(PF0), .has_mac = true, .mac = {2, 0, 0, 0, 0, 1}};
	struct observer o = {.root = t->root};
	struct snapshot s;

	tree_write(t->root, PAGE0,
		   "{\"up\":true,\"carrier\":true,\"vfs\":[],\"quirks\":[],"
		   "\"perm-mac\":\"02:00:00:00:00:02\"}");
	assert_int_equal(kernel_open(t->root, &o.kernel, NULL), 0);
	assert_int_equal(snapshot_read(&o, &pf, 1, NULL, 0, true, &s, NULL), 0);
	assert_true(s.pfs[0].broken);
	assert_has(s.pfs[0].why, "its MAC is 02:00:00:00:00:02, not 02:00:00:00:00:01");
	assert_int_equal(s.pfs[0].n_vfs, 0);
	snapshot_free(&s);
	pf.mac[5] = 2;
	assert_int_equal(snapshot_read(&o, &pf, 1, NULL, 0, true, &s, NULL), 0);
	assert_false(s.pfs[0].broken);
	assert_int_equal(s.pfs[0].n_vfs, 7);
	snapshot_free(&s);
	kernel_close(o.kernel);
}

/*
 * A PF whose own interface is in another network namespace: the one that is left stands for a VF,
 * and nothing that is set through it is what was asked for.
 */
static void test_only_representor(void **state)
{
	const struct tree *t = *state;
	struct view v;

	sys_write(t->root, DEV PF0 "/net/enp6s0f0/phys_port_name", "p0\n");
	look(t, &v, NULL, 0, VF1);
	assert_false(v.s.pfs[0].broken);
	assert_int_equal(v.s.pfs[0].n_vfs, 1);
	done(&v);
	sys_write(t->root, DEV PF0 "/net/enp6s0f0/phys_port_name", "pf0vf3\n");
	look(t, &v, NULL, 0, VF1);
	assert_true(v.s.pfs[0].broken);
	assert_has(v.s.pfs[0].why, "has no network interface of its own here: enp6s0f0");
	assert_int_equal(v.s.pfs[0].n_vfs, 0);
	done(&v);
	look(t, &v, NULL, 0, NULL);
	assert_true(v.s.pfs[0].broken);
	done(&v);
}

static void test_one(void **state)
{
	struct view v;

	look(*state, &v, NULL, 0, VF1);
	assert_false(v.s.complete);
	assert_int_equal(v.s.pfs[0].n_vfs, 1);
	assert_int_equal(v.s.pfs[0].vfs[0].info.index, 1);
	assert_int_equal(v.s.pfs[1].n_vfs, 0);
	/* The MACs of its neighbours are in it all the same: they came with the same answer. */
	assert_int_equal(v.s.pfs[0].link.n_vfs, 7);
	done(&v);
	look(*state, &v, NULL, 0, "0000:99:00.0");
	assert_int_equal(v.s.pfs[0].n_vfs, 0);
	done(&v);
}

static void test_bad_pf_hides_no_other(void **state)
{
	const struct tree *t = *state;
	struct view v;

	tree_write(t->root, PAGE0,
		   "{\"up\":true,\"carrier\":true,\"vfs\":[],\"quirks\":[\"gone\"]}");
	look(t, &v, NULL, 0, NULL);
	assert_true(v.s.pfs[0].broken);
	assert_true(v.s.pfs[0].why[0]);
	assert_int_equal(v.s.pfs[0].n_vfs, 0);
	assert_false(v.s.pfs[1].broken);
	assert_int_equal(v.s.pfs[1].n_vfs, 4);
	done(&v);
	tree_shell("rm %s/" DEV PF1, t->path);
	look(t, &v, NULL, 0, NULL);
	assert_true(v.s.pfs[1].broken);
	assert_has(v.s.pfs[1].why, PF1);
	done(&v);
}

static void test_leases(void **state)
{
	const struct tree *t = *state;
	struct lease l = lease_of(VF0, 105);
	struct view v;

	assert_int_equal(run_dirs_make(t->root, NULL), 0);
	assert_int_equal(locked_take(t->root, &l, NULL), 0);
	tree_write(t->root, LEASE_DIR "/" VF1, "{");
	look(t, &v, NULL, 0, NULL);
	assert_true(find(&v, VF0)->leased);
	assert_false(find(&v, VF0)->lease_broken);
	assert_int_equal(find(&v, VF0)->lease.vmid, 105);
	assert_true(find(&v, VF1)->leased);
	assert_true(find(&v, VF1)->lease_broken);
	assert_has(find(&v, VF1)->lease_why, VF1);
	done(&v);
}

/* What somebody has counts more than what somebody only names. */
static void test_claims(void **state)
{
	struct vf_claim claims[] = {
		{.addr = addr_of("0000:06:10.0"), .whole_device = true, .who = "names 10"},
		{.addr = addr_of(VF1), .firm = true, .who = "has 10.2"},
		{.addr = addr_of(VF1), .who = "names 10.2"},
	};
	struct view v;

	look(*state, &v, claims, 3, NULL);
	assert_string_equal(find(&v, VF0)->claim->who, "names 10");
	assert_string_equal(find(&v, "0000:06:10.6")->claim->who, "names 10");
	assert_string_equal(find(&v, VF1)->claim->who, "has 10.2");
	assert_null(find(&v, "0000:06:11.0")->claim);
	done(&v);
}

static void test_address(void **state)
{
	const struct tree *t = *state;
	struct view v;

	sys_link(t->root, DEV VF0 "/driver", "../../../bus/pci/drivers/igbvf");
	sys_write(t->root, DEV VF0 "/net/v0/ifindex", "30\n");
	tree_write(t->root, "fake-kernel/address-30", "");
	look(t, &v, NULL, 0, NULL);
	assert_int_equal(find(&v, VF0)->has_address, ANSWER_YES);
	assert_int_equal(find(&v, VF1)->has_address, ANSWER_NO);
	done(&v);
	tree_write(t->root, "fake-kernel/address-30", "5");
	look(t, &v, NULL, 0, NULL);
	assert_int_equal(find(&v, VF0)->has_address, ANSWER_UNKNOWN);
	assert_int_equal(find(&v, VF1)->has_address, ANSWER_NO);
	done(&v);
}

/* The kernel may know more VFs than PCI does, and sysfs may lose one while we look. */
static void test_fewer_functions(void **state)
{
	const struct tree *t = *state;
	struct view v;

	tree_shell("rm %s/" DEV PF0 "/virtfn3 && rm %s/" DEV "0000:06:10.2", t->path, t->path);
	look(t, &v, NULL, 0, NULL);
	assert_int_equal(v.s.pfs[0].n_vfs, 5);
	assert_int_equal(v.s.pfs[0].vfs[1].info.index, 2);
	assert_int_equal(v.s.pfs[0].vfs[2].info.index, 4);
	done(&v);
}

static void test_statistics(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct vf_stats *list;
	struct pf_info pf;
	struct pci_addr addr = addr_of(PF0);
	struct view v;
	size_t n;

	tree_write(t->root, PAGE0,
		   "{\"up\":true,\"carrier\":true,\"vfs\":[],\"quirks\":[],\"stats\":[{},"
		   "{\"rx-bytes\":5000000000,\"tx-dropped\":7}]}");
	assert_int_equal(kernel_open(t->root, &v.kernel, &err), 0);
	assert_int_equal(sysfs_pf_read(t->root, &addr, &pf, &err), 0);
	assert_int_equal(kernel_pf_stats(v.kernel, pf.ifindex, &list, &n, &err), 0);
	assert_int_equal(n, 7);
	assert_int_equal(list[0].rx_bytes, 0);
	assert_int_equal(list[1].rx_bytes, 5000000000);
	assert_int_equal(list[1].tx_dropped, 7);
	assert_int_equal(list[6].rx_bytes, 0);
	free(list);
	assert_int_equal(kernel_pf_stats(v.kernel, 9999, &list, &n, &err), -ENODEV);
	assert_null(list);
	kernel_close(v.kernel);
}

static void page_quirks(const struct tree *t, const char *list)
{
	char page[256];

	snprintf(page, sizeof(page), "{\"up\":true,\"carrier\":true,\"vfs\":[],\"quirks\":[%s]}",
		 list);
	tree_write(t->root, PAGE0, page);
}

/* A VF that the driver does not tell is unknown; its neighbours and its PF are not. */
static void test_hole(void **state)
{
	struct view v;

	page_quirks(*state, "\"hole:1\"");
	look(*state, &v, NULL, 0, NULL);
	assert_false(v.s.pfs[0].broken);
	assert_int_equal(v.s.pfs[0].n_vfs, 7);
	assert_true(find(&v, VF1)->unread);
	assert_has(find(&v, VF1)->unread_why, "does not tell its settings now");
	assert_int_equal(find(&v, VF1)->now.has, 0);
	assert_false(find(&v, VF0)->unread);
	assert_int_equal(find(&v, VF0)->now.has, 0xff);
	done(&v);
	page_quirks(*state, "\"no-list\"");
	look(*state, &v, NULL, 0, NULL);
	assert_false(v.s.pfs[0].broken);
	assert_true(find(&v, VF0)->unread);
	assert_has(find(&v, VF0)->unread_why, "cannot tell what VFs are set to");
	done(&v);
}

/* What is wanted is looked at again: the VF asked for, and one that the VM has. Nothing else. */
static void test_hole_that_goes(void **state)
{
	const struct tree *t = *state;
	struct lease l = lease_of(VF1, 100);
	struct view v;

	page_quirks(t, "\"hole:1:2\"");
	look(t, &v, NULL, 0, VF1);
	assert_false(find(&v, VF1)->unread);
	done(&v);
	page_quirks(t, "\"hole:1:2\"");
	look(t, &v, NULL, 0, NULL);
	assert_true(find(&v, VF1)->unread);
	done(&v);
	assert_int_equal(run_dirs_make(t->root, NULL), 0);
	assert_int_equal(locked_take(t->root, &l, NULL), 0);
	look(t, &v, NULL, 0, NULL);
	assert_false(find(&v, VF1)->unread);
	assert_int_equal(find(&v, VF1)->now.has, 0xff);
	done(&v);
}

/* One list of a PF's VFs is enough: not one for a glance that finds nothing, and another for all.
 */
static void test_glance(void **state)
{
	const struct tree *t = *state;
	struct pf_id pf = {.addr = addr_of(PF0)};
	struct pci_addr vf = addr_of(VF1);
	struct lease l = lease_of(VF1, 101);
	struct observer o = {.root = t->root, .vmid = 100, .glance = true};
	struct snapshot s;

	assert_int_equal(kernel_open(t->root, &o.kernel, NULL), 0);
	assert_int_equal(snapshot_read(&o, &pf, 1, &vf, 1, false, &s, NULL), 0);
	assert_int_equal(s.pfs[0].link.n_vfs, 7);
	snapshot_free(&s);
	assert_int_equal(run_dirs_make(t->root, NULL), 0);
	assert_int_equal(locked_take(t->root, &l, NULL), 0);
	assert_int_equal(snapshot_read(&o, &pf, 1, &vf, 1, false, &s, NULL), 0);
	assert_int_equal(s.pfs[0].link.n_vfs, 0);
	assert_false(s.pfs[0].link.up);
	assert_int_equal(s.pfs[0].vfs[0].lease.vmid, 101);
	snapshot_free(&s);
	o.vmid = 101;
	assert_int_equal(snapshot_read(&o, &pf, 1, &vf, 1, false, &s, NULL), 0);
	assert_int_equal(s.pfs[0].link.n_vfs, 7);
	snapshot_free(&s);
	kernel_close(o.kernel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		nic_test(test_glance),
		nic_test(test_hole),
		nic_test(test_hole_that_goes),
		nic_test(test_everything),
		nic_test(test_one),
		nic_test(test_another_card),
		nic_test(test_bad_pf_hides_no_other),
		nic_test(test_only_representor),
		nic_test(test_leases),
		nic_test(test_claims),
		nic_test(test_address),
		nic_test(test_fewer_functions),
		nic_test(test_statistics),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
