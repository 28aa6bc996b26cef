/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/show/seen.h"

#include "src/base/cleanup.h"
#include "src/base/json.h"
#include "src/show/seen_json.h"
#include "src/show/seen_told.h"
#include "tests/unit/tree.h"

/* What a node tells, read and told again: the same. */
static void test_round_trip(void **state)
{
	static const char text[] =
		"{\"version\":1,\"time\":7,\"marks\":[{\"level\":\"warn\",\"text\":\"a word\"}],"
		"\"pfs\":[{\"address\":\"0000:06:00.0\",\"ifname\":\"enp6s0f0\",\"driver\":\"igb\","
		"\"card\":\"A card\",\"model\":\"8086:10c9\",\"serial\":\"1-2\",\"slot\":\"4\","
		"\"pools\":\"wan, lan\",\"above\":\"vmbr0\",\"network\":true,\"up\":true,"
		"\"carrier\":false,\"speed\":1000,\"mtu\":9000,\"marks\":[],\"free\":[[1,3],[5,5]],"
		"\"vfs\":[{\"index\":0,\"address\":\"0000:06:10.0\",\"state\":\"running\","
		"\"vmid\":100,\"container\":true,\"name\":\"web\",\"place\":\"eth1\","
		"\"vlan\":\"20\",\"mac\":\"bc:24:11:00:00:01\",\"iommu-group\":12,"
		"\"vlan-differs\":true,\"mac-differs\":true,"
		"\"marks\":[{\"level\":\"bad\",\"text\":\"VLAN is 20, wanted 30\"}]},"
		"{\"index\":4,\"state\":\"unusable\"}]}]}";
	CLEANUP(seen_node_free) struct seen_node n = {.n_pfs = 0};
	AUTO_JSON json_t *j = json_loads(text, 0, NULL);
	AUTO_JSON json_t *again = NULL;

	(void)state;
	assert_non_null(j);
	assert_int_equal(seen_from_json(j, &n, NULL), 0);
	assert_int_equal(n.n_pfs, 1);
	assert_int_equal(n.pfs->n_vfs, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(n.pfs->vfs[i].index, i);
	assert_string_equal(n.pfs->vfs[3].state, "free");
	assert_int_equal(n.pfs->vfs[3].group, -1);
	assert_int_equal(n.pfs->vfs[0].marks.list->level, SEEN_BAD);
	again = seen_to_json(&n);
	assert_true(json_equal(j, again));
}

/* Nothing in it is as it should be, and nothing comes of that. */
static void test_rubbish(void **state)
{
	static const char *const texts[] = {
		"{\"version\":1}",
		"{\"version\":1,\"time\":\"x\",\"pfs\":{},\"marks\":7}",
		"{\"version\":1,\"pfs\":[1,[],{},{\"address\":7},{\"address\":\"x\"}]}",
		"{\"version\":1,\"marks\":[7,{},{\"text\":\"\"},{\"level\":\"bad\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CLEANUP(seen_node_free) struct seen_node n = {.n_pfs = 0};
		AUTO_JSON json_t *j = json_loads(texts[i], 0, NULL);

		assert_int_equal(seen_from_json(j, &n, NULL), 0);
		assert_int_equal(n.n_pfs, 0);
		assert_int_equal(n.marks.n, 0);
	}
}

static void test_versions(void **state)
{
	CLEANUP(seen_node_free) struct seen_node n = {.n_pfs = 0};
	AUTO_JSON json_t *newer = json_loads("{\"version\":2,\"pfs\":[]}", 0, NULL);
	AUTO_JSON json_t *none = json_loads("{}", 0, NULL);
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(seen_from_json(newer, &n, &err), -EINVAL);
	assert_has(err.text, "newer vfhook");
	assert_int_equal(seen_from_json(none, &n, &err), -EINVAL);
}

/* As many as there may be, each once. */
static void test_bounds(void **state)
{
	static const char text[] =
		"{\"version\":1,\"pfs\":[{\"address\":\"0000:06:00.0\",\"mtu\":-1,\"speed\":1e9,"
		"\"free\":[[0,99999999999],[0,255],[0,255],[3,2],[-5,5],[1],7,[\"a\",\"b\"]],"
		"\"vfs\":[{\"index\":3,\"state\":\"running\",\"marks\":[{\"text\":\"x\"}]},"
		"{\"index\":3,\"marks\":[{\"text\":\"x\"}]},7]}]}";
	CLEANUP(seen_node_free) struct seen_node n = {.n_pfs = 0};
	AUTO_JSON json_t *j = json_loads(text, 0, NULL);
	json_t *pfs = json_object_get(j, "pfs");

	(void)state;
	for (int i = 0; i < 200; i++)
		json_array_append_new(pfs, json_pack("{s:s}", "address", "0000:07:00.0"));
	assert_int_equal(seen_from_json(j, &n, NULL), 0);
	assert_int_equal(n.n_pfs, 64);
	assert_true(n.pfs->n_vfs >= 250 && n.pfs->n_vfs <= 256);
	for (size_t i = 1; i < n.pfs->n_vfs; i++)
		assert_true(n.pfs->vfs[i - 1].index < n.pfs->vfs[i].index);
	assert_int_equal(n.pfs->mtu, 0);
	assert_int_equal(n.pfs->speed, 0);
}

#define STATUS "etc/pve/nodes/pve2/vfhook-status.json"
#define VFS    "etc/pve/nodes/pve2/vfhook.json"

static void told(const struct tree *t, const struct config *c, struct seen_node *n)
{
	struct hook h = {.root = t->root, .node = "pve1"};

	assert_int_equal(seen_told(&h, c, "pve2", n, NULL), 0);
	assert_string_equal(n->name, "pve2");
}

static void test_who_tells_less(void **state)
{
	const struct tree *t = *state;
	struct pool_pf pf = {.node = "pve2", .id = {.addr = {0, 3, 0, 0}}};
	struct pool pool = {.name = "wan", .pfs = &pf, .n_pfs = 1};
	struct config c = {.pools = &pool, .n_pools = 1};
	struct config none = {.n_pools = 0};
	struct seen_node n;

	told(t, &none, &n);
	assert_int_equal(n.source, SEEN_SILENT);
	assert_int_equal(n.n_pfs, 0);
	seen_node_free(&n);
	told(t, &c, &n);
	assert_int_equal(n.source, SEEN_SILENT);
	assert_string_equal(n.pfs->addr, "0000:03:00.0");
	assert_has(n.marks.list->text, "is vfhook installed there");
	seen_node_free(&n);
	sys_write(
		t->root, VFS,
		"{\"version\":1,\"vfs\":[{\"pf\":\"0000:03:00.0\",\"vf\":\"0000:03:10.2\","
		"\"index\":1},"
		"{\"pf\":\"0000:03:00.0\",\"vf\":\"0000:03:10.0\",\"index\":0,\"iommugroup\":9},7,"
		"{\"pf\":\"x\"}]}");
	told(t, &c, &n);
	assert_int_equal(n.source, SEEN_ADDRESSES);
	assert_int_equal(n.n_pfs, 1);
	assert_string_equal(n.pfs->pools, "wan");
	assert_int_equal(n.pfs->n_vfs, 2);
	assert_int_equal(n.pfs->vfs[0].group, 9);
	assert_string_equal(n.pfs->vfs[0].state, SEEN_UNTOLD);
	seen_node_free(&n);
	sys_write(t->root, STATUS, "{\"version\":7}");
	told(t, &c, &n);
	assert_int_equal(n.source, SEEN_ADDRESSES);
	assert_has(n.marks.list->text, "newer vfhook");
	seen_node_free(&n);
	sys_write(t->root, STATUS, "{\"version\":1,\"time\":5,\"pfs\":[]}");
	told(t, &c, &n);
	assert_int_equal(n.source, SEEN_TOLD);
	assert_int_equal(n.time, 5);
	seen_node_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_versions),   cmocka_unit_test(test_bounds),
		ram_test(test_who_tells_less),
	};

	return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
