/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom we talk to: the address pveproxy listens on, the name its certificate is
 * checked for, and the certificate that it is checked against.
 */
#ifndef VFHOOK_PVEAPI_TLS_H
#define VFHOOK_PVEAPI_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"

#define TLS_NAME_LEN 256 /* a DNS name (at most 253) or an address, and its NUL */

struct tls_target {
	char name[TLS_NAME_LEN];
	char address[64];	 /* IPv4 or IPv6, without brackets */
	const char *anchor_path; /* relative to root, as every path */
	char *anchor;		 /* that file's text (PEM) */
	size_t anchor_len;
};

/*
 * Choose as pveproxy does (PVE/Service/pveproxy.pm: init): the admin's
 * /etc/pve/local/pveproxy-ssl.pem if it and its key are there (then it is its
 * own trust anchor, for a name that it carries), else /etc/pve/pve-root-ca.pem
 * for "localhost". On success release with tls_target_free().
 */
int tls_choose(int root, struct tls_target *out, struct error *err);
void tls_target_free(struct tls_target *t);

/*
 * A name out of the first certificate's subjectAltName in a PEM text: the first
 * DNS name without a wildcard; else the node's name below a wildcard's domain;
 * else the first IP address. This only picks a name to ask for: OpenSSL checks
 * the certificate for it, so a wrong pick fails closed. Returns 0 or -EINVAL
 * with err filled.
 */
int tls_pick_name(const char *pem, size_t len, const char *node, char name[TLS_NAME_LEN],
		  struct error *err);

/* Which certificate pveproxy presents, chosen as in tls_choose(); relative to root. */
const char *tls_server_cert(int root);

/*
 * When the first certificate of a PEM text ends to be valid, seconds of the
 * epoch. 0, or -EINVAL (no text: to be told is only that it ends soon).
 */
int tls_not_after(const char *pem, size_t len, int64_t *out);

/*
 * The value that a shell-style file (/etc/default/pveproxy) gives a variable:
 * the last assignment, quotes and what follows them taken off; no expansion.
 * Returns 1, or 0 if it is not set (or empty, or does not fit).
 */
int shell_value(const char *text, size_t len, const char *variable, char *buf, size_t size);

#endif
