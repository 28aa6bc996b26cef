/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/vf/journal.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/base/json.h"
#include "src/base/run_dir.h"
#include "tests/unit/tree.h"

#define JOURNAL RUN_DIR "/journal/100"

static int run_setup(void **state)
{
	return ram_setup(state) || run_dirs_make(((struct tree *)*state)->root, NULL);
}

#define dirs_test(f) cmocka_unit_test_setup_teardown(f, run_setup, tree_teardown)

static struct step sample(enum step_kind kind)
{
	struct step s = {
		.kind = kind,
		.vf = {.bus = 6, .dev = 0x10, .fn = 2},
		.pf = {.bus = 6},
		.index = 1,
		.ifindex = 2,
		.pf_name = "enp6s0f0",
		.driver = "igb",
		.attr = VF_RATE,
		.from = {.has = HAS_MIN_RATE | HAS_MAX_RATE, .min_rate = 1, .max_rate = 2},
		.to = {.has = HAS_VLAN | HAS_MAX_RATE, .vlan = 20, .proto = 0x88a8, .max_rate = 9},
		.from_text = "igbvf",
		.to_text = "vfio-pci",
		.has_old_lease = true,
		.object = {.kind = "map-entry",
			   .name = "vf-100-0 pve1",
			   .to = "id=8086:10ca,path=0000:06:10.2",
			   .what = "mapping vf-100-0 on pve1: none -> 0000:06:10.2"},
	};

	s.lease = (struct lease){
		.vf = s.vf, .pf = s.pf, .index = 1, .vmid = 100, .slot = 2, .pool = "wan"};
	s.old_lease = s.lease;
	s.old_lease.phase = LEASE_DIRTY;
	s.old_lease.before = s.from;
	return s;
}

static bool has_attr(enum step_kind kind)
{
	return kind == STEP_SET || kind == STEP_CLEAR_MAC || kind == STEP_GUARD;
}

static void same_settings(const struct vf_settings *a, const struct vf_settings *b)
{
	assert_int_equal(a->has, b->has);
	for (int i = 0; i < VF_ATTR_COUNT; i++)
		assert_true(vf_attr_equal((enum vf_attr)i, a, b));
}

/* What undoing or finishing a step needs. */
static void same(const struct step *a, const struct step *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->has_old_lease, b->has_old_lease);
	if (a->kind == STEP_CALL) {
		assert_string_equal(a->object.kind, b->object.kind);
		assert_string_equal(a->object.name, b->object.name);
		assert_null(b->object.from);
		assert_string_equal(a->object.to, b->object.to);
		assert_string_equal(a->object.what, b->object.what);
		assert_int_equal(a->object.harmless, b->object.harmless);
		return;
	}
	assert_int_equal(pci_addr_cmp(&a->vf, &b->vf), 0);
	assert_int_equal(pci_addr_cmp(&a->pf, &b->pf), 0);
	assert_int_equal(a->index, b->index);
	if (a->has_old_lease) {
		assert_int_equal(b->old_lease.vmid, 100);
		assert_int_equal(b->old_lease.phase, LEASE_DIRTY);
		same_settings(&a->old_lease.before, &b->old_lease.before);
	}
	if (has_attr(a->kind)) {
		assert_int_equal(a->attr, b->attr);
		same_settings(&a->from, &b->from);
		if (a->kind != STEP_SET)
			same_settings(&a->to, &b->to);
		else
			assert_true(b->to.has == HAS_MAX_RATE && b->to.max_rate == 9);
	}
	if (a->kind == STEP_VERIFY)
		same_settings(&a->to, &b->to);
	if (a->kind == STEP_OVERRIDE) {
		assert_string_equal(a->from_text, b->from_text);
		assert_string_equal(a->to_text, b->to_text);
	}
	if (a->kind == STEP_LEASE_TAKE || a->kind == STEP_LEASE_WRITE ||
	    a->kind == STEP_LEASE_SEIZE) {
		assert_int_equal(b->lease.vmid, 100);
		assert_int_equal(b->lease.slot, 2);
		assert_string_equal(b->lease.pool, "wan");
	}
}

static void test_round_trip(void **state)
{
	const struct tree *t = *state;
	struct step steps[STEP_CALL + 1];
	struct plan p = {.vmid = 100, .steps = steps, .n_steps = STEP_CALL + 1};
	struct error err = ERROR_INIT;

	for (int kind = PLAN_START; kind <= PLAN_MEND; kind++) {
		for (int old = 0; old < 2; old++) {
			struct plan back;

			p.kind = (enum plan_kind)kind;
			for (int k = 0; k <= STEP_CALL; k++) {
				steps[k] = sample((enum step_kind)k);
				steps[k].has_old_lease = old;
			}
			assert_int_equal(journal_write(t->root, &p, &err), 0);
			assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), 0);
			assert_int_equal(back.kind, kind);
			assert_int_equal(back.vmid, 100);
			assert_int_equal(back.n_steps, p.n_steps);
			for (int k = 0; k <= STEP_CALL; k++)
				same(&steps[k], &back.steps[k]);
			plan_free(&back);
			assert_int_equal(journal_drop(t->root, JOURNAL_VFS, 100, &err), 0);
		}
	}
	assert_int_equal(tree_count(t->root, RUN_DIR "/journal"), 0);
}

static void test_one_at_a_time(void **state)
{
	const struct tree *t = *state;
	struct step s = sample(STEP_SET);
	struct plan p = {.kind = PLAN_START, .vmid = 100, .steps = &s, .n_steps = 1};
	struct error err = ERROR_INIT;
	struct plan back;

	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), -ENOENT);
	assert_int_equal(journal_drop(t->root, JOURNAL_VFS, 100, &err), 0);
	assert_int_equal(journal_write(t->root, &p, &err), 0);
	assert_int_equal(journal_write(t->root, &p, &err), -EEXIST);
	p.vmid = 101; /* another VM's is another one */
	assert_int_equal(journal_write(t->root, &p, &err), 0);
	assert_int_equal(journal_drop(t->root, JOURNAL_VFS, 100, &err), 0);
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), -ENOENT);
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 101, &back, &err), 0);
	plan_free(&back);
}

/* A journal under the name of another VM is that VM's for nobody. */
static void test_wrong_vmid(void **state)
{
	const struct tree *t = *state;
	struct step s = sample(STEP_SET);
	struct plan p = {.kind = PLAN_START, .vmid = 101, .steps = &s, .n_steps = 1};
	struct error err = ERROR_INIT;
	struct plan back;

	assert_int_equal(journal_write(t->root, &p, &err), 0);
	assert_int_equal(renameat(t->root, RUN_DIR "/journal/101", t->root, JOURNAL), 0);
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), -EINVAL);
	assert_has(err.text, "/" JOURNAL);
	assert_int_equal(back.n_steps, 0);
	assert_null(back.steps);
}

/* What is written can be read back, or is not written. */
static void test_many_steps(void **state)
{
	const struct tree *t = *state;
	struct plan p = {.kind = PLAN_START, .vmid = 100, .n_steps = 5000};
	struct error err = ERROR_INIT;
	struct plan back;
	int r;

	p.steps = calloc(p.n_steps, sizeof(*p.steps));
	for (size_t i = 0; i < p.n_steps; i++)
		p.steps[i] = sample(STEP_SET);
	r = journal_write(t->root, &p, &err);
	if (!r) {
		assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), 0);
		assert_int_equal(back.n_steps, 5000);
		plan_free(&back);
	} else {
		assert_true(err.text[0]);
		assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), -ENOENT);
	}
	/* As many as 16 ports could ever need. */
	p.n_steps = 16 * 30;
	for (size_t i = 0; i < p.n_steps; i++)
		p.steps[i] = sample(i % 10 ? STEP_SET : STEP_LEASE_WRITE);
	journal_drop(t->root, JOURNAL_VFS, 100, NULL);
	assert_int_equal(journal_write(t->root, &p, &err), 0);
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), 0);
	assert_int_equal(back.n_steps, p.n_steps);
	plan_free(&back);
	free(p.steps);
}

/* A plan that was read is one that more can be put behind, however long it is. */
static void test_append_to_read(void **state)
{
	const struct tree *t = *state;
	struct step steps[40];

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		steps[i] = sample(STEP_VERIFY);
	for (size_t n = 0; n < ARRAY_SIZE(steps); n++) {
		const struct plan p = {
			.kind = PLAN_START, .vmid = 100, .steps = steps, .n_steps = n};
		struct error err = ERROR_INIT;
		struct plan back;

		assert_int_equal(journal_write(t->root, &p, &err), 0);
		assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, &err), 0);
		assert_int_equal(journal_drop(t->root, JOURNAL_VFS, 100, &err), 0);
		assert_int_equal(plan_append(&back, &p, &err), 0);
		assert_int_equal(plan_append(&back, &p, &err), 0);
		assert_int_equal(back.n_steps, 3 * n);
		plan_free(&back);
	}
}

static void refused(const struct tree *t, const char *text, size_t len)
{
	struct error err = ERROR_INIT;
	struct plan back;
	int r;

	tree_write_len(t->root, JOURNAL, text, len);
	r = journal_read(t->root, JOURNAL_VFS, 100, &back, &err);
	if (r != -EINVAL)
		print_error("taken: %.*s\n", (int)len, text);
	assert_int_equal(r, -EINVAL);
	assert_true(err.text[0]);
	assert_null(back.steps);
	plan_free(&back);
}

static void test_truncated(void **state)
{
	const struct tree *t = *state;
	struct step steps[STEP_CALL + 1];
	struct plan p = {.kind = PLAN_MEND, .vmid = 100, .steps = steps, .n_steps = STEP_CALL + 1};
	size_t len;
	char *text;

	for (int k = 0; k <= STEP_CALL; k++)
		steps[k] = sample((enum step_kind)k);
	assert_int_equal(journal_write(t->root, &p, NULL), 0);
	text = tree_read(t->root, JOURNAL);
	len = strlen(text);
	for (size_t cut = 0; cut < len; cut += 7)
		refused(t, text, cut);
	refused(t, text, len - 1);
	free(text);
}

#define HEAD "{\"version\":1,\"kind\":\"start\",\"vmid\":100,\"steps\":"

/* Written before an upgrade, or before the way back: what is known is done, the rest passed over.
 */
static void test_other_versions(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct plan p;

	tree_write(t->root, RUN_DIR "/journal/100",
		   "{\"version\":1,\"of-tomorrow\":{},\"kind\":\"start\",\"vmid\":100,\"steps\":["
		   "{\"kind\":\"set\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\",\"index\":1,"
		   "\"of-tomorrow\":1,\"attr\":0,\"from\":{\"vlan\":1,\"of-tomorrow\":1},"
		   "\"to\":{\"vlan\":2}}]}");
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &p, &err), 0);
	assert_int_equal(p.n_steps, 1);
	assert_int_equal(p.steps[0].from.vlan, 1);
	plan_free(&p);
	tree_write(t->root, RUN_DIR "/journal/100",
		   "{\"version\":2,\"kind\":\"of-tomorrow\",\"vmid\":100,\"steps\":[]}");
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &p, &err), -EINVAL);
	assert_has(err.text, "written by a newer vfhook");
}

static void test_hostile(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"null",
		"{\"version\":2,\"kind\":\"start\",\"vmid\":100,\"steps\":[]}",
		"{\"version\":1,\"kind\":\"stop\",\"vmid\":100,\"steps\":[]}",
		"{\"version\":1,\"kind\":7,\"vmid\":100,\"steps\":[]}",
		"{\"version\":1,\"kind\":\"start\",\"vmid\":\"100\",\"steps\":[]}",
		"{\"version\":1,\"kind\":\"start\",\"vmid\":100}",
		HEAD "{}}",
		HEAD "[1]}",
		HEAD "[null]}",
		HEAD "[{}]}",
		HEAD "[{\"kind\":\"format-disk\"}]}",
		HEAD "[{\"kind\":\"lease-drop\",\"vf\":\"../../etc\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1}]}",
		HEAD "[{\"kind\":\"lease-drop\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":-1}]}",
		HEAD "[{\"kind\":\"lease-drop\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":65536}]}",
		HEAD "[{\"kind\":\"lease-drop\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1,\"old-lease\":{}}]}",
		HEAD "[{\"kind\":\"lease-take\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1}]}",
		HEAD "[{\"kind\":\"set\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1,\"attr\":7,\"from\":{},\"to\":{}}]}",
		HEAD "[{\"kind\":\"set\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1,\"attr\":-1,\"from\":{},\"to\":{}}]}",
		HEAD "[{\"kind\":\"set\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1,\"attr\":1,\"from\":{},\"to\":{\"vlan\":70000}}]}",
		HEAD "[{\"kind\":\"driver-override\",\"vf\":\"0000:06:10.2\","
		     "\"pf\":\"0000:06:00.0\",\"index\":1,\"from\":1,\"to\":\"x\"}]}",
		HEAD "[{\"kind\":\"driver-override\",\"vf\":\"0000:06:10.2\","
		     "\"pf\":\"0000:06:00.0\",\"index\":1,\"from\":\"\",\"to\":"
		     "\"0123456789012345678901234567890123456789012345678901234567890123\"}]}",
		HEAD "[{\"kind\":\"call\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1}]}",
		HEAD "[{\"kind\":\"call\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1,\"object\":\"port\"}]}",
		HEAD "[{\"kind\":\"call\",\"vf\":\"0000:06:10.2\",\"pf\":\"0000:06:00.0\","
		     "\"index\":1,\"object\":\"port\",\"name\":\"100-0\",\"from\":7}]}",
		"{\"version\":1,\"kind\":\"config\",\"vmid\":100,\"steps\":[]}",
		HEAD "[],\"steps\":[]}",
	};
	const struct tree *t = *state;
	char *deep;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refused(t, bad[i], strlen(bad[i]));
	refused(t, "\0\0\0", 3);
	deep = malloc(200000);
	memset(deep, '[', 200000);
	refused(t, deep, 200000);
	free(deep);
	deep = malloc(1100000);
	memset(deep, ' ', 1100000);
	memcpy(deep, HEAD "[]}", strlen(HEAD "[]}"));
	refused(t, deep, 1100000);
	free(deep);
	unlinkat(t->root, JOURNAL, 0);
	assert_int_equal(mkdirat(t->root, JOURNAL, 0755), 0);
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &(struct plan){0}, NULL), -EINVAL);
}

static int by_number(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static void test_list_and_put_aside(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	uint32_t *list;
	size_t n;

	assert_int_equal(journal_list(t->root, JOURNAL_VFS, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	free(list);
	tree_write(t->root, JOURNAL, "{");
	tree_write(t->root, RUN_DIR "/journal/200", "{");
	tree_write(t->root, RUN_DIR "/journal/300.broken", "{");
	tree_write(t->root, RUN_DIR "/journal/.tmp-400", "{");
	assert_int_equal(journal_list(t->root, JOURNAL_VFS, &list, &n, &err), 0);
	assert_int_equal(n, 2);
	qsort(list, n, sizeof(*list), by_number);
	assert_int_equal(list[0], 100);
	assert_int_equal(list[1], 200);
	free(list);
	assert_int_equal(journal_put_aside(t->root, JOURNAL_VFS, 100, &err), 0);
	assert_true(path_exists(t->root, JOURNAL ".broken"));
	assert_int_equal(journal_list(t->root, JOURNAL_VFS, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	free(list);
	assert_true(journal_put_aside(t->root, JOURNAL_VFS, 100, &err) < 0);
}

static void test_no_directory(void **state)
{
	const struct tree *t = *state;
	struct step s = sample(STEP_SET);
	struct plan p = {.kind = PLAN_START, .vmid = 100, .steps = &s, .n_steps = 1};
	uint32_t *list;
	struct plan back;
	size_t n;

	assert_int_equal(journal_list(t->root, JOURNAL_VFS, &list, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_null(list);
	assert_int_equal(journal_read(t->root, JOURNAL_VFS, 100, &back, NULL), -ENOENT);
	assert_int_equal(journal_drop(t->root, JOURNAL_VFS, 100, NULL), 0);
	/* Made by the first one; where that can't be, nothing is written. */
	assert_int_equal(journal_write(t->root, &p, NULL), 0);
	assert_int_equal(journal_drop(t->root, JOURNAL_VFS, 100, NULL), 0);
	assert_int_equal(unlinkat(t->root, RUN_DIR "/journal", AT_REMOVEDIR), 0);
	tree_write(t->root, RUN_DIR "/journal", "no folder");
	assert_true(journal_write(t->root, &p, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		dirs_test(test_round_trip),	    dirs_test(test_one_at_a_time),
		dirs_test(test_append_to_read),	    dirs_test(test_wrong_vmid),
		dirs_test(test_many_steps),	    dirs_test(test_truncated),
		dirs_test(test_other_versions),	    dirs_test(test_hostile),
		dirs_test(test_list_and_put_aside), ram_test(test_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
