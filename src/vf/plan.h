/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan is data: steps with from and to. It is made by pure functions of a
 * snapshot and wishes (src/vf/plan_*.h), printed by a dry run, carried out and undone by
 * src/vf/execute.h, kept in the journal while it is under way.
 */
#ifndef VFHOOK_VF_PLAN_H
#define VFHOOK_VF_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/vf/lease.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf.h"

enum step_kind {
	STEP_LEASE_TAKE,  /* new lease; undo: drop it */
	STEP_LEASE_WRITE, /* old lease -> lease; undo: the old one back */
	STEP_LEASE_DROP,  /* no undo: the last step of a release */
	STEP_LEASE_SEIZE, /* a lease file that cannot be used -> lease; kept as .broken, no undo */
	STEP_OVERRIDE,	  /* driver_override from_text -> to_text */
	STEP_SET,	  /* one attribute from -> to */
	STEP_CLEAR_MAC,	  /* MAC to zero; by way of spoofchk off, or a parking MAC, where zero is
			     refused */
	STEP_GUARD,  /* spoofchk on; by way of a parking MAC where zero is refused with it on */
	STEP_CUT,    /* link state disable, where the driver can */
	STEP_VERIFY, /* read the VF back and compare with `to` */
	STEP_UNUSED, /* no process has the VF's VFIO group open; else the plan fails */
	STEP_CALL,   /* an object outside of this folder from -> to, by who executes the plan */
};

/*
 * Something outside of this folder that has a name and a text: a mapping, a section of a file, a
 * key of a guest's config. A step sets it from one text to another, and only if it still is the
 * one, or is the other already; so it can be undone, and done or undone twice. NULL: not there.
 * The texts belong to the plan.
 */
struct step_object {
	const char *kind; /* a word that who executes the plan knows */
	const char *name;
	const char *from;
	const char *to;
	const char *what; /* for a person; NULL: it is said with the other texts */
	/*
	 * Nobody is harmed if it stays without the rest of the plan, and whoever comes next looks
	 * for himself: it is not compared with `from`, not undone, and not done by a recovery.
	 */
	bool harmless;
};

struct step {
	enum step_kind kind;
	struct pci_addr vf;
	struct pci_addr pf;
	unsigned index;
	int ifindex;
	char pf_name[IFNAME_LEN];
	char driver[DRIVER_LEN]; /* the PF's, for messages */
	enum vf_attr attr;
	/* Of a lease: what the VF was seen set to, where that is not the lease's `before`. */
	struct vf_settings from;
	struct vf_settings to;
	char from_text[DRIVER_LEN];
	char to_text[DRIVER_LEN];
	bool has_old_lease;
	struct lease old_lease;
	struct lease lease;
	struct step_object object; /* STEP_CALL */
};

/* What a crash in the middle means for the next run. */
enum plan_kind {
	PLAN_START,   /* undo it: the start it belonged to is over */
	PLAN_RELEASE, /* finish it: the VM it belonged to is gone */
	PLAN_MEND,    /* finish it: the VM it belongs to runs on that VF */
	PLAN_CHANGE,  /* undo it: new settings for a VF, and for the file that they are from */
	PLAN_CONFIG,  /* undo it: a port is made, and PVE told of it */
	PLAN_REMOVE,  /* finish it: a port is taken away */
	PLAN_VFS,     /* undo it: a PF is given its VFs */
	PLAN_CUT_OFF, /* forget it: the one kind that touches VFs of others (plan_cut_off()) */
	PLAN_SWAP,    /* nothing: one object that is set in one stroke, done or not done */
	PLAN_UNPLUG,  /* undo it: a running VM loses a VF */
	PLAN_PLUG,    /* finish it, all of it or nothing: a running VM gets a VF */
};

/* Is a crashed plan of that kind undone? Otherwise it is finished. */
bool plan_kind_is_undone(enum plan_kind kind);
/*
 * Does it change what PVE has of a VM? Its journal is one of its own, which no phase of the VM
 * touches: PVE's lock on the VM is held around a phase, and the VM's config cannot be written.
 */
bool plan_kind_is_config(enum plan_kind kind);
/* Does the next run have to know of it? Otherwise it has no journal. */
bool plan_kind_has_journal(enum plan_kind kind);
/* "start": for a line about it. */
const char *plan_kind_name(enum plan_kind kind);

/* Why a VF was or was not taken: one line for a person. */
struct plan_note {
	bool taken;
	bool aloud; /* what may be wrong with the plan: to be told whenever it is carried out */
	struct pci_addr vf;
	char text[320];
};

/* No plan that is carried out has more steps. */
#define PLAN_STEPS_MAX 4096

struct plan {
	enum plan_kind kind;
	uint32_t vmid;
	struct step *steps;
	size_t n_steps;
	struct plan_note *notes;
	size_t n_notes;
};

/* Free the texts of an object, which are a plan's or a journal's; it is empty then. */
void step_object_free(struct step_object *o);

/* An empty plan. vmid: whose VFs it is about; LEASE_SELF where that is no VM. */
void plan_init(struct plan *p, enum plan_kind kind, uint32_t vmid);
/* Free its steps and notes; it is empty then. */
void plan_free(struct plan *p);

/* Does the step set something of a VF? Not a lease's, which is no setting, nor a look at it. */
bool step_touches_vf(const struct step *s);

/* Does the plan change anything of a VF but leases? */
bool plan_changes_vfs(const struct plan *p);

/* Append a STEP_CALL. The texts are copied. 0; -E2BIG: one is longer than OBJECT_TEXT_MAX; -ENOMEM.
 */
int plan_add_object(struct plan *p, const struct step_object *o, struct error *err);
#define OBJECT_TEXT_MAX 65536

/* Has the plan steps that change something outside, of that kind or, with NULL, of any? */
bool plan_has_object(const struct plan *p, const char *kind);

/*
 * Append a step; its texts are copied. The step in the plan, good until the next is appended; NULL
 * with err: out of memory.
 */
struct step *plan_add_step(struct plan *p, const struct step *s, struct error *err);

/* Append a note about a VF. 0 or -ENOMEM: a note lost is no reason to refuse a start. */
int plan_add_note(struct plan *p, bool taken, const struct pci_addr *vf, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Append copies of all steps of `more`. 0 or -ENOMEM. */
int plan_append(struct plan *p, const struct plan *more, struct error *err);

#endif
