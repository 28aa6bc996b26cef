/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "src/base/file.h"
#include "pveapi/mapping.h"
#include "pveapi/section.h"
#include "pveapi/sha1.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

#include "tests/unit/test_pveapi_tree.h"

#define PATH "etc/pve/mapping/pci.cfg"

static const char good[] =
	"vf-100-0\n"
	"\tdescription vfhook: VM 100 hostpci0\n"
	"\tmap id=8086:10ca,iommugroup=17,node=pve1,path=0000:06:10.1,subsystem-id=8086:0000\n"
	"\tmap id=8086:10ca,node=pve2,path=0000:07:10.1;0000:07:10.3,description=old one\n"
	"\tmap id=8086:10ca,iommugroup=18,node=pve1,path=0000:06:10.3\n"
	"\n"
	"gpu\n"
	"\tlive-migration-capable\n"
	"\tmap node=pve1,path=0000:01:00,id=10de:1234\n"
	"\tmdev 1\n";

static void test_sha1(void **state)
{
	/* RFC 3174, 7.3: TEST1, TEST2; TEST3 and TEST4 below */
	static const struct {
		const char *text;
		const char *hex;
	} vectors[] = {
		{"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
	};
	char hex[41];
	char *a = malloc(1000000);

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		sha1_hex(vectors[i].text, strlen(vectors[i].text), hex);
		assert_string_equal(hex, vectors[i].hex);
	}
	assert_non_null(a);
	memset(a, 'a', 1000000);
	sha1_hex(a, 1000000, hex);
	assert_string_equal(hex, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	for (size_t i = 0; i < 640; i++)
		a[i] = (char)('0' + i % 8);
	sha1_hex(a, 640, hex);
	assert_string_equal(hex, "dea356a2cddd90c7a7ecedc5ebb563934f460452");
	free(a);
}

/* Every length around the padding's edges, against the system's own tool. */
static void test_sha1_lengths(void **state)
{
	const struct tree *t = *state;
	char text[130];
	char cmd[256];

	memset(text, 'x', sizeof(text));
	for (size_t len = 54; len < 130; len += len == 57 ? 6 : 1) {
		char ours[41];
		char theirs[41] = "";
		FILE *p;

		tree_write_len(t->root, "data", text, len);
		snprintf(cmd, sizeof(cmd), "sha1sum %s/data", t->path);
		p = popen(cmd, "r");
		assert_non_null(p);
		assert_non_null(fgets(theirs, sizeof(theirs), p));
		pclose(p);
		sha1_hex(text, len, ours);
		assert_string_equal(ours, theirs);
	}
}

static void test_load(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	const struct mapping_entry *e;
	const struct mapping *m;
	struct mapping_file f;
	char hex[41];
	size_t n;

	tree_write(t->root, PATH, good);
	assert_int_equal(mapping_load(t->root, &f, &err), 0);
	sha1_hex(good, strlen(good), hex);
	assert_string_equal(f.digest, hex);
	assert_int_equal(f.n_mappings, 2);
	m = mapping_find(&f, "vf-100-0");
	assert_non_null(m);
	assert_string_equal(m->description, "vfhook: VM 100 hostpci0");
	assert_false(m->mdev);
	assert_int_equal(m->n_entries, 3);
	e = mapping_node_entry(m, "pve1", &n);
	assert_int_equal(n, 2);
	assert_string_equal(e->path, "0000:06:10.1");
	assert_string_equal(e->id, "8086:10ca");
	assert_string_equal(e->subsystem_id, "8086:0000");
	assert_string_equal(e->iommugroup, "17");
	e = mapping_node_entry(m, "pve2", &n);
	assert_int_equal(n, 1);
	assert_string_equal(e->raw, "id=8086:10ca,node=pve2,path=0000:07:10.1;0000:07:10.3,"
				    "description=old one");
	assert_string_equal(e->subsystem_id, "");
	assert_null(mapping_node_entry(m, "pve3", &n));
	assert_int_equal(n, 0);
	m = mapping_find(&f, "gpu");
	assert_true(m->mdev);
	assert_true(m->live_migration);
	assert_null(m->description);
	assert_int_equal(m->line, 7);
	assert_null(mapping_find(&f, "nosuch"));
	mapping_file_free(&f);
}

static void test_some(void **state)
{
	static const char text[] = "gpu\n\tmap nonsense\n\n"
				   "vf-100-0\n\tmap id=8086:10ca,node=pve1,path=0000:06:10.1\n\n"
				   "vf-1000-0\n\tmap id=8086:10ca,node=pve1,path=0000:06:10.3\n\n"
				   "vf-100-1\n\tmap id=8086:10ca,node=pve1,path=0000:06:10.5\n";
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct mapping_file f;
	size_t n;

	tree_write(t->root, PATH, text);
	assert_int_equal(mapping_load_some(t->root, "vf-100-", &f, &err), 0);
	assert_int_equal(f.n_mappings, 2);
	assert_string_equal(f.mappings[0].id, "vf-100-0");
	assert_int_equal(f.mappings[1].line, 10);
	assert_string_equal(mapping_node_entry(&f.mappings[1], "pve1", &n)->path, "0000:06:10.5");
	mapping_file_free(&f);
	tree_write(t->root, PATH, "vf-100-1\n\tmap a\n\nvf-100-1\n\tmap b\n");
	assert_int_equal(mapping_load_some(t->root, "vf-100-", &f, &err), 0);
	assert_int_equal(f.n_mappings, 1);
	assert_string_equal(f.mappings[0].entries[0].raw, "b");
	mapping_file_free(&f);
}

static void test_no_file(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct mapping_file f;

	assert_int_equal(mapping_load(t->root, &f, &err), 0);
	assert_int_equal(f.n_mappings, 0);
	assert_string_equal(f.digest, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	assert_string_equal(err.text, "");
	mapping_file_free(&f);
}

static void refused(int root, int code, const char *text)
{
	struct error err = ERROR_INIT;
	struct mapping_file f;

	assert_int_equal(mapping_load(root, &f, &err), -code);
	if (!strstr(err.text, text))
		print_error("got \"%s\"\n", err.text);
	assert_non_null(strstr(err.text, text));
	assert_null(f.mappings);
}

static void test_hostile_files(void **state)
{
	const struct tree *t = *state;
	char *big = malloc(PVE_FILE_MAX + 1);

	assert_non_null(big);
	memset(big, '\n', PVE_FILE_MAX + 1);
	tree_write_len(t->root, PATH, big, PVE_FILE_MAX + 1);
	refused(t->root, EFBIG, "/etc/pve/mapping/pci.cfg is larger than 1048576 bytes");
	free(big);
	unlinkat(t->root, PATH, 0);
	assert_int_equal(mkdirat(t->root, PATH, 0755), 0);
	refused(t->root, EINVAL, "/etc/pve/mapping/pci.cfg is not a regular file");
}

/* One bad line is no reason to refuse the starts of VMs that it has nothing to do with. */
static void test_lines_that_pve_ignores(void **state)
{
	static const char *const bad[] = {
		"two words\n\tmap x\n\n",
		"\tmap id=1\n\n",
		"..bad\n\tmap x\n\n",
		"a\x01z\n\tmap x\n\n",
		"gpu\n\tmap x\nother\n\tmap y\n\n",
		"gpu\n  \t\n\tdescription \x1b[31m\n\n",
		"vf-1-0\n\tmap node=pve1,id=1,path=3\n\n",
	};
	static const char fine[] = "vf-1-0\n\tmap node=pve1,id=1,path=2\n";
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mapping_file f;
		const struct mapping *m;

		snprintf(text, sizeof(text), "%s%s", bad[i], fine);
		assert_int_equal(mapping_parse("f", text, strlen(text), &f, NULL), 0);
		m = mapping_find(&f, "vf-1-0");
		assert_non_null(m);
		assert_string_equal(m->entries[0].path, "2");
		assert_true(f.n_ignored);
		assert_in_range(f.ignored_line, 1, 3);
		assert_non_null(f.ignored_why);
		mapping_file_free(&f);
	}
}

/* A key that PVE does not know makes it leave the entry out. */
static void test_unknown_key(void **state)
{
	static const char text[] = "vf-1-0\n\tmap node=pve1,id=1,path=2,future=3\n"
				   "\tmap node=pve1,id=1,path=2,description=x\n";
	struct mapping_file f;

	(void)state;
	assert_int_equal(mapping_parse("f", text, strlen(text), &f, NULL), 0);
	assert_true(f.mappings[0].entries[0].unknown_key);
	assert_false(f.mappings[0].entries[1].unknown_key);
	mapping_file_free(&f);
}

/* What PVE skips is nobody's, but the rest of the file stays usable. */
static void test_foreign_rubbish(void **state)
{
	static const char *const bad[] = {
		"id=1,path=0000:06:10.1",
		"node=pve1,path=0000:06:10.1",
		"node=pve1,id=8086:10ca",
		"node=pve1,node=pve1,id=8086:10ca,path=0000:06:10.1",
		"node=pve1,id=8086:10ca,path=0000:06:10.1,novalue",
		"node=pve1,id=8086:10ca,path=",
		"=pve1",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mapping_file f;
		size_t n;

		snprintf(text, sizeof(text), "..bad\n\tmap x=y\n\nvf-1-0\n\tmap %s\n", bad[i]);
		assert_int_equal(mapping_parse("f", text, strlen(text), &f, NULL), 0);
		assert_int_equal(f.n_mappings, 1);
		assert_int_equal(f.mappings[0].n_entries, 1);
		assert_string_equal(f.mappings[0].entries[0].raw, bad[i]);
		assert_string_equal(f.mappings[0].entries[0].node, "");
		assert_null(mapping_node_entry(&f.mappings[0], "pve1", &n));
		mapping_file_free(&f);
	}
}

static void test_id(void **state)
{
	char id[300];

	(void)state;
	assert_true(mapping_id_valid("vf-100-0"));
	assert_true(mapping_id_valid("Ab"));
	assert_true(mapping_id_valid("a_"));
	assert_false(mapping_id_valid(NULL));
	assert_false(mapping_id_valid(""));
	assert_false(mapping_id_valid("a"));
	assert_false(mapping_id_valid("1a"));
	assert_false(mapping_id_valid("-a"));
	assert_false(mapping_id_valid("a.b"));
	assert_false(mapping_id_valid("a/b"));
	assert_false(mapping_id_valid("a\n"));
	assert_false(mapping_id_valid("a\xc3\xa4"));
	memset(id, 'a', sizeof(id));
	id[257] = '\0';
	assert_false(mapping_id_valid(id));
	id[256] = '\0';
	assert_true(mapping_id_valid(id));
}

static void test_format(void **state)
{
	char *s = mapping_entry_format("pve1", "0000:06:10.1", "8086:10ca", "8086:0000", 17);

	(void)state;
	assert_string_equal(s, "id=8086:10ca,iommugroup=17,node=pve1,path=0000:06:10.1,"
			       "subsystem-id=8086:0000");
	free(s);
	s = mapping_entry_format("pve1", "0000:06:10.1", "8086:10ca", NULL, -1);
	assert_string_equal(s, "id=8086:10ca,node=pve1,path=0000:06:10.1");
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha1),
		tree_test(test_sha1_lengths),
		tree_test(test_load),
		tree_test(test_no_file),
		tree_test(test_some),
		tree_test(test_hostile_files),
		cmocka_unit_test(test_foreign_rubbish),
		cmocka_unit_test(test_lines_that_pve_ignores),
		cmocka_unit_test(test_unknown_key),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
