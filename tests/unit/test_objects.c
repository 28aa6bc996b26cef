/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps that set an object outside of VFs from one text to another: all undone, or all finished. */
#include "src/base/run_dir.h"
#include "src/vf/execute.h"
#include "src/vf/executor.h"
#include "src/vf/journal.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_outcome.h"
#include "src/vf/plan_words.h"
#include "src/vf/recover.h"
#include "tests/unit/tree.h"

#include "tests/unit/locked.h"

#define N 3

/* The objects "0" to "2", and what is heard of them. */
struct world {
	const struct tree *t;
	struct executor x;
	struct owner *o;
	const char *now[N];
	int refuses; /* this one is not set, -1: all can be */
	bool half;   /* it is set all the same */
	int answer;  /* of number(), 0: as set() */
	struct str said;
};

static void hear(void *arg, const char *line)
{
	struct world *w = arg;

	str_printf(&w->said, "%s\n", line);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : !a && !b;
}

static int set(void *arg, const struct step *s, bool undo, struct error *err)
{
	struct world *w = arg;
	int i = s->object.name[0] - '0';
	const char *from = undo ? s->object.to : s->object.from;
	const char *to = undo ? s->object.from : s->object.to;

	if (same(w->now[i], to))
		return 0;
	if (i == w->refuses && !w->half)
		return (fail)(err, EIO, "the cluster said no");
	if (!same(w->now[i], from))
		return (fail)(err, EAGAIN, "it was changed meanwhile");
	/* The plan's texts go with the plan. */
	w->now[i] = !to ? NULL : !strcmp(to, "old") ? "old" : "new";
	return i == w->refuses && !undo ? (fail)(err, EIO, "596") : 0;
}

static void world_open(struct world *w, const struct tree *t)
{
	*w = (struct world){.t = t, .refuses = -1, .now = {"old", NULL, "old"}, .said = STR_INIT};
	w->x = (struct executor){.root = t->root, .call = set, .say = hear, .arg = w};
	assert_int_equal(owner_lock_config(t->root, 100, 0, &w->o, NULL), 0);
}

static void world_close(struct world *w)
{
	owner_unlock(w->o);
	str_free(&w->said);
}

/* 0: old -> new, 1: none -> new, 2: old -> none. */
static void make(enum plan_kind kind, struct plan *p)
{
	static const struct step_object all[N] = {
		{.kind = "thing", .name = "0", .from = "old", .to = "new"},
		{.kind = "thing", .name = "1", .to = "new"},
		{.kind = "thing", .name = "2", .from = "old"},
	};

	plan_init(p, kind, 100);
	for (int i = 0; i < N; i++)
		assert_int_equal(plan_add_object(p, &all[i], NULL), 0);
}

static void is_before(const struct world *w)
{
	assert_string_equal(w->now[0], "old");
	assert_null(w->now[1]);
	assert_string_equal(w->now[2], "old");
	assert_int_equal(tree_count(w->t->root, RUN_DIR "/journal"), 0);
}

static void is_after(const struct world *w)
{
	assert_string_equal(w->now[0], "new");
	assert_string_equal(w->now[1], "new");
	assert_null(w->now[2]);
	assert_int_equal(tree_count(w->t->root, RUN_DIR "/journal"), 0);
}

static void test_all_or_nothing(void **state)
{
	for (int half = 0; half < 2; half++) {
		for (int i = -1; i < N; i++) {
			CLEANUP(plan_free) struct plan p;
			struct error err = ERROR_INIT;
			struct world w;

			world_open(&w, *state);
			make(PLAN_CONFIG, &p);
			w.refuses = i;
			w.half = half;
			assert_int_equal(execute(&w.x, w.o, &p, &err), i < 0 ? 0 : -EIO);
			if (i < 0)
				is_after(&w);
			else
				is_before(&w); /* half: done, though the call had said no */
			world_close(&w);
		}
	}
}

/* Somebody else's change is left, and told; the plan is to be made anew. */
static void test_changed_meanwhile(void **state)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	struct world w;

	world_open(&w, *state);
	make(PLAN_CONFIG, &p);
	w.now[1] = "his";
	assert_int_equal(execute(&w.x, w.o, &p, &err), -EAGAIN);
	assert_string_equal(w.now[0], "old");
	assert_string_equal(w.now[1], "his");
	world_close(&w);
}

/* Killed behind any step. */
static void test_crash(void **state)
{
	static const char *const after[N] = {"new", "new", NULL};
	static const enum plan_kind kinds[] = {PLAN_CONFIG, PLAN_REMOVE};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (int done = 0; done <= N; done++) {
			CLEANUP(plan_free) struct plan p;
			struct error err = ERROR_INIT;
			struct world w;

			world_open(&w, *state);
			make(kinds[k], &p);
			assert_int_equal(journal_write(w.t->root, &p, &err), 0);
			for (int i = 0; i < done; i++)
				w.now[i] = after[i];
			assert_int_equal(recover(&w.x, w.o, &err), 1);
			if (kinds[k] == PLAN_CONFIG)
				is_before(&w);
			else
				is_after(&w);
			assert_int_equal(recover(&w.x, w.o, &err), 0);
			world_close(&w);
		}
	}
}

/* A plan on PVE's side that cannot be undone now is undone later. */
static void test_undone_later(void **state)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	struct world w;

	world_open(&w, *state);
	make(PLAN_CONFIG, &p);
	assert_int_equal(journal_write(w.t->root, &p, &err), 0);
	w.now[0] = w.now[1] = "new";
	w.refuses = 0;
	assert_int_equal(recover(&w.x, w.o, &err), -EBUSY);
	assert_has(str_get(&w.said), "could not undo");
	assert_true(journal_exists(w.t->root, JOURNAL_CONFIG, 100));
	assert_int_equal(execute(&w.x, w.o, &p, &err), -EBUSY);
	w.refuses = -1;
	assert_int_equal(recover(&w.x, w.o, &err), 1);
	is_before(&w);
	world_close(&w);
}

/* A removal ends at what cannot be done: what comes later may need what is before. */
static void test_removal_ends(void **state)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	struct world w;

	world_open(&w, *state);
	make(PLAN_REMOVE, &p);
	w.refuses = 1;
	assert_int_equal(execute(&w.x, w.o, &p, &err), -EIO);
	assert_string_equal(w.now[0], "new");
	assert_null(w.now[1]);
	assert_string_equal(w.now[2], "old");
	assert_false(journal_exists(w.t->root, JOURNAL_CONFIG, 100));
	world_close(&w);
}

/* The lock on a VM's config is no lock on its VFs, and the other way round. */
static void test_locks(void **state)
{
	const struct tree *t = *state;
	AUTO_OWNER struct owner *vfs = owner_of(t->root, 100);
	CLEANUP(plan_free) struct plan p;
	CLEANUP(plan_free) struct plan start;
	struct lease l = {.vf = {.bus = 6, .dev = 0x10}, .vmid = 100, .pool = "wan"};
	struct error err = ERROR_INIT;
	struct world w;

	world_open(&w, t);
	make(PLAN_CONFIG, &p);
	make(PLAN_START, &start);
	assert_int_equal(execute(&w.x, vfs, &p, &err), -EPERM);
	assert_int_equal(execute(&w.x, w.o, &start, &err), -EPERM);
	assert_int_equal(lease_take(t->root, w.o, &l, &err), -EPERM);
	is_before(&w);
	/* Each finds its own journal. */
	assert_int_equal(journal_write(t->root, &p, &err), 0);
	assert_int_equal(recover(&w.x, vfs, &err), 0);
	assert_int_equal(recover(&w.x, w.o, &err), 1);
	world_close(&w);
}

/* A PF's number of VFs: a start that meets it may not put it back, and a driver may hang. */
static int number(void *arg, const struct step *s, bool undo, struct error *err)
{
	struct world *w = arg;

	if (w->answer && undo == (w->answer == ECANCELED))
		return (fail)(err, w->answer, "not now");
	return set(arg, s, undo, err);
}

static void make_vfs(struct plan *p, struct lease *l)
{
	static const struct step_object none = {
		.kind = "thing", .name = "0", .from = "old", .to = "new"};
	static const struct step_object more = {
		.kind = "thing", .name = "1", .to = "new", .harmless = true};
	struct step s = {.kind = STEP_LEASE_TAKE, .vf = l->vf, .lease = *l};
	struct plan one = {.steps = &s, .n_steps = 1};

	plan_init(p, PLAN_VFS, LEASE_SELF);
	assert_int_equal(plan_append(p, &one, NULL), 0);
	assert_int_equal(plan_add_object(p, &none, NULL), 0);
	assert_int_equal(plan_add_object(p, &more, NULL), 0);
	s = (struct step){
		.kind = STEP_LEASE_DROP, .vf = l->vf, .has_old_lease = true, .old_lease = *l};
	assert_int_equal(plan_append(p, &one, NULL), 0);
}

static void left_are(const struct world *w, int leases, int journals)
{
	assert_int_equal(tree_count(w->t->root, LEASE_DIR), leases);
	assert_int_equal(tree_count(w->t->root, RUN_DIR "/journal"), journals);
}

static void test_vfs(void **state)
{
	const struct tree *t = *state;
	AUTO_OWNER struct owner *self = owner_of(t->root, LEASE_SELF);
	struct lease l = {.vf = {.bus = 6, .dev = 0x10}, .vmid = LEASE_SELF};
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	struct world w;

	l.before.proto = l.want.proto = VLAN_PROTO_8021Q;
	make_vfs(&p, &l);
	world_open(&w, t);
	w.x.call = number;
	/* It goes on in the kernel: whose VFs may go at any time stay leased, and nothing is
	 * undone. */
	w.answer = EINPROGRESS;
	assert_int_equal(execute(&w.x, self, &p, &err), -EINPROGRESS);
	left_are(&w, 1, 0);
	assert_int_equal(lease_drop(t->root, self, &l.vf, NULL, &err), 0);
	w.answer = 0;
	/* More cannot be made: as many as there were. */
	w.refuses = 1;
	assert_int_equal(execute(&w.x, self, &p, &err), -EIO);
	assert_string_equal(w.now[0], "old");
	left_are(&w, 0, 0);
	w.refuses = -1;
	/* Cut off in between. */
	assert_int_equal(lease_take(t->root, self, &l, &err), 0);
	assert_int_equal(journal_write(t->root, &p, &err), 0);
	w.now[0] = "new";
	w.answer = ECANCELED;
	assert_int_equal(recover(&w.x, self, &err), -EBUSY);
	assert_string_equal(w.now[0], "new");
	left_are(&w, 1, 1);
	w.answer = 0;
	assert_int_equal(recover(&w.x, self, &err), 1);
	assert_string_equal(w.now[0], "old");
	left_are(&w, 0, 0);
	assert_int_equal(execute(&w.x, self, &p, &err), 0);
	assert_string_equal(w.now[1], "new");
	left_are(&w, 0, 0);
	world_close(&w);
}

/* One object, compared where it is set: nobody's lock, no journal. */
static void test_swap(void **state)
{
	static const struct step_object o = {
		.kind = "thing", .name = "0", .from = "old", .to = "new"};
	CLEANUP(plan_free) struct plan two;
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	struct world w;

	world_open(&w, *state);
	plan_init(&p, PLAN_SWAP, 0);
	assert_int_equal(plan_add_object(&p, &o, NULL), 0);
	w.now[0] = "his";
	assert_int_equal(execute(&w.x, NULL, &p, &err), -EAGAIN);
	assert_string_equal(w.now[0], "his");
	w.now[0] = "old";
	assert_int_equal(execute(&w.x, NULL, &p, &err), 0);
	assert_string_equal(w.now[0], "new");
	left_are(&w, 0, 0);
	/* What needs undoing needs a journal. */
	make(PLAN_SWAP, &two);
	assert_int_equal(execute(&w.x, NULL, &two, &err), -EPERM);
	world_close(&w);
}

static void test_words(void **state)
{
	CLEANUP(plan_free) struct plan p;
	CLEANUP(plan_free) struct plan back;
	char text[200];

	(void)state;
	make(PLAN_CONFIG, &p);
	plan_init(&back, PLAN_CONFIG, 100);
	assert_int_equal(plan_undoing(&p, &back, NULL), 0);
	assert_int_equal(back.n_steps, N);
	assert_string_equal(step_describe(&p.steps[1], text, sizeof(text)), "thing 1: none -> new");
	assert_string_equal(step_describe(&back.steps[1], text, sizeof(text)),
			    "thing 1: new -> none");
	assert_true(plan_has_object(&p, "thing"));
	assert_false(plan_has_object(&p, "port"));
}

static int run_setup(void **state)
{
	return ram_setup(state) || run_dirs_make(((struct tree *)*state)->root, NULL);
}

#define lock_test(f) cmocka_unit_test_setup_teardown(f, run_setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		lock_test(test_all_or_nothing),
		lock_test(test_changed_meanwhile),
		lock_test(test_crash),
		lock_test(test_undone_later),
		lock_test(test_removal_ends),
		lock_test(test_locks),
		lock_test(test_vfs),
		lock_test(test_swap),
		lock_test(test_words),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
