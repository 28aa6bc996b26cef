/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/port/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/port/objects.h"
#include "src/base/say.h"
#include "pveapi/pmxcfs.h"
#include "src/vf/owner.h"

/* A lock that is busy for as long as a start may take would be answered by itself: PVE waits 10 s.
 */
#define REST_TIMEOUT_MS 60000

int hook_init(struct hook *h, const char *root_text, struct error *err)
{
	h->root_text = root_text;
	h->root = open(root_text ? root_text : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->root < 0)
		return fail_errno(err, errno, "open %s", root_text ? root_text : "/");
	h->exec =
		(struct executor){.root = h->root, .call = object_call, .say = say_line, .arg = h};
	return pve_node_name(h->root, h->node, sizeof(h->node), err);
}

void hook_free(struct hook *h)
{
	kernel_close(h->kernel);
	rest_close(h->rest);
	plan_free(&h->foreseen);
	objects_unlock(h);
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
	h->exec.kernel = h->kernel;
	return 0;
}

int hook_rest(struct hook *h, struct error *err)
{
	return h->rest ? 0 : rest_open(h->root, REST_TIMEOUT_MS, &h->rest, err);
}

int hook_lock_vm(struct hook *h, uint32_t vmid, int timeout_ms, struct owner **out,
		 struct error *err)
{
	char path[64];

	if (!h->dry_run)
		return owner_lock(h->root, vmid, timeout_ms, out, err);
	if (!lock_is_free(h->root, owner_lock_path(vmid, path)))
		say("note: another run of vfhook for VM %u is busy just now; what follows is how "
		    "things stand at this moment",
		    vmid);
	return owner_pretend(vmid, out, err);
}

int hook_lock_config(struct hook *h, uint32_t vmid, int timeout_ms, struct owner **out,
		     struct error *err)
{
	int r;

	if (h->dry_run)
		return owner_pretend(vmid, out, err);
	r = owner_lock_config(h->root, vmid, timeout_ms, out, err);
	return r == -EWOULDBLOCK
		       ? fail(err, EBUSY,
			      "another vfhook command, or its job, changes VM %u just now: try "
			      "again when it is done",
			      vmid)
		       : r;
}

const char *port_mapping_prefix(uint32_t vmid, char buf[NAME_LEN])
{
	snprintf(buf, NAME_LEN, "vf-%u-", vmid);
	return buf;
}

const char *port_mapping_id(uint32_t vmid, unsigned slot, char buf[NAME_LEN])
{
	size_t len = strlen(port_mapping_prefix(vmid, buf));

	snprintf(buf + len, NAME_LEN - len, "%u", slot);
	return buf;
}

bool port_mapping_parse(const char *id, uint32_t *vmid, unsigned *slot)
{
	char again[NAME_LEN];
	char number[16];
	const char *dash;
	uint32_t n;

	if (strncmp(id, "vf-", 3) != 0)
		return false;
	dash = strchr(id + 3, '-');
	if (!dash || (size_t)(dash - id - 3) >= sizeof(number))
		return false;
	memcpy(number, id + 3, (size_t)(dash - id - 3));
	number[dash - id - 3] = '\0';
	if (parse_u32(number, PVE_VMID_MAX, vmid) < 0 ||
	    parse_u32(dash + 1, PVE_HOSTPCI_MAX - 1, &n) < 0)
		return false;
	*slot = n;
	/* "vf-0100-00" is somebody else's. */
	return !strcmp(port_mapping_id(*vmid, *slot, again), id);
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
