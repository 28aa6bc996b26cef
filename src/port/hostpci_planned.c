/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the [PENDING] part of a config (PVE::QemuConfig). */
#include "src/port/hostpci_planned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/hostpci.h"
#include "src/base/cleanup.h"
#include "src/port/mapping_id.h"

/* "delete: hostpci0,!net0": is the key among them? (PVE::QemuConfig parse_pending_delete) */
static bool is_deleted(const char *list, const char *key)
{
	size_t len = strlen(key);

	for (list += strcspn(list, ":") + 1; *list && *list != '\n';) {
		list += strspn(list, " \t,;!");
		if (!strncmp(list, key, len) && strcspn(list + len, " \t,;\r\n") == 0)
			return true;
		list += strcspn(list, " \t,;\n");
	}
	return false;
}

/* "hostpci0: mapping=x": its value, NULL if the line is of another key. The caller's to free(). */
static char *value_of(const char *line, const char *key)
{
	size_t len = strlen(key);
	const char *v = line + len + 1;

	if (strncmp(line, key, len) != 0 || line[len] != ':')
		return NULL;
	v += strspn(v, " \t");
	len = strcspn(v, "\r\n");
	while (len && (v[len - 1] == ' ' || v[len - 1] == '\t'))
		len--;
	return strndup(v, len);
}

char *hostpci_planned(const struct guest_config *g, unsigned slot)
{
	const struct hostpci *e = &g->hostpci[slot];
	AUTO_FREE char *value = e->present ? strdup(e->raw) : NULL;
	bool pending = false;
	const char *at = g->text ? g->text : "";
	char key[16];

	snprintf(key, sizeof(key), "hostpci%u", slot);
	while (*at) {
		AUTO_FREE char *now = pending ? value_of(at, key) : NULL;

		if (*at == '[')
			pending = !strncmp(at, "[PENDING]", 9);
		if (now || (pending && !strncmp(at, "delete:", 7) && is_deleted(at, key))) {
			free(value);
			value = STEAL(now);
		}
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return STEAL(value);
}

bool hostpci_planned_is_ours(const struct guest_config *g, unsigned slot)
{
	AUTO_FREE char *value = hostpci_planned(g, slot);
	struct hostpci e = {0};
	unsigned of = 0;
	uint32_t vmid = 0;
	bool ours;

	if (!value || hostpci_parse(value, &e, NULL) < 0)
		return false;
	ours = e.mapping && port_mapping_parse(e.mapping, &vmid, &of) && vmid == g->vmid &&
	       of == slot;
	hostpci_clear(&e);
	return ours;
}
