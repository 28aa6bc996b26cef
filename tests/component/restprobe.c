/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * restprobe: pveapi's REST side from a shell, for component tests.
 *
 *   restprobe ROOT token-check
 *   restprobe ROOT call METHOD PATH [KEY=VALUE...]
 *   restprobe ROOT gets PATH...            one after the other; what came of the last
 *   restprobe ROOT mapping-set NODE ID ENTRY [DESCRIPTION]
 *   restprobe ROOT mapping-delete ID
 *   restprobe ROOT hostpci-set NODE VMID SLOT VALUE [DIGEST]
 *   restprobe ROOT hostpci-delete NODE VMID SLOT
 *   restprobe ROOT start NODE VMID
 *   restprobe ROOT wait NODE UPID
 *
 * Prints "OK <json>" (exit 0) or "ERR -<errno> <text>" (exit 1; 2: wrong usage).
 * RESTPROBE_TIMEOUT_MS in the environment is the time-out of a call (30000) and
 * of `wait`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/process.h"
#include "src/base/text.h"
#include "pveapi/api_mapping.h"
#include "pveapi/api_vm.h"
#include "pveapi/rest.h"
#include "pveapi/rest_token.h"

#define PARAMS_MAX 64

struct probe {
	int root;
	int timeout_ms;
	int argc; /* what follows the command */
	char **argv;
	struct rest *rest;
	json_t *data; /* shown behind OK */
	struct error err;
};

static int usage(struct probe *p)
{
	return fail(&p->err, ENOSYS, "wrong usage: see the head of restprobe.c");
}

static int do_call(struct probe *p)
{
	struct rest_param params[PARAMS_MAX];
	size_t n = 0;

	if (p->argc < 2 || p->argc - 2 > PARAMS_MAX)
		return usage(p);
	for (int i = 2; i < p->argc; i++) {
		char *eq = strchr(p->argv[i], '=');

		if (!eq)
			return usage(p);
		*eq = '\0';
		params[n++] = (struct rest_param){p->argv[i], eq + 1};
	}
	return rest_call(p->rest, p->argv[0], p->argv[1], params, n, &p->data, &p->err);
}

static int do_gets(struct probe *p)
{
	int r = usage(p);

	for (int i = 0; i < p->argc; i++) {
		json_decref(p->data);
		p->data = NULL;
		error_clear(&p->err);
		r = rest_call(p->rest, "GET", p->argv[i], NULL, 0, &p->data, &p->err);
	}
	return r;
}

static int do_mapping_set(struct probe *p)
{
	int r;

	if (p->argc < 3 || p->argc > 4)
		return usage(p);
	r = api_mapping_set(p->rest, p->root, p->argv[0], p->argv[1],
			    p->argc > 3 ? p->argv[3] : NULL, p->argv[2], &p->err);
	if (r < 0)
		return r;
	p->data = json_integer(r);
	return 0;
}

static int do_mapping_delete(struct probe *p)
{
	if (p->argc != 1)
		return usage(p);
	return api_mapping_delete(p->rest, p->root, p->argv[0], &p->err);
}

static int do_hostpci(struct probe *p)
{
	uint32_t vmid;
	uint32_t slot;

	if (p->argc < 3 || p->argc > 5 || parse_u32(p->argv[1], UINT32_MAX, &vmid) < 0 ||
	    parse_u32(p->argv[2], UINT32_MAX, &slot) < 0)
		return usage(p);
	if (p->argc == 3)
		return api_hostpci_delete(p->rest, p->argv[0], vmid, slot, &p->err);
	return api_hostpci_set(p->rest, p->argv[0], vmid, slot, p->argv[3],
			       p->argc > 4 ? p->argv[4] : NULL, &p->err);
}

static int do_start(struct probe *p)
{
	AUTO_FREE char *upid = NULL;
	uint32_t vmid;
	int r;

	if (p->argc != 2 || parse_u32(p->argv[1], UINT32_MAX, &vmid) < 0)
		return usage(p);
	r = api_vm_start(p->rest, p->argv[0], vmid, &upid, &p->err);
	if (!r)
		p->data = json_string(upid);
	return r;
}

static int do_wait(struct probe *p)
{
	if (p->argc != 2)
		return usage(p);
	return api_task_wait(p->rest, p->argv[0], p->argv[1], p->timeout_ms, &p->err);
}

static const struct {
	const char *name;
	int (*fn)(struct probe *p);
} commands[] = {
	{"call", do_call},
	{"gets", do_gets},
	{"mapping-set", do_mapping_set},
	{"mapping-delete", do_mapping_delete},
	{"hostpci-set", do_hostpci},
	{"hostpci-delete", do_hostpci},
	{"start", do_start},
	{"wait", do_wait},
};

static int run(struct probe *p, const char *root, const char *command)
{
	int r;

	p->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->root < 0)
		return fail_errno(&p->err, errno, "open %s", root);
	if (!strcmp(command, "token-check"))
		return rest_token_check(p->root, &p->err);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(command, commands[i].name) != 0)
			continue;
		r = rest_open(p->root, p->timeout_ms, &p->rest, &p->err);
		return r < 0 ? r : commands[i].fn(p);
	}
	return usage(p);
}

static int show(struct probe *p, int r)
{
	AUTO_FREE char *text = NULL;

	if (r < 0) {
		printf("ERR %d %s\n", r, p->err.text);
		return r == -ENOSYS ? 2 : 1;
	}
	text = json_dumps(p->data, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	printf("OK %s\n", text ? text : "null");
	return 0;
}

int main(int argc, char **argv)
{
	struct probe p = {.root = -1, .timeout_ms = 30000, .err = ERROR_INIT};
	const char *timeout = getenv("RESTPROBE_TIMEOUT_MS");
	uint32_t ms;
	int ret;

	/* As the programs begin, and from where tests/crash/killat.c counts. */
	if (!process_clean())
		return 1;
	if (timeout && !parse_u32(timeout, INT32_MAX, &ms))
		p.timeout_ms = (int)ms;
	if (argc < 3) {
		ret = show(&p, usage(&p));
	} else {
		p.argc = argc - 3;
		p.argv = argv + 3;
		ret = show(&p, run(&p, argv[1], argv[2]));
	}
	json_decref(p.data);
	rest_close(p.rest);
	if (p.root >= 0)
		close(p.root);
	return ret;
}
