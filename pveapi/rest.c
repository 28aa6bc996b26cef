/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types alone come from curl's header: calls go through pointers, which its macros refuse. */
#define CURL_DISABLE_TYPECHECK
#define CURL_DISABLE_DEPRECATION
#include "pveapi/rest.h"

#include <ctype.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "pveapi/tls.h"

#define PORT		   8006
#define CONNECT_TIMEOUT_MS 5000L
#define BODY_MAX	   4194304
#define REASON_MAX	   512
#define MESSAGE_MAX	   700
/* Where more stands beside it. A %.300s would cut a character in two. */
#define PART_MAX    300
#define SHORT_MAX   100
#define TOKEN_MAX   512
#define AUTH_PREFIX "Authorization: PVEAPIToken="

/* Whatever is wrong with it: gone, wrong, expired, of a user that is disabled. */
#define TOKEN_MAKE "`/usr/lib/vfhook/setup token`"

struct curl_api {
	__typeof__(&curl_global_init) global_init;
	__typeof__(&curl_global_cleanup) global_cleanup;
	__typeof__(&curl_easy_init) easy_init;
	__typeof__(&curl_easy_setopt) easy_setopt;
	__typeof__(&curl_easy_perform) easy_perform;
	__typeof__(&curl_easy_getinfo) easy_getinfo;
	__typeof__(&curl_easy_strerror) easy_strerror;
	__typeof__(&curl_easy_cleanup) easy_cleanup;
	__typeof__(&curl_slist_append) slist_append;
	__typeof__(&curl_slist_free_all) slist_free_all;
};

struct rest {
	struct curl_api api;
	bool initialised; /* curl_global_init() */
	CURL *curl;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	struct tls_target target;
	int root; /* ours, only if the anchor has to be passed as a path; else -1 */
	long timeout_ms;
	/* One page, kept out of swap and core dumps where we may: the whole header with the token
	 */
	char *auth;
	const char *secret; /* in auth */
	/* The reply under way */
	struct str body;
	bool too_large;
	char reason[REASON_MAX];
	char curl_error[CURL_ERROR_SIZE];
};

/* The token */

static int token_not_regular(struct error *err)
{
	return fail(err, EINVAL,
		    "/" VFHOOK_TOKEN_PATH " is not a regular file: remove it, make a token "
		    "with " TOKEN_MAKE);
}

/* The file, not what a link there points to. A FIFO or a device does not hold us up. */
static int open_token(int root, struct error *err)
{
	int fd = openat(root, VFHOOK_TOKEN_PATH,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return fail(err, ENOENT,
			    "/" VFHOOK_TOKEN_PATH " is not there: make a token with " TOKEN_MAKE);
	if (errno == ELOOP || errno == ENXIO)
		return token_not_regular(err);
	return fail_errno(err, errno, "/" VFHOOK_TOKEN_PATH);
}

/* Asked of the open file: what is read is what was judged, whoever replaces it meanwhile. */
static int check_token_file(int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(err, errno, "/" VFHOOK_TOKEN_PATH);
	if (!S_ISREG(st.st_mode))
		return token_not_regular(err);
	if (st.st_uid && st.st_uid != geteuid())
		return fail(err, EPERM,
			    "/" VFHOOK_TOKEN_PATH " belongs to user %u: `chown root "
			    "/" VFHOOK_TOKEN_PATH "` (and make a new token: that user knows this "
			    "one)",
			    (unsigned)st.st_uid);
	if (st.st_mode & 077)
		return fail(err, EPERM,
			    "/" VFHOOK_TOKEN_PATH " has mode %04o, others may read it: `chmod 600 "
			    "/" VFHOOK_TOKEN_PATH "`",
			    st.st_mode & 07777);
	return 0;
}

static size_t run_of(const char *s, const char *more)
{
	size_t n = 0;

	while (s[n] && ((unsigned char)s[n] < 0x80) &&
	       (isalnum((unsigned char)s[n]) || strchr(more, s[n])))
		n++;
	return n;
}

/*
 * user@realm!tokenid=secret. Stricter than PVE about the user's name (PVE/AccessControl.pm), so
 * that nothing in it needs quoting anywhere.
 */
static bool is_token(const char *s)
{
	size_t n = run_of(s, "._-");

	if (!n || s[n] != '@')
		return false;
	s += n + 1;
	n = run_of(s, "._-");
	if (!n || s[n] != '!')
		return false;
	s += n + 1;
	n = run_of(s, "._-");
	if (!n || s[n] != '=')
		return false;
	s += n + 1;
	n = run_of(s, "-");
	return n >= 8 && !s[n];
}

/* Straight to the caller's memory: no copy of the secret is left in a buffer. */
static ssize_t read_token_text(int fd, char *token, struct error *err)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, token + len, TOKEN_MAX - len);
		if (n > 0)
			len += (size_t)n;
	} while (len < TOKEN_MAX && (n > 0 || (n < 0 && errno == EINTR)));
	if (n < 0)
		return fail_errno(err, errno, "read /" VFHOOK_TOKEN_PATH);
	if (len == TOKEN_MAX)
		return fail(err, EFBIG, "/" VFHOOK_TOKEN_PATH " is larger than %d bytes",
			    (int)TOKEN_MAX - 1);
	return (ssize_t)len;
}

/* token has room for TOKEN_MAX bytes; the caller wipes it. */
static int read_token(int root, char *token, struct error *err)
{
	AUTO_CLOSE int fd = open_token(root, err);
	ssize_t len;
	int r;

	if (fd < 0)
		return fd;
	r = check_token_file(fd, err);
	if (r < 0)
		return r;
	len = read_token_text(fd, token, err);
	if (len < 0) {
		explicit_bzero(token, TOKEN_MAX);
		return (int)len;
	}
	while (len && token[len - 1] && strchr("\r\n\t ", token[len - 1]))
		len--;
	token[len] = '\0';
	if (strlen(token) != (size_t)len || !is_token(token)) {
		explicit_bzero(token, TOKEN_MAX);
		return fail(err, EINVAL,
			    "/" VFHOOK_TOKEN_PATH " has not the form user@realm!id=secret: make a "
			    "token with " TOKEN_MAKE);
	}
	return 0;
}

int rest_token_check(int root, struct error *err)
{
	char token[TOKEN_MAX];
	int r = read_token(root, token, err);

	explicit_bzero(token, sizeof(token));
	return r;
}

int rest_token_name(int root, char *name, size_t size, struct error *err)
{
	char token[TOKEN_MAX];
	size_t len;
	int r = read_token(root, token, err);

	if (r < 0)
		return r;
	len = strcspn(token, "=");
	if (len < size)
		snprintf(name, size, "%.*s", (int)len, token);
	explicit_bzero(token, sizeof(token));
	return len < size
		       ? 0
		       : fail(err, EINVAL, "/" VFHOOK_TOKEN_PATH ": the token's name is too long");
}

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
	ret = read_token(root, r->auth + sizeof(AUTH_PREFIX) - 1, err);
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

/* Loading libcurl */

static bool find_symbols(void *lib, struct curl_api *api)
{
	const struct {
		const char *name;
		void *to;
	} want[] = {
		{"curl_global_init", &api->global_init},
		{"curl_global_cleanup", &api->global_cleanup},
		{"curl_easy_init", &api->easy_init},
		{"curl_easy_setopt", &api->easy_setopt},
		{"curl_easy_perform", &api->easy_perform},
		{"curl_easy_getinfo", &api->easy_getinfo},
		{"curl_easy_strerror", &api->easy_strerror},
		{"curl_easy_cleanup", &api->easy_cleanup},
		{"curl_slist_append", &api->slist_append},
		{"curl_slist_free_all", &api->slist_free_all},
	};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		void *symbol = dlsym(lib, want[i].name);

		if (!symbol)
			return false;
		/* POSIX lets a function pointer travel as a void *, ISO C does not. */
		memcpy(want[i].to, &symbol, sizeof(symbol));
	}
	return true;
}

/* The library stays loaded: it and OpenSSL leave exit handlers behind. */
static int load_curl(struct curl_api *api, struct error *err)
{
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		void *lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);

		if (lib && find_symbols(lib, api))
			return 0;
	}
	return fail(err, ENOENT, "libcurl cannot be loaded (libcurl.so.4): `apt install libcurl4`");
}

/* Callbacks */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct rest *r = arg;

	if (size * n > BODY_MAX - r->body.len) {
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

/* Opening */

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
		ret = load_curl(&r->api, err);
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

/* Requests */

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

struct call {
	const char *method;
	const char *path;
	bool with_body;
	struct str url;
	struct str form;
};

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
	ok = ok && SET(r, CURLOPT_CUSTOMREQUEST, c->method);
	return ok ? 0 : fail(err, ENOMEM, "libcurl: out of memory");
}

/* With CURLOPT_NOSIGNAL libcurl leaves SIGPIPE to us. */
static CURLcode perform(struct rest *r)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction old;
	CURLcode code;

	str_free(&r->body);
	r->too_large = false;
	r->reason[0] = '\0';
	r->curl_error[0] = '\0';
	sigaction(SIGPIPE, &ignore, &old);
	code = r->api.easy_perform(r->curl);
	sigaction(SIGPIPE, &old, NULL);
	return code;
}

/* Replies */

/*
 * One line of less than max bytes to show: control characters and runs of blanks become one
 * blank, no stop at its end.
 */
static const char *one_line(const char *text, size_t len, size_t max, char buf[MESSAGE_MAX])
{
	CLEANUP(str_free) struct str s = STR_INIT;
	size_t n;

	for (size_t i = 0; i < len && s.len < (size_t)4 * MESSAGE_MAX; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c > 0x20 && c != 0x7f)
			str_append_len(&s, text + i, 1);
		else if (s.len && s.data[s.len - 1] != ' ')
			str_append(&s, " ");
	}
	text_clean(str_get(&s), buf, max);
	n = strlen(buf);
	while (n && (buf[n - 1] == ' ' || buf[n - 1] == '.'))
		buf[--n] = '\0';
	return buf;
}

static bool text_of_errors(json_t *errors, size_t max, char buf[MESSAGE_MAX])
{
	CLEANUP(str_free) struct str s = STR_INIT;
	const char *key;
	json_t *value;

	json_object_foreach(errors, key, value)
	{
		char line[MESSAGE_MAX];

		if (!json_is_string(value) || s.len > MESSAGE_MAX)
			continue;
		one_line(json_string_value(value), json_string_length(value), sizeof(line), line);
		str_printf(&s, "%s%s: %s", s.len ? "; " : "", key, line);
	}
	return *one_line(str_get(&s), s.len, max, buf);
}

/* `errors`, else `message`, else the reason phrase. */
static void text_of_reply(const struct rest *r, size_t max, char buf[MESSAGE_MAX])
{
	json_t *reply = json_loadb(str_get(&r->body), r->body.len, JSON_ALLOW_NUL, NULL);
	json_t *message = json_object_get(reply, "message");
	bool found = text_of_errors(json_object_get(reply, "errors"), max, buf);

	if (!found && json_is_string(message))
		found = *one_line(json_string_value(message), json_string_length(message), max,
				  buf);
	json_decref(reply);
	if (!found)
		found = *one_line(r->reason, strlen(r->reason), max, buf);
	if (!found)
		memcpy(buf, "no reason given", sizeof("no reason given"));
}

static int errno_of(long status, const char *text)
{
	static const struct {
		const char *text;
		int code;
	} known[] = {
		/* PVE/Cluster.pm: $cfs_lock; the first that fits counts */
		{"no quorum", EROFS},
		{"got lock request timeout", EAGAIN},
		/* PVE/Tools.pm: lock_file_full, assert_if_modified */
		{"- got timeout", EAGAIN},
		{"detected modified configuration", EAGAIN},
		/* PVE/API2/Qemu.pm: $update_vm_api; older ones spell it missmatch */
		{"checksum mis", EAGAIN},
		{"already defined", EEXIST},
		{"already exists", EEXIST},
		{"not found", ENOENT},
		{"does not exist", ENOENT},
	};

	if (status == 400)
		return EINVAL;
	if (status == 401 || status == 403)
		return EACCES;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strstr(text, known[i].text))
			return known[i].code;
	}
	return status == 404 ? ENOENT : EREMOTEIO;
}

static int fail_status(const struct rest *r, const struct call *c, long status, struct error *err)
{
	bool no_answer = status == 595 || status == 596 || status == 599;
	char text[MESSAGE_MAX];

	text_of_reply(r, status == 401 ? SHORT_MAX : no_answer ? PART_MAX : MESSAGE_MAX, text);
	if (status == 401)
		return fail(err, EACCES,
			    "%s %s: pveproxy does not accept the token in /" VFHOOK_TOKEN_PATH
			    " (401, %s): make a new one with " TOKEN_MAKE,
			    c->method, c->path, text);
	if (no_answer)
		return fail(err, EREMOTEIO,
			    "%s %s: %ld %s: pveproxy gets no answer from pvedaemon (or the "
			    "other node): `systemctl status pvedaemon`",
			    c->method, c->path, status, text);
	return fail(err, errno_of(status, text), "%s %s: %ld %s", c->method, c->path, status, text);
}

static int fail_curl(const struct rest *r, const struct call *c, CURLcode code, struct error *err)
{
	const char *why = r->curl_error[0] ? r->curl_error : r->api.easy_strerror(code);
	char text[MESSAGE_MAX];

	if (r->too_large)
		return fail(err, EPROTO, "%s %s: the reply is larger than %d bytes", c->method,
			    c->path, BODY_MAX);
	one_line(why, strlen(why), PART_MAX, text);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return fail(err, ECONNREFUSED,
			    "%s %s: pveproxy is not reachable (%s): `systemctl status "
			    "pveproxy`",
			    c->method, c->path, text);
	case CURLE_OPERATION_TIMEDOUT:
		return fail(err, ETIMEDOUT, "%s %s: pveproxy did not answer in time (%s)",
			    c->method, c->path, text);
	case CURLE_OUT_OF_MEMORY:
		return fail(err, ENOMEM, "%s %s: out of memory", c->method, c->path);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return fail(err, EPROTO,
			    "%s %s: pveproxy's certificate is refused (%s; asked for %.253s, "
			    "checked against /%s): `pvecm updatecerts --force && systemctl restart "
			    "pveproxy` if it is not one of your own",
			    c->method, c->path, text, r->target.name, r->target.anchor_path);
	default:
		return fail(err, EPROTO, "%s %s: no proper reply from pveproxy (%s)", c->method,
			    c->path, text);
	}
}

static int parse_reply(const struct rest *r, const struct call *c, long status, json_t **data,
		       struct error *err)
{
	json_error_t why;
	json_t *reply = json_loadb(str_get(&r->body), r->body.len, 0, &why);
	json_t *found;

	if (!json_is_object(reply)) {
		char text[MESSAGE_MAX];

		one_line(why.text, strlen(why.text), SHORT_MAX, text);
		if (reply)
			memcpy(text, "not an object", sizeof("not an object"));
		json_decref(reply);
		return fail(err, EPROTO, "%s %s: %ld, but the reply is no JSON of PVE's API (%s)",
			    c->method, c->path, status, text);
	}
	found = json_object_get(reply, "data");
	if (data)
		*data = found ? json_incref(found) : json_null();
	json_decref(reply);
	return 0;
}

static int transact(struct rest *r, const struct call *c, json_t **data, struct error *err)
{
	CURLcode code = perform(r);
	long status = 0;

	if (r->api.easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		status = 0;
	/* pveproxy ends a 401 or 595 by closing the connection: no length, no body to miss. */
	if (status >= 400 && (code == CURLE_RECV_ERROR || code == CURLE_PARTIAL_FILE))
		return fail_status(r, c, status, err);
	if (code != CURLE_OK)
		return fail_curl(r, c, code, err);
	if (status < 200 || status > 299)
		return fail_status(r, c, status, err);
	return parse_reply(r, c, status, data, err);
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
