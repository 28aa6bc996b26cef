/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The version, which both programs have from one object. */
#ifndef VFHOOK_BASE_VERSION_H
#define VFHOOK_BASE_VERSION_H

/* "0.1.0" */
extern const char vfhook_version[];

#endif
