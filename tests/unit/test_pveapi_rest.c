/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of rest.c and api.c needs no server; the rest is in tests/component/rest.sh. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include "src/base/file.h"
#include "pveapi/api_mapping.h"
#include "pveapi/api_vm.h"
#include "pveapi/rest.h"
#include "pveapi/rest_token.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

#include "tests/unit/test_pveapi_tree.h"

#define TOKEN "vfhook@pve!hook=01234567-89ab-cdef-0123-456789abcdef"
#define ENTRY "id=8086:10ca,iommugroup=17,node=pve1,path=0000:06:10.1"

static void put_token(int root, const char *text, mode_t mode)
{
	tree_write(root, VFHOOK_TOKEN_PATH, text);
	assert_int_equal(fchmodat(root, VFHOOK_TOKEN_PATH, mode, 0), 0);
}

static void token_bad(int root, int code, const char *part)
{
	struct error err = ERROR_INIT;

	assert_int_equal(rest_token_check(root, &err), -code);
	if (!strstr(err.text, part))
		print_error("got \"%s\"\n", err.text);
	assert_non_null(strstr(err.text, part));
	assert_non_null(strstr(err.text, "/etc/pve/priv/vfhook.token"));
	assert_null(strstr(err.text, "456789abcdef"));
}

static void test_token(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char name[64];

	token_bad(t->root, ENOENT, "/usr/lib/vfhook/setup token");
	put_token(t->root, TOKEN "\n", 0600);
	assert_int_equal(rest_token_check(t->root, &err), 0);
	assert_int_equal(rest_token_name(t->root, name, sizeof(name), &err), 0);
	assert_string_equal(name, "vfhook@pve!hook");
	assert_int_equal(rest_token_name(t->root, name, 8, &err), -EINVAL);
	put_token(t->root, TOKEN " \r\n", 0400);
	assert_int_equal(rest_token_check(t->root, &err), 0);
	put_token(t->root, "root@pam!a.b-c_d=0123456789", 0600);
	assert_int_equal(rest_token_check(t->root, &err), 0);
}

static void test_token_modes(void **state)
{
	static const mode_t bad[] = {0640, 0660, 0604, 0601, 0610, 0620, 0777};
	const struct tree *t = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_token(t->root, TOKEN "\n", bad[i]);
		token_bad(t->root, EPERM, "chmod 600");
	}
	put_token(t->root, TOKEN "\n", 0600);
	if (!geteuid()) {
		assert_int_equal(fchownat(t->root, VFHOOK_TOKEN_PATH, 1234, 0, 0), 0);
		token_bad(t->root, EPERM, "belongs to user 1234");
		assert_int_equal(fchownat(t->root, VFHOOK_TOKEN_PATH, 0, 33, 0), 0);
		assert_int_equal(rest_token_check(t->root, NULL), 0);
	}
}

static void test_token_forms(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"01234567-89ab-cdef-0123-456789abcdef",
		"vfhook@pve=01234567-89ab-cdef-0123-456789abcdef",
		"vfhook!hook=01234567-89ab-cdef-0123-456789abcdef",
		"vfhook@pve!hook",
		"vfhook@pve!hook=",
		"vfhook@pve!hook=short",
		"@pve!hook=01234567-89ab-cdef-0123-456789abcdef",
		"vfhook@!hook=01234567-89ab-cdef-0123-456789abcdef",
		"vfhook@pve!=01234567-89ab-cdef-0123-456789abcdef",
		" " TOKEN,
		TOKEN "\n" TOKEN,
		TOKEN "\nX-Header: 1",
		TOKEN "\xc3\xa4",
		"PVEAPIToken=" TOKEN,
	};
	const struct tree *t = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_token(t->root, bad[i], 0600);
		token_bad(t->root, EINVAL, "has not the form user@realm!id=secret");
	}
	tree_write_len(t->root, VFHOOK_TOKEN_PATH, TOKEN "\0\n", sizeof(TOKEN) + 1);
	token_bad(t->root, EINVAL, "has not the form");
}

static void test_token_kinds(void **state)
{
	const struct tree *t = *state;
	char big[8192];

	memset(big, 'a', sizeof(big));
	tree_write_len(t->root, VFHOOK_TOKEN_PATH, big, sizeof(big));
	assert_int_equal(fchmodat(t->root, VFHOOK_TOKEN_PATH, 0600, 0), 0);
	token_bad(t->root, EFBIG, "larger than");
	unlinkat(t->root, VFHOOK_TOKEN_PATH, 0);
	assert_int_equal(mkdirat(t->root, VFHOOK_TOKEN_PATH, 0700), 0);
	token_bad(t->root, EINVAL, "not a regular file");
	unlinkat(t->root, VFHOOK_TOKEN_PATH, AT_REMOVEDIR);
	tree_write(t->root, "elsewhere", TOKEN);
	assert_int_equal(fchmodat(t->root, "elsewhere", 0600, 0), 0);
	tree_link(t->root, VFHOOK_TOKEN_PATH, "../../../elsewhere");
	token_bad(t->root, EINVAL, "not a regular file");
	unlinkat(t->root, VFHOOK_TOKEN_PATH, 0);
	assert_int_equal(mkfifoat(t->root, VFHOOK_TOKEN_PATH, 0600), 0);
	token_bad(t->root, EINVAL, "not a regular file");
}

/* Puts a good token and one that others may read there in turn, for ever. */
static void swap_tokens(int root)
{
	for (;;) {
		linkat(root, "good", root, "next", 0);
		renameat(root, "next", root, VFHOOK_TOKEN_PATH);
		linkat(root, "seen", root, "next", 0);
		renameat(root, "next", root, VFHOOK_TOKEN_PATH);
	}
}

/* What was judged is what is read, also if the file is replaced in between. */
static void test_token_replaced(void **state)
{
	const struct tree *t = *state;
	int seen = 0;
	pid_t pid;

	put_token(t->root, TOKEN "\n", 0600);
	tree_write(t->root, "good", TOKEN "\n");
	assert_int_equal(fchmodat(t->root, "good", 0600, 0), 0);
	tree_write(t->root, "seen", "evil@pve!hook=01234567-89ab\n");
	assert_int_equal(fchmodat(t->root, "seen", 0644, 0), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		swap_tokens(t->root);
	for (int i = 0; i < 20000; i++) {
		char name[64] = "";

		if (!rest_token_name(t->root, name, sizeof(name), NULL))
			seen += !strcmp(name, "evil@pve!hook");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(seen, 0);
}

static void test_open(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct rest *r = (struct rest *)&err;

	assert_int_equal(rest_open(t->root, 1000, &r, &err), -ENOENT);
	assert_null(r);
	put_token(t->root, TOKEN "\n", 0600);
	assert_int_equal(rest_open(t->root, 1000, &r, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/etc/pve/pve-root-ca.pem"));
	assert_null(r);
	rest_close(NULL);
	tree_write(t->root, "etc/pve/pve-root-ca.pem", "rubbish");
	assert_int_equal(rest_open(t->root, 1000, &r, &err), 0);
	assert_int_equal(rest_call(r, "GET", "version", NULL, 0, NULL, &err), -EINVAL);
	assert_int_equal(rest_call(r, "GET", "/a//b", NULL, 0, NULL, &err), -EINVAL);
	assert_int_equal(rest_call(r, "GET", "/a/../b", NULL, 0, NULL, &err), -EINVAL);
	assert_int_equal(rest_call(r, "GET", "/a b", NULL, 0, NULL, &err), -EINVAL);
	assert_int_equal(rest_call(r, "GET", "/a?b", NULL, 0, NULL, &err), -EINVAL);
	assert_int_equal(rest_call(r, "GET", "/a\n", NULL, 0, NULL, &err), -EINVAL);
	rest_close(r);
}

static void test_escape(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	rest_escape(&s, "aZ09-._~ &=+%/\n\xc3\xa4:@!,;");
	assert_string_equal(str_get(&s), "aZ09-._~%20%26%3D%2B%25%2F%0A%C3%A4%3A%40%21%2C%3B");
	str_free(&s);
}

/* What has to be asked for needs a connection; there is none here. */
static void test_nothing_to_do(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	tree_write(
		t->root, "etc/pve/mapping/pci.cfg",
		"vf-100-0\n\tdescription d\n\tmap node=pve2,id=1:2,path=0000:01:00.0\n\tmap " ENTRY
		"\n");
	assert_int_equal(api_mapping_set(NULL, t->root, "pve1", "vf-100-0", NULL, ENTRY, &err), 0);
	assert_int_equal(api_mapping_set(NULL, t->root, "pve1", "vf-100-0", "d", ENTRY, &err), 0);
	assert_int_equal(api_mapping_delete(NULL, t->root, "vf-101-0", &err), 0);
	assert_true(path_exists(t->root, "run/vfhook/locks/mapping"));
	unlinkat(t->root, "etc/pve/mapping/pci.cfg", 0);
	assert_int_equal(api_mapping_delete(NULL, t->root, "vf-101-0", &err), 0);
	assert_string_equal(err.text, "");
}

static void set_bad(int root, const char *node, const char *id, const char *description,
		    const char *entry)
{
	struct error err = ERROR_INIT;

	assert_int_equal(api_mapping_set(NULL, root, node, id, description, entry, &err), -EINVAL);
	assert_true(err.text[0]);
	assert_null(strchr(err.text, '\n'));
}

static void test_bad_wishes(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char *upid;

	set_bad(t->root, "a/b", "vf-1-0", NULL, ENTRY);
	set_bad(t->root, NULL, "vf-1-0", NULL, ENTRY);
	set_bad(t->root, "pve1", "../x", NULL, ENTRY);
	set_bad(t->root, "pve1", NULL, NULL, ENTRY);
	set_bad(t->root, "pve1", "vf-1-0", "a\nb", ENTRY);
	set_bad(t->root, "pve1", "vf-1-0", NULL, ENTRY "\n\tmap x");
	set_bad(t->root, "pve2", "vf-1-0", NULL, ENTRY);
	set_bad(t->root, "pve1", "vf-1-0", NULL, "");
	assert_int_equal(api_mapping_delete(NULL, t->root, "a/b", &err), -EINVAL);
	assert_int_equal(api_hostpci_set(NULL, "pve1", 100, 16, "mapping=ab", NULL, &err), -EINVAL);
	assert_int_equal(api_hostpci_set(NULL, "pve1", 99, 0, "mapping=ab", NULL, &err), -EINVAL);
	assert_int_equal(api_hostpci_set(NULL, "..", 100, 0, "mapping=ab", NULL, &err), -EINVAL);
	assert_int_equal(api_hostpci_set(NULL, "pve1", 100, 0, "mapping=a/b", NULL, &err), -EINVAL);
	assert_string_equal(err.text, "VM 100: hostpci0: \"a/b\" is no mapping id");
	assert_int_equal(api_hostpci_delete(NULL, "pve1", 100, 99, &err), -EINVAL);
	assert_int_equal(api_vm_start(NULL, "a b", 100, &upid, &err), -EINVAL);
	assert_null(upid);
	assert_int_equal(api_task_wait(NULL, "pve1", "UPID:a/../b", 0, &err), -EINVAL);
	assert_int_equal(api_task_wait(NULL, "pve1", "x", 0, &err), -EINVAL);
	assert_int_equal(api_task_wait(NULL, "pve1", NULL, 0, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(test_token),		tree_test(test_token_modes),
		tree_test(test_token_forms),	tree_test(test_token_kinds),
		tree_test(test_token_replaced), tree_test(test_open),
		cmocka_unit_test(test_escape),	tree_test(test_nothing_to_do),
		tree_test(test_bad_wishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
