/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's command line as text: words separated by blanks, double quotes
 * keep blanks inside a word (lib/cmdline.c: next_arg). Nothing here touches a
 * file.
 */
#ifndef VFHOOK_HOST_CMDLINE_H
#define VFHOOK_HOST_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/text.h"

/*
 * The next word at or after *at, on this line: returns its length and lets *at
 * point to it, 0 at the line's end.
 */
size_t cmdline_word(const char **at);

/*
 * Is it there? A name and '-' or '_' in it are the same to the kernel
 * (kernel/params.c: parameq), upper and lower case are not.
 */
bool cmdline_has(const char *line, const char *word);

/* Has the parameter "intel_iommu" this value, alone or in a list ("on,sm_on")? */
bool cmdline_has_value(const char *line, const char *name, const char *value);

/* The first value of a parameter, cut to size; false if it is not there. */
bool cmdline_get(const char *line, const char *name, char *value, size_t size);

/*
 * text with the words that its first line lacks behind that line; every other
 * byte stays (proxmox-boot-tool reads the first line of /etc/kernel/cmdline).
 * Appended to out.
 */
void cmdline_add(const char *text, const char *const *words, size_t n, struct str *out);

/* text without these words in its first line, and one blank with each. Appended to out. */
void cmdline_remove(const char *text, const char *const *words, size_t n, struct str *out);

/*
 * The words that /etc/default/grub and its like give to every ordinary boot: the values of
 * GRUB_CMDLINE_LINUX and GRUB_CMDLINE_LINUX_DEFAULT, comments left out, each behind a blank. What
 * the shell would make of variables in them is not known. Appended to out.
 */
void grub_words(const char *text, struct str *out);

#endif
