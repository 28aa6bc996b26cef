/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling what of this host has a VF or counts on it. */
#include "src/host/host_use.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/port/config.h"
#include "src/port/host_vfs_config.h"
#include "src/vf/plan.h"
#include "src/vf/sysfs.h"
#include "src/vf/why_not_free.h"

#define MAX_FILE  (256UL * 1024)
#define MAX_FILES 1024 /* of one folder */

/* --- Files that name an interface --- */

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* As a word, also before ".20" and ":0". Comments do not count. */
static bool names(const char *text, const char *ifname)
{
	size_t len = strlen(ifname);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *end = line + strcspn(line, "\n");

		if (line[strspn(line, " \t")] == '#')
			continue;
		for (const char *at = line; (at = strstr(at, ifname)) && at < end; at += len) {
			if ((at == line || !is_name_char(at[-1])) && !is_name_char(at[len]))
				return true;
		}
	}
	return false;
}

static bool file_names(int root, const char *path, const char *ifname)
{
	AUTO_FREE char *text = NULL;

	return file_read(root, path, MAX_FILE, &text, NULL) > 0 && names(text, ifname);
}

/* The first file of the folder that names it. */
static bool dir_names(int root, const char *dir, const char *suffix, const char *ifname,
		      char path[PATH_MAX])
{
	AUTO_CLOSEDIR DIR *d = dir_open(root, dir);
	const struct dirent *e;

	for (int n = 0; d && n < MAX_FILES && (e = readdir(d)); n++) {
		size_t len = strlen(e->d_name);
		size_t tail = strlen(suffix);

		if (e->d_name[0] == '.' || len < tail ||
		    strcmp(e->d_name + len - tail, suffix) != 0)
			continue;
		snprintf(path, PATH_MAX, "%s/%s", dir, e->d_name);
		if (file_names(root, path, ifname))
			return true;
	}
	return false;
}

static bool named_somewhere(const struct hook *h, const char *ifname, char path[PATH_MAX])
{
	char containers[160];

	snprintf(path, PATH_MAX, "etc/network/interfaces");
	if (file_names(h->root, path, ifname) ||
	    dir_names(h->root, "etc/network/interfaces.d", "", ifname, path))
		return true;
	/* lxc.net.0.link of a container: it has the interface while it runs. */
	snprintf(containers, sizeof(containers), "etc/pve/nodes/%s/lxc", h->node);
	return dir_names(h->root, containers, ".conf", ifname, path);
}

/* --- One VF --- */

static bool is_vfio(const char *driver)
{
	return strstr(driver, "vfio-pci") || strstr(driver, "vfio_pci");
}

enum host_use host_use_of(const struct hook *h, const struct vf_state *v, char *what, size_t size)
{
	const struct vf_info *i = &v->info;
	char path[PATH_MAX];

	what[0] = '\0';
	if (i->ifname[0]) {
		if (i->netdev_user[0])
			snprintf(what, size, "%s is in %s", i->ifname, i->netdev_user);
		else if (v->has_address == ANSWER_YES)
			snprintf(what, size, "%s has an address", i->ifname);
		else if (i->netdev_up)
			snprintf(what, size, "%s is up", i->ifname);
		else if (named_somewhere(h, i->ifname, path))
			snprintf(what, size, "/%s names %s", path, i->ifname);
		else if (v->has_address != ANSWER_NO)
			snprintf(what, size, "whether %s has an address cannot be told", i->ifname);
		return what[0] ? HOST_USE_SURE : HOST_USE_NONE;
	}
	if (!i->driver[0] || is_vfio(i->driver))
		return HOST_USE_NONE;
	driver_without_netdev_words(i->driver, what, size);
	return HOST_USE_MAYBE;
}

const char *process_words(const struct hook *h, uint32_t pid, char *buf, size_t size)
{
	char path[64];
	char name[32];
	char clean[32];

	snprintf(path, sizeof(path), "proc/%u/comm", pid);
	if (attr_read(h->root, path, name, sizeof(name)) > 0)
		snprintf(buf, size, "process %u (%s)", pid, text_clean(name, clean, sizeof(clean)));
	else
		snprintf(buf, size, "process %u", pid);
	return buf;
}

/* --- What would keep them --- */

/* What a VF has that is not what it would have anyway. */
static struct vf_settings worth_keeping(const struct vf_state *v)
{
	struct vf_settings s = v->now;
	uint8_t parked[6];
	uint32_t keep = 0;

	if (v->unread)
		return (struct vf_settings){.proto = VLAN_PROTO_8021Q};
	vf_parking_mac(&v->info.addr, parked);
	if (!mac_is_zero(s.mac) && memcmp(s.mac, parked, sizeof(parked)) != 0)
		keep |= HAS_MAC;
	if (s.vlan)
		keep |= HAS_VLAN;
	if (s.trust)
		keep |= HAS_TRUST;
	if (!s.spoofchk)
		keep |= HAS_SPOOFCHK;
	if (s.min_rate)
		keep |= HAS_MIN_RATE;
	if (s.max_rate)
		keep |= HAS_MAX_RATE;
	s.has &= keep;
	return s;
}

/* Is it the host's by the pool already? */
static const struct host_vfs *line_of(const struct hook *h, const struct pool *pool,
				      const struct pf_state *pf, const struct vf_state *v)
{
	return pool ? host_vfs_find(pool, h->node, &pf->info.addr, v->info.index) : NULL;
}

/* DPDK by uio: who has bound it so binds it again after a boot, and wants no interface. */
static bool is_program(const struct vf_state *v)
{
	return strstr(v->info.driver, "uio");
}

void host_use_propose(const struct hook *h, const struct pool *pool, const struct pf_state *pf,
		      struct str *out)
{
	size_t before = out->len;

	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct vf_state *v = &pf->vfs[i];
		const struct host_vfs *line = line_of(h, pool, pf, v);
		struct host_vfs one = {.first = v->info.index, .last = v->info.index};
		char what[200];

		if (line && line->first != v->info.index)
			continue;
		if (line)
			one = *line;
		else if (v->leased || is_program(v) ||
			 host_use_of(h, v, what, sizeof(what)) == HOST_USE_NONE)
			continue;
		else
			one.want = worth_keeping(v);
		if (out->len > before)
			str_append(out, "+");
		host_vfs_list_text(&one, out);
	}
}
