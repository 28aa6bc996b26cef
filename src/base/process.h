/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This process, as whoever started it sees it: what it is left with, and how it ends. */
#ifndef VFHOOK_BASE_PROCESS_H
#define VFHOOK_BASE_PROCESS_H

#include <stdbool.h>

/*
 * At the very beginning: standard descriptors that are there, an environment of our own, no core
 * files. False with errno set.
 */
bool process_clean(void);

#endif
