/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cannot be read is unknown: not absent, not broken, not gone. Here with no
 * descriptor left; tests/crash does it with every system call and every error.
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "pveapi/process.h"
#include "pveapi/reservations.h"
#include "pveapi/vmstate.h"
#include "src/base/run_dir.h"
#include "src/vf/executor.h"
#include "src/vf/journal.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/recover.h"
#include "src/vf/vf_walk.h"
#include "src/vf/sysfs.h"
#include "tests/unit/tree.h"
#include "tests/unit/locked.h"

#define VF	"0000:06:10.0"
#define JOURNAL RUN_DIR "/journal/100"

static int run_setup(void **state)
{
	return nic_setup(state) || run_dirs_make(((struct tree *)*state)->root, NULL);
}

#define test(f) cmocka_unit_test_setup_teardown(f, run_setup, tree_teardown)

/* So many can still be opened; -1: as many as before. */
static void leave_descriptors(int n)
{
	static struct rlimit was;
	struct rlimit now;
	int next;

	if (!was.rlim_cur)
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	next = dup(0);
	assert_true(next >= 0);
	close(next);
	now = was;
	if (n >= 0)
		now.rlim_cur = (rlim_t)(next + n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void test_lease(void **state)
{
	const struct tree *t = *state;
	const struct lease l = {.vf = addr_of(VF),
				.pf = addr_of(PF0),
				.vmid = 100,
				.pool = "wan",
				.before = {.proto = VLAN_PROTO_8021Q},
				.want = {.proto = VLAN_PROTO_8021Q}};
	struct error err = ERROR_INIT;
	struct lease_entry *list;
	struct lease back;
	size_t n;

	assert_int_equal(locked_take(t->root, &l, &err), 0);
	leave_descriptors(0);
	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), -EMFILE);
	assert_int_equal(lease_list(t->root, &list, &n, NULL), -EMFILE);
	leave_descriptors(-1);
	assert_int_equal(n, 0);
	/* The folder can be read, and one of those in it cannot. */
	tree_link(t->root, "run/vfhook/leases/0000:06:10.6", "0000:06:10.0");
	assert_int_equal(lease_list(t->root, &list, &n, NULL), -ELOOP);
	assert_int_equal(n, 0);
	assert_int_equal(unlinkat(t->root, "run/vfhook/leases/0000:06:10.6", 0), 0);
	assert_int_equal(lease_list(t->root, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_false(list[0].broken);
	free(list);
}

static void quiet(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

/* A journal that is put aside for that is lost, and so is what its run left. */
static void test_journal(void **state)
{
	const struct tree *t = *state;
	const struct executor x = {.root = t->root, .say = quiet};
	struct step s = {.kind = STEP_LEASE_DROP, .vf = addr_of(VF), .pf = addr_of(PF0)};
	const struct plan p = {.kind = PLAN_RELEASE, .vmid = 100, .steps = &s, .n_steps = 1};
	AUTO_OWNER struct owner *o = owner_of(t->root, 100);
	struct error err = ERROR_INIT;
	struct plan back;

	assert_int_equal(journal_write(t->root, &p, &err), 0);
	leave_descriptors(0);
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), -EMFILE);
	assert_int_equal(recover(&x, o, &err), -EMFILE);
	leave_descriptors(-1);
	assert_true(path_exists(t->root, JOURNAL));
	assert_false(path_exists(t->root, JOURNAL ".broken"));
}

static int use_all(void *arg, const struct step *s, bool undo, struct error *err)
{
	(void)arg;
	(void)s;
	(void)undo;
	(void)err;
	leave_descriptors(0);
	return 0;
}

/* A step that was passed over as another VM's left the VF half set, and the mend a success. */
static void test_mend(void **state)
{
	const struct tree *t = *state;
	const struct executor x = {.root = t->root, .call = use_all, .say = quiet};
	struct step s[] = {
		{.kind = STEP_LEASE_TAKE,
		 .vf = addr_of(VF),
		 .pf = addr_of(PF0),
		 .lease = {.vf = addr_of(VF), .pf = addr_of(PF0), .vmid = 100, .pool = "wan"}},
		{.kind = STEP_CALL, .vf = addr_of(VF), .pf = addr_of(PF0)},
		{.kind = STEP_OVERRIDE,
		 .vf = addr_of(VF),
		 .pf = addr_of(PF0),
		 .to_text = "vfio-pci"},
	};
	const struct plan p = {.kind = PLAN_MEND, .vmid = 100, .steps = s, .n_steps = 3};
	struct error err = ERROR_INIT;

	s[0].lease.before.proto = s[0].lease.want.proto = VLAN_PROTO_8021Q;
	assert_int_equal(locked_execute(&x, &p, &err), -EMFILE);
	leave_descriptors(-1);
	assert_null(strstr(err.text, "another VM's"));
}

static int use_all_and_fail(void *arg, const struct step *s, bool undo, struct error *err)
{
	use_all(arg, s, undo, err);
	return (fail)(err, EIO, "no");
}

/* Whose the VF is cannot be told when a start is undone: it keeps its lease, and nobody gets it. */
static void test_undo(void **state)
{
	const struct tree *t = *state;
	const struct executor x = {.root = t->root, .call = use_all_and_fail, .say = quiet};
	struct step s[] = {
		{.kind = STEP_LEASE_TAKE,
		 .vf = addr_of(VF),
		 .pf = addr_of(PF0),
		 .lease = {.vf = addr_of(VF), .pf = addr_of(PF0), .vmid = 100, .pool = "wan"}},
		{.kind = STEP_OVERRIDE,
		 .vf = addr_of(VF),
		 .pf = addr_of(PF0),
		 .to_text = "vfio-pci"},
		{.kind = STEP_CALL},
	};
	const struct plan p = {.kind = PLAN_START, .vmid = 100, .steps = s, .n_steps = 3};
	struct pci_addr vf = addr_of(VF);
	struct error err = ERROR_INIT;
	struct lease l;

	s[0].lease.before.proto = s[0].lease.want.proto = VLAN_PROTO_8021Q;
	assert_int_equal(locked_execute(&x, &p, &err), -EIO);
	leave_descriptors(-1);
	assert_int_equal(lease_read(t->root, &vf, &l, &err), 0);
	assert_int_equal(l.vmid, 100);
}

static void test_sysfs(void **state)
{
	const struct tree *t = *state;
	const struct pci_addr vf = addr_of(VF);
	const struct pci_addr last = addr_of("0000:06:11.4");
	const struct pci_addr pf = addr_of(PF0);
	struct error err = ERROR_INIT;
	struct pci_addr of;
	struct vf_info info = {.addr = vf};
	struct pf_info pf_info;
	unsigned index;

	/* Then its own number is not where those of the others say: all are looked at. */
	unlinkat(t->root, "sys/bus/pci/devices/" PF0 "/virtfn1", 0);
	leave_descriptors(0);
	assert_int_equal(sysfs_vf_read(t->root, NULL, &vf, &pf, 0, &info, &err), -EMFILE);
	assert_has(err.text, "read VF " VF);
	assert_int_equal(sysfs_pf_read(t->root, &pf, &pf_info, &err), -EMFILE);
	assert_int_equal(sysfs_vf_identify(t->root, &last, &of, &index), -EMFILE);
	assert_int_equal(sysfs_vf_ids(t->root, &info, &err), -EMFILE);
	assert_null(group_map_read(t->root));
	assert_int_equal(sysfs_autoprobe(t->root, &pf), ANSWER_UNKNOWN);
	leave_descriptors(-1);
	assert_int_equal(sysfs_vf_read(t->root, NULL, &vf, &pf, 0, &info, &err), 0);
	assert_int_equal(sysfs_vf_identify(t->root, &last, &of, &index), 0);
	assert_int_equal(index, 6);
	assert_int_equal(sysfs_autoprobe(t->root, &pf), ANSWER_NO);
}

/* A VF that cannot be read is counted, or ends the walk; one that is not there does neither. */
static void test_walk(void **state)
{
	const struct tree *t = *state;
	const struct pci_addr pf = addr_of(PF0);
	struct error err = ERROR_INIT;
	struct pf_info info;
	struct vf_walk all = {.root = t->root, .pf = &info, .unread = VF_UNREAD_COUNT};
	struct vf_walk strict = {.root = t->root, .pf = &info, .unread = VF_UNREAD_FAIL};
	struct vf_walk none = strict;
	struct vf_info vf;
	unsigned n = 0;

	assert_int_equal(sysfs_pf_read(t->root, &pf, &info, &err), 0);
	leave_descriptors(0);
	assert_int_equal(vf_walk_next(&all, &vf, NULL), 0);
	assert_true(all.n_unread > 0);
	assert_int_equal(vf_walk_next(&strict, &vf, &err), -EMFILE);
	assert_has(err.text, "read VF 0 of ");
	leave_descriptors(-1);
	info.num_vfs += 2;
	while (vf_walk_next(&none, &vf, &err) > 0)
		assert_int_equal(vf.index, n++);
	assert_int_equal(n, all.n_unread);
	assert_int_equal(none.n_unread, 0);
}

/* Not knowing is no reason to take a VF away. */
static void test_process(void **state)
{
	const struct tree *t = *state;
	const struct proc_id id = {.pid = 4711, .start = 99};
	const struct pci_reservation reserved = {.vmid = 100, .pid = 4711};
	struct error err = ERROR_INIT;
	struct proc_id found;

	tree_write(t->root, "proc/4711/stat",
		   "4711 (kvm) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 99 0\n");
	tree_write(t->root, "run/qemu-server/100.pid", "4711\n");
	sys_write(t->root, "dev/vfio/7", "");
	assert_int_equal(proc_alive(t->root, &id), ANSWER_YES);
	assert_int_equal(vfio_group_busy(t->root, 7), ANSWER_NO);
	leave_descriptors(0);
	assert_int_equal(proc_alive(t->root, &id), ANSWER_UNKNOWN);
	assert_int_equal(vm_runs(t->root, 100, &found, &err), ANSWER_UNKNOWN);
	assert_has(err.text, "100.pid");
	assert_int_equal(vfio_group_busy(t->root, 7), ANSWER_UNKNOWN);
	assert_true(pci_reservation_live(t->root, &reserved, 1000));
	leave_descriptors(-1);
	assert_false(pci_reservation_live(t->root, &reserved, 1000));
	unlinkat(t->root, "proc/4711/stat", 0);
	assert_int_equal(proc_alive(t->root, &id), ANSWER_NO);
	assert_int_equal(vm_runs(t->root, 100, &found, &err), ANSWER_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_lease), test(test_journal), test(test_mend),	  test(test_undo),
		test(test_sysfs), test(test_walk),    test(test_process),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
