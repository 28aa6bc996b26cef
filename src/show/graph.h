/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model of a picture: node, card, PF, VF and guest as the items of a tree, in words, each with
 * its style, and with what is not as it should be below it. Made from facts alone; who draws it
 * (src/show/graph_text.h, src/show/graph_svg.h) decides where a thing stands, and nothing else.
 */
#ifndef VFHOOK_SHOW_GRAPH_H
#define VFHOOK_SHOW_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/show/seen.h"
#include "src/show/table.h"

enum graph_kind {
	GRAPH_NODE,
	GRAPH_CARD,
	GRAPH_PF,
	GRAPH_VF,
	GRAPH_RUN,   /* VFs one after the other that are all the same, and nobody's */
	GRAPH_GUEST, /* below its VF */
	GRAPH_MARK,  /* a sentence about the item it is below */
};

enum graph_key {
	WORD_SOURCE, /* of a node: from when its facts are */
	WORD_MODEL,  /* of a card */
	WORD_SLOT,
	WORD_LINK, /* of a PF, in the order in which they are told */
	WORD_SPEED,
	WORD_MTU,
	WORD_ABOVE,
	WORD_POOL,
	WORD_FREE,
	WORD_ADDRESS,
	WORD_DRIVER,
	WORD_STATE, /* of a VF */
	WORD_VLAN,
	WORD_MAC,
	WORD_GROUP,
	WORD_PLACE, /* of a guest: "hostpci0" */
};

struct graph_word {
	enum graph_key key;
	enum style style;
	char *text; /* owned */
};

#define GRAPH_WORDS 8
#define GRAPH_ROOT  ((size_t)-1)

struct graph_item {
	enum graph_kind kind;
	size_t parent; /* an index, GRAPH_ROOT for a node */
	bool last;     /* no other item, marks apart, comes below the same parent */
	bool inner;    /* it has items below it, marks apart */
	bool faint;    /* it may be so no more: of a node that is offline, or told it long ago */
	bool container;
	enum style style; /* of its name */
	char *name;	  /* owned: "enp6s0f0", "VF 3-6", "VM 100 firewall", a mark's sentence */
	struct graph_word words[GRAPH_WORDS];
	size_t n_words;
	const struct seen_pf *pf;  /* of a PF, or NULL */
	const struct seen_vf *vfs; /* of a VF or a run, or NULL */
	size_t n_vfs;
};

/* Items stand behind what they are below of. Its facts must outlive it. */
struct graph {
	struct graph_item *items;
	size_t n;
	size_t cap;
	bool failed; /* memory ran out */
};

/* now: epoch seconds, for how old a thing is. Release with graph_free(). */
void graph_make(const struct seen_node *nodes, size_t n, int64_t now, struct graph *out);
void graph_free(struct graph *g);

/* That word of an item, or NULL. */
const struct graph_word *graph_word(const struct graph_item *i, enum graph_key key);

/* All of a VF in one line: "VF 3, 0000:06:10.6: free, IOMMU group 12". Appended. */
void graph_vf_title(const struct seen_vf *v, struct str *out);

#endif
