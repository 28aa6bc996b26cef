/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies of pveproxy, and what is said of those that are no success. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/rest_impl.h"
#include "pveapi/rest_token.h"
#include "src/base/cleanup.h"

#define MESSAGE_MAX 700
/* Where more stands beside it. A %.300s would cut a character in two. */
#define PART_MAX  300
#define SHORT_MAX 100

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

int rest_fail_status(const struct rest *r, const struct call *c, long status, struct error *err)
{
	bool no_answer = status == 595 || status == 596 || status == 599;
	char text[MESSAGE_MAX];

	text_of_reply(r, status == 401 ? SHORT_MAX : no_answer ? PART_MAX : MESSAGE_MAX, text);
	if (status == 401)
		return fail(err, EACCES,
			    "%s %s: pveproxy does not accept the token in /" VFHOOK_TOKEN_PATH
			    " (401, %s): make a new one with " REST_TOKEN_MAKE,
			    c->method, c->path, text);
	if (no_answer)
		return fail(err, EREMOTEIO,
			    "%s %s: %ld %s: pveproxy gets no answer from pvedaemon (or the "
			    "other node): `systemctl status pvedaemon`",
			    c->method, c->path, status, text);
	return fail(err, errno_of(status, text), "%s %s: %ld %s", c->method, c->path, status, text);
}

int rest_fail_curl(const struct rest *r, const struct call *c, CURLcode code, struct error *err)
{
	const char *why = r->curl_error[0] ? r->curl_error : r->api.easy_strerror(code);
	char text[MESSAGE_MAX];

	if (r->too_large)
		return fail(err, EPROTO, "%s %s: the reply is larger than %d bytes", c->method,
			    c->path, REST_BODY_MAX);
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

int rest_parse_reply(const struct rest *r, const struct call *c, long status, json_t **data,
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
