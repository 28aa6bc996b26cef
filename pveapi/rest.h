/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The REST client. libcurl is loaded with dlopen() by rest_open() and not
 * before: it costs 5 ms of dynamic loading, and an ordinary start needs no REST.
 */
#ifndef VFHOOK_PVEAPI_REST_H
#define VFHOOK_PVEAPI_REST_H

#include <jansson.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/base/text.h"

struct rest; /* one connection to this node's pveproxy, kept alive between calls */

/*
 * Load libcurl, read the token, choose what TLS is verified against:
 * /etc/pve/local/pveproxy-ssl.pem if it is there (the admin's own certificate,
 * itself the trust anchor, for a name that it carries), else
 * /etc/pve/pve-root-ca.pem for "localhost". The connection always goes to this
 * machine (127.0.0.1, or LISTEN_IP of /etc/default/pveproxy), port 8006.
 * No proxy, no redirect, https only, verification never off, HTTP/1.1, reply at
 * most 4 MiB, connect time-out 5 s, whole call timeout_ms. The secret is kept
 * in one place and wiped by rest_close(). NULL-safe close.
 */
int rest_open(int root, int timeout_ms, struct rest **out, struct error *err);
void rest_close(struct rest *r);

/* A form field; several with the same key are sent one after the other (map, map, ...). */
struct rest_param {
	const char *key;
	const char *value;
};

/*
 * One call. path is below /api2/json, with its components already safe for a
 * URL. Params go into the query string (GET, DELETE) or a form body (POST,
 * PUT), percent-encoded. *data receives the reply's `data` as a new reference
 * (may be JSON null), or NULL if data is NULL.
 *
 * Returns 0 for 2xx. Else a negative errno and a readable line in err that
 * holds, in this order of preference, the `errors` object ("hostpci0: invalid
 * format ..."), `message`, the reason phrase of the status line; line breaks
 * and control characters turned into blanks; with method, path and status:
 *   -EACCES 401/403 (401: what to do about the token), -EINVAL 400,
 *   -ENOENT for "not found" / "does not exist" texts, -EEXIST for "already defined",
 *   -EAGAIN for "detected modified configuration", "checksum mismatch" and got-lock timeouts (a
 *   retry may help), -EROFS for "no quorum",
 *   -ECONNREFUSED pveproxy not reachable (says `systemctl status pveproxy`),
 *   -ETIMEDOUT, -EPROTO (TLS or malformed reply), -EREMOTEIO anything else.
 * The secret never appears in err.
 */
int rest_call(struct rest *r, const char *method, const char *path, const struct rest_param *params,
	      size_t n_params, json_t **data, struct error *err);

/* Append text percent-encoded (everything but unreserved characters): a component of path. */
void rest_escape(struct str *out, const char *text);

#endif
