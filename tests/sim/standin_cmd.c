/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the QEMU stand-in's monitor can be asked, with QEMU 10's answers. */
#define _GNU_SOURCE
#include "tests/sim/standin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GENERIC "GenericError"

struct call {
	struct vm *vm;
	json_t *args;
	const char **cls;
	char *err;
};

static const char *arg(const struct call *c, const char *key)
{
	const char *text = json_string_value(json_object_get(c->args, key));

	return text ? text : "";
}

static bool is(const struct vm *vm, const char *status)
{
	return strcmp(vm->status, status) == 0;
}

static json_t *query_status(struct call *c)
{
	return json_pack("{s:s, s:b}", "status", c->vm->status, "running", is(c->vm, "running"));
}

static json_t *stop(struct call *c)
{
	if (is(c->vm, "running")) {
		snprintf(c->vm->status, sizeof(c->vm->status), "paused");
		qmp_event(c->vm, "STOP", NULL);
	}
	return json_object();
}

static json_t *cont(struct call *c)
{
	struct vm *vm = c->vm;

	if (is(vm, "finish-migrate")) {
		snprintf(c->err, ERR_LEN, "Migration is not finalized yet");
		return NULL;
	}
	if (is(vm, "inmigrate")) {
		vm->autostart = true;
	} else if (!is(vm, "running")) {
		snprintf(vm->status, sizeof(vm->status), "running");
		qmp_event(vm, "RESUME", NULL);
		vm->quit = vm->poweroff;
	}
	return json_object();
}

static json_t *quit(struct call *c)
{
	c->vm->quit = true;
	return json_object();
}

static json_t *powerdown(struct call *c)
{
	qmp_event(c->vm, "POWERDOWN", NULL);
	c->vm->poweroff = true;
	c->vm->quit = is(c->vm, "running");
	return json_object();
}

static json_t *migrate(struct call *c)
{
	return outgoing_begin(c->vm, arg(c, "uri"), c->err) ? json_object() : NULL;
}

static json_t *migrate_cancel(struct call *c)
{
	outgoing_cancel(c->vm);
	return json_object();
}

static json_t *query_migrate(struct call *c)
{
	const struct outgoing *out = &c->vm->out;
	double took = now() - out->begun;
	json_t *j = json_object();

	if (!*out->status)
		return j;
	json_object_set_new(j, "status", json_string(out->status));
	json_object_set_new(j, "total-time", json_integer((json_int_t)(took * 1000)));
	json_object_set_new(j, "ram",
			    json_pack("{s:i, s:i, s:i}", "total", 1 << 29, "remaining", 0,
				      "transferred", 1 << 20));
	if (*out->error)
		json_object_set_new(j, "error-desc", json_string(out->error));
	return j;
}

/*
 * QEMU refuses to ask again as long as the first one waits; with ACPI hotplug, since 8.1, it asks
 * again (hw/acpi/pcihp.c: pending_deleted_expires_ms). The file "repeat" says "accept" for that.
 */
static json_t *device_del(struct call *c)
{
	struct device *d = device_find(c->vm, arg(c, "id"));
	char text[16];

	if (!d) {
		*c->cls = "DeviceNotFound";
		snprintf(c->err, ERR_LEN, "Device '%s' not found", arg(c, "id"));
		return NULL;
	}
	if (d->leaving &&
	    !(knob(c->vm, "repeat", text, sizeof(text)) && strcmp(text, "accept") == 0)) {
		snprintf(c->err, ERR_LEN, "Device %s is already in the process of unplug", d->id);
		return NULL;
	}
	device_ask(c->vm, d);
	return json_object();
}

static json_t *device_add(struct call *c)
{
	char words[1024];
	const char *key;
	json_t *value;
	size_t n;

	n = (size_t)snprintf(words, sizeof(words), "%s", arg(c, "driver"));
	json_object_foreach(c->args, key, value)
	{
		if (strcmp(key, "driver") != 0 && json_is_string(value) && n < sizeof(words))
			n += (size_t)snprintf(words + n, sizeof(words) - n, ",%s=%s", key,
					      json_string_value(value));
	}
	return device_plug(c->vm, words, !is(c->vm, "inmigrate"), c->err) ? json_object() : NULL;
}

/* What people type. Errors are text there, no errors of the command. */
static json_t *human(struct call *c)
{
	char name[32] = "", words[1024] = "", text[ERR_LEN + 16] = "";

	sscanf(arg(c, "command-line"), "%31s %1023s", name, words);
	if (strcmp(name, "device_add") == 0) {
		if (knob(c->vm, "device_add.error", c->err, ERR_LEN) ||
		    !device_plug(c->vm, words, !is(c->vm, "inmigrate"), c->err))
			snprintf(text, sizeof(text), "Error: %s\r\n", c->err);
	} else if (strcmp(name, "device_del") == 0) {
		json_t *args = json_pack("{s:s}", "id", words), *r;
		struct call del = {c->vm, args, c->cls, c->err};

		r = device_del(&del);
		if (!r)
			snprintf(text, sizeof(text), "Error: %s\r\n", c->err);
		json_decref(args);
		json_decref(r);
	} else {
		snprintf(text, sizeof(text), "unknown command: '%s'\r\n", name);
	}
	return json_string(text);
}

static json_t *qom_list(struct call *c)
{
	json_t *list;

	if (strcmp(arg(c, "path"), "/machine/peripheral") != 0) {
		*c->cls = "DeviceNotFound";
		snprintf(c->err, ERR_LEN, "Device '%s' not found", arg(c, "path"));
		return NULL;
	}
	list = json_pack("[{s:s, s:s}]", "name", "type", "type", "string");
	for (size_t i = 0; i < c->vm->n; i++) {
		char type[64];

		snprintf(type, sizeof(type), "child<%s>", c->vm->devices[i].driver);
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "name", c->vm->devices[i].id, "type", type));
	}
	return list;
}

static json_t *qom_get(struct call *c)
{
	const char *path = arg(c, "path"), *property = arg(c, "property");
	struct device *d = NULL;

	if (strncmp(path, "/machine/peripheral/", 20) == 0)
		d = device_find(c->vm, path + 20);
	if (!d) {
		*c->cls = "DeviceNotFound";
		snprintf(c->err, ERR_LEN, "Device '%s' not found", path);
		return NULL;
	}
	if (strcmp(property, "host") == 0)
		return json_string(d->host);
	if (strcmp(property, "realized") == 0)
		return json_true();
	snprintf(c->err, ERR_LEN, "Property '%s.%s' not found", d->driver, property);
	return NULL;
}

static json_t *nothing(struct call *c)
{
	(void)c;
	return json_object();
}

static json_t *sim_guest(struct call *c)
{
	return guest_state(c->vm);
}

static const struct {
	const char *name;
	json_t *(*run)(struct call *c);
} commands[] = {
	{"query-status", query_status},
	{"stop", stop},
	{"cont", cont},
	{"quit", quit},
	{"system_powerdown", powerdown},
	{"migrate", migrate},
	{"migrate_cancel", migrate_cancel},
	{"query-migrate", query_migrate},
	{"migrate-set-capabilities", nothing},
	{"migrate-set-parameters", nothing},
	{"device_add", device_add},
	{"device_del", device_del},
	{"human-monitor-command", human},
	{"qom-list", qom_list},
	{"qom-get", qom_get},
	{"qom-set", nothing},
	{"x-sim-guest", sim_guest},
};

json_t *command_run(struct vm *vm, const char *name, json_t *args, const char **cls,
		    char err[ERR_LEN])
{
	struct call c = {vm, args, cls, err};
	char file[128];

	*cls = GENERIC;
	snprintf(file, sizeof(file), "%.100s.error", name);
	if (knob(vm, file, err, ERR_LEN))
		return NULL;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, name) == 0) {
			json_t *result = commands[i].run(&c);

			tell(vm);
			return result;
		}
	}
	*cls = "CommandNotFound";
	snprintf(err, ERR_LEN, "The command %s has not been found", name);
	return NULL;
}

json_t *guest_state(const struct vm *vm)
{
	json_t *devices = json_object(), *sees = json_array(), *leaving = json_array();

	for (size_t i = 0; i < vm->n; i++) {
		const struct device *d = &vm->devices[i];

		json_object_set_new(devices, d->id, json_string(d->host));
		if (d->seen)
			json_array_append_new(sees, json_string(d->id));
		if (d->leaving)
			json_array_append_new(leaving, json_string(d->id));
	}
	return json_pack("{s:i, s:s, s:o, s:o, s:o, s:s}", "pid", (int)getpid(), "status",
			 vm->status, "devices", devices, "sees", sees, "leaving", leaving,
			 "migration", vm->out.status);
}
