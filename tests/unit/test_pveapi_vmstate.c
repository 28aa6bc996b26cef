/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "src/base/file.h"
#include "pveapi/process.h"
#include "pveapi/reservations.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

#include "tests/unit/test_pveapi_tree.h"

#define RESERVATIONS "run/qemu-server/pci-id-reservations"

static void fake_process(int root, pid_t pid, const char *comm, char state,
			 unsigned long long start, const char *cmdline, size_t len)
{
	char path[64];
	char stat[256];

	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	snprintf(stat, sizeof(stat),
		 "%d (%s) %c 1 4711 4711 0 -1 4194624 1 2 3 4 5 6 7 8 20 0 3 0 %llu 123 45 "
		 "18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n",
		 pid, comm, state, start);
	tree_write(root, path, stat);
	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	tree_write_len(root, path, cmdline, len);
}

#define FAKE(root, pid, state, start, cmdline)                                                     \
	fake_process(root, pid, "kvm", state, start, cmdline, sizeof(cmdline))

static const char qemu[] = "/usr/bin/kvm\0-id\0"
			   "100\0-name\0x,debug-threads=on\0-pidfile\0"
			   "/var/run/qemu-server/100.pid\0-device\0"
			   "vfio-pci,host=0000:06:10.1,id=hostpci0,bus=ich9-pcie-port-1,addr=0x0\0"
			   "-device\0vfio-pci,host=0000:06:10.3,id=hostpci1.0,multifunction=on\0"
			   "-device\0vfio-pci,host=0000:06:10.5,id=hostpci1.1\0"
			   "-device\0vfio-pci,sysfsdev=/sys/bus/mdev/devices/x,id=hostpci2\0"
			   "-device\0vfio-pci,host=rubbish,id=hostpci3\0"
			   "-device\0virtio-net-pci,host=0000:06:10.7,id=hostpci4\0"
			   "-device\0vfio-pci,id=hostpci15,host=06:11.7\0"
			   "-device";

/* The lock */

static void test_lock(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	int fd = vm_lock(t->root, 100, 0, &err);
	int other;

	assert_true(fd >= 0);
	assert_true(path_exists(t->root, "var/lock/qemu-server/lock-100.conf"));
	assert_int_equal(vm_lock(t->root, 100, 30, &err), -EWOULDBLOCK);
	assert_non_null(strstr(err.text, "/var/lock/qemu-server/lock-100.conf"));
	other = vm_lock(t->root, 101, 0, &err);
	assert_true(other >= 0);
	close(other);
	close(fd);
	fd = vm_lock(t->root, 100, 0, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(vm_lock(t->root, 99, 0, &err), -EINVAL);
}

/* On Debian /var/lock is a symbolic link to /run/lock. */
static void test_lock_through_link(void **state)
{
	const struct tree *t = *state;
	int fd;

	assert_int_equal(dir_make(t->root, "run/lock", 0755, NULL), 0);
	tree_link(t->root, "var/lock", "../run/lock");
	fd = vm_lock(t->root, 100, 0, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_true(path_exists(t->root, "run/lock/qemu-server/lock-100.conf"));
}

/* Processes */

static void test_identity(void **state)
{
	const struct tree *t = *state;
	struct proc_id id;

	FAKE(t->root, 4711, 'S', 123456789012345ULL, qemu);
	assert_int_equal(proc_id_get(t->root, 4711, &id), 0);
	assert_int_equal(id.pid, 4711);
	assert_true(id.start == 123456789012345ULL);
	assert_int_equal(proc_alive(t->root, &id), ANSWER_YES);
	/* The number again, another process. */
	FAKE(t->root, 4711, 'S', 123456789012346ULL, qemu);
	assert_int_equal(proc_alive(t->root, &id), ANSWER_NO);
	FAKE(t->root, 4711, 'Z', 123456789012345ULL, qemu);
	assert_int_equal(proc_alive(t->root, &id), ANSWER_NO);
	assert_int_equal(proc_id_get(t->root, 4711, &id), -ESRCH);
	assert_int_equal(proc_id_get(t->root, 4712, &id), -ESRCH);
	assert_int_equal(proc_id_get(t->root, 0, &id), -ESRCH);
	assert_int_equal(proc_id_get(t->root, -1, &id), -ESRCH);
}

static void test_strange_names(void **state)
{
	const struct tree *t = *state;
	struct proc_id id;

	fake_process(t->root, 5, "a) Z 1 (b", 'S', 99, qemu, sizeof(qemu));
	assert_int_equal(proc_id_get(t->root, 5, &id), 0);
	assert_true(id.start == 99);
	fake_process(t->root, 5, "two\nlines )", 'R', 98, qemu, sizeof(qemu));
	assert_int_equal(proc_id_get(t->root, 5, &id), 0);
	assert_true(id.start == 98);
	tree_write(t->root, "proc/5/stat", "5 (kvm) S 1 2 3");
	assert_int_equal(proc_id_get(t->root, 5, &id), -EINVAL);
	tree_write(t->root, "proc/5/stat", "");
	assert_int_equal(proc_id_get(t->root, 5, &id), -EINVAL);
	tree_write(t->root, "proc/5/stat", "5 (kvm)");
	assert_int_equal(proc_id_get(t->root, 5, &id), -EINVAL);
	tree_write(t->root, "proc/5/stat",
		   "5 (kvm) S 1 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 3 0 99999999999999999999999 1\n");
	assert_int_equal(proc_id_get(t->root, 5, &id), -EINVAL);
}

/* The real /proc: ourselves, and a child that has ended but was not waited for. */
static void test_real_processes(void **state)
{
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc_id id;
	siginfo_t info;
	pid_t child;

	(void)state;
	assert_int_equal(proc_id_get(root, getpid(), &id), 0);
	assert_int_equal(proc_alive(root, &id), ANSWER_YES);
	child = fork();
	if (!child)
		_exit(0);
	assert_true(child > 0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_id_get(root, child, &id), -ESRCH);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(proc_id_get(root, child, &id), -ESRCH);
	close(root);
}

static void running(int root, int want)
{
	struct error err = ERROR_INIT;
	struct proc_id id;

	assert_int_equal(vm_runs(root, 100, &id, &err), want ? ANSWER_YES : ANSWER_NO);
	assert_int_equal(id.pid, want == 1 ? 4711 : 0);
	assert_string_equal(err.text, "");
}

static void test_vm_runs(void **state)
{
	const struct tree *t = *state;

	running(t->root, 0);
	tree_write(t->root, "run/qemu-server/100.pid", "4711\n");
	running(t->root, 0);
	FAKE(t->root, 4711, 'S', 1, qemu);
	running(t->root, 1);
	tree_write(t->root, "run/qemu-server/100.pid", "4711");
	running(t->root, 1);
	FAKE(t->root, 4711, 'S', 1,
	     "/usr/bin/qemu-system-x86_64\0-id\0"
	     "100");
	running(t->root, 1);
	FAKE(t->root, 4711, 'S', 1,
	     "kvm\0--id\0"
	     "100");
	running(t->root, 1);
	FAKE(t->root, 4711, 'S', 1, "/usr/bin/kvm\0-pidfile\0/var/run/qemu-server/100.pid");
	running(t->root, 1);
}

static void test_not_that_vm(void **state)
{
	const struct tree *t = *state;

	tree_write(t->root, "run/qemu-server/100.pid", "4711\n");
	/* The number went to another VM's QEMU, or to something else that has these words. */
	FAKE(t->root, 4711, 'S', 1,
	     "/usr/bin/kvm\0-id\0"
	     "1000");
	running(t->root, 0);
	FAKE(t->root, 4711, 'S', 1,
	     "/usr/bin/kvm\0-name\0"
	     "100");
	running(t->root, 0);
	FAKE(t->root, 4711, 'S', 1, "/usr/bin/kvm\0-pidfile\0/var/run/qemu-server/1100.pid");
	running(t->root, 0);
	FAKE(t->root, 4711, 'S', 1, "/usr/bin/kvm\0-name\0/var/run/qemu-server/100.pid");
	running(t->root, 0);
	FAKE(t->root, 4711, 'S', 1,
	     "/usr/bin/vim\0-id\0"
	     "100");
	running(t->root, 0);
	FAKE(t->root, 4711, 'S', 1,
	     "/usr/bin/kvm/x\0-id\0"
	     "100");
	running(t->root, 0);
	FAKE(t->root, 4711, 'S', 1, "/usr/bin/kvm\0-id");
	running(t->root, 0);
	FAKE(t->root, 4711, 'Z', 1,
	     "/usr/bin/kvm\0-id\0"
	     "100");
	running(t->root, 0);
	fake_process(t->root, 4711, "kworker", 'S', 1, "", 0);
	running(t->root, 0);
}

static void test_bad_pid_files(void **state)
{
	static const char *const bad[] = {"",	 "\n",	    "0\n",	"-1\n",
					  "x\n", " 4711\n", "4711 \nx", "99999999999999\n"};
	const struct tree *t = *state;
	char *big = malloc(100000);

	FAKE(t->root, 4711, 'S', 1, qemu);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tree_write(t->root, "run/qemu-server/100.pid", bad[i]);
		running(t->root, 0);
	}
	assert_non_null(big);
	memset(big, '1', 100000);
	tree_write_len(t->root, "run/qemu-server/100.pid", big, 100000);
	running(t->root, 0);
	free(big);
}

static void test_huge_cmdline(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char *big = calloc(1, 300000);
	struct proc_id id;

	assert_non_null(big);
	memset(big, 'a', 200000);
	memcpy(big, "/usr/bin/kvm\0-name", 19);
	memcpy(big + 200000,
	       "\0-id\0"
	       "100",
	       9);
	tree_write(t->root, "run/qemu-server/100.pid", "4711\n");
	fake_process(t->root, 4711, "kvm", 'S', 1, big, 200009);
	running(t->root, 1);
	fake_process(t->root, 4711, "kvm", 'S', 1, big, 300000);
	assert_int_equal(vm_runs(t->root, 100, &id, &err), ANSWER_UNKNOWN);
	assert_int_equal(err.code, EFBIG);
	assert_non_null(strstr(err.text, "/proc/4711/cmdline"));
	free(big);
}

static void actual(int root, const struct proc_id *p, unsigned slot, const char *want)
{
	struct error err = ERROR_INIT;
	struct pci_addr a;

	assert_int_equal(vm_hostpci_actual(root, p, slot, &a, &err), want ? 1 : 0);
	if (want) {
		char buf[PCI_ADDR_LEN];

		assert_string_equal(pci_addr_format(&a, buf), want);
	}
}

static void test_actual(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct proc_id id;
	struct pci_addr a;

	FAKE(t->root, 4711, 'S', 7, qemu);
	assert_int_equal(proc_id_get(t->root, 4711, &id), 0);
	actual(t->root, &id, 0, "0000:06:10.1");
	actual(t->root, &id, 1, "0000:06:10.3");
	actual(t->root, &id, 2, NULL);
	actual(t->root, &id, 4, NULL);
	actual(t->root, &id, 5, NULL);
	actual(t->root, &id, 15, "0000:06:11.7");
	assert_int_equal(vm_hostpci_actual(t->root, &id, 3, &a, &err), -EINVAL);
	FAKE(t->root, 4711, 'S', 8, qemu);
	assert_int_equal(vm_hostpci_actual(t->root, &id, 0, &a, &err), -ESRCH);
}

/* All devices of all VMs, whatever slot they are for; one that is not understood is an error. */
static void test_devices(void **state)
{
	static const char two[] = "/usr/bin/kvm\0-id\0"
				  "100\0-device\0vfio-pci,host=0000:06:10.3,id=hostpci1.1\0"
				  "-device\0vfio-pci-nohotplug,host=06:10.5,id=mine\0"
				  "-device\0virtio-net-pci,host=0000:06:10.7,id=net0\0"
				  "-device\0vfio-pci,sysfsdev=/sys/x,id=hostpci2";
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct vm_device *list;
	char buf[PCI_ADDR_LEN];
	size_t n;

	assert_int_equal(vm_devices(t->root, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	tree_write(t->root, "run/qemu-server/100.pid", "4711\n");
	tree_write(t->root, "run/qemu-server/101.pid", "4712\n");
	tree_write(t->root, "run/qemu-server/x.pid", "4711\n");
	FAKE(t->root, 4711, 'S', 7, two);
	assert_int_equal(vm_devices(t->root, &list, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].vmid, 100);
	assert_string_equal(pci_addr_format(&list[0].addr, buf), "0000:06:10.3");
	assert_string_equal(pci_addr_format(&list[1].addr, buf), "0000:06:10.5");
	free(list);
	FAKE(t->root, 4711, 'S', 7, qemu);
	assert_int_equal(vm_devices(t->root, &list, &n, &err), -EINVAL);
	assert_non_null(strstr(err.text, "VM 100"));
}

/* Reservations */

static void test_reservations(void **state)
{
	const struct tree *t = *state;
	struct pci_reservation *r;
	struct error err = ERROR_INIT;
	size_t n;

	assert_int_equal(pci_reservations(t->root, &r, &n, &err), 0);
	assert_int_equal(n, 0);
	free(r);
	tree_write(t->root, RESERVATIONS,
		   "0000:06:10.1 100 time:1700000000\n"
		   "0000:06:10.3 101 pid:4711\n"
		   "06:10.5 102 pid:0\n"
		   "\n"
		   "rubbish\n"
		   "0000:06:10.7 100\n"
		   "0000:06:10.7 100 time:\n"
		   "0000:06:10.7 100 time:-5\n"
		   "0000:06:10.7 100 later:5\n"
		   "0000:06:10.7 100 time:5 \n"
		   "0000:06:10.7 100 time:5\r\n"
		   " 0000:06:10.7 100 time:5\n"
		   "0000:06:10.7  100 time:5\n"
		   "0000:0A:10.7 100 time:5\n"
		   "0000:06:10.7 9999999999 time:5\n"
		   "0000:06:10.7 100 time:99999999999999999999\n"
		   "0000:06:10.7 100 pid:99999999999\n"
		   "0000:06:11 103 time:6");
	assert_int_equal(pci_reservations(t->root, &r, &n, &err), 0);
	assert_int_equal(n, 3 + 8);
	assert_int_equal(r[0].vmid, 100);
	assert_int_equal(r[0].expires, 1700000000);
	assert_int_equal(r[0].pid, 0);
	assert_int_equal(r[1].vmid, 101);
	assert_int_equal(r[1].pid, 4711);
	assert_int_equal(r[1].expires, 0);
	assert_int_equal(r[2].addr.domain, 0);
	assert_int_equal(r[2].addr.fn, 5);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(r[3 + i].addr.fn, i);
		assert_int_equal(r[3 + i].addr.dev, 0x11);
		assert_int_equal(r[3 + i].vmid, 103);
	}
	free(r);
}

static void test_reservations_hostile(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct pci_reservation *r;
	char *big = malloc(1048577);
	size_t n;

	tree_write_len(t->root, RESERVATIONS, "0000:06:10.1 1\0 time:5\n0000:06:10.2 1 time:5\n",
		       45);
	assert_int_equal(pci_reservations(t->root, &r, &n, &err), 0);
	assert_int_equal(n, 1);
	free(r);
	assert_non_null(big);
	memset(big, ' ', 1048577);
	tree_write_len(t->root, RESERVATIONS, big, 1048576);
	assert_int_equal(pci_reservations(t->root, &r, &n, &err), 0);
	assert_int_equal(n, 0);
	free(r);
	tree_write_len(t->root, RESERVATIONS, big, 1048577);
	assert_int_equal(pci_reservations(t->root, &r, &n, &err), -EFBIG);
	assert_non_null(strstr(err.text, "/run/qemu-server/pci-id-reservations"));
	free(big);
}

static void test_reservation_liveness(void **state)
{
	const struct tree *t = *state;
	struct pci_reservation timed = {.vmid = 100, .expires = 1000};
	struct pci_reservation held = {.vmid = 100, .pid = 4711};

	assert_true(pci_reservation_live(t->root, &timed, 999));
	assert_false(pci_reservation_live(t->root, &timed, 1000));
	assert_false(pci_reservation_live(t->root, &held, 0));
	tree_write(t->root, "run/qemu-server/100.pid", "4711\n");
	FAKE(t->root, 4711, 'S', 1, qemu);
	assert_true(pci_reservation_live(t->root, &held, 0));
	/* That VM runs, but under another number: a left-over. */
	held.pid = 4712;
	assert_false(pci_reservation_live(t->root, &held, 0));
	held.pid = 4711;
	held.vmid = 101;
	assert_false(pci_reservation_live(t->root, &held, 0));
	held.vmid = 100;
	FAKE(t->root, 4711, 'Z', 1, qemu);
	assert_false(pci_reservation_live(t->root, &held, 0));
	assert_false(pci_reservation_live(t->root, &(struct pci_reservation){.vmid = 100}, 0));
}

/* As PVE writes them, and nobody else's line is lost. */
static void test_reserve(void **state)
{
	const struct tree *t = *state;
	const struct pci_addr vf = {.bus = 6, .dev = 0x10, .fn = 4};
	struct error err = ERROR_INIT;
	char *text = NULL;

	FAKE(t->root, 4711, 'S', 1234, qemu);
	tree_write(t->root, "run/qemu-server/100.pid", "4711\n");
	assert_int_equal(pci_reserve(t->root, &vf, 101, "pid:4712", &err), 0);
	tree_write(
		t->root, RESERVATIONS,
		"0000:06:10.4 100 pid:4711\nsomething of a later PVE\n0000:06:10.2 102 time:9\n");
	/* Another VM's that runs. */
	assert_int_equal(pci_reserve(t->root, &vf, 101, "pid:4712", &err), -EBUSY);
	assert_non_null(strstr(err.text, "for VM 100"));
	assert_int_equal(pci_unreserve(t->root, &vf, 101, &err), 0);
	/* Its own, anew. */
	assert_int_equal(pci_reserve(t->root, &vf, 100, "pid:4713", &err), 0);
	assert_true(file_read(t->root, RESERVATIONS, 4096, &text, &err) > 0);
	assert_string_equal(text, "something of a later PVE\n0000:06:10.2 102 time:9\n"
				  "0000:06:10.4 100 pid:4713\n");
	free(text);
	assert_int_equal(pci_unreserve(t->root, &vf, 100, &err), 0);
	assert_true(file_read(t->root, RESERVATIONS, 4096, &text, &err) > 0);
	assert_null(strstr(text, "06:10.4"));
	free(text);
	assert_int_equal(pci_reserve(t->root, &vf, 100, "pid:0", &err), -EINVAL);
	assert_int_equal(pci_reserve(t->root, &vf, 100, "4713", &err), -EINVAL);
}

/* What PVE takes for reserved until 2100 is a container's for as long as that lives. */
static void test_reserve_for_ct(void **state)
{
	const struct tree *t = *state;
	const struct pci_reservation r = {.vmid = 110, .expires = PCI_RESERVED_FOR_CT};

	assert_true(pci_reservation_live(t->root, &r, 0));
	tree_write(t->root, "proc/net/unix", "Num RefCount Protocol Flags Type St Inode Path\n");
	assert_false(pci_reservation_live(t->root, &r, 0));
	tree_write(t->root, "proc/net/unix",
		   "0000: 00000002 00000000 00010000 0001 01 1234 @/var/lib/lxc/110/command\n");
	assert_true(pci_reservation_live(t->root, &r, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(test_reserve),
		tree_test(test_reserve_for_ct),
		tree_test(test_lock),
		tree_test(test_lock_through_link),
		tree_test(test_identity),
		tree_test(test_strange_names),
		cmocka_unit_test(test_real_processes),
		tree_test(test_vm_runs),
		tree_test(test_not_that_vm),
		tree_test(test_bad_pid_files),
		tree_test(test_huge_cmdline),
		tree_test(test_actual),
		tree_test(test_devices),
		tree_test(test_reservations),
		tree_test(test_reservations_hostile),
		tree_test(test_reservation_liveness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
