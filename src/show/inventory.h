/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every VF of every pool on this node, who has it, and whether it is as it
 * should be: what `vfhook status` and `vfhook metrics` tell. Takes no lock and opens
 * no VFIO group, so that looking never gets in a start's way.
 */
#ifndef VFHOOK_SHOW_INVENTORY_H
#define VFHOOK_SHOW_INVENTORY_H

#include "src/port/config.h"
#include "src/port/context.h"
#include "src/show/fdb_report.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/snapshot.h"

enum vf_use {
	USE_FREE,
	USE_STARTING, /* leased: the phases of a lease */
	USE_RUNNING,
	USE_DIRTY,
	USE_UNPLUGGED, /* kept for a VM that runs without it now */
	USE_ARRIVING,
	USE_RESERVED, /* not ours: reserved by PVE for a VM, */
	USE_RAW,      /* named by its address in a VM's config, */
	USE_MAPPED,   /* or through a mapping of the user's own, */
	USE_BUSY,     /* or open in a process through VFIO */
	USE_HOST,     /* set aside for this host; why tells what it does with it */
	USE_UNUSABLE, /* nobody can have it; why tells */
	USE_COUNT
};

/* "free", "starting", ...; the words of the JSON output and the metrics. */
const char *vf_use_name(enum vf_use use);
/* Does somebody have a lease on a VF that is used so? */
bool vf_use_is_lease(enum vf_use use);
struct vf_report;
/* "vm" or "ct": what the guest that has or names the VF is; NULL: there is none. */
const char *vf_guest_kind(const struct vf_report *r);
/* Free, and set as for a guest: the lease was lost, or a person did it. vfhook repair parks it. */
bool vf_is_left_over(const struct vf_report *r);

struct vf_report {
	const struct vf_state *vf;
	enum vf_use use;
	uint32_t vmid;	     /* whose it is, 0: nobody's */
	unsigned slot;	     /* of that VM */
	char name[NAME_LEN]; /* that VM's, "" if it has none */
	/*
	 * Free, and one of several that a mapping of the user's has for this VM: PVE may start it
	 * on any of them. 0: nobody's.
	 */
	uint32_t spare_of;
	unsigned spare_slot;
	bool stale;	  /* leased, but its VM neither runs nor is being started or stopped */
	char why[320];	  /* what is wrong with it, or who has it (USE_BUSY); else "" */
	char note[256];	  /* USE_HOST: what it is used for; else "" */
	unsigned differs; /* bit 1 << attr: the lease of a running VM wants something else */
};

struct pf_report {
	const struct pf_state *pf;
	char why[320]; /* what is wrong with the whole PF, or "" */
	struct vf_report *vfs;
	size_t n_vfs;
	struct vf_stats *stats; /* by VF number; NULL: none, no_stats may tell why */
	size_t n_stats;
	char no_stats[320]; /* why there are none, or not of all VFs */
	struct fdb_report fdb;
	char named_by[160]; /* "VM 300 hostpci0": who names the PF itself in its config, or "" */
};

struct pool_report {
	const struct pool *pool;
	struct pf_report *pfs; /* those on this node */
	size_t n_pfs;
};

struct inventory {
	struct config config;
	struct pool_report *pools;
	size_t n_pools;
	struct lease_entry *strays; /* leases on VFs that are in none of the pools above */
	size_t n_strays;
	char *broken_guests; /* configs that could not be read, or NULL */
	/* Private: what the reports point into. */
	struct snapshot snapshot;
	struct vf_claim *claims;
	uint32_t *claim_vmids;
	unsigned *claim_slots;
	size_t n_claims;
	size_t first_mapped; /* from there on they are VFs named through mappings, */
	size_t first_spare;  /* and from there on those that these have beyond what is needed: no
				claims */
};

#define INVENTORY_INIT ((struct inventory){.n_pools = 0})

/* stats: read the VF statistics too. Release with inventory_free(). */
int inventory_read(struct hook *h, bool stats, struct inventory *out, struct error *err);
void inventory_free(struct inventory *inv);

/* How many VFs of each use; of one PF, or of a pool. Adds to counts. */
struct vf_counts {
	size_t use[USE_COUNT];
	size_t total;
	size_t leased;
	size_t others; /* reserved, raw, mapped, busy */
	size_t stale;
	size_t mismatched;
};

/* How many of a PF's VFs are what. */
void count_vfs(const struct pf_report *pf, struct vf_counts *c);

/*
 * The statistics of a VF, or NULL. And of the same VF in an earlier inventory: NULL too if the
 * counters have gone back since (its driver was loaded anew).
 */
const struct vf_stats *vf_stats_of(const struct pf_report *pf, const struct vf_report *r);
const struct vf_stats *vf_stats_before(const struct inventory *before, const struct pf_report *pf,
				       const struct vf_report *r);

#endif
