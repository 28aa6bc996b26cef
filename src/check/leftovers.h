/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of scripts and units that do by hand what vfhook does. */
#ifndef VFHOOK_CHECK_LEFTOVERS_H
#define VFHOOK_CHECK_LEFTOVERS_H

#include <stdbool.h>

enum leftover {
	LEFTOVER_NONE,
	LEFTOVER_NUMVFS, /* makes VFs: sriov_numvfs, max_vfs=, SR-IOVVirtualFunctions= */
	LEFTOVER_VF_SET, /* sets something on a VF: ip link set X vf N ..., [SR-IOV] */
};

/* What a line does; comments do nothing. It ends at its line break, or at the text's end. */
enum leftover leftover_of_line(const char *line);

/* A file that lines are from. What it says as a whole is found out once, if a line needs it. */
struct leftover_file {
	int root;
	const char *text;
	bool asked, others; /* leftover_is_others()'s own */
};

/*
 * A line that makes VFs: are they certainly not a network card's? By the PCI addresses, device ids,
 * drivers and classes that the line names, or else the file that it is from.
 */
bool leftover_is_others(struct leftover_file *f, const char *line);

#endif
