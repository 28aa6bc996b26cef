/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs that look again and again (a live job, whoever waits for a guest to let go) nap for seconds,
 * and a test that waits for thousands of them would do nothing else. Where a made-up node has a
 * file short-naps in its root, `--root DIR`, their naps of 200 ms and more are a fiftieth, and at
 * least 20 ms. What they wait for at most stays as it is. libc's nanosleep() is replaced for the
 * whole program.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONG_NS	 200000000LL
#define LEAST_NS 20000000LL
#define PART	 50

static bool is_short;

static bool looks_again(const char *word)
{
	return !strcmp(word, "live-job") || !strcmp(word, "unplug") || !strcmp(word, "evacuate");
}

__attribute__((constructor)) static void read_arguments(int argc, char **argv)
{
	char path[PATH_MAX];

	if (argc < 4 || strcmp(argv[1], "--root") != 0 || !looks_again(argv[3]))
		return;
	snprintf(path, sizeof(path), "%s/short-naps", argv[2]);
	is_short = !access(path, F_OK);
}

int nanosleep(const struct timespec *want, struct timespec *left)
{
	long long ns = want->tv_sec * 1000000000LL + want->tv_nsec;
	struct timespec nap;

	if (is_short && ns >= LONG_NS)
		ns = ns / PART < LEAST_NS ? LEAST_NS : ns / PART;
	nap = (struct timespec){ns / 1000000000LL, ns % 1000000000LL};
	return (int)syscall(SYS_nanosleep, &nap, left);
}
