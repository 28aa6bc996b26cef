/* SPDX-License-Identifier: GPL-2.0-or-later */
/* strftime(), and what is no moment. */
#include "src/show/time_words.h"

#include <stdio.h>
#include <time.h>

const char *time_words(int64_t when, char buf[TIME_WORDS_LEN])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, TIME_WORDS_LEN, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, TIME_WORDS_LEN, "?");
	return buf;
}
