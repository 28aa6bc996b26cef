/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QEMU stand-in's devices: plugged, held as QEMU holds them, and let go of by the guest. */
#define _GNU_SOURCE
#include "tests/sim/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each group is opened once and closed after its last device; all are in the one container. */
static struct group {
	char path[64];
	int fd, users;
	bool real;
} groups[MAX_DEVICES];
static int container = -1;

__attribute__((format(printf, 2, 3))) static bool refuse(char err[ERR_LEN], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, ERR_LEN, fmt, ap);
	va_end(ap);
	return false;
}

static bool enter_container(const struct vm *vm, const char *host, int fd, char err[ERR_LEN])
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	bool first = container < 0;

	if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0 ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return refuse(err, "vfio %s: group is not viable", host);
	if (first && (container = open(below(vm, "/dev/vfio/vfio"), O_RDWR | O_CLOEXEC)) < 0)
		return refuse(err, "vfio: failed to open container: %s", strerror(errno));
	if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container) < 0 ||
	    (first && ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0))
		return refuse(err, "vfio: failed to set container: %s", strerror(errno));
	return true;
}

static struct group *group_find(const char *path)
{
	for (size_t i = 0; i < MAX_DEVICES; i++)
		if (groups[i].users && strcmp(groups[i].path, path) == 0)
			return &groups[i];
	return NULL;
}

static struct group *group_open(const struct vm *vm, const char *host, const char *path, bool real,
				char err[ERR_LEN])
{
	struct group *g = group_find(path);

	if (g) {
		g->users++;
		return g;
	}
	for (g = groups; g->users; g++)
		;
	g->fd = open(below(vm, "%s", path), O_RDWR | O_CLOEXEC);
	if (g->fd < 0) {
		refuse(err, "vfio %s: failed to open %s: %s", host, path, strerror(errno));
		return NULL;
	}
	if (real && !enter_container(vm, host, g->fd, err)) {
		close(g->fd);
		return NULL;
	}
	snprintf(g->path, sizeof(g->path), "%s", path);
	g->real = real;
	g->users = 1;
	return g;
}

static void group_close(const char *path)
{
	struct group *g = group_find(path);

	if (g && --g->users == 0)
		close(g->fd);
}

/*
 * Attach the function as QEMU does. In a made-up tree /dev/vfio/N is a plain file, held open for
 * whoever looks at our descriptors, or is not there.
 */
static bool hold(struct vm *vm, struct device *d, char err[ERR_LEN])
{
	char link[PATH_MAX], *name;
	struct group *g;
	struct stat st;
	ssize_t len = readlink(below(vm, "/sys/bus/pci/devices/%s/iommu_group", d->host), link,
			       sizeof(link) - 1);

	if (len < 0)
		return refuse(err, "vfio %s: no iommu_group found: %s", d->host, strerror(errno));
	link[len] = 0;
	name = strrchr(link, '/');
	snprintf(d->group, sizeof(d->group), "/dev/vfio/%.40s", name ? name + 1 : link);
	if (stat(below(vm, "%s", d->group), &st) < 0 && *vm->root) {
		d->group[0] = 0;
		return true;
	}
	g = group_open(vm, d->host, d->group, S_ISCHR(st.st_mode), err);
	if (!g)
		return false;
	if (g->real && (d->fd = ioctl(g->fd, VFIO_GROUP_GET_DEVICE_FD, d->host)) < 0) {
		group_close(d->group);
		return refuse(err, "vfio %s: error getting device from group: %s", d->host,
			      strerror(errno));
	}
	return true;
}

static void word_of(const char *words, const char *key, char *out, size_t size)
{
	size_t len = strlen(key);

	*out = 0;
	for (const char *at = words; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, key, len) == 0 && at[len] == '=') {
			snprintf(out, size, "%.*s", (int)strcspn(at + len + 1, ","), at + len + 1);
			return;
		}
	}
}

static const struct device *in_slot(const struct vm *vm, const struct device *d)
{
	for (size_t i = 0; *d->addr && i < vm->n; i++)
		if (strcmp(vm->devices[i].bus, d->bus) == 0 &&
		    strcmp(vm->devices[i].addr, d->addr) == 0)
			return &vm->devices[i];
	return NULL;
}

bool device_plug(struct vm *vm, const char *words, bool seen, char err[ERR_LEN])
{
	struct device d = {.fd = -1, .seen = seen};
	const struct device *other;
	char live[8], slot[16];

	snprintf(d.driver, sizeof(d.driver), "%.*s", (int)strcspn(words, ","), words);
	word_of(words, "id", d.id, sizeof(d.id));
	word_of(words, "host", d.host, sizeof(d.host));
	word_of(words, "bus", d.bus, sizeof(d.bus));
	word_of(words, "addr", d.addr, sizeof(d.addr));
	word_of(words, "enable-migration", live, sizeof(live));
	if (vm->n == MAX_DEVICES)
		return refuse(err, "PCI: no slot/function available for %s, all in use or reserved",
			      d.driver);
	if (device_find(vm, d.id))
		return refuse(err, "Duplicate device ID '%s'", d.id);
	other = in_slot(vm, &d);
	if (other) {
		snprintf(slot, sizeof(slot), "%ld", strtol(d.addr, NULL, 16));
		return refuse(err,
			      "PCI: slot %s function 0 not available for %s, in use by %s,id=%s",
			      slot, d.driver, other->driver, other->id);
	}
	if (strcmp(d.driver, "vfio-pci") == 0) {
		if (!hold(vm, &d, err))
			return false;
		if (strcmp(live, "on") == 0) {
			if (d.group[0])
				group_close(d.group);
			if (d.fd >= 0)
				close(d.fd);
			return refuse(err, "vfio %s: %s: VFIO migration is not supported in kernel",
				      d.host, d.host);
		}
	}
	vm->devices[vm->n++] = d;
	return true;
}

struct device *device_find(struct vm *vm, const char *id)
{
	for (size_t i = 0; *id && i < vm->n; i++)
		if (strcmp(vm->devices[i].id, id) == 0)
			return &vm->devices[i];
	return NULL;
}

void device_ask(struct vm *vm, struct device *d)
{
	(void)vm;
	d->leaving = true;
	d->asked = now();
}

static json_t *name_of(const struct device *d)
{
	return json_pack("{s:s, s:s+}", "device", d->id, "path", "/machine/peripheral/", d->id);
}

static void unplug(struct vm *vm, struct device *d)
{
	json_t *name = name_of(d);

	if (d->fd >= 0)
		close(d->fd);
	if (d->group[0])
		group_close(d->group);
	vm->n--;
	memmove(d, d + 1, (size_t)(vm->devices + vm->n - d) * sizeof(*d));
	tell(vm);
	qmp_event(vm, "DEVICE_DELETED", name);
}

bool device_waits(const struct vm *vm)
{
	for (size_t i = 0; i < vm->n; i++)
		if (vm->devices[i].leaving)
			return true;
	return false;
}

/* File "release": seconds the guest takes, "never", or "refuse". It can only while it runs. */
void device_tick(struct vm *vm)
{
	char text[32];

	if (!device_waits(vm))
		return;
	if (!knob(vm, "release", text, sizeof(text)))
		snprintf(text, sizeof(text), "0.1");
	for (struct device *d = vm->devices; d < vm->devices + vm->n; d++) {
		if (!d->leaving || strcmp(vm->status, "running") != 0 || strcmp(text, "never") == 0)
			continue;
		if (strcmp(text, "refuse") == 0) {
			d->leaving = false;
			tell(vm);
			qmp_event(vm, "DEVICE_UNPLUG_GUEST_ERROR", name_of(d));
		} else if (now() >= d->asked + seconds(text)) {
			unplug(vm, d--);
		}
	}
}
