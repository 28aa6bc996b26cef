/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MAC prefix in datacenter.cfg. */
#include "pveapi/datacenter.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "pveapi/lines.h"
#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"

#define DATACENTER_CFG	  "etc/pve/datacenter.cfg"
#define MAC_PREFIX_DIGITS 7 /* three bytes and a half one: pve_verify_mac_prefix */

/* Pairs of hex digits with ':' between, the last pair perhaps half: pve_verify_mac_prefix. */
static int parse_mac_prefix(struct span value, uint8_t prefix[6], size_t *n_bytes)
{
	unsigned digits = 0;

	memset(prefix, 0, 6);
	for (size_t i = 0; i < value.len; i++) {
		char c = (char)tolower((unsigned char)value.p[i]);
		unsigned v;

		if (i % 3 == 2) {
			if (c != ':')
				return -EINVAL;
			continue;
		}
		if (!isxdigit((unsigned char)c) || ++digits > MAC_PREFIX_DIGITS)
			return -EINVAL;
		v = (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		prefix[i / 3] |= (uint8_t)(i % 3 ? v : v << 4);
	}
	if (digits < 2 || (digits % 2 && digits != MAC_PREFIX_DIGITS && digits < 3))
		return -EINVAL;
	if (prefix[0] & 1)
		return -EINVAL;
	*n_bytes = (digits + 1) / 2;
	return 0;
}

int pve_mac_prefix_parse(const char *text, size_t len, uint8_t prefix[6], size_t *n_bytes,
			 struct error *err)
{
	struct span found = {"BC:24:11", 8}; /* PVE/DataCenterConfig.pm: $PROXMOX_OUI */
	struct lines lines = lines_of(text, len);
	unsigned found_line = 0;
	struct span line;

	while (lines_next(&lines, &line)) {
		struct span key;
		struct span value;

		if (!line_split(span_trim(line), &key, &value) || !span_is(key, "mac_prefix"))
			continue;
		found = value;
		found_line = lines.number;
	}
	if (parse_mac_prefix(found, prefix, n_bytes) < 0) {
		char buf[SPAN_CLEAN_LEN];

		return fail(err, EINVAL,
			    "/" DATACENTER_CFG
			    ":%u: mac_prefix \"%s\" is no prefix of unicast MACs",
			    found_line, span_clean(found, buf));
	}
	return 0;
}

int pve_mac_prefix(int root, uint8_t prefix[6], size_t *n_bytes, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, DATACENTER_CFG, PVE_FILE_MAX, &text, err);

	if (len == -ENOENT) {
		error_clear(err);
		return pve_mac_prefix_parse("", 0, prefix, n_bytes, err);
	}
	if (len < 0)
		return (int)len;
	return pve_mac_prefix_parse(text, (size_t)len, prefix, n_bytes, err);
}
