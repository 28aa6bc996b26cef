/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening a connection, and one call over it. */
#include "pveapi/rest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pveapi/curl.h"
#include "pveapi/rest_impl.h"
#include "pveapi/rest_token.h"
#include "pveapi/tls.h"
#include "src/base/cleanup.h"
#include "src/base/progress.h"
#include "src/base/text.h"

#define PORT		   8006
#define CONNECT_TIMEOUT_MS 5000L
#define AUTH_PREFIX	   "Authorization: PVEAPIToken="

/* --- The token --- */

static size_t auth_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The header with the token, in a page of its own. */
static int load_auth(struct rest *r, int root, struct error *err)
{
	void *page =
		mmap(NULL, auth_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (page == MAP_FAILED)
		return fail(err, ENOMEM, "out of memory");
	/* Both may be refused (RLIMIT_MEMLOCK); the token is no less valid then. */
	(void)mlock(page, auth_size());
	(void)madvise(page, auth_size(), MADV_DONTDUMP);
	r->auth = page;
	memcpy(r->auth, AUTH_PREFIX, sizeof(AUTH_PREFIX));
	ret = rest_token_read(root, r->auth + sizeof(AUTH_PREFIX) - 1, err);
	if (ret < 0)
		return ret;
	r->secret = strrchr(r->auth, '=') + 1;
	return 0;
}

static void drop_auth(struct rest *r)
{
	if (!r->auth)
		return;
	explicit_bzero(r->auth, auth_size());
	munmap(r->auth, auth_size());
	r->auth = NULL;
	r->secret = NULL;
}

/*
 * Overwrites the secret in a text, should a reply have given it back; also a beginning of it that
 * got cut off.
 */
static void hide_secret(const struct rest *r, char *text)
{
	size_t len = strlen(r->secret);

	for (char *p = text; *p; p++) {
		size_t n = 0;

		while (n < len && p[n] == r->secret[n])
			n++;
		if (n == len || n >= 8)
			memset(p, '*', n);
	}
}

/* --- What libcurl calls --- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct rest *r = arg;

	if (size * n > REST_BODY_MAX - r->body.len) {
		r->too_large = true;
		return 0;
	}
	str_append_len(&r->body, data, size * n);
	return str_ok(&r->body) ? size * n : 0;
}

/* Keeps the reason phrase of the last status line: "HTTP/1.1 500 <why>" says why in PVE. */
static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct rest *r = arg;
	size_t len = size * n;
	const char *blank;

	if (len < 5 || memcmp(data, "HTTP/", 5) != 0)
		return len;
	r->reason[0] = '\0';
	blank = memchr(data, ' ', len);
	if (blank)
		blank = memchr(blank + 1, ' ', (size_t)(data + len - blank - 1));
	if (blank) {
		size_t left = (size_t)(data + len - blank - 1);

		if (left >= sizeof(r->reason))
			left = sizeof(r->reason) - 1;
		memcpy(r->reason, blank + 1, left);
		r->reason[left] = '\0';
	}
	return len;
}

/* --- Opening --- */

#define SET(r, option, value) ((r)->api.easy_setopt((r)->curl, (option), (value)) == CURLE_OK)

static bool set_protocols(const struct rest *r)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	if (SET(r, CURLOPT_PROTOCOLS_STR, "https"))
		return true;
#endif
	/* Headers may be newer than the library. */
	return SET(r, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
}

/*
 * Only this certificate, not the system's store. From memory where the library can (7.77, not
 * with every TLS library); else by a path that leads through our descriptor of the root.
 */
static bool set_anchor(struct rest *r, int root)
{
	char path[128];

	if (!SET(r, CURLOPT_CAINFO, NULL) || !SET(r, CURLOPT_CAPATH, NULL))
		return false;
#if LIBCURL_VERSION_NUM >= 0x074d00
	struct curl_blob blob = {r->target.anchor, r->target.anchor_len, CURL_BLOB_COPY};

	if (SET(r, CURLOPT_CAINFO_BLOB, &blob))
		return true;
#endif
	r->root = fcntl(root, F_DUPFD_CLOEXEC, 3);
	if (r->root < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", r->root, r->target.anchor_path);
	return SET(r, CURLOPT_CAINFO, path);
}

static bool set_security(struct rest *r, int root)
{
	return set_protocols(r) && set_anchor(r, root) && SET(r, CURLOPT_SSL_VERIFYPEER, 1L) &&
	       SET(r, CURLOPT_SSL_VERIFYHOST, 2L) &&
	       SET(r, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
	       SET(r, CURLOPT_FOLLOWLOCATION, 0L) && SET(r, CURLOPT_PROXY, "") &&
	       SET(r, CURLOPT_NOPROXY, "*") && SET(r, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
	       SET(r, CURLOPT_UNRESTRICTED_AUTH, 0L) && SET(r, CURLOPT_PATH_AS_IS, 1L);
}

static bool set_transfer(struct rest *r)
{
	return SET(r, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       SET(r, CURLOPT_ACCEPT_ENCODING, NULL) && SET(r, CURLOPT_USERAGENT, "vfhook") &&
	       SET(r, CURLOPT_NOSIGNAL, 1L) && SET(r, CURLOPT_CONNECT_TO, r->connect_to) &&
	       SET(r, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) &&
	       SET(r, CURLOPT_TIMEOUT_MS, r->timeout_ms) &&
	       SET(r, CURLOPT_HTTPHEADER, r->headers) &&
	       SET(r, CURLOPT_ERRORBUFFER, r->curl_error) &&
	       SET(r, CURLOPT_WRITEFUNCTION, on_body) && SET(r, CURLOPT_WRITEDATA, r) &&
	       SET(r, CURLOPT_HEADERFUNCTION, on_header) && SET(r, CURLOPT_HEADERDATA, r);
}

static bool add_to_list(const struct rest *r, struct curl_slist **list, const char *text)
{
	struct curl_slist *more = r->api.slist_append(*list, text);

	if (more)
		*list = more;
	return more != NULL;
}

/* An IPv6 address stands in brackets. */
static const char *url_host(const char *host, char *buf, size_t size)
{
	bool v6 = strchr(host, ':');

	snprintf(buf, size, v6 ? "[%s]" : "%s", host);
	return buf;
}

static bool make_lists(struct rest *r)
{
	char connect_to[128];
	char host[80];

	/* "::" in front: whatever host and port the URL names. */
	snprintf(connect_to, sizeof(connect_to), "::%s:%d",
		 url_host(r->target.address, host, sizeof(host)), PORT);
	/* No "Expect: 100-continue": pveproxy would never answer it. */
	return add_to_list(r, &r->connect_to, connect_to) &&
	       add_to_list(r, &r->headers, "Expect:") && add_to_list(r, &r->headers, r->auth);
}

static int set_up(struct rest *r, int root, struct error *err)
{
	int ret = load_auth(r, root, err);

	if (!ret)
		ret = tls_choose(root, &r->target, err);
	if (!ret)
		ret = curl_load(&r->api, err);
	if (ret)
		return ret;
	if (r->api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return fail(err, EIO, "libcurl does not start");
	r->initialised = true;
	r->curl = r->api.easy_init();
	if (!r->curl || !make_lists(r))
		return fail(err, ENOMEM, "libcurl: out of memory");
	if (!set_security(r, root) || !set_transfer(r))
		return fail(err, ENOTSUP,
			    "this libcurl refuses an option that we need for a safe connection");
	return 0;
}

int rest_open(int root, int timeout_ms, struct rest **out, struct error *err)
{
	struct rest *r = calloc(1, sizeof(*r));
	int ret;

	*out = NULL;
	if (!r)
		return fail(err, ENOMEM, "out of memory");
	r->root = -1;
	/* 0 would be no limit at all to libcurl. */
	r->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
	ret = set_up(r, root, err);
	if (ret < 0) {
		rest_close(r);
		return ret;
	}
	*out = r;
	return 0;
}

static void wipe_list(const struct rest *r, struct curl_slist *list)
{
	for (struct curl_slist *l = list; l; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	r->api.slist_free_all(list);
}

void rest_close(struct rest *r)
{
	if (!r)
		return;
	if (r->curl)
		r->api.easy_cleanup(r->curl);
	if (r->headers)
		wipe_list(r, r->headers);
	if (r->connect_to)
		r->api.slist_free_all(r->connect_to);
	if (r->initialised)
		r->api.global_cleanup();
	drop_auth(r);
	tls_target_free(&r->target);
	str_free(&r->body);
	if (r->root >= 0)
		close(r->root);
	free(r);
}

/* --- Requests --- */

void rest_escape(struct str *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			str_append_len(out, text, 1);
		else
			str_printf(out, "%%%02X", c);
	}
}

static void add_params(struct str *out, const struct rest_param *params, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			str_append(out, "&");
		rest_escape(out, params[i].key);
		str_append(out, "=");
		rest_escape(out, params[i].value);
	}
}

/* The caller has made the components safe; what is left must not change what is asked. */
static bool is_url_path(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c >= 0x80 || !(isalnum(c) || strchr("-._~/%:@!", c)))
			return false;
		if (c == '/' && (p[1] == '/' || p[1] == '.'))
			return false;
	}
	return true;
}

static void call_clear(struct call *c)
{
	str_free(&c->url);
	str_free(&c->form);
}

static int prepare(struct rest *r, struct call *c, const struct rest_param *params, size_t n,
		   struct error *err)
{
	char host[TLS_NAME_LEN + 2];
	bool ok;

	if (!is_url_path(c->path))
		return fail(err, EINVAL, "\"%.128s\" is no path of the API", c->path);
	str_printf(&c->url, "https://%s:%d/api2/json%s",
		   url_host(r->target.name, host, sizeof(host)), PORT, c->path);
	c->with_body = !strcmp(c->method, "POST") || !strcmp(c->method, "PUT");
	if (!c->with_body && n)
		str_append(&c->url, "?");
	str_append(&c->form, "");
	add_params(c->with_body ? &c->form : &c->url, params, n);
	if (!str_ok(&c->url) || !str_ok(&c->form))
		return fail(err, ENOMEM, "out of memory");
	ok = SET(r, CURLOPT_URL, str_get(&c->url));
	if (c->with_body)
		ok = ok && SET(r, CURLOPT_POSTFIELDSIZE, (long)c->form.len) &&
		     SET(r, CURLOPT_POSTFIELDS, str_get(&c->form));
	else
		ok = ok && SET(r, CURLOPT_HTTPGET, 1L);
	ok = ok && SET(r, CURLOPT_CUSTOMREQUEST, c->method) &&
	     SET(r, CURLOPT_FRESH_CONNECT, (long)r->alone) &&
	     SET(r, CURLOPT_FORBID_REUSE, (long)r->alone);
	return ok ? 0 : fail(err, ENOMEM, "libcurl: out of memory");
}

/*
 * With CURLOPT_NOSIGNAL libcurl leaves SIGPIPE to us. A connection over which something went wrong
 * is not used again: libcurl 7.88 keeps one whose request could not be sent, the TLS library has
 * that request still, sends it in front of the next one, and its answer is taken for that one's.
 */
static CURLcode perform(struct rest *r)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction old;
	AUTO_PROGRESS struct progress p = {0};
	CURLcode code;

	progress_begin(&p, 0, "waiting for pveproxy");
	str_free(&r->body);
	r->too_large = false;
	r->reason[0] = '\0';
	r->curl_error[0] = '\0';
	sigaction(SIGPIPE, &ignore, &old);
	code = r->api.easy_perform(r->curl);
	sigaction(SIGPIPE, &old, NULL);
	r->alone = r->alone || code != CURLE_OK;
	return code;
}

static int transact(struct rest *r, const struct call *c, json_t **data, struct error *err)
{
	CURLcode code = perform(r);
	long status = 0;

	if (r->api.easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		status = 0;
	/* pveproxy ends a 401 or 595 by closing the connection: no length, no body to miss. */
	if (status >= 400 && (code == CURLE_RECV_ERROR || code == CURLE_PARTIAL_FILE))
		return rest_fail_status(r, c, status, err);
	if (code != CURLE_OK)
		return rest_fail_curl(r, c, code, err);
	if (status < 200 || status > 299)
		return rest_fail_status(r, c, status, err);
	return rest_parse_reply(r, c, status, data, err);
}

int rest_call(struct rest *r, const char *method, const char *path, const struct rest_param *params,
	      size_t n_params, json_t **data, struct error *err)
{
	CLEANUP(call_clear)
	struct call c = {.method = method, .path = path, .url = STR_INIT, .form = STR_INIT};
	struct error why = ERROR_INIT;
	int ret;

	if (data)
		*data = NULL;
	ret = prepare(r, &c, params, n_params, &why);
	if (!ret)
		ret = transact(r, &c, data, &why);
	if (ret < 0) {
		hide_secret(r, why.text);
		if (err)
			*err = why;
	}
	return ret;
}
