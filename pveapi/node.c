/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This node's name. */
#include "pveapi/node.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "pveapi/limits.h"
#include "src/base/file.h"
#include "src/base/text.h"

int pve_node_check(const char *name, struct error *err)
{
	char clean[80];

	if (is_plain_name(name, PVE_NODE_MAX_LEN))
		return 0;
	return fail(err, EINVAL, "\"%s\" is no node name",
		    text_clean(name ? name : "", clean, sizeof(clean)));
}

int pve_node_name(int root, char *buf, size_t size, struct error *err)
{
	char name[NAME_MAX + 1];
	struct utsname uts;
	int r;

	if (link_basename(root, "etc/pve/local", name, sizeof(name)) < 0) {
		if (uname(&uts) < 0)
			return fail_errno(err, errno, "read the host name");
		uts.nodename[strcspn(uts.nodename, ".")] = '\0';
		snprintf(name, sizeof(name), "%s", uts.nodename);
	}
	r = pve_node_check(name, err);
	if (r < 0)
		return r;
	if (strlen(name) >= size)
		return fail(err, EINVAL, "the node's name %s is too long", name);
	memcpy(buf, name, strlen(name) + 1);
	return 0;
}
