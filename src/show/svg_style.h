/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Colours and fonts of the SVG picture, for light and for dark screens. */
#ifndef VFHOOK_SHOW_SVG_STYLE_H
#define VFHOOK_SHOW_SVG_STYLE_H

/* CSS, each rule for what is in an element of the class vfhook; it has nothing to escape in XML. */
const char *svg_style(void);

#endif
