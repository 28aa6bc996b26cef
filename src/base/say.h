/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words for a person. PVE puts stdout and stderr of a hookscript into the VM's
 * task log, so every line begins with "vfhook: " and ends with a line break (a
 * last line without one would swallow the task's status). Control characters
 * that came from a guest, a file or a reply do not get through.
 */
#ifndef VFHOOK_BASE_SAY_H
#define VFHOOK_BASE_SAY_H

#include "src/base/error.h"

/* A fact, to stdout. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Something wrong, to stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/*
 * From here on all lines go into the log of a live migration. Of what its target prints PVE takes
 * over only lines that begin with "QEMU: " (PVE/QemuMigrate.pm: phase2_start_local_cluster), and
 * leaves that out: "[pve2] vfhook: ...".
 */
void say_into_migration(void);
/*
 * From here on all lines go into the system's journal as well, by <root>/dev/log: for who is called
 * by a program that keeps our output to itself. Without a journal there is none.
 */
void say_to_syslog(int root);
/*
 * Whoever reads our lines may be gone: a daemon that was restarted, `| head -1`. Then they are
 * lost, and the work goes on; without this SIGPIPE would end us in the middle of it.
 */
void say_to_nobody_too(void);
/* In a child, before exec(): other programs count on SIGPIPE. */
void say_child(void);
/* The executor's way in. */
void say_line(void *arg, const char *line);

#endif
