/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Colours and fonts of the page of HTML, for light screens, for dark ones, and for paper. */
#ifndef VFHOOK_SHOW_PAGE_STYLE_H
#define VFHOOK_SHOW_PAGE_STYLE_H

/* CSS; it has nothing to escape in XML. */
const char *page_style(void);

#endif
