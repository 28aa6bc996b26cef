/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QEMU stand-in's monitor: one client at a time, who else connects waits; greeting, commands,
 * events. What a test wants of it (the folder's files) is asked at each connection and command:
 * "qmp" hang, close, rubbish or huge; COMMAND.hang, .delay, .close, .answer and .huge.
 */
#define _GNU_SOURCE
#include "tests/sim/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define GREETING                                                                                   \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 1, \"major\": "              \
	"10}, \"package\": \"pve-qemu-kvm_10.1.2-7\"}, \"capabilities\": []}}\r\n"
#define INPUT_MAX 1048576
#define HUGE_SIZE (64 << 20)

static void hang_up(struct vm *vm)
{
	if (vm->client >= 0)
		close(vm->client);
	vm->client = -1;
	free(vm->input);
	vm->input = NULL;
	vm->have = 0;
	vm->negotiated = false;
	vm->hung = false;
}

/* All of it, or the client is gone: one that does not read is given up after two seconds. */
static void send_all(struct vm *vm, const char *data, size_t len)
{
	while (vm->client >= 0 && len > 0) {
		ssize_t n = send(vm->client, data, len, MSG_NOSIGNAL);

		if (n <= 0) {
			hang_up(vm);
			return;
		}
		data += n;
		len -= (size_t)n;
	}
}

static void send_line(struct vm *vm, const char *text)
{
	send_all(vm, text, strlen(text));
	send_all(vm, "\r\n", 2);
}

static void send_json(struct vm *vm, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	if (text)
		send_line(vm, text);
	free(text);
	json_decref(j);
}

static void send_huge(struct vm *vm, const char *before)
{
	char block[65536];

	memset(block, 'x', sizeof(block));
	send_all(vm, before, strlen(before));
	for (size_t i = 0; vm->client >= 0 && i < HUGE_SIZE / sizeof(block); i++)
		send_all(vm, block, sizeof(block));
	send_all(vm, "\"}\r\n", 4);
}

void qmp_event(struct vm *vm, const char *name, json_t *data)
{
	struct timeval tv;
	json_t *j;

	gettimeofday(&tv, NULL);
	j = json_pack("{s:{s:I, s:I}, s:s}", "timestamp", "seconds", (json_int_t)tv.tv_sec,
		      "microseconds", (json_int_t)tv.tv_usec, "event", name);
	if (data)
		json_object_set_new(j, "data", data);
	if (vm->client >= 0 && vm->negotiated && !vm->hung)
		send_json(vm, j);
	else
		json_decref(j);
}

void qmp_listen(struct vm *vm, const char *path)
{
	vm->listener = unix_socket(below(vm, "%s", path), true);
	if (vm->listener < 0)
		die("-chardev socket,id=qmp,path=%s: Failed to bind socket: %s", path,
		    strerror(errno));
}

void qmp_accept(struct vm *vm)
{
	struct timeval limit = {.tv_sec = 2};
	char mode[16] = "";

	vm->client = accept4(vm->listener, NULL, NULL, SOCK_CLOEXEC);
	if (vm->client < 0)
		return;
	setsockopt(vm->client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	knob(vm, "qmp", mode, sizeof(mode));
	if (strcmp(mode, "hang") == 0)
		vm->hung = true;
	else if (strcmp(mode, "close") == 0)
		hang_up(vm);
	else if (strcmp(mode, "rubbish") == 0)
		send_all(vm, "\xff\x00{]\"HTTP/1.1 200 OK\r\n\r\n", 24);
	else if (strcmp(mode, "huge") == 0)
		send_huge(vm, "{\"QMP\": \"");
	else
		send_all(vm, GREETING, strlen(GREETING));
}

static void note(const struct vm *vm, const char *name, json_t *args)
{
	char path[PATH_MAX], *text;
	int fd;

	if (!vm->control)
		return;
	snprintf(path, sizeof(path), "%s/qmp.log", vm->control);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	text = args && json_object_size(args) ? json_dumps(args, JSON_SORT_KEYS) : NULL;
	dprintf(fd, "%s%s%s\n", name, text ? " " : "", text ? text : "");
	free(text);
	close(fd);
}

static bool wants(const struct vm *vm, const char *name, const char *what, char *text, size_t size)
{
	char file[128];

	snprintf(file, sizeof(file), "%.100s.%s", name, what);
	return knob(vm, file, text, size);
}

/* Something else than the answer; true if that was all. */
static bool misbehave(struct vm *vm, const char *name)
{
	char text[4096];

	if (wants(vm, name, "delay", text, sizeof(text)))
		usleep((useconds_t)(seconds(text) * 1e6));
	if (wants(vm, name, "hang", text, sizeof(text)))
		vm->hung = true;
	else if (wants(vm, name, "close", text, sizeof(text)))
		hang_up(vm);
	else if (wants(vm, name, "huge", text, sizeof(text)))
		send_huge(vm, "{\"return\": \"");
	else if (wants(vm, name, "answer", text, sizeof(text)))
		send_line(vm, text);
	else
		return false;
	return true;
}

/* device_add, typed. */
static bool misbehave_for_people(struct vm *vm, json_t *args)
{
	const char *line = json_string_value(json_object_get(args, "command-line"));
	char name[32] = "";

	if (line)
		sscanf(line, "%31s", name);
	return *name && misbehave(vm, name);
}

static void answer(struct vm *vm, json_t *request, json_t *result, const char *cls,
		   const char *desc)
{
	json_t *id = json_object_get(request, "id"), *j = json_object();

	if (result)
		json_object_set_new(j, "return", result);
	else
		json_object_set_new(j, "error",
				    json_pack("{s:s, s:s}", "class", cls, "desc", desc));
	if (id)
		json_object_set(j, "id", id);
	send_json(vm, j);
}

static void serve(struct vm *vm, json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "execute")), *cls;
	json_t *args = json_object_get(request, "arguments"), *result;
	char err[ERR_LEN] = "";

	if (!name) {
		answer(vm, request, NULL, "GenericError", "QMP input lacks member 'execute'");
	} else if (!vm->negotiated && strcmp(name, "qmp_capabilities") != 0) {
		answer(vm, request, NULL, "CommandNotFound",
		       "Expecting capabilities negotiation with 'qmp_capabilities'");
	} else if (strcmp(name, "qmp_capabilities") == 0) {
		vm->negotiated = true;
		answer(vm, request, json_object(), NULL, NULL);
	} else {
		note(vm, name, args);
		if (strcmp(name, "human-monitor-command") == 0 ? misbehave_for_people(vm, args)
							       : misbehave(vm, name))
			return;
		result = command_run(vm, name, args, &cls, err);
		answer(vm, request, result, cls, err);
	}
}

/* The length of the first whole object of the input; 0: none yet. */
static size_t whole(const char *text, size_t len)
{
	bool in_string = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string && text[i] == '{')
			depth++;
		else if (!in_string && text[i] == '}' && depth > 0 && --depth == 0)
			return i + 1;
	}
	return 0;
}

static void serve_all(struct vm *vm)
{
	size_t len;

	while (vm->client >= 0 && !vm->hung && (len = whole(vm->input, vm->have)) > 0) {
		json_t *request = json_loadb(vm->input, len, 0, NULL);

		memmove(vm->input, vm->input + len, vm->have - len);
		vm->have -= len;
		if (request)
			serve(vm, request);
		else
			answer(vm, NULL, NULL, "GenericError", "JSON parse error, invalid keyword");
		json_decref(request);
	}
}

void qmp_read(struct vm *vm)
{
	char *more = realloc(vm->input, vm->have + 4096);
	ssize_t n;

	if (!more)
		die("out of memory");
	vm->input = more;
	n = read(vm->client, vm->input + vm->have, 4096);
	if (n <= 0 || vm->have > INPUT_MAX) {
		hang_up(vm);
		return;
	}
	if (vm->hung)
		return;
	vm->have += (size_t)n;
	serve_all(vm);
}
