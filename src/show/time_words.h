/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A moment in words, as a person's clock has it. */
#ifndef VFHOOK_SHOW_TIME_WORDS_H
#define VFHOOK_SHOW_TIME_WORDS_H

#include <stdint.h>

#define TIME_WORDS_LEN 40

/* "2026-01-31 12:00:00", in local time, of epoch seconds; "?". Returns buf. */
const char *time_words(int64_t when, char buf[TIME_WORDS_LEN]);

#endif
