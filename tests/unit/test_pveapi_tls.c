/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "pveapi/tls.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

#include "tests/unit/test_pveapi_tree.h"

#define OWN "etc/pve/nodes/pve1/pveproxy-ssl.pem"
#define KEY "etc/pve/nodes/pve1/pveproxy-ssl.key"
#define CA  "etc/pve/pve-root-ca.pem"

/* A self-signed certificate by openssl; alt NULL: without subjectAltName. */
static void make_cert(const struct tree *t, const char *path, const char *alt)
{
	char option[800] = "";
	char cmd[1200];

	tree_parent(t->root, path);
	if (alt)
		snprintf(option, sizeof(option), "-addext 'subjectAltName=%s'", alt);
	snprintf(cmd, sizeof(cmd),
		 "openssl req -x509 -batch -nodes -newkey ec -pkeyopt "
		 "ec_paramgen_curve:prime256v1 -subj /CN=cn.example.org -days 10 -keyout "
		 "%s/key.pem -out %s/%s %s 2>/dev/null",
		 t->path, t->path, path, option);
	assert_int_equal(system(cmd), 0);
}

static void picks(const struct tree *t, const char *alt, const char *want)
{
	AUTO_FREE char *pem = NULL;
	struct error err = ERROR_INIT;
	char name[TLS_NAME_LEN];
	ssize_t len;

	make_cert(t, "cert.pem", alt);
	len = file_read(t->root, "cert.pem", 65536, &pem, NULL);
	assert_true(len > 0);
	if (!want) {
		assert_int_equal(tls_pick_name(pem, (size_t)len, "pve1", name, &err), -EINVAL);
		assert_true(err.text[0]);
		return;
	}
	assert_int_equal(tls_pick_name(pem, (size_t)len, "pve1", name, &err), 0);
	assert_string_equal(name, want);
}

static void test_names(void **state)
{
	const struct tree *t = *state;

	picks(t, "DNS:pve.example.org", "pve.example.org");
	picks(t, "IP:192.0.2.1,DNS:*.example.net,DNS:b.example.org,DNS:c.example.org",
	      "b.example.org");
	picks(t, "DNS:*.example.org,IP:192.0.2.1", "pve1.example.org");
	picks(t, "DNS:*.b.org,DNS:*.a.org", "pve1.b.org");
	picks(t, "email:a@b.org,IP:192.0.2.1,IP:192.0.2.2", "192.0.2.1");
	picks(t, "IP:fd00::1", "fd00::1");
	picks(t, "DNS:192.0.2.7,IP:192.0.2.1", "192.0.2.1");
	picks(t, "email:a@b.org", NULL);
	picks(t, "DNS:*", NULL);
	picks(t, "DNS:bad name", NULL);
	picks(t, NULL, NULL);
}

static void test_many_names(void **state)
{
	const struct tree *t = *state;
	struct str alt = STR_INIT;

	for (unsigned i = 0; i < 40; i++)
		str_printf(&alt, "IP:192.0.2.%u,", i);
	str_append(&alt, "DNS:last.org");
	picks(t, str_get(&alt), "last.org");
	str_free(&alt);
}

/* Every byte of a certificate changed, and every length of it: nothing may be read beyond it. */
static void test_damaged(void **state)
{
	static const char b64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const struct tree *t = *state;
	char name[TLS_NAME_LEN];
	int64_t end_of_it;
	char *pem = NULL;
	ssize_t len;

	make_cert(t, "cert.pem", "DNS:a.example.org,IP:192.0.2.1");
	len = file_read(t->root, "cert.pem", 65536, &pem, NULL);
	assert_true(len > 0);
	for (ssize_t i = 0; i < len; i++) {
		char old = pem[i];

		for (size_t k = 0; k < 64; k += 7) {
			pem[i] = b64[k];
			(void)tls_pick_name(pem, (size_t)len, "pve1", name, NULL);
			(void)tls_not_after(pem, (size_t)len, &end_of_it);
		}
		pem[i] = old;
	}
	for (ssize_t i = 0; i < len; i++) {
		char *cut = malloc((size_t)i + 1);
		char end[] = "\n-----END CERTIFICATE-----";
		char text[8192];
		int n;

		assert_non_null(cut);
		memcpy(cut, pem, (size_t)i);
		(void)tls_pick_name(cut, (size_t)i, "pve1", name, NULL);
		free(cut);
		n = snprintf(text, sizeof(text), "%.*s%s", (int)i, pem, end);
		(void)tls_pick_name(text, (size_t)n, "pve1", name, NULL);
		(void)tls_not_after(text, (size_t)n, &end_of_it);
	}
	free(pem);
}

static void ends(const struct tree *t, const char *days, int64_t want)
{
	AUTO_FREE char *pem = NULL;
	int64_t end = 0;
	char cmd[512];
	ssize_t len;

	snprintf(cmd, sizeof(cmd),
		 "openssl req -x509 -batch -nodes -newkey ec -pkeyopt "
		 "ec_paramgen_curve:prime256v1 -subj /CN=x -days %s -keyout %s/key.pem -out "
		 "%s/cert.pem 2>/dev/null",
		 days, t->path, t->path);
	assert_int_equal(system(cmd), 0);
	len = file_read(t->root, "cert.pem", 65536, &pem, NULL);
	assert_true(len > 0);
	assert_int_equal(tls_not_after(pem, (size_t)len, &end), 0);
	assert_in_range(end, want - 60, want + 60);
}

static void test_not_after(void **state)
{
	const struct tree *t = *state;
	int64_t end;

	ends(t, "5", time(NULL) + 5 * 86400);
	/* Beyond 2050 it is written in another way. */
	ends(t, "20000", time(NULL) + 20000LL * 86400);
	assert_int_equal(tls_not_after("", 0, &end), -EINVAL);
}

static void test_server_cert(void **state)
{
	const struct tree *t = *state;

	assert_string_equal(tls_server_cert(t->root), "etc/pve/local/pve-ssl.pem");
	tree_link(t->root, "etc/pve/local", "nodes/pve1");
	tree_write(t->root, OWN, "x");
	assert_string_equal(tls_server_cert(t->root), "etc/pve/local/pve-ssl.pem");
	tree_write(t->root, "etc/pve/nodes/pve1/pveproxy-ssl.key", "x");
	assert_string_equal(tls_server_cert(t->root), "etc/pve/local/pveproxy-ssl.pem");
}

static void no_pem(const char *pem, size_t len)
{
	struct error err = ERROR_INIT;
	char name[TLS_NAME_LEN];

	assert_int_equal(tls_pick_name(pem, len, "pve1", name, &err), -EINVAL);
	assert_true(err.text[0]);
}

static void test_no_pem(void **state)
{
	static const char empty[] = "-----BEGIN CERTIFICATE----------END CERTIFICATE-----";
	static const char rubbish[] = "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----";
	static const char deep[] = "-----BEGIN CERTIFICATE-----\nMIIwgjCCMIIwgjCCMIIwgjCC\n"
				   "-----END CERTIFICATE-----";
	char *big = malloc(300000);

	(void)state;
	no_pem("", 0);
	no_pem("-----BEGIN CERTIFICATE-----", 27);
	no_pem(empty, sizeof(empty) - 1);
	no_pem(rubbish, sizeof(rubbish) - 1);
	no_pem(deep, sizeof(deep) - 1);
	assert_non_null(big);
	memset(big, 'A', 300000);
	memcpy(big, empty, 27);
	memcpy(big + 300000 - 25, empty + 27, 25);
	no_pem(big, 300000);
	no_pem(big + 100000, 200000);
	free(big);
}

static void value_is(const char *text, const char *want)
{
	char buf[16];
	int r = shell_value(text, strlen(text), "LISTEN_IP", buf, sizeof(buf));

	assert_int_equal(r, want ? 1 : 0);
	if (want)
		assert_string_equal(buf, want);
}

static void test_shell_value(void **state)
{
	(void)state;
	value_is("", NULL);
	value_is("LISTEN_IP=192.0.2.1", "192.0.2.1");
	value_is("LISTEN_IP=\"192.0.2.1\"\r\n", "192.0.2.1");
	value_is("  export LISTEN_IP='::1' # here\n", "::1");
	value_is("LISTEN_IP=::1;ALLOW_FROM=x\n", "::1");
	value_is("LISTEN_IP=1.1.1.1\n#LISTEN_IP=2.2.2.2\nLISTEN_IP=3.3.3.3\n", "3.3.3.3");
	value_is("LISTEN_IP=1.1.1.1\nLISTEN_IP=\n", NULL);
	value_is("LISTEN_IP=\"\"\n", NULL);
	value_is("XLISTEN_IP=1\nLISTEN_IPS=2\nLISTEN_IP =3\nLISTEN_IP\n", NULL);
	value_is("LISTEN_IP=0123456789abcdefghi\n", NULL);
	value_is("LISTEN_IP=\"1.1.1.1", "1.1.1.1");
}

static void test_choose(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct tls_target target;

	tree_link(t->root, "etc/pve/local", "nodes/pve1");
	assert_int_equal(tls_choose(t->root, &target, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/" CA));
	tree_write(t->root, CA, "the CA");
	assert_int_equal(tls_choose(t->root, &target, &err), 0);
	assert_string_equal(target.name, "localhost");
	assert_string_equal(target.address, "127.0.0.1");
	assert_string_equal(target.anchor_path, CA);
	assert_string_equal(target.anchor, "the CA");
	assert_int_equal(target.anchor_len, 6);
	tls_target_free(&target);
	/* Without its key pveproxy does not take it. */
	make_cert(t, OWN, "DNS:*.example.org");
	assert_int_equal(tls_choose(t->root, &target, &err), 0);
	assert_string_equal(target.name, "localhost");
	tls_target_free(&target);
	tree_write(t->root, KEY, "the key");
	assert_int_equal(tls_choose(t->root, &target, &err), 0);
	assert_string_equal(target.name, "pve1.example.org");
	assert_string_equal(target.anchor_path, "etc/pve/local/pveproxy-ssl.pem");
	tls_target_free(&target);
	tree_write(t->root, "etc/default/pveproxy",
		   "TLS_KEY_FILE=/etc/ssl/private/x.key\nLISTEN_IP=fd00::5\n");
	assert_int_equal(tls_choose(t->root, &target, &err), 0);
	assert_string_equal(target.name, "localhost");
	assert_string_equal(target.address, "fd00::5");
	tls_target_free(&target);
	tree_write(t->root, "etc/ssl/private/x.key", "the key");
	assert_int_equal(tls_choose(t->root, &target, &err), 0);
	assert_string_equal(target.name, "pve1.example.org");
	tls_target_free(&target);
	tree_write(t->root, OWN, "rubbish");
	assert_int_equal(tls_choose(t->root, &target, &err), -EINVAL);
	assert_string_equal(err.text,
			    "/etc/pve/local/pveproxy-ssl.pem: no certificate in it (PEM)");
	assert_null(target.anchor);
}

static void address_is(int root, const char *listen, const char *want)
{
	struct error err = ERROR_INIT;
	struct tls_target target;
	char text[128];

	snprintf(text, sizeof(text), "LISTEN_IP=\"%s\"\n", listen);
	tree_write(root, "etc/default/pveproxy", text);
	if (!want) {
		assert_int_equal(tls_choose(root, &target, &err), -EINVAL);
		assert_non_null(strstr(err.text, "/etc/default/pveproxy: LISTEN_IP="));
		return;
	}
	assert_int_equal(tls_choose(root, &target, &err), 0);
	assert_string_equal(target.address, want);
	tls_target_free(&target);
}

static void test_addresses(void **state)
{
	const struct tree *t = *state;

	tree_write(t->root, CA, "the CA");
	address_is(t->root, "", "127.0.0.1");
	address_is(t->root, "0.0.0.0", "127.0.0.1");
	address_is(t->root, "::", "::1");
	address_is(t->root, "0::0", "::1");
	address_is(t->root, "192.0.2.9", "192.0.2.9");
	address_is(t->root, "fd00::9", "fd00::9");
	address_is(t->root, "fe80::1%eth0", NULL);
	address_is(t->root, "pve1.example.org", NULL);
	address_is(t->root, "1.2.3.4:443", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(test_names),
		tree_test(test_many_names),
		tree_test(test_damaged),
		tree_test(test_not_after),
		tree_test(test_server_cert),
		cmocka_unit_test(test_no_pem),
		cmocka_unit_test(test_shell_value),
		tree_test(test_choose),
		tree_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
