/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is seen of a node, as a picture needs it: its PFs and the cards they are on, their VFs, the
 * guests on these, and what is not as it should be. Facts alone, wherever they were learnt: here
 * (src/show/seen_here.h), or from what another node tells.
 */
#ifndef VFHOOK_SHOW_SEEN_H
#define VFHOOK_SHOW_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/answer.h"
#include "src/base/text.h"
#include "src/vf/sysfs.h"

enum seen_level { SEEN_NOTE, SEEN_WARN, SEEN_BAD };

/* One thing to say of a node, a PF or a VF: a sentence. */
struct seen_mark {
	enum seen_level level;
	char *text; /* owned */
};

struct seen_marks {
	struct seen_mark *list;
	size_t n;
};

/* The state of a VF of a node that tells no more than that there is one. */
#define SEEN_UNTOLD "not told"

#define SEEN_STATE_LEN 24
#define SEEN_PLACE_LEN 24
#define SEEN_VLAN_LEN  16

struct seen_vf {
	unsigned index;
	char addr[PCI_ADDR_LEN];
	char state[SEEN_STATE_LEN]; /* vf_use_name(), or "stale"; another node may know more */
	uint32_t vmid;		    /* 0: nobody's */
	bool container;
	char guest[NAME_LEN];	    /* what it is called, "" if it has no name */
	char place[SEEN_PLACE_LEN]; /* "hostpci0", a container's interface, or "" */
	char vlan[SEEN_VLAN_LEN];   /* "20 q3 ad", "" for none */
	char mac[MAC_LEN];	    /* "" for none */
	bool vlan_differs;	    /* from what its port wants */
	bool mac_differs;
	int group; /* its IOMMU group, -1: none, or not told */
	struct seen_marks marks;
};

#define SEEN_CARD_LEN  96
#define SEEN_POOLS_LEN 160
#define SEEN_ABOVE_LEN 200

struct seen_pf {
	char addr[PCI_ADDR_LEN];
	char ifname[IFNAME_LEN]; /* "": it has none */
	char driver[DRIVER_LEN];
	struct card_id card;
	char card_name[SEEN_CARD_LEN]; /* "Intel 82576 ...", "" if nobody knows */
	char pools[SEEN_POOLS_LEN];    /* "wan"; "wan, lan" if it stands in several */
	bool no_net;
	enum answer up; /* UNKNOWN also of a card without a network */
	enum answer carrier;
	unsigned speed; /* Mbit/s, 0: not known */
	unsigned mtu;	/* 0: not known */
	char above[SEEN_ABOVE_LEN];
	struct seen_marks marks;
	struct seen_vf *vfs; /* in the order of their numbers */
	size_t n_vfs;
};

/* From where a node's facts are. */
enum seen_source {
	SEEN_HERE,	/* looked at just now */
	SEEN_TOLD,	/* the node told them a while ago: see time */
	SEEN_ADDRESSES, /* it tells which VFs it has, and nothing else: an older version, or no
			   watch */
	SEEN_SILENT,	/* it tells nothing */
};

/* Of another node no more are read than that. */
#define SEEN_PFS_MAX 64

struct seen_node {
	char name[NAME_LEN];
	enum seen_source source;
	int64_t time;	    /* of SEEN_TOLD: epoch seconds */
	enum answer online; /* in the cluster */
	struct seen_marks marks;
	struct seen_pf *pfs; /* by address */
	size_t n_pfs;
};

/* Start with a zeroed one. It is zeroed again. */
void seen_node_free(struct seen_node *n);
void seen_pf_free(struct seen_pf *pf);

/* Put its VFs into the order of their numbers. */
void seen_vfs_sort(struct seen_pf *pf);

/* Append a mark; the text is cleaned of what a terminal may obey. False: out of memory. */
bool seen_mark_add(struct seen_marks *m, enum seen_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void seen_marks_free(struct seen_marks *m);

/* The worst of them; SEEN_NOTE if there are none. */
enum seen_level seen_worst(const struct seen_marks *m);

/* Are both of the same card: functions of one device, or with one serial number? */
bool seen_same_card(const struct seen_pf *a, const struct seen_pf *b);

#endif
