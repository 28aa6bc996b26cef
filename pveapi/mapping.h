/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI resource mappings, read from /etc/pve/mapping/pci.cfg as a file. Never
 * through GET /cluster/mapping/pci/{id}: that would fill the cache of a
 * pvedaemon worker, whose next start would then use a stale mapping.
 */
#ifndef VFHOOK_PVEAPI_MAPPING_H
#define VFHOOK_PVEAPI_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"

/*
 * One `map` value of a mapping, taken apart. Strings may be "" when absent. A
 * value that PVE itself cannot use (it warns and goes on without it) has only
 * raw: its node is "", so it belongs to nobody.
 */
struct mapping_entry {
	char *raw; /* the whole value, kept for entries of other nodes */
	char *node;
	char *path; /* may name several, with ';' between */
	char *id;   /* "8086:10ca" */
	char *subsystem_id;
	char *iommugroup;
	bool unknown_key; /* it has a key that no PVE up to 9.2 knows: these do without the entry */
};

struct mapping {
	char *id;
	char *description; /* or NULL */
	bool mdev;
	bool live_migration;
	struct mapping_entry *entries;
	size_t n_entries;
	unsigned line;
};

struct mapping_file {
	struct mapping *mappings;
	size_t n_mappings;
	/* Lines that PVE warns of and goes on without. */
	size_t n_ignored;
	unsigned ignored_line;	 /* the first of them */
	const char *ignored_why; /* what is wrong with that one; static */
	char digest[41]; /* SHA-1 of the whole file in hex, as PVE's `digest`; of "" if no file */
};

/* Load the file; a missing one is an empty one. What PVE would pass over is passed over. */
int mapping_load(int root, struct mapping_file *out, struct error *err);
/*
 * Only mappings whose id begins with prefix, and without digest: a start needs one or two of what
 * may be thousands, and writes none. Others are not judged.
 */
int mapping_load_some(int root, const char *prefix, struct mapping_file *out, struct error *err);
int mapping_parse(const char *name, const char *text, size_t len, struct mapping_file *out,
		  struct error *err);
/* PVE's configid: a letter, then at least one letter, digit, '-' or '_'. NULL is not valid. */
bool mapping_id_valid(const char *id);
const struct mapping *mapping_find(const struct mapping_file *f, const char *id);
/* This node's first entry, or NULL; *n counts how many there are. */
const struct mapping_entry *mapping_node_entry(const struct mapping *m, const char *node,
					       size_t *n);
void mapping_file_free(struct mapping_file *f);

/*
 * "id=8086:10ca,iommugroup=17,node=pve1,path=0000:06:10.1,subsystem-id=8086:0000"
 * malloc'd, NULL when memory ran out. iommugroup < 0 leaves it out, as does a
 * NULL subsystem_id. PVE::Mapping::PCI assert_valid wants each exactly as sysfs has it.
 */
char *mapping_entry_format(const char *node, const char *path, const char *id,
			   const char *subsystem_id, int iommugroup);

#endif
