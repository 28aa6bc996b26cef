/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/hostpci_judge.h"
#include "tests/unit/tree.h"
#include "pveapi/guest.h"

#define CONFIG                                                                                     \
	"pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\tpf node=pve2,path=0000:07:00.0\n\n"        \
	"port: 100-0\n\tpool wan\n\tmac 02:00:00:00:00:01\n\tvlan 20\n\ttrust 1\n\n"               \
	"port: 102-0\n\tpool wan\n\tvlan 4095\n"

struct world {
	struct config c;
	struct guest_config g;
	struct entry e;
};

/* The VM's config as text, judged in slot 0 with what the raw address is. */
static void judge(struct world *w, uint32_t vmid, const char *guest, const struct raw_vf *raw)
{
	struct error err = ERROR_INIT;
	struct raw_vf none = {0};

	assert_int_equal(config_parse("/etc/pve/vfhook.cfg", CONFIG, strlen(CONFIG), &w->c, &err),
			 0);
	assert_int_equal(guest_config_parse("x.conf", guest, strlen(guest), vmid, &w->g, &err), 0);
	entry_judge(&w->c, "pve1", &w->g, 0, raw ? raw : &none, &w->e);
}

static void done(struct world *w)
{
	config_free(&w->c);
	guest_config_free(&w->g);
	entry_free(&w->e);
}

static void is(uint32_t vmid, const char *guest, const struct raw_vf *raw, enum entry_verdict want,
	       const char *value, const char *why)
{
	struct world w;

	judge(&w, vmid, guest, raw);
	if (w.e.verdict != want)
		print_error("%s: %s\n", guest, w.e.why);
	assert_int_equal(w.e.verdict, want);
	assert_string_equal(w.e.value ? w.e.value : "", value);
	if (want == ENTRY_NOT_OURS)
		assert_string_equal(w.e.why, "");
	else
		assert_has(w.e.why, why);
	assert_null(strchr(w.e.why, '\n'));
	if (want == ENTRY_ADOPT) {
		assert_int_equal(w.e.adopt.vmid, vmid);
		assert_int_equal(w.e.adopt.slot, 0);
		assert_string_equal(w.e.adopt.pool, "wan");
		/* Its MAC is always a new one. */
		assert_true(w.e.adopt.mac_auto);
		assert_false(w.e.adopt.want.has & HAS_MAC);
	}
	done(&w);
}

static void test_absent(void **state)
{
	(void)state;
	is(101, "memory: 512\n", NULL, ENTRY_NOT_OURS, "", "");
	is(100, "memory: 512\n", NULL, ENTRY_REWRITE, "mapping=vf-100-0", "no hostpci0");
	is(100, "machine: pc-q35-9.0\n", NULL, ENTRY_REWRITE, "mapping=vf-100-0,pcie=1",
	   "hostpci0");
	is(100, "machine: pc-i440fx-9.0\n", NULL, ENTRY_REWRITE, "mapping=vf-100-0", "hostpci0");
}

static void test_own_mapping(void **state)
{
	(void)state;
	is(100, "hostpci0: mapping=vf-100-0,pcie=1\n", NULL, ENTRY_GOOD, "", "own");
	is(100, "hostpci0: pcie=1,mapping=vf-100-0,rombar=0\n", NULL, ENTRY_GOOD, "", "own");
	is(101, "hostpci0: mapping=vf-101-0\n", NULL, ENTRY_REFUSE, "", "101-0");
}

static void test_mapping_of_another(void **state)
{
	(void)state;
	/* A clone with a port of its own. */
	is(100, "hostpci0: mapping=vf-105-0,pcie=1\n", NULL, ENTRY_REWRITE,
	   "mapping=vf-100-0,pcie=1", "VM 105");
	/* Another slot of the same VM is another port's too. */
	is(100, "hostpci0: mapping=vf-100-1\n", NULL, ENTRY_REWRITE, "mapping=vf-100-0",
	   "vf-100-1");
	/* Without one, but with its origin's to take the wishes from. */
	is(101, "hostpci0: mapping=vf-100-0,pcie=1\n", NULL, ENTRY_ADOPT, "mapping=vf-101-0,pcie=1",
	   "VM 100");
	/* Nothing to take them from, or nothing right. */
	is(101, "hostpci0: mapping=vf-105-0\n", NULL, ENTRY_REFUSE, "", "VM 105");
	is(101, "hostpci0: mapping=vf-102-0\n", NULL, ENTRY_REFUSE, "", "VM 102");
}

static void test_clone_takes_the_wishes(void **state)
{
	struct world w;

	(void)state;
	judge(&w, 101, "hostpci0: mapping=vf-100-0\n", NULL);
	assert_int_equal(w.e.verdict, ENTRY_ADOPT);
	assert_int_equal(w.e.adopt.want.has, HAS_VLAN | HAS_TRUST);
	assert_int_equal(w.e.adopt.want.vlan, 20);
	assert_true(w.e.adopt.want.trust);
	assert_false(w.e.was_raw);
	done(&w);
}

static void test_pool_name(void **state)
{
	(void)state;
	is(100, "hostpci0: mapping=wan,pcie=1\n", NULL, ENTRY_REWRITE, "mapping=vf-100-0,pcie=1",
	   "pool 'wan'");
	is(101, "hostpci0: mapping=wan,pcie=1,rombar=0\n", NULL, ENTRY_ADOPT,
	   "mapping=vf-101-0,pcie=1,rombar=0", "pool 'wan'");
}

static void test_foreign_mapping(void **state)
{
	(void)state;
	is(101, "hostpci0: mapping=gpu,x-vga=1\n", NULL, ENTRY_NOT_OURS, "", "");
	is(100, "hostpci0: mapping=gpu,x-vga=1\n", NULL, ENTRY_REFUSE, "", "gpu");
	/* Looks like ours, and is not. */
	is(101, "hostpci0: mapping=vf-0100-0\n", NULL, ENTRY_NOT_OURS, "", "");
	is(101, "hostpci0: mapping=vf-100\n", NULL, ENTRY_NOT_OURS, "", "");
}

static void test_raw_vf_of_a_pool(void **state)
{
	struct raw_vf raw = {
		.is_vf = true, .vf = addr_of("0000:06:10.2"), .pf = addr_of("0000:06:00.0")};
	struct world w;

	(void)state;
	is(100, "hostpci0: 0000:06:10.2,pcie=1\n", &raw, ENTRY_REWRITE, "mapping=vf-100-0,pcie=1",
	   "0000:06:10.2");
	is(101, "hostpci0: 0000:06:10.2,pcie=1\n", &raw, ENTRY_ADOPT, "mapping=vf-101-0,pcie=1",
	   "pool 'wan'");
	judge(&w, 101, "hostpci0: host=0000:06:10.2\n", &raw);
	assert_true(w.e.was_raw);
	/* The user named this very one. */
	assert_true(w.e.has_vf);
	assert_int_equal(pci_addr_cmp(&w.e.vf, &raw.vf), 0);
	assert_int_equal(w.e.adopt.want.has, 0);
	done(&w);
}

static void test_raw_foreign(void **state)
{
	/* A VF, but of a PF that is in the pool on another node only. */
	struct raw_vf other = {
		.is_vf = true, .vf = addr_of("0000:07:10.2"), .pf = addr_of("0000:07:00.0")};
	struct world w;

	(void)state;
	is(101, "hostpci0: 0000:01:00.0,pcie=1\n", NULL, ENTRY_NOT_OURS, "", "");
	is(101, "hostpci0: 0000:07:10.2\n", &other, ENTRY_NOT_OURS, "", "");
	is(100, "hostpci0: 0000:01:00.0,pcie=1\n", NULL, ENTRY_REFUSE, "", "0000:01:00.0");
	is(100, "hostpci0: 0000:07:10.2\n", &other, ENTRY_REFUSE, "", "0000:07:10.2");
	judge(&w, 100, "hostpci0: 0000:01:00.0\n", NULL);
	assert_false(w.e.has_vf);
	done(&w);
}

static void test_bad_port(void **state)
{
	(void)state;
	is(102, "hostpci0: mapping=vf-102-0\n", NULL, ENTRY_REFUSE, "", "/etc/pve/vfhook.cfg:13:");
	is(102, "memory: 512\n", NULL, ENTRY_REFUSE, "", "vlan");
}

/* Whatever else the entry says is kept, all of it. */
static void test_long_rest(void **state)
{
	char guest[512];
	char want[512];
	char file[201];
	struct world w;
	bool good;

	(void)state;
	memset(file, 'r', sizeof(file) - 1);
	file[sizeof(file) - 1] = '\0';
	snprintf(guest, sizeof(guest),
		 "hostpci0: mapping=wan,pcie=1,romfile=%s,sub-vendor-id=0x8086,rombar=0\n", file);
	snprintf(want, sizeof(want),
		 "mapping=vf-101-0,pcie=1,romfile=%s,sub-vendor-id=0x8086,rombar=0", file);
	judge(&w, 101, guest, NULL);
	/* To refuse would do as well; to write half of it would not. */
	good = w.e.verdict == ENTRY_REFUSE || !strcmp(w.e.value, want);
	done(&w);
	assert_true(good);
}

/* Slots are their own: what is right in one is another VM's mapping in the next. */
static void test_slots(void **state)
{
	struct world w;
	struct raw_vf none = {0};

	(void)state;
	judge(&w, 100,
	      "hostpci0: mapping=vf-100-0\nhostpci1: mapping=vf-100-0\nhostpci15: mapping=wan\n",
	      NULL);
	assert_int_equal(w.e.verdict, ENTRY_GOOD);
	entry_free(&w.e);
	entry_judge(&w.c, "pve1", &w.g, 1, &none, &w.e);
	assert_int_equal(w.e.verdict, ENTRY_ADOPT);
	assert_string_equal(w.e.value, "mapping=vf-100-1");
	entry_free(&w.e);
	entry_judge(&w.c, "pve1", &w.g, 15, &none, &w.e);
	assert_int_equal(w.e.verdict, ENTRY_ADOPT);
	assert_string_equal(w.e.value, "mapping=vf-100-15");
	entry_free(&w.e);
	entry_judge(&w.c, "pve1", &w.g, 2, &none, &w.e);
	assert_int_equal(w.e.verdict, ENTRY_NOT_OURS);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_own_mapping),
		cmocka_unit_test(test_mapping_of_another),
		cmocka_unit_test(test_clone_takes_the_wishes),
		cmocka_unit_test(test_pool_name),
		cmocka_unit_test(test_foreign_mapping),
		cmocka_unit_test(test_raw_vf_of_a_pool),
		cmocka_unit_test(test_raw_foreign),
		cmocka_unit_test(test_bad_port),
		cmocka_unit_test(test_long_rest),
		cmocka_unit_test(test_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
