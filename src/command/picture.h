/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node's VFs as a picture: vfhook status --graph, and as SVG. */
#ifndef VFHOOK_COMMAND_PICTURE_H
#define VFHOOK_COMMAND_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/port/context.h"
#include "src/show/inventory.h"

struct picture {
	const char *pool; /* this one alone, or NULL for all */
	bool svg;
	size_t width; /* of the terminal */
	bool colour;
};

/* Print it. Returns an exit status. */
int picture_print(struct hook *h, const struct inventory *inv, const struct picture *p);

#endif
