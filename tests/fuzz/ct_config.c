/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's config, and its lxc.net lines taken out and put in. max_len=768 */
#include "pveapi/ct_config.h"
#include "src/port/ct_net.h"
#include "tests/fuzz/fuzz.h"

#define NAME "/etc/pve/nodes/pve1/lxc/110.conf"

static void check_nets(const struct ct_config *c, size_t size)
{
	NEED(c->n_nets <= size);
	for (size_t i = 0; i < c->n_nets; i++) {
		const struct ct_net *n = &c->nets[i];

		NEED(n->raw || n->index < PVE_CT_NET_MAX);
		NEED(memchr(n->name, '\0', sizeof(n->name)) &&
		     memchr(n->link, '\0', sizeof(n->link)));
	}
}

/* What stands behind the active part, or NULL. */
static const char *behind(const char *text)
{
	const char *at = text[0] == '[' ? text : strstr(text, "\n[");

	return at;
}

/* The port's lines put in are there, those of no number but its own are touched, and once more is
 * the same. */
static void check_lines(const struct ct_config *c, unsigned index, const char *lines)
{
	CLEANUP(str_free) struct str once = STR_INIT;
	CLEANUP(str_free) struct str twice = STR_INIT;
	AUTO_FREE char *other = NULL;
	AUTO_FREE char *same = NULL;
	AUTO_FREE char *now = NULL;

	ct_net_replace(c->text, c->text_len, index, lines, &once);
	NEED(str_ok(&once));
	NEED(!ct_net_lines(str_get(&once), once.len, index, &now) && text_same(now, lines));
	NEED(!ct_net_lines(c->text, c->text_len, index + 1, &other));
	NEED(!ct_net_lines(str_get(&once), once.len, index + 1, &same) && text_same(other, same));
	ct_net_replace(str_get(&once), once.len, index, lines, &twice);
	NEED(str_ok(&twice) && twice.len == once.len &&
	     !memcmp(str_get(&twice), str_get(&once), once.len));
	NEED(!behind(c->text) == !behind(str_get(&once)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct port p = {.vmid = 110, .netname = "eth1", .mtu = 1400};
	AUTO_FREE char *text = bytes_of(data, size);
	CLEANUP(ct_config_free) struct ct_config c = {0};
	AUTO_FREE char *lines = NULL;
	struct error err = ERROR_INIT;
	struct port read = p;
	int r = ct_config_parse(NAME, text, size, 110, &c, &err);

	if (r < 0) {
		check_error(r, &err);
		NEED(!c.text && !c.nets);
		return 0;
	}
	check_nets(&c, size);
	lines = ct_net_text(&c, &p);
	NEED(lines && !strncmp(lines, "lxc.net.32.type: phys\n", 22));
	check_lines(&c, ct_net_index(0), lines);
	check_lines(&c, ct_net_index(0), NULL);
	/* With them the container is as its port wants it. */
	{
		CLEANUP(str_free) struct str with = STR_INIT;
		CLEANUP(ct_config_free) struct ct_config again = {0};

		ct_net_replace(c.text, c.text_len, ct_net_index(0), lines, &with);
		NEED(!ct_config_parse(NAME, str_get(&with), with.len, 110, &again, &err));
		NEED(!ct_net_check(&again, &read, &err));
	}
	return 0;
}
