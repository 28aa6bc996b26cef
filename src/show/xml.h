/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text from outside, put into SVG and HTML: it stays text there, whatever is in it. */
#ifndef VFHOOK_SHOW_XML_H
#define VFHOOK_SHOW_XML_H

#include <stddef.h>

#include "src/base/text.h"

/*
 * Append text for between tags and for attributes in double quotes: what XML reads as markup is
 * escaped, and what a terminal does not show becomes '?' as it does there (text_fit()): control
 * characters, which XML has no way to write, what is no UTF-8, what turns or hides the text around
 * it.
 */
void xml_text(const char *text, struct str *out);

/* The same, at most max columns wide ('~' as the last one if something was cut off): how wide. */
size_t xml_fit(const char *text, size_t max, struct str *out);

#endif
