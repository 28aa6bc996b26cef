/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening and closing what a run works with. */
#include "src/port/context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/node.h"
#include "pveapi/pmxcfs.h"

/* A lock that is busy for as long as a start may take would be answered by itself: PVE waits 10 s.
 */
#define REST_TIMEOUT_MS 60000

int hook_init(struct hook *h, const char *root_text, struct error *err)
{
	h->root_text = root_text;
	h->root = open(root_text ? root_text : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->root < 0)
		return fail_errno(err, errno, "open %s", root_text ? root_text : "/");
	return pve_node_name(h->root, h->node, sizeof(h->node), err);
}

void hook_free(struct hook *h)
{
	kernel_close(h->kernel);
	rest_close(h->rest);
	plan_free(&h->foreseen);
	vm_locks_drop(&h->off);
	if (h->root >= 0)
		close(h->root);
	*h = HOOK_INIT;
}

int hook_pve(const struct hook *h, struct error *err)
{
	return pmxcfs_check(h->root, !h->root_text, err);
}

int hook_kernel(struct hook *h, struct error *err)
{
	if (h->kernel)
		return 0;
	if (kernel_open(h->root, &h->kernel, err) < 0)
		return error_code(err);
	return 0;
}

int hook_rest(struct hook *h, struct error *err)
{
	return h->rest ? 0 : rest_open(h->root, REST_TIMEOUT_MS, &h->rest, err);
}

bool hook_host_path(const struct hook *h, const char *path, char *buf, size_t size)
{
	char fd[64];
	ssize_t n = 0;

	if (h->root_text) {
		snprintf(fd, sizeof(fd), "/proc/self/fd/%d", h->root);
		n = readlink(fd, buf, size - 1);
		if (n < 0)
			return false;
		if (n == 1) /* "/" itself */
			n = 0;
	}
	return snprintf(buf + n, size - (size_t)n, "/%s", path) < (int)(size - (size_t)n);
}
