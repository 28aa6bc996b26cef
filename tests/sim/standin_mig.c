/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QEMU stand-in's migrations: a line of JSON over a UNIX socket, after the time it is to take.
 * What goes over is which devices the guest has seen; a vfio-pci device keeps the guest here.
 */
#define _GNU_SOURCE
#include "tests/sim/standin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *socket_of(const char *uri)
{
	return strncmp(uri, "unix:", 5) == 0 ? uri + 5 : NULL;
}

static void set_status(struct vm *vm, const char *status)
{
	snprintf(vm->status, sizeof(vm->status), "%s", status);
	tell(vm);
}

/* -- to here -- */

void incoming_listen(struct vm *vm, const char *uri)
{
	const char *path = socket_of(uri);

	if (!path || (vm->incoming = unix_socket(below(vm, "%s", path), true)) < 0)
		die("-incoming %s: cannot listen: %s", uri, strerror(errno));
}

void incoming_accept(struct vm *vm)
{
	vm->stream = accept4(vm->incoming, NULL, NULL, SOCK_CLOEXEC);
	if (vm->stream >= 0) {
		close(vm->incoming);
		vm->incoming = -1;
	}
}

static void take_over(struct vm *vm, const json_t *state)
{
	json_t *seen = json_object_get(state, "sees"), *id;
	size_t i;

	json_array_foreach(seen, i, id)
	{
		struct device *d = device_find(vm, json_string_value(id));

		if (d)
			d->seen = true;
	}
	set_status(vm, vm->autostart ? "running" : "paused");
	if (vm->autostart)
		qmp_event(vm, "RESUME", NULL);
}

/* As QEMU does, it ends if what comes in is no guest ("load of migration failed"). */
void incoming_read(struct vm *vm)
{
	char text[4096], want[32];
	size_t have = 0;
	json_t *state;

	while (have < sizeof(text) && !memchr(text, '\n', have)) {
		ssize_t n = read(vm->stream, text + have, sizeof(text) - have);

		if (n <= 0)
			exit(1);
		have += (size_t)n;
	}
	state = json_loadb(text, have, 0, NULL);
	if (!state || (knob(vm, "incoming", want, sizeof(want)) && strcmp(want, "fail") == 0))
		exit(1);
	take_over(vm, state);
	json_decref(state);
	if (write(vm->stream, "k", 1) != 1)
		set_status(vm, "paused");
	close(vm->stream);
	vm->stream = -1;
}

/* -- from here -- */

bool outgoing_is_active(const struct vm *vm)
{
	return strcmp(vm->out.status, "active") == 0;
}

static void end_outgoing(struct vm *vm, const char *status, const char *error)
{
	struct outgoing *out = &vm->out;

	if (out->fd >= 0)
		close(out->fd);
	out->fd = -1;
	snprintf(out->status, sizeof(out->status), "%s", status);
	snprintf(out->error, sizeof(out->error), "%s", error);
	set_status(vm, strcmp(status, "completed") == 0 ? "postmigrate" : out->before);
}

bool outgoing_begin(struct vm *vm, const char *uri, char err[ERR_LEN])
{
	const char *path = socket_of(uri);
	struct outgoing *out = &vm->out;
	char *where;

	if (outgoing_is_active(vm))
		return snprintf(err, ERR_LEN, "There's a migration process in progress") < 0;
	if (strcmp(vm->status, "inmigrate") == 0)
		return snprintf(err, ERR_LEN, "Guest is waiting for an incoming migration") < 0;
	for (size_t i = 0; i < vm->n; i++)
		if (strcmp(vm->devices[i].driver, "vfio-pci") == 0)
			return snprintf(err, ERR_LEN,
					"%s: VFIO migration is not supported in kernel",
					vm->devices[i].host) < 0;
	if (!path)
		return snprintf(err, ERR_LEN, "unknown migration protocol: %s", uri) < 0;
	*out = (struct outgoing){.status = "active", .begun = now(), .fd = -1};
	snprintf(out->before, sizeof(out->before), "%s", vm->status);
	where = below(vm, "%s", path);
	out->fd = unix_socket(where, false);
	if (out->fd < 0) {
		char error[ERR_LEN];

		snprintf(error, sizeof(error), "Failed to connect to '%.400s': %s", path,
			 strerror(errno));
		end_outgoing(vm, "failed", error);
	}
	free(where);
	tell(vm);
	return true;
}

void outgoing_cancel(struct vm *vm)
{
	if (outgoing_is_active(vm))
		end_outgoing(vm, "cancelled", "");
}

/* File "migrate": the seconds it takes, "never" or "fail". */
void outgoing_tick(struct vm *vm)
{
	char text[32], *line;
	json_t *state;

	if (!outgoing_is_active(vm) || vm->out.sent)
		return;
	if (!knob(vm, "migrate", text, sizeof(text)))
		snprintf(text, sizeof(text), "0.2");
	if (strcmp(text, "fail") == 0) {
		end_outgoing(vm, "failed", "Unable to write to socket: Broken pipe");
		return;
	}
	if (strcmp(text, "never") == 0 || now() < vm->out.begun + seconds(text))
		return;
	vm->out.sent = true;
	state = guest_state(vm);
	line = json_dumps(state, JSON_COMPACT);
	json_decref(state);
	set_status(vm, "finish-migrate");
	if (!line || dprintf(vm->out.fd, "%s\n", line) < 0)
		end_outgoing(vm, "failed", "Unable to write to socket: Broken pipe");
	free(line);
}

void outgoing_read(struct vm *vm)
{
	char ok;

	if (read(vm->out.fd, &ok, 1) == 1)
		end_outgoing(vm, "completed", "");
	else
		end_outgoing(vm, "failed", "Unable to write to socket: Broken pipe");
}
