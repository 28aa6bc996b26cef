/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From interface to interface, upwards. */
#include "src/host/bridges_above.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"

#define NET_DIR "sys/class/net"
/* The kernel stacks no more than this (MAX_NEST_DEV). */
#define DEPTH_MAX 8

struct walk {
	int root;
	const char *from;
	struct bridges_above *found;
	struct bridge_above *ovs;
	int trouble;
};

static void set_bridge(struct bridge_above *b, const struct walk *w, const char *name,
		       const char *port)
{
	*b = (struct bridge_above){0};
	snprintf(b->name, sizeof(b->name), "%s", name);
	if (strcmp(port, w->from) != 0)
		snprintf(b->over, sizeof(b->over), "%s", port);
}

/* In its place by name; the list has the first ones, whatever order the kernel shows. */
static void note_bridge(struct walk *w, const char *name, const char *port)
{
	struct bridges_above *b = w->found;
	size_t kept = b->n < BRIDGES_TOLD ? b->n : BRIDGES_TOLD;
	size_t at = 0;

	while (at < kept && strcmp(b->list[at].name, name) < 0)
		at++;
	b->n++;
	if (at == BRIDGES_TOLD)
		return;
	kept = kept < BRIDGES_TOLD ? kept : BRIDGES_TOLD - 1;
	memmove(&b->list[at + 1], &b->list[at], (kept - at) * sizeof(b->list[0]));
	set_bridge(&b->list[at], w, name, port);
}

static bool is_bridge(int root, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), NET_DIR "/%s/bridge", name);
	return path_exists(root, path);
}

static void climb(struct walk *w, const char *name, unsigned depth);

static void look_at(struct walk *w, const char *upper, const char *port, unsigned depth)
{
	if (is_bridge(w->root, upper))
		note_bridge(w, upper, port);
	/* All ports of all bridges of Open vSwitch have this one. */
	else if (!strcmp(upper, "ovs-system"))
		set_bridge(w->ovs, w, OVS_NAME, port);
	else if (depth < DEPTH_MAX)
		climb(w, upper, depth + 1);
}

/*
 * What sits on an interface, its master too, has a link upper_<name> in its folder
 * (net/core/dev.c: netdev_adjacent_sysfs_add).
 */
static void climb(struct walk *w, const char *name, unsigned depth)
{
	static const char prefix[] = "upper_";
	AUTO_CLOSEDIR DIR *d = NULL;
	const struct dirent *e;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), NET_DIR "/%s", name);
	d = dir_open(w->root, path);
	if (!d) {
		/* It has gone meanwhile. */
		if (errno != ENOENT)
			w->trouble = -errno;
		return;
	}
	while ((errno = 0, e = readdir(d))) {
		if (!strncmp(e->d_name, prefix, strlen(prefix)) &&
		    strlen(e->d_name + strlen(prefix)) < IFNAME_LEN)
			look_at(w, e->d_name + strlen(prefix), name, depth);
	}
	if (errno)
		w->trouble = -errno;
}

int bridges_above(int root, const char *ifname, struct bridges_above *out, struct bridge_above *ovs)
{
	struct walk w = {.root = root, .from = ifname, .found = out, .ovs = ovs};

	*out = (struct bridges_above){0};
	*ovs = (struct bridge_above){0};
	climb(&w, ifname, 0);
	return w.trouble;
}

const char *bridge_text(const struct bridge_above *b, char *buf, size_t size)
{
	if (b->over[0])
		snprintf(buf, size, "%s (over %s)", b->name, b->over);
	else
		snprintf(buf, size, "%s", b->name);
	return buf;
}

const char *bridges_text(const struct bridges_above *b, char *buf, size_t size)
{
	size_t told = b->n < BRIDGES_TOLD ? b->n : BRIDGES_TOLD;
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < told && len < size; i++) {
		const char *sep = !i ? "" : i + 1 < b->n ? ", " : " and ";
		char one[64];

		len += (size_t)snprintf(buf + len, size - len, "%s%s", sep,
					bridge_text(&b->list[i], one, sizeof(one)));
	}
	if (b->n > told && len < size)
		snprintf(buf + len, size - len, " and %zu more", b->n - told);
	return buf;
}
