/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The version, as the Makefile has it. */
#include "src/base/version.h"

#ifndef VFHOOK_VERSION
#define VFHOOK_VERSION "unknown"
#endif

const char vfhook_version[] = VFHOOK_VERSION;
