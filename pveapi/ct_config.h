/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's config: /etc/pve/nodes/<node>/lxc/<vmid>.conf, read as a file, and its raw
 * lxc.net.<n>.* lines, which PVE has no API for: changed in the text, as an editor would.
 * Only the active part counts, which ends at the first line that begins with '[', and of
 * [pve:pending] the netN (PVE::LXC::Config parse_pct_config).
 */
#ifndef VFHOOK_PVEAPI_CT_CONFIG_H
#define VFHOOK_PVEAPI_CT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/guest.h"
#include "src/base/error.h"
#include "src/base/text.h"

/* PVE's own netN end before it (PVE/LXC/Config.pm: MAX_LXC_NETWORKS); it writes lxc.net.N for them.
 */
#define PVE_CT_NET_MAX 32

/* A network of it: netN, or one that only raw lines make. */
struct ct_net {
	unsigned index;
	bool raw;
	char name[16]; /* in the container; "" where it is not said, or is none */
	char link[16]; /* of a raw one */
};

/* Owns its strings; release with ct_config_free(). */
struct ct_config {
	uint32_t vmid;
	char *name; /* hostname, or NULL */
	char *hookscript;
	bool is_template;
	char *text; /* the file as it was read */
	size_t text_len;
	struct ct_net *nets; /* pending ones too */
	size_t n_nets;
};

/* "etc/pve/nodes/<node>/lxc/<vmid>.conf", below the root. Returns buf. */
const char *ct_config_path(const char *node, uint32_t vmid, char buf[GUEST_PATH_LEN]);

/*
 * Load the config of a container of this node. -ENOENT: the node has none of that id; other
 * negative errnos with err.
 */
int ct_config_load(int root, const char *node, uint32_t vmid, struct ct_config *out,
		   struct error *err);
/* The same of a text, which is copied. -EINVAL: a NUL byte in it; -ENOMEM. */
int ct_config_parse(const char *name, const char *text, size_t len, uint32_t vmid,
		    struct ct_config *out, struct error *err);
void ct_config_free(struct ct_config *c);

/*
 * The lines lxc.net.<index>.* of the active part as "key: value\n" each, in their order, however
 * they are spelt; *out is the caller's to free(), NULL: there is none. 0 or -ENOMEM.
 */
int ct_net_lines(const char *text, size_t len, unsigned index, char **out);

/*
 * The text with those lines in place of the ones of that index, at the end of the active part, as
 * PVE writes them; lines may be NULL: none. Everything else stays as it is. The caller's to
 * str_free(); look at str_ok().
 */
void ct_net_replace(const char *text, size_t len, unsigned index, const char *lines,
		    struct str *out);

#endif
