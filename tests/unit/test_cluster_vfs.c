/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/cleanup.h"
#include "src/port/config.h"
#include "src/port/cluster_vfs.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"
#include "src/port/context.h"
#include "src/port/mapping_nodes.h"
#include "src/port/vm_ports.h"
#include "tests/unit/tree.h"

#define TOLD "etc/pve/nodes/pve2/vfhook.json"

/* What publish_entries() says on stdout, and what it plans, about what pve2 has told. */
static char *entries_of(const struct tree *t, const char *told)
{
	struct pool_pf pf = {.node = "pve2", .id = {.addr = {0, 3, 0, 0}}};
	struct pool pool = {.name = "wan", .pfs = &pf, .n_pfs = 1};
	struct vm_ports v = {.config = {.pools = &pool, .n_pools = 1}};
	const struct port_wish w = {.vmid = 100, .pool = "wan"};
	struct hook h = {.root = t->root, .node = "pve1", .dry_run = true};
	CLEANUP(plan_free) struct plan p = {.kind = PLAN_CONFIG, .vmid = 100};
	struct error err = ERROR_INIT;
	AUTO_CLOSE int was = dup(1);
	AUTO_CLOSE int out = openat(t->root, "stdout", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int r;

	sys_write(t->root, TOLD, told);
	fflush(stdout);
	dup2(out, 1);
	r = publish_entries(&h, &v, &w, &p, &err);
	for (size_t i = 0; i < p.n_steps; i++)
		puts(p.steps[i].object.what);
	fflush(stdout);
	dup2(was, 1);
	assert_int_equal(r, 0);
	return tree_read(t->root, "stdout");
}

#define VF(vf, id)                                                                                 \
	"{\"version\":1,\"vfs\":[{\"pf\":\"0000:03:00.0\",\"vf\":\"" vf "\",\"index\":0,"          \
	"\"id\":\"" id "\",\"subsystem-id\":\"\",\"iommugroup\":7}]}"

/* PVE compares the path of an entry with sysfs's spelling, and finds no other. */
static void test_spelling(void **state)
{
	AUTO_FREE char *text = entries_of(*state, VF("03:1F.1", "8086:10ca"));

	assert_has(text, "none -> id=8086:10ca,iommugroup=7,node=pve2,path=0000:03:1f.1\n");
}

/* What another node wrote becomes no property of its own. */
static void test_hostile(void **state)
{
	static const char *const hostile[] = {VF("0000:03:10.0,node=pve1", "8086:10ca"),
					      VF("0000:03:10.0", "8086:10ca,node=pve1"),
					      VF("0000:03:10.0;0000:00:1f.0", "8086:10ca"),
					      "{\"vfs\":[7,[],{}]}"};

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		AUTO_FREE char *text = entries_of(*state, hostile[i]);

		assert_has(text, "lists no VF of pool 'wan'");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {ram_test(test_spelling), ram_test(test_hostile)};

	return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
