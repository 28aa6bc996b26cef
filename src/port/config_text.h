/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines and sections of vfhook.cfg as text, for those who change it: what is found is a place in
 * the text that was given. A line ends with its line break, or where the text does.
 */
#ifndef VFHOOK_PORT_CONFIG_TEXT_H
#define VFHOOK_PORT_CONFIG_TEXT_H

#include <stdbool.h>

#include "src/base/error.h"

/* The line after the one that `at` is in; the text's end behind the last one. */
const char *config_line_next(const char *at);
/* A line of blanks, or of nothing: it ends a section. */
bool config_line_is_empty(const char *at);
/* A line with a key of the section that it stands in. */
bool config_line_is_property(const char *at);
/* Does the section go on with this line? A comment in the first column may stand in it. */
bool config_line_goes_on(const char *at);
bool config_line_has_key(const char *at, const char *key);
/* The value of a key, without blanks around it, if the line has that key; false too for one that
 * is too long. */
bool config_line_value(const char *at, const char *key, char value[256]);

/* Where the section "<type>: <id>" begins in text, or NULL. */
const char *config_section_head(const char *text, const char *type, const char *id);
/* Behind the last property of the section at head. */
const char *config_section_end(const char *head);
/*
 * The section's text, always with a line break at its end, the caller's to free(); NULL in *out:
 * there is none. -ENOMEM with err.
 */
int config_section_copy(const char *text, const char *type, const char *id, char **out,
			struct error *err);

#endif
