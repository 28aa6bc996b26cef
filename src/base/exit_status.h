/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the process's exit status says, of a command and of a phase alike. */
#ifndef VFHOOK_BASE_EXIT_STATUS_H
#define VFHOOK_BASE_EXIT_STATUS_H

enum {
	EXIT_DONE = 0,	  /* done, or nothing to do */
	EXIT_REFUSED = 1, /* refused or failed; the lines say why */
	EXIT_USAGE = 2,	  /* wrong call; nothing was looked at */
};

#endif
