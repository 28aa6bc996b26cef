/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The digest of a file as PVE makes it. */
#ifndef VFHOOK_PVEAPI_SHA1_H
#define VFHOOK_PVEAPI_SHA1_H

#include <stddef.h>

/* SHA-1 in lower-case hex, as PVE computes its digests. */
void sha1_hex(const void *data, size_t len, char out[41]);

#endif
