/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of scripts and units that do by hand what vfhook does. */
#ifndef VFHOOK_HOOK_LEFTOVERS_H
#define VFHOOK_HOOK_LEFTOVERS_H

enum leftover {
	LEFTOVER_NONE,
	LEFTOVER_NUMVFS, /* makes VFs: sriov_numvfs, max_vfs= */
	LEFTOVER_VF_SET, /* sets something on a VF: ip link set X vf N ... */
};

/* What a line does; comments do nothing. It ends at its line break, or at the text's end. */
enum leftover leftover_of_line(const char *line);

#endif
