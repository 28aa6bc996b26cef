/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "src/base/json.h"
#include "src/base/run_dir.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "tests/unit/tree.h"
#include "tests/unit/locked.h"

#define VF	 "0000:06:10.0"
#define VF_LEASE LEASE_DIR "/" VF

static struct lease sample(uint32_t vmid)
{
	return (struct lease){
		.vf = addr_of(VF),
		.pf = addr_of(PF0),
		.index = 0,
		.vmid = vmid,
		.slot = 3,
		.phase = LEASE_RUNNING,
		.taken = 1790000000,
		.qemu_pid = 4321,
		.qemu_start = 1ULL << 40,
		.pool = "wan",
		.name = "pfSense",
		.before = {.has = HAS_VLAN | HAS_SPOOFCHK, .proto = VLAN_PROTO_8021Q},
		.want = {.has = HAS_MAC, .mac = {2, 0, 0, 0, 0, 1}, .proto = VLAN_PROTO_8021Q},
	};
}

static int run_setup(void **state)
{
	return ram_setup(state) || run_dirs_make(((struct tree *)*state)->root, NULL);
}

#define dirs_test(f) cmocka_unit_test_setup_teardown(f, run_setup, tree_teardown)

static void same(const struct lease *a, const struct lease *b)
{
	assert_int_equal(pci_addr_cmp(&a->vf, &b->vf), 0);
	assert_int_equal(pci_addr_cmp(&a->pf, &b->pf), 0);
	assert_int_equal(a->index, b->index);
	assert_int_equal(a->vmid, b->vmid);
	assert_int_equal(a->slot, b->slot);
	assert_int_equal(a->phase, b->phase);
	assert_int_equal(a->taken, b->taken);
	assert_int_equal(a->qemu_pid, b->qemu_pid);
	assert_true(a->qemu_start == b->qemu_start);
	assert_string_equal(a->pool, b->pool);
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->before.has, b->before.has);
	assert_int_equal(a->want.has, b->want.has);
	assert_memory_equal(a->want.mac, b->want.mac, 6);
}

static void test_life(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct lease l = sample(100);
	struct lease back;

	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), -ENOENT);
	assert_int_equal(locked_take(t->root, &l, &err), 0);
	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), 0);
	same(&l, &back);
	for (int p = LEASE_STARTING; p <= LEASE_DIRTY; p++) {
		l.phase = (enum lease_phase)p;
		assert_int_equal(locked_write(t->root, &l, &err), 0);
		assert_int_equal(lease_read(t->root, &l.vf, &back, &err), 0);
		same(&l, &back);
	}
	l.vmid = 101;
	assert_int_equal(locked_take(t->root, &l, &err), -EEXIST);
	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), 0);
	assert_int_equal(back.vmid, 100);
	assert_int_equal(locked_drop(t->root, 100, &l.vf, &err), 0);
	assert_int_equal(locked_drop(t->root, 100, &l.vf, &err), 0);
	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), -ENOENT);
	assert_int_equal(tree_count(t->root, LEASE_DIR), 0);
}

static void test_empty_names(void **state)
{
	const struct tree *t = *state;
	struct lease l = sample(999999999);
	struct lease back;

	l.name[0] = '\0';
	l.pool[0] = '\0'; /* a VF that is being parked */
	l.qemu_pid = 0;
	l.qemu_start = 0;
	l.slot = 15;
	assert_int_equal(locked_take(t->root, &l, NULL), 0);
	assert_int_equal(lease_read(t->root, &l.vf, &back, NULL), 0);
	same(&l, &back);
}

struct racer {
	int root;
	int go;
	uint32_t vmid;
};

static int take_once(const struct racer *r)
{
	struct lease l = sample(r->vmid);
	char c;
	int e;

	if (read(r->go, &c, 1) < 0)
		return 9;
	e = locked_take(r->root, &l, NULL);
	return !e ? 0 : e == -EEXIST ? 1 : 9;
}

/* Of 16 that want it at the same moment exactly one gets it, and his lease is whole. */
static void test_race(void **state)
{
	const struct tree *t = *state;

	for (int round = 0; round < 15; round++) {
		pid_t pids[16];
		struct lease l;
		struct pci_addr vf = addr_of(VF);
		uint32_t winner = 0;
		int go[2];

		assert_int_equal(pipe(go), 0);
		for (uint32_t i = 0; i < 16; i++) {
			pids[i] = fork();
			if (!pids[i]) {
				struct racer r = {t->root, go[0], 100 + i};

				close(go[1]);
				_exit(take_once(&r));
			}
		}
		close(go[0]);
		close(go[1]); /* end of file: all go */
		for (uint32_t i = 0; i < 16; i++) {
			int status;

			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
			if (!WEXITSTATUS(status)) {
				assert_int_equal(winner, 0);
				winner = 100 + i;
			}
		}
		assert_int_equal(lease_read(t->root, &vf, &l, NULL), 0);
		assert_int_equal(l.vmid, winner);
		wipe_lease(t->root, &vf);
		assert_int_equal(tree_count(t->root, LEASE_DIR), 0);
	}
}

/* The one entry of the list, which must be leased but broken. */
static void is_broken(const struct tree *t)
{
	struct pci_addr vf = addr_of(VF);
	struct error err = ERROR_INIT;
	struct lease_entry *list;
	struct lease l;
	size_t n;

	assert_int_equal(lease_read(t->root, &vf, &l, &err), -EINVAL);
	assert_true(err.text[0]);
	assert_int_equal(lease_list(t->root, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_true(list[0].broken);
	assert_true(list[0].why[0]);
	assert_has(list[0].why, VF);
	assert_int_equal(pci_addr_cmp(&list[0].vf, &vf), 0);
	free(list);
	/* Whoever made that file has the VF. */
	l = sample(100);
	assert_int_equal(locked_take(t->root, &l, NULL), -EEXIST);
}

static void test_truncated(void **state)
{
	const struct tree *t = *state;
	struct lease l = sample(100);
	size_t len;
	char *text;

	assert_int_equal(locked_take(t->root, &l, NULL), 0);
	text = tree_read(t->root, VF_LEASE);
	len = strlen(text);
	for (size_t cut = 0; cut < len; cut++) {
		tree_write_len(t->root, VF_LEASE, text, cut);
		is_broken(t);
	}
	free(text);
}

static void test_broken(void **state)
{
	static const char *const members[] = {
		"version", "vf",    "pf",    "index",	 "vmid",       "slot",	 "pool",
		"name",	   "phase", "taken", "qemu-pid", "qemu-start", "before", "want",
	};
	static const char *const wrong[] = {
		"null",	     "\"\\u0000\"",   "-1",	     "1e99", "[]",
		"{\"x\":1}", "\"../../etc\"", "99999999999",
	};
	const struct tree *t = *state;
	struct lease l = sample(100);
	json_t *good = lease_to_json(&l);

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *j = json_deep_copy(good);
		char *text;

		assert_int_equal(json_object_del(j, members[i]), 0);
		text = json_dumps(j, 0);
		tree_write(t->root, VF_LEASE, text);
		is_broken(t);
		free(text);
		for (size_t k = 0; k < ARRAY_SIZE(wrong); k++) {
			json_t *v = json_loads(wrong[k], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

			if (!strcmp(members[i], "name") && json_is_string(v)) {
				json_decref(v);
				continue; /* any text will do for a name */
			}
			if ((!strcmp(members[i], "taken") || !strcmp(members[i], "qemu-start")) &&
			    json_is_integer(v) && json_integer_value(v) > 0) {
				json_decref(v);
				continue;
			}
			if ((!strcmp(members[i], "before") || !strcmp(members[i], "want")) &&
			    json_is_object(v)) {
				json_decref(v);
				continue; /* a setting of another version */
			}
			json_object_set_new(j, members[i], v);
			text = json_dumps(j, 0);
			tree_write(t->root, VF_LEASE, text);
			is_broken(t);
			free(text);
		}
		json_decref(j);
	}
	json_decref(good);
}

/* An upgrade, or the way back, while VMs run: keys that this version does not know are no fault. */
static void test_other_versions(void **state)
{
	const struct tree *t = *state;
	struct lease l = sample(100);
	struct error err = ERROR_INIT;
	json_t *j = lease_to_json(&l);
	struct lease back;
	char *text;

	json_object_set_new(j, "of-tomorrow", json_integer(7));
	json_object_set_new(json_object_get(j, "before"), "of-tomorrow", json_true());
	json_object_set_new(json_object_get(j, "want"), "of-tomorrow", json_string("x"));
	text = json_dumps(j, 0);
	tree_write(t->root, VF_LEASE, text);
	free(text);
	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), 0);
	same(&back, &l);
	json_object_set_new(j, "version", json_integer(2));
	text = json_dumps(j, 0);
	tree_write(t->root, VF_LEASE, text);
	free(text);
	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), -EINVAL);
	assert_has(err.text, "written by a newer vfhook (format 2, this one knows 1)");
	json_decref(j);
}

static void test_foreign_things(void **state)
{
	const struct tree *t = *state;
	struct lease l = sample(100);
	char *big = calloc(1, 1 << 20);
	char *text;

	memset(big, ' ', (1 << 20) - 1);
	tree_write(t->root, VF_LEASE, big);
	is_broken(t);
	free(big);
	tree_write(t->root, VF_LEASE,
		   "\x7f"
		   "ELF");
	is_broken(t);
	tree_write_len(t->root, VF_LEASE, "\0\0\0\0", 4);
	is_broken(t);
	/* A whole lease, but of another VF. */
	assert_int_equal(unlinkat(t->root, VF_LEASE, 0), 0);
	assert_int_equal(locked_take(t->root, &l, NULL), 0);
	text = tree_read(t->root, VF_LEASE);
	memcpy(strstr(text, VF), "0000:06:10.2", 12);
	tree_write(t->root, VF_LEASE, text);
	is_broken(t);
	free(text);
	/* The same member twice. */
	tree_write(t->root, VF_LEASE, "{\"vmid\":1,\"vmid\":2}");
	is_broken(t);
	assert_int_equal(unlinkat(t->root, VF_LEASE, 0), 0);
	assert_int_equal(mkdirat(t->root, VF_LEASE, 0755), 0);
	is_broken(t);
	assert_int_equal(unlinkat(t->root, VF_LEASE, AT_REMOVEDIR), 0);
	tree_link(t->root, VF_LEASE, "nowhere");
	assert_int_equal(locked_take(t->root, &l, NULL), -EEXIST);
}

/* A name out of a file must not reach the terminal as it is. */
static void test_name_is_cleaned(void **state)
{
	const struct tree *t = *state;
	struct lease l = sample(100);
	json_t *j = lease_to_json(&l);
	char *text;

	json_object_set_new(j, "name", json_string("a\x1b[2Jb"));
	text = json_dumps(j, 0);
	tree_write(t->root, VF_LEASE, text);
	assert_int_equal(lease_read(t->root, &l.vf, &l, NULL), 0);
	assert_string_equal(l.name, "a?[2Jb");
	free(text);
	json_decref(j);
}

static void test_list(void **state)
{
	static const char *const vfs[] = {"0000:06:10.4", "10000:01:00.1", "0000:06:10.0",
					  "0000:05:1f.7"};
	static const char *const sorted[] = {"0000:05:1f.7", "0000:06:10.0", "0000:06:10.4",
					     "10000:01:00.1"};
	const struct tree *t = *state;
	struct lease l = sample(100);
	struct lease_entry *list;
	char buf[PCI_ADDR_LEN];
	size_t n;

	assert_int_equal(lease_list(t->root, &list, &n, NULL), 0);
	assert_int_equal(n, 0);
	free(list);
	for (size_t i = 0; i < 4; i++) {
		l.vf = addr_of(vfs[i]);
		l.vmid = 100 + (uint32_t)i;
		assert_int_equal(locked_take(t->root, &l, NULL), 0);
	}
	tree_write(t->root, LEASE_DIR "/.tmp-0000:06:10.6", "{");
	tree_write(t->root, LEASE_DIR "/README", "x");
	tree_write(t->root, LEASE_DIR "/0000:06:11.0", "garbage");
	assert_int_equal(lease_list(t->root, &list, &n, NULL), 0);
	assert_int_equal(n, 5);
	for (size_t i = 0, k = 0; i < n; i++) {
		if (list[i].broken) {
			assert_string_equal(pci_addr_format(&list[i].vf, buf), "0000:06:11.0");
			continue;
		}
		assert_string_equal(pci_addr_format(&list[i].vf, buf), sorted[k]);
		assert_int_equal(pci_addr_cmp(&list[i].vf, &list[i].lease.vf), 0);
		k++;
	}
	free(list);
}

static void test_list_of_nothing(void **state)
{
	const struct tree *t = *state;
	struct lease_entry *list;
	size_t n = 9;

	assert_int_equal(lease_list(t->root, &list, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_null(list);
	/* Leases behind a symbolic link are nobody's: it may lead anywhere. */
	tree_link(t->root, LEASE_DIR, "../../elsewhere");
	assert_int_equal(mkdirat(t->root, "elsewhere", 0755), 0);
	assert_true(lease_list(t->root, &list, &n, NULL) < 0);
	assert_true(run_dirs_make(t->root, NULL) < 0);
}

/* A writer that is killed leaves a temporary file; the drop takes it along. */
static void test_drop_sweeps(void **state)
{
	const struct tree *t = *state;
	struct lease l = sample(100);

	assert_int_equal(locked_take(t->root, &l, NULL), 0);
	tree_write(t->root, LEASE_DIR "/.tmp-" VF, "{"); /* an older version's */
	tree_write(t->root, LEASE_DIR "/.tmp-" VF ".2147483647.0", "{");
	assert_int_equal(locked_drop(t->root, 100, &l.vf, NULL), 0);
	assert_int_equal(tree_count(t->root, LEASE_DIR), 0);
}

static void test_only_the_owner(void **state)
{
	const struct tree *t = *state;
	struct lease l = sample(100);
	struct lease_stamp seen = {0};
	struct error err = ERROR_INIT;
	struct lease back;
	AUTO_OWNER struct owner *mine = owner_of(t->root, 100);
	AUTO_OWNER struct owner *his = owner_of(t->root, 105);
	AUTO_OWNER struct owner *dry = NULL;

	assert_int_equal(owner_pretend(100, &dry, &err), 0);
	assert_int_equal(lease_take(t->root, his, &l, &err), -EPERM);
	assert_int_equal(lease_take(t->root, dry, &l, &err), -EPERM);
	assert_int_equal(lease_owned(t->root, mine, &l.vf, &seen, &err), ANSWER_NO);
	assert_int_equal(lease_take(t->root, mine, &l, &err), 0);
	assert_int_equal(lease_owned(t->root, mine, &l.vf, &seen, &err), ANSWER_YES);
	assert_int_equal(lease_owned(t->root, his, &l.vf, NULL, &err), ANSWER_NO);
	assert_has(err.text, "VM 100");
	assert_int_equal(lease_drop(t->root, his, &l.vf, NULL, &err), -EEXIST);
	l.vmid = 105;
	assert_int_equal(lease_write(t->root, his, &l, &err), -EEXIST);
	assert_int_equal(lease_write(t->root, mine, &l, &err), -EPERM);
	/* Removed by hand, and taken by another: what was seen before does not count. */
	wipe_lease(t->root, &l.vf);
	assert_int_equal(lease_take(t->root, his, &l, &err), 0);
	assert_int_equal(lease_owned(t->root, mine, &l.vf, &seen, &err), ANSWER_NO);
	assert_int_equal(lease_drop(t->root, dry, &l.vf, NULL, &err), -EPERM);
	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), 0);
	assert_int_equal(back.vmid, 105);
	l.vmid = 100;
	wipe_lease(t->root, &l.vf);
	assert_int_equal(lease_write(t->root, mine, &l, &err), -ENOENT);
}

/* A file that is no lease becomes one in one step, and what it held is kept. */
static void test_replace_broken(void **state)
{
	const struct tree *t = *state;
	const char *path = LEASE_DIR "/" VF;
	struct lease l = sample(LEASE_SELF);
	struct error err = ERROR_INIT;
	AUTO_FREE char *kept = NULL;
	struct lease back;
	AUTO_OWNER struct owner *self = owner_of(t->root, LEASE_SELF);

	assert_int_equal(lease_replace_broken(t->root, self, &l, &err), -EEXIST);
	tree_write(t->root, path, "{\"version\":1");
	assert_int_equal(lease_replace_broken(t->root, self, &l, &err), 0);
	assert_int_equal(lease_read(t->root, &l.vf, &back, &err), 0);
	assert_int_equal(back.vmid, LEASE_SELF);
	kept = tree_read(t->root, LEASE_DIR "/" VF ".broken");
	assert_string_equal(kept, "{\"version\":1");
	assert_int_equal(lease_replace_broken(t->root, self, &l, &err), -EEXIST);
	/* One of before is no hindrance. */
	tree_write(t->root, path, "x");
	assert_int_equal(lease_replace_broken(t->root, self, &l, &err), 0);
}

static mode_t mode_of(const struct tree *t, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(t->root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

/* Who can open a lock can hold it: the folder is root's alone, also where an older version made it.
 */
static void test_locks_are_roots(void **state)
{
	const struct tree *t = *state;
	int fd;

	assert_int_equal(run_dirs_make(t->root, NULL), 0);
	assert_int_equal(mode_of(t, LOCKS_DIR), 0700);
	assert_int_equal(mode_of(t, LEASE_DIR), 0755);
	assert_int_equal(mode_of(t, RUN_DIR), 0755);
	assert_int_equal(fchmodat(t->root, LOCKS_DIR, 0755, 0), 0);
	assert_int_equal(run_dirs_make(t->root, NULL), 0);
	assert_int_equal(mode_of(t, LOCKS_DIR), 0700);
	fd = lock_take(t->root, LOCKS_DIR "/100", 0, NULL);
	assert_true(fd >= 0);
	assert_int_equal(mode_of(t, LOCKS_DIR "/100"), 0600);
	close(fd);
}

/* One folder was removed: it is made again by whoever needs it. */
static void test_a_folder_is_gone(void **state)
{
	const struct tree *t = *state;
	struct lease l = sample(100);

	assert_int_equal(unlinkat(t->root, LEASE_DIR, AT_REMOVEDIR), 0);
	assert_int_equal(run_dirs_make(t->root, NULL), 0);
	assert_true(path_exists(t->root, LEASE_DIR));
	assert_int_equal(unlinkat(t->root, LEASE_DIR, AT_REMOVEDIR), 0);
	assert_int_equal(locked_take(t->root, &l, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		dirs_test(test_life),
		dirs_test(test_empty_names),
		dirs_test(test_race),
		dirs_test(test_truncated),
		dirs_test(test_broken),
		dirs_test(test_other_versions),
		dirs_test(test_foreign_things),
		dirs_test(test_name_is_cleaned),
		dirs_test(test_list),
		ram_test(test_list_of_nothing),
		dirs_test(test_drop_sweeps),
		dirs_test(test_only_the_owner),
		dirs_test(test_replace_broken),
		ram_test(test_locks_are_roots),
		dirs_test(test_a_folder_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
