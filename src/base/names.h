/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names in a folder, straight from getdents64(2). opendir() asks the kernel four things more
 * (fstat, two fcntl, memory), which a start that reads three folders would notice.
 */
#ifndef VFHOOK_BASE_NAMES_H
#define VFHOOK_BASE_NAMES_H

#include <stddef.h>

/* A folder being read. Release with names_close() (AUTO_NAMES). */
struct names {
	int fd;	   /* -1: it could not be opened */
	int error; /* 0, or the negative errno that kept it from being opened or read to its end */
	size_t at;
	size_t used;
	char buf[8192] __attribute__((aligned(8)));
};

/* Not opened yet: no names. */
#define NAMES_INIT ((struct names){.fd = -1})

/*
 * Open the folder at path below root. Returns 0 or a negative errno, which stays in n->error too.
 * n needs names_close() either way.
 */
int names_open(int root, const char *path, struct names *n);

/* The same for folders that we make ourselves: a symbolic link is none of them (-ENOTDIR). */
int names_open_own(int root, const char *path, struct names *n);

/*
 * The next name, none that begins with a dot; valid until the next call. NULL at the end, or when
 * the rest cannot be read: n->error tells.
 */
const char *names_next(struct names *n);

void names_close(struct names *n);

#define AUTO_NAMES __attribute__((cleanup(names_close)))

#endif
