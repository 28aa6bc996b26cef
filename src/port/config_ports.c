/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The section of a port is changed. */
#include "src/port/config_ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/config_load.h"
#include "src/port/config_text.h"
#include "src/port/port_keys.h"
#include "src/vf/vf_keys.h"

static const char *find_port_text(const char *text, uint32_t vmid, unsigned slot)
{
	char id[32];

	snprintf(id, sizeof(id), "%u-%u", vmid, slot);
	return config_section_head(text, "port", id);
}

/* A new mac line behind the header, and the rest as it is, without the section's old one. */
static void change_mac(struct edit *e, const char *head, const uint8_t mac[6])
{
	const char *at = config_line_next(head);
	const char *key = vf_keys[VF_KEY_MAC].name;
	char mac_text[MAC_LEN];

	str_append_len(&e->out, e->text, (size_t)(at - e->text));
	if (e->out.len && e->out.data[e->out.len - 1] != '\n')
		str_append(&e->out, "\n");
	str_printf(&e->out, "\t%s %s\n", key, mac_format(mac, mac_text));
	while (is_blank(*at) || *at == '#') {
		const char *next = config_line_next(at);

		if (!config_line_has_key(at, key))
			str_append_len(&e->out, at, (size_t)(next - at));
		at = next;
	}
	str_append(&e->out, at);
}

int config_set_mac(int root, uint32_t vmid, unsigned slot, const uint8_t mac[6], struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	const char *head;

	if (edit_begin(root, &e, err) < 0)
		return error_code(err);
	head = find_port_text(e.text, vmid, slot);
	if (!head)
		return fail(err, ENOENT, "port %u-%u has gone from /" VFHOOK_CFG, vmid, slot);
	change_mac(&e, head, mac);
	return edit_store(root, &e, err);
}

/* What is wrong with the port in what would be written. */
static int check_edited(const struct edit *e, uint32_t vmid, unsigned slot, struct port *out,
			struct error *err)
{
	CLEANUP(config_free) struct config after = {0};
	const struct port *p;

	if (!str_ok(&e->out))
		return fail(err, ENOMEM, "out of memory");
	if (config_parse("/" VFHOOK_CFG, str_get(&e->out), e->out.len, &after, err) < 0)
		return error_code(err);
	p = config_port(&after, vmid, slot);
	if (!p || p->bad)
		return fail(err, EINVAL, "%s", p ? p->bad : "the port is gone");
	if (out)
		*out = *p;
	return 0;
}

/* A port that would be a mistake, or make one of another port. */
int port_check_swapped(const struct edit *e, const char *id, struct error *err)
{
	struct port p = {0};

	return port_id_parse(id, &p, err) < 0 ? error_code(err)
					      : check_edited(e, p.vmid, p.slot, NULL, err);
}

int config_change_keys(int root, uint32_t vmid, unsigned slot, const struct key_change *changes,
		       size_t n, char **from, char **to, struct port *after, struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	const char *head;
	char id[32];

	*from = *to = NULL;
	if (edit_look(root, &e.text, &e.now, err) < 0)
		return error_code(err);
	snprintf(id, sizeof(id), "%u-%u", vmid, slot);
	head = config_section_head(e.text, "port", id);
	if (!head)
		return fail(err, ENOENT, "there is no port %s in /" VFHOOK_CFG, id);
	edit_change_keys(&e, head, changes, n);
	if (check_edited(&e, vmid, slot, after, err) < 0 ||
	    config_section_copy(e.text, "port", id, from, err) < 0 ||
	    config_section_copy(str_get(&e.out), "port", id, to, err) < 0)
		return error_code(err);
	return 0;
}
