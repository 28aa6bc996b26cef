/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is noted of a PF's filter: written, read, and what else may stand in the file. */
#include <fcntl.h>

#include "src/fdb/fdb_note.h"
#include "tests/unit/tree.h"

#define NOTE "run/vfhook/fdb/" PF0

static void put(struct fdb_note *n, unsigned last, enum fdb_place place)
{
	struct fdb_noted m = {.mac = {2, 0, 0, 0, 0, (uint8_t)last},
			      .place = place,
			      .port = "tap100i0",
			      .since = 1700000000 + (time_t)last};

	assert_int_equal(fdb_note_put(n, &m), 0);
}

static int open_root(char dir[])
{
	int root;

	assert_non_null(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	return root;
}

static void end_root(int root, const char *dir)
{
	char command[128];

	close(root);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

static void test_round_trip(void **state)
{
	char dir[] = "/tmp/vfhook-note-XXXXXX";
	struct fdb_note n = {.ifname = "eth0", .most = 21, .others = 2};
	struct fdb_note back;
	struct fdb_note *all;
	size_t n_all;
	int root = open_root(dir);

	(void)state;
	assert_int_equal(pci_addr_parse(PF0, &n.pf), 0);
	assert_int_equal(fdb_note_read(root, &n.pf, &back, NULL), -ENOENT);
	fdb_note_free(&back);
	for (unsigned i = 50; i > 0; i--)
		put(&n, i, i % 2 ? FDB_IN : FDB_REFUSED);
	put(&n, 7, FDB_IN);
	assert_int_equal(n.n, 50);
	assert_int_equal(fdb_note_write(root, &n, NULL), 0);
	assert_int_equal(fdb_note_read(root, &n.pf, &back, NULL), 0);
	assert_int_equal(back.n, 50);
	assert_int_equal(back.most, 21);
	assert_int_equal(back.others, 2);
	assert_string_equal(back.ifname, "eth0");
	for (size_t i = 0; i < n.n; i++)
		assert_memory_equal(&back.macs[i].mac, &n.macs[i].mac, 6);
	assert_int_equal(back.macs[1].place, FDB_REFUSED);
	assert_int_equal(back.macs[1].since, 1700000002);
	assert_string_equal(back.macs[0].port, "tap100i0");
	assert_int_equal(fdb_notes_read(root, &all, &n_all, NULL), 0);
	assert_int_equal(n_all, 1);
	fdb_notes_free(all, n_all);
	fdb_note_free(&back);
	fdb_note_free(&n);
	/* Nothing noted is no file. */
	n.most = n.others = 0;
	assert_int_equal(fdb_note_write(root, &n, NULL), 0);
	assert_false(path_exists(root, NOTE));
	end_root(root, dir);
}

/* One that is no note counts nothing, and is said to be none; a newer one is not guessed at. */
static void test_hostile(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"version\":1}",
		"{\"version\":1,\"pf\":\"" PF0 "\",\"ifname\":\"e\",\"most\":0,\"others\":0}",
		"{\"version\":1,\"pf\":\"" PF0
		"\",\"ifname\":\"e\",\"most\":0,\"others\":0,\"macs\":{}}",
		"{\"version\":99,\"pf\":\"" PF0
		"\",\"ifname\":\"e\",\"most\":0,\"others\":0,\"macs\":[]}",
		"{\"version\":1,\"pf\":\"" PF1
		"\",\"ifname\":\"e\",\"most\":0,\"others\":0,\"macs\":[]}",
		"{\"version\":1,\"pf\":\"" PF0
		"\",\"ifname\":\"e\",\"most\":-1,\"others\":0,\"macs\":[]}",
		"{\"version\":1,\"pf\":\"" PF0
		"\",\"ifname\":\"e\",\"most\":0,\"others\":0,\"macs\":[3]}",
		"{\"version\":1,\"pf\":\"" PF0
		"\",\"ifname\":\"e\",\"most\":0,\"others\":0,\"macs\":[{\"mac\":"
		"\"01:00:00:00:00:01\",\"port\":\"p\",\"since\":1}]}",
		"{\"version\":1,\"pf\":\"" PF0
		"\",\"ifname\":\"e\",\"most\":0,\"others\":0,\"macs\":[{\"mac\":"
		"\"02:00:00:00:00:01\",\"port\":\"a-name-that-is-too-long\",\"since\":1}]}",
	};
	char dir[] = "/tmp/vfhook-note-XXXXXX";
	struct pci_addr pf;
	int root = open_root(dir);

	(void)state;
	assert_int_equal(pci_addr_parse(PF0, &pf), 0);
	assert_int_equal(dir_make(root, "run/vfhook/fdb", 0755, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = ERROR_INIT;
		struct fdb_note n;

		assert_int_equal(file_replace_only(root, NOTE, 0644, bad[i], strlen(bad[i]), NULL),
				 0);
		assert_int_equal(fdb_note_read(root, &pf, &n, &err), -EINVAL);
		assert_true(err.text[0]);
		assert_int_equal(n.n, 0);
		fdb_note_free(&n);
	}
	end_root(root, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
