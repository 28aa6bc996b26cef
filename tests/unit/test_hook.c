/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/vf/owner.h"
#include "tests/unit/tree.h"
#include "tests/unit/locked.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/hook_lock.h"
#include "src/port/mapping_id.h"

static void test_mapping_ids(void **state)
{
	static const uint32_t vms[] = {100, 101, 65536, PVE_VMID_MAX};
	char id[NAME_LEN];

	(void)state;
	assert_string_equal(port_mapping_id(100, 0, id), "vf-100-0");
	for (size_t i = 0; i < sizeof(vms) / sizeof(vms[0]); i++) {
		for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
			uint32_t vmid = 0;
			unsigned s = 99;

			assert_true(
				port_mapping_parse(port_mapping_id(vms[i], slot, id), &vmid, &s));
			assert_int_equal(vmid, vms[i]);
			assert_int_equal(s, slot);
			/* PVE takes it for an id. */
			assert_true(mapping_id_valid(id));
		}
	}
}

static void test_not_ours(void **state)
{
	static const char *const bad[] = {
		"",
		"vf",
		"vf-",
		"vf-100",
		"vf-100-",
		"vf--0",
		"vf-100-16",
		"vf-0100-0",
		"vf-100-00",
		"vf-100-0 ",
		"vf-100-0-0",
		"VF-100-0",
		"xvf-100-0",
		"vf-100-x",
		"vf-x-0",
		"vf-1000000000-0",
		"vf-+100-0",
		"vf-100--1",
		"vf_100_0",
		"vf-100-0\n",
		"vf-99999999999999999999-0",
		"wan",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t vmid;
		unsigned slot;

		if (port_mapping_parse(bad[i], &vmid, &slot))
			print_error("'%s' was taken\n", bad[i]);
		assert_false(port_mapping_parse(bad[i], &vmid, &slot));
	}
}

static void test_vm_lock(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	struct error err = ERROR_INIT;
	struct owner *a;
	struct owner *b;
	struct owner *c;

	assert_int_equal(hook_lock_vm(&h, 100, 0, &a, &err), 0);
	assert_int_equal(owner_vmid(a), 100);
	assert_int_equal(hook_lock_vm(&h, 100, 0, &b, &err), -EWOULDBLOCK);
	assert_null(b);
	assert_int_equal(hook_lock_vm(&h, 101, 0, &b, &err), 0);
	owner_unlock(a);
	assert_int_equal(hook_lock_vm(&h, 100, 0, &c, &err), 0);
	owner_unlock(b);
	owner_unlock(c);
}

static void test_init(void **state)
{
	const struct tree *t = *state;
	struct hook h = HOOK_INIT;
	struct error err = ERROR_INIT;

	tree_link(t->root, "etc/pve/local", "nodes/pve7");
	assert_int_equal(hook_init(&h, t->path, &err), 0);
	assert_string_equal(h.node, "pve7");
	assert_null(h.kernel);
	assert_null(h.rest);
	assert_int_equal(hook_kernel(&h, &err), 0);
	assert_non_null(h.kernel);
	hook_free(&h);
	hook_free(&h);
	assert_int_equal(hook_init(&h, "/nonexistent/place", &err), -ENOENT);
	assert_has(err.text, "/nonexistent/place");
	hook_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapping_ids),
		cmocka_unit_test(test_not_ours),
		ram_test(test_vm_lock),
		ram_test(test_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
