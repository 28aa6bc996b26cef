/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One section of vfhook.cfg for another. */
#include "src/port/config_section.h"

#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/config.h"
#include "src/port/config_edit.h"
#include "src/port/config_pools.h"
#include "src/port/config_ports.h"
#include "src/port/config_text.h"

int config_section(int root, const char *type, const char *id, char **out, struct error *err)
{
	CLEANUP(config_free) struct config c = {0};
	AUTO_FREE char *text = NULL;

	*out = NULL;
	return edit_look(root, &text, &c, err) < 0 ? error_code(err)
						   : config_section_copy(text, type, id, out, err);
}

int config_swap_section(int root, const char *type, const char *id, const char *from,
			const char *to, bool check, struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	AUTO_FREE char *now = NULL;

	if (edit_begin(root, &e, err) < 0 || config_section_copy(e.text, type, id, &now, err) < 0)
		return error_code(err);
	if (text_same(now, to))
		return 0;
	if (!text_same(now, from))
		return fail(err, EAGAIN, "%s %s in /" VFHOOK_CFG " was changed meanwhile", type,
			    id);
	edit_swap(&e, now ? config_section_head(e.text, type, id) : NULL, to);
	if (check && to && !strcmp(type, "port") && port_check_swapped(&e, id, err) < 0)
		return error_code(err);
	if (check && !strcmp(type, "pool") && pool_check_edited(&e, id, to, err) < 0)
		return error_code(err);
	return edit_store(root, &e, err);
}
