/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PVE's section config format (PVE::SectionConfig): a header line, then lines
 * that begin with a tab or blanks: "key value". A blank line ends a section; a
 * line whose first visible character is '#' is a comment.
 */
#ifndef VFHOOK_PVEAPI_SECTION_H
#define VFHOOK_PVEAPI_SECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"

/* No /etc/pve file is larger than this (pmxcfs: CFS_MAX_FILESIZE, 1 MiB). */
#define PVE_FILE_MAX 1048576

struct section_prop {
	const char *key;
	const char *value; /* "" for a key alone */
	unsigned line;
};

struct section {
	const char *type; /* "pool" of "pool: wan"; "" in files without types (mapping/pci.cfg) */
	const char *id;
	unsigned line;
	struct section_prop *props; /* in the order of the file; a key may repeat */
	size_t n_props;
	size_t first_prop; /* in the file's */
};

/* A value in a section that was passed over. */
struct section_other {
	const char *id; /* the section's */
	const char *value;
};

/* Owns everything below it; release with section_file_free(). */
struct section_file {
	struct section *sections;
	size_t n_sections;
	struct section_prop *props; /* of all sections, one after the other */
	size_t n_props;
	struct section_other *others;
	size_t n_others;
	/* In a file without types: lines that PVE warns of and goes on without, and so do we. */
	size_t n_ignored;
	unsigned ignored_line;	 /* the first of them */
	const char *ignored_why; /* what is wrong with that one; static */
	char *text;		 /* that all strings point into */
};

/*
 * What is wanted of a file that may have a thousand sections. only() says of each: NULL, it is
 * wanted; a key, only the values of that key, as others; "", nothing. What is not wanted is
 * passed over: it is not among the sections, and not judged.
 */
struct section_filter {
	const char *(*only)(const char *type, const char *id, const void *arg);
	const void *arg;
};

/*
 * Parse text (of length len; a NUL byte inside is an error) that came from the
 * file `name`. typed: headers are "type: id"; otherwise "id" alone. Errors say
 * "<name>:<line>: what is wrong": bad header, property outside a section,
 * property line without key (blanks alone), the same id twice (per type), a
 * line longer than 8192 bytes, control characters other than tab (so CR LF line
 * ends too), more than 65536 lines.
 * A file without types is PVE's own, and one bad line in it concerns one section: it is read as
 * PVE does (PVE::SectionConfig parse_config). What that warns of and passes over is passed over and
 * counted (n_ignored), of two sections with the same id the later one counts, and a header
 * without an empty line before it is rubbish in the section above. Only too many lines are an
 * error. filter may be NULL: everything. Returns 0 or a negative errno; on error *out is empty.
 */
int section_parse(const char *name, const char *text, size_t len, bool typed,
		  const struct section_filter *filter, struct section_file *out, struct error *err);
/* The same of a text that is ours to write into, with room for a NUL behind it; it belongs to *out
 * from now on, to be freed in any case. */
int section_take(const char *name, char *text, size_t len, bool typed,
		 const struct section_filter *filter, struct section_file *out, struct error *err);

/* The section with that type and id, or NULL. type is ignored when NULL. */
const struct section *section_find(const struct section_file *f, const char *type, const char *id);

/* The first value of key, or NULL. */
const char *section_get(const struct section *s, const char *key);

void section_file_free(struct section_file *f);

#endif
