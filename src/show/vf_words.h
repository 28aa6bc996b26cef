/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all pictures of VFs say in the same words. */
#ifndef VFHOOK_SHOW_VF_WORDS_H
#define VFHOOK_SHOW_VF_WORDS_H

#include <stddef.h>

#include "src/base/text.h"
#include "src/show/inventory.h"
#include "src/show/table.h"
#include "src/vf/vf.h"

/* "20", "20 q3 ad"; "" for no VLAN. Returns buf. */
const char *vf_vlan_words(const struct vf_settings *s, char *buf, size_t size);

/* Its vf_use_name(), or "stale". */
const char *vf_state_word(const struct vf_report *r);
/* How that word is shown; one that is not known is plain. */
enum style vf_state_style(const char *word);

/* Append what differs: "MAC is .., wanted ..; VLAN is -, wanted 20". */
void vf_differences(const struct vf_report *r, struct str *out);

/* Append what a person should do about them, if anything. */
void vf_advice_words(const struct vf_counts *c, struct str *out);

#endif
