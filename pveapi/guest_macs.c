/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathering the MACs of netN lines. */
#include "pveapi/guest_macs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest_dir.h"
#include "pveapi/lines.h"
#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"

struct macs {
	struct guest_mac *list;
	size_t n;
	size_t cap;
	uint32_t vmid; /* whose config is being read */
};

static int add_mac(struct macs *m, const uint8_t mac[6])
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 32;
		struct guest_mac *list = reallocarray(m->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		m->list = list;
		m->cap = cap;
	}
	m->list[m->n].vmid = m->vmid;
	memcpy(m->list[m->n++].mac, mac, 6);
	return 0;
}

/* "virtio=<mac>,bridge=..", "model=virtio,macaddr=<mac>,..", containers: "hwaddr=<mac>,..". */
static int macs_of_net(struct macs *m, struct span value)
{
	struct span part;

	while (span_cut(&value, ',', &part)) {
		const char *eq = memchr(part.p, '=', part.len);
		char text[MAC_LEN];
		uint8_t mac[6];

		if (!eq || part.len - (size_t)(eq + 1 - part.p) != MAC_LEN - 1)
			continue;
		memcpy(text, eq + 1, MAC_LEN - 1);
		text[MAC_LEN - 1] = '\0';
		if (!mac_parse(text, mac) && add_mac(m, mac) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int macs_of_config(struct macs *m, const char *text, size_t len)
{
	struct lines lines = lines_of(text, len);
	struct span line;

	/* Snapshots and pending changes count: a rollback brings their addresses back. */
	while (lines_next(&lines, &line)) {
		struct span key;
		struct span value;

		if (!line_split(line, &key, &value) || key_index(key, "net", 100) < 0)
			continue;
		if (macs_of_net(m, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int macs_of_dir(int root, const char *dir, struct macs *m, struct error *err)
{
	CLEANUP(dir_names_free) struct dir_names names = {NULL, 0};
	int r = list_configs(root, dir, &names, err);

	for (int i = 0; !r && i < names.n; i++) {
		AUTO_FREE char *text = NULL;
		char path[192];
		ssize_t len;

		(void)conf_vmid(names.list[i]->d_name, &m->vmid);
		snprintf(path, sizeof(path), "%s/%u.conf", dir, m->vmid);
		len = file_read(root, path + 1, PVE_FILE_MAX, &text, NULL);
		if (len > 0 && macs_of_config(m, text, (size_t)len) < 0)
			r = fail(err, ENOMEM, "%s: out of memory", path);
	}
	return r;
}

int guest_all_macs(int root, struct guest_mac **macs, size_t *n_macs, struct error *err)
{
	static const char *const kinds[] = {"qemu-server", "lxc"};
	CLEANUP(dir_names_free) struct dir_names nodes = {NULL, 0};
	struct macs m = {0};
	int r = list_nodes(root, &nodes, err);

	*macs = NULL;
	*n_macs = 0;
	for (int i = 0; !r && i < nodes.n; i++) {
		for (size_t k = 0; !r && k < ARRAY_SIZE(kinds); k++) {
			char dir[128];

			snprintf(dir, sizeof(dir), "/etc/pve/nodes/%.63s/%s", nodes.list[i]->d_name,
				 kinds[k]);
			r = macs_of_dir(root, dir, &m, err);
		}
	}
	if (r < 0) {
		free(m.list);
		return r;
	}
	*macs = m.list;
	*n_macs = m.n;
	return 0;
}
