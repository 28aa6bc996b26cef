/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies of pveproxy: status line, headers, body, curl's own words. max_len=1024 */
#include "pveapi/rest.c"
#include "pveapi/rest_reply.c"
#include "pveapi/rest_token.c"
#include "tests/fuzz/fuzz.h"

#define SECRET "12345678-1234-1234-1234-123456789abc"

static const long statuses[] = {200, 200, 400, 401, 403, 404, 500, 501, 595, 596, 599, 0};

static const char *no_words(CURLcode code)
{
	(void)code;
	return "an error of curl's";
}

static void feed_headers(struct rest *r, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		/* libcurl's buffer has no NUL behind a header. */
		AUTO_FREE char *line = bytes_of((const uint8_t *)text, len);

		NEED(on_header(line, 1, len, r) == len);
		text += len + (text[len] == '\n');
	}
}

static void feed_body(struct rest *r, const uint8_t *data, size_t size)
{
	AUTO_FREE char *body = bytes_of(data, size);
	size_t half = size / 2;

	NEED(on_body(body, 1, half, r) == half);
	NEED(on_body(body + half, 1, size - half, r) == size - half);
}

static int judge(struct rest *r, long status, unsigned what, json_t **data, struct error *err)
{
	static const CURLcode codes[] = {CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT,
					 CURLE_PEER_FAILED_VERIFICATION, CURLE_RECV_ERROR};
	const struct call c = {.method = "PUT", .path = "/cluster/mapping/pci/vf-100-0"};

	if (!status)
		return rest_fail_curl(r, &c, codes[what / ARRAY_SIZE(statuses) % ARRAY_SIZE(codes)],
				      err);
	return status < 300 ? rest_parse_reply(r, &c, status, data, err)
			    : rest_fail_status(r, &c, status, err);
}

static void check_reply(struct rest *r, unsigned what)
{
	long status = statuses[what % ARRAY_SIZE(statuses)];
	struct error err = ERROR_INIT;
	json_t *data = NULL;
	int ret = judge(r, status, what, &data, &err);

	if (ret < 0) {
		hide_secret(r, err.text);
		check_error(ret, &err);
		NEED(is_printable(err.text));
		NEED(!strstr(err.text, SECRET) && !strstr(err.text, "12345678-"));
		NEED(strlen(err.text) > 30);
	}
	NEED(ret < 0 || data);
	json_decref(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rest r = {.api.easy_strerror = no_words,
			 .secret = SECRET,
			 .target = {.name = "localhost", .anchor_path = "etc/pve/pve-root-ca.pem"}};
	unsigned what = last_byte(data, &size);
	AUTO_FREE char *headers = next_text(&data, &size);

	snprintf(r.curl_error, sizeof(r.curl_error), "%s", headers);
	is_token(headers);
	NEED(!is_url_path(headers) || (is_printable(headers) && !strstr(headers, "/../")));
	feed_headers(&r, headers);
	feed_body(&r, data, size);
	check_reply(&r, what);
	str_free(&r.body);
	return 0;
}
