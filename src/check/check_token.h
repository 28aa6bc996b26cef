/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: the token, the connection that it is for, and its rights ([token], [tls]) */
#ifndef VFHOOK_CHECK_CHECK_TOKEN_H
#define VFHOOK_CHECK_CHECK_TOKEN_H

#include <stddef.h>

#include "src/check/report.h"
#include "src/port/context.h"
#include "pveapi/guest_list.h"

/* The token's file, the connection to pveproxy, and the rights on each VM of `guests` that has
 * ports. */
void check_token(struct hook *h, const struct config *c, const struct guest_ref *guests,
		 size_t n_guests, struct report *r);

#endif
