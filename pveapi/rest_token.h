/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API token of vfhook: a file that is root's alone. */
#ifndef VFHOOK_PVEAPI_REST_TOKEN_H
#define VFHOOK_PVEAPI_REST_TOKEN_H

#include <stddef.h>
#include <sys/types.h>

#include "src/base/error.h"

#define VFHOOK_TOKEN_PATH "etc/pve/priv/vfhook.token"
/* With the byte that ends it. */
#define REST_TOKEN_MAX 512
/* What to do about a token that is gone, wrong, expired, or of a user that is disabled. */
#define REST_TOKEN_MAKE "`/usr/lib/vfhook/setup token`"

/*
 * Check that the token is there and usable without opening a connection: the
 * file exists, is a regular file below /etc/pve/priv, not readable for others
 * than root (mode & 077, and its owner is root or us), and has the form
 * user@realm!id=secret. Errors name the command that mends it.
 */
int rest_token_check(int root, struct error *err);

/* The token's name, user@realm!id, without its secret. Fails as rest_token_check() does. */
int rest_token_name(int root, char *name, size_t size, struct error *err);

/*
 * The whole of it, user@realm!id=secret, into token, which has room for REST_TOKEN_MAX bytes and is
 * the caller's to wipe. Fails as rest_token_check() does; nothing is left in token then.
 */
int rest_token_read(int root, char *token, struct error *err);

#endif
