/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rest.c and rest_reply.c know of a connection and a call, and nobody else. */
#ifndef VFHOOK_PVEAPI_REST_IMPL_H
#define VFHOOK_PVEAPI_REST_IMPL_H

#include <jansson.h>
#include <stdbool.h>

#include "pveapi/curl.h"
#include "pveapi/tls.h"
#include "src/base/error.h"
#include "src/base/text.h"

#define REST_BODY_MAX	4194304
#define REST_REASON_MAX 512

struct rest {
	struct curl_api api;
	bool initialised; /* curl_global_init() */
	CURL *curl;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	struct tls_target target;
	int root; /* ours, only if the anchor has to be passed as a path; else -1 */
	long timeout_ms;
	bool alone; /* a call has failed: each of the next has a connection of its own */
	/* One page, kept out of swap and core dumps where we may: the whole header with the token
	 */
	char *auth;
	const char *secret; /* in auth */
	/* The reply under way */
	struct str body;
	bool too_large;
	char reason[REST_REASON_MAX];
	char curl_error[CURL_ERROR_SIZE];
};

struct call {
	const char *method;
	const char *path;
	bool with_body;
	struct str url;
	struct str form;
};

/*
 * What came of a call: one that reached no answer, one that was refused (each a negative errno with
 * err, see rest_call()), or the data of one that was done. data may be NULL.
 */
int rest_fail_curl(const struct rest *r, const struct call *c, CURLcode code, struct error *err);
int rest_fail_status(const struct rest *r, const struct call *c, long status, struct error *err);
int rest_parse_reply(const struct rest *r, const struct call *c, long status, json_t **data,
		     struct error *err);

#endif
