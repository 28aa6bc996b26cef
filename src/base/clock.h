/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Until when somebody waits: one such value is handed down to whatever may take its time. */
#ifndef VFHOOK_BASE_CLOCK_H
#define VFHOOK_BASE_CLOCK_H

#include <time.h>

/* A moment of CLOCK_MONOTONIC, in milliseconds. */
struct deadline {
	long long at;
};

static inline long long clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static inline struct deadline deadline_in(long long ms)
{
	return (struct deadline){clock_ms() + ms};
}

/* Milliseconds until then, never less than 0. */
static inline int deadline_left(const struct deadline *d)
{
	long long left = d->at - clock_ms();

	return left <= 0 ? 0 : left > 1 << 30 ? 1 << 30 : (int)left;
}

/* At most so many milliseconds of what is left. */
static inline int deadline_share(const struct deadline *d, int most)
{
	int left = deadline_left(d);

	return left < most ? left : most;
}

static inline void nap_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

#endif
