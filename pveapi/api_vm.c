/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each is one call, or one call again and again until a task is over. */
#include "pveapi/api_vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/hostpci.h"
#include "pveapi/limits.h"
#include "pveapi/node.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/text.h"

#define UPID_MAX_LEN 512

static int check_vm(const char *node, uint32_t vmid, struct error *err)
{
	if (vmid < PVE_VMID_MIN || vmid > PVE_VMID_MAX)
		return fail(err, EINVAL, "%u is no VM id", vmid);
	return pve_node_check(node, err);
}

static int config_put(struct rest *r, const char *node, uint32_t vmid,
		      const struct rest_param *params, size_t n, struct error *err)
{
	char path[128];

	snprintf(path, sizeof(path), "/nodes/%s/qemu/%u/config", node, vmid);
	return rest_call(r, "PUT", path, params, n, NULL, err);
}

static int check_slot(const char *node, uint32_t vmid, unsigned slot, struct error *err)
{
	if (slot >= PVE_HOSTPCI_MAX)
		return fail(err, EINVAL, "there is no hostpci%u (0 to %d)", slot,
			    PVE_HOSTPCI_MAX - 1);
	return check_vm(node, vmid, err);
}

static int check_value(uint32_t vmid, const struct hostpci_change *c, struct error *err)
{
	struct hostpci h;

	if (!c->value)
		return 0;
	if (hostpci_parse(c->value, &h, err) < 0)
		return fail_context(err, "VM %u: hostpci%u", vmid, c->slot);
	hostpci_clear(&h);
	return 0;
}

int api_hostpci_change(struct rest *r, const char *node, uint32_t vmid,
		       const struct hostpci_change *changes, size_t n, const char *digest,
		       struct error *err)
{
	struct rest_param params[PVE_HOSTPCI_MAX + 2];
	char keys[PVE_HOSTPCI_MAX][16];
	char gone[PVE_HOSTPCI_MAX * 16] = "";
	size_t used = 0;

	if (n > PVE_HOSTPCI_MAX)
		return fail(err, EINVAL, "VM %u: too many changes", vmid);
	for (size_t i = 0; i < n; i++) {
		if (check_slot(node, vmid, changes[i].slot, err) < 0 ||
		    check_value(vmid, &changes[i], err) < 0)
			return error_code(err);
		snprintf(keys[i], sizeof(keys[i]), "hostpci%u", changes[i].slot);
		if (changes[i].value)
			params[used++] = (struct rest_param){keys[i], changes[i].value};
		else
			snprintf(gone + strlen(gone), sizeof(gone) - strlen(gone), "%s%s",
				 gone[0] ? "," : "", keys[i]);
	}
	if (gone[0])
		params[used++] = (struct rest_param){"delete", gone};
	if (digest)
		params[used++] = (struct rest_param){"digest", digest};
	return config_put(r, node, vmid, params, used, err);
}

int api_hostpci_set(struct rest *r, const char *node, uint32_t vmid, unsigned slot,
		    const char *value, const char *digest, struct error *err)
{
	const struct hostpci_change c = {slot, value};

	return api_hostpci_change(r, node, vmid, &c, 1, digest, err);
}

int api_hostpci_delete(struct rest *r, const char *node, uint32_t vmid, unsigned slot,
		       struct error *err)
{
	return api_hostpci_set(r, node, vmid, slot, NULL, NULL, err);
}

/* --- Tasks --- */

/* PVE/UPID.pm: decode: no blanks and no slash in it, so that it is one component of a path. */
static bool is_upid(const char *s)
{
	size_t len = s ? strlen(s) : 0;

	if (len < 6 || len > UPID_MAX_LEN || strncmp(s, "UPID:", 5) != 0)
		return false;
	for (; *s; s++) {
		if ((unsigned char)*s <= 0x20 || *s == '/' || *s == 0x7f)
			return false;
	}
	return true;
}

int api_vm_start(struct rest *r, const char *node, uint32_t vmid, char **upid, struct error *err)
{
	json_t *data = NULL;
	const char *text;
	char path[128];
	int ret = check_vm(node, vmid, err);

	*upid = NULL;
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "/nodes/%s/qemu/%u/status/start", node, vmid);
	ret = rest_call(r, "POST", path, NULL, 0, &data, err);
	if (ret < 0)
		return ret;
	text = json_string_value(data);
	if (is_upid(text)) {
		*upid = strdup(text);
		ret = *upid ? 0 : fail(err, ENOMEM, "out of memory");
	} else {
		ret = fail(err, EPROTO, "POST %s: the reply names no task", path);
	}
	json_decref(data);
	return ret;
}

/* 1: still running, 0: it ended well, or a negative errno. */
static int judge_task(json_t *data, const char *upid, struct error *err)
{
	const char *status = json_string_value(json_object_get(data, "status"));
	const char *result = json_string_value(json_object_get(data, "exitstatus"));
	char shown[512];

	if (!status)
		return fail(err, EPROTO, "task %.200s: the reply has no status", upid);
	if (strcmp(status, "stopped") != 0)
		return 1;
	if (!result)
		result = "ended without a status";
	/* PVE/UPID.pm: status_is_error */
	if (!strcmp(result, "OK") || !strncmp(result, "WARNINGS: ", 10))
		return 0;
	return fail(err, EREMOTEIO, "task %.200s failed: %s", upid,
		    text_clean(result, shown, sizeof(shown)));
}

static int ask_task(struct rest *r, const char *path, const char *upid, struct error *err)
{
	json_t *data = NULL;
	int ret = rest_call(r, "GET", path, NULL, 0, &data, err);

	if (!ret)
		ret = judge_task(data, upid, err);
	json_decref(data);
	return ret;
}

int api_task_wait(struct rest *r, const char *node, const char *upid, int timeout_ms,
		  struct error *err)
{
	CLEANUP(str_free) struct str path = STR_INIT;
	long long end = clock_ms() + timeout_ms;
	int pause = 50;
	int ret = pve_node_check(node, err);

	if (ret < 0)
		return ret;
	if (!is_upid(upid))
		return fail(err, EINVAL, "no task id");
	str_printf(&path, "/nodes/%s/tasks/", node);
	rest_escape(&path, upid);
	str_append(&path, "/status");
	if (!str_ok(&path))
		return fail(err, ENOMEM, "out of memory");
	for (;;) {
		long long left;

		ret = ask_task(r, str_get(&path), upid, err);
		left = end - clock_ms();
		if (ret != 1)
			return ret;
		if (left <= 0)
			return fail(err, ETIMEDOUT, "task %.200s still runs after %d ms", upid,
				    timeout_ms);
		nap_ms(pause < left ? pause : (int)left);
		pause = pause * 2 < 1000 ? pause * 2 : 1000;
	}
}
