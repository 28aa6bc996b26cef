/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan is data: steps with from and to. It is made by pure functions of a
 * snapshot and wishes, printed by a dry run, carried out and undone by
 * execute.c, kept in the journal while it is under way.
 */
#ifndef VFHOOK_VF_PLAN_H
#define VFHOOK_VF_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/vf/snapshot.h"

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

struct plan {
	enum plan_kind kind;
	uint32_t vmid;
	struct step *steps;
	size_t n_steps;
	struct plan_note *notes;
	size_t n_notes;
};

/*
 * A free VF that somebody is likely to want all the same: used after those that nobody names. What
 * is said about one VF more than once adds up.
 */
struct spoken_for {
	struct pci_addr vf;
	unsigned weight; /* how much worse than a VF that nobody names; more is worse */
};

/* One port of a VM that is to get a VF. Pointers belong to the caller. */
struct port_wish {
	uint32_t vmid;
	unsigned slot;
	char pool[64];
	char name[64];		 /* the VM's, for the lease; may be "" */
	const struct pf_id *pfs; /* the pool's PFs on this node */
	size_t n_pfs;
	bool allow_pf_down;
	struct vf_settings want;
	bool has_last; /* the VF it had, kept if that can be */
	struct pci_addr last;
	int numa_node;	  /* the VM's, -1 if it is not pinned to one */
	bool keep_driver; /* PVE leaves the VF its driver: vfio_driver() */
	/*
	 * 0: the first free VF. Otherwise any of them, depending on the number: for
	 * one who lost a race and would only lose the next against the same others.
	 */
	unsigned spread;
	const struct spoken_for *spoken; /* for a choice among all VFs; may be NULL */
	size_t n_spoken;
};

/* What was decided for a port: indices into the snapshot. */
struct port_choice {
	bool chosen;
	size_t pf;
	size_t vf;
};

/* Free its texts. */
void step_object_free(struct step_object *o);

void plan_init(struct plan *p, enum plan_kind kind, uint32_t vmid);
void plan_free(struct plan *p);

/* Does the plan change anything but leases? */
bool plan_changes_vfs(const struct plan *p);

/*
 * Choose a VF for each wish and put the steps for all of them into the plan.
 * choices[i] belongs to wishes[i]. Returns 0; -EAGAIN if the snapshot is not
 * complete and the answer is not in it (read everything and ask again); -ENOSPC
 * if no VF is free for some wish (err says for which; the notes say why not,
 * VF by VF); -ENETDOWN if no PF of its pool can be used (err says why); -EINVAL
 * if the wishes contradict each other or the facts.
 */
int plan_start(const struct snapshot *s, const struct port_wish *wishes, size_t n, int64_t now,
	       struct port_choice *choices, struct plan *p, struct error *err);

/*
 * The steps that give one certain VF to a wish, whatever a better choice might
 * be: for a VM that already runs with it. -EBUSY with err if it is not free for that VM.
 */
int plan_port_on(const struct snapshot *s, const struct port_wish *wish, const struct pci_addr *vf,
		 int64_t now, struct plan *p, struct error *err);

/*
 * The steps that bring a leased VF, whose VM runs on it, from what its lease
 * wanted to other wishes. The MAC stays as it is: the guest's driver has it. What is no longer
 * wished for becomes what a release would make of it.
 */
int plan_change(const struct pf_state *pf, const struct vf_state *vf,
		const struct vf_settings *want, struct plan *p, struct error *err);

/*
 * The steps that park a leased VF and drop its lease. state may be NULL: the VF
 * is no longer there, and only its lease has to go. -EBUSY: it is there, but what it is set to
 * cannot be read now.
 */
int plan_release(const struct pf_state *pf, const struct vf_state *state, const struct lease *lease,
		 struct plan *p, struct error *err);

/* Is that PF, by its address, one of those that the wish may have a VF of? */
bool pf_wanted(const struct port_wish *w, const struct pci_addr *pf);

/* Something of a guest's is on it: a lease that was removed by hand leaves a free VF so. */
bool vf_is_marked(const struct vf_state *v);

/*
 * For vfhook's own lease of a VF whose last owner's lease is lost: what that guest may have had
 * beside MAC, VLAN and trust (rates, RSS query, as far as `has` names them) is taken off by its
 * release too. What they were before is not known, and the next guest must not get them.
 */
void lease_set_nobodys(struct lease *l, uint32_t has);

/*
 * The steps that make a free VF one that is parked, under a lease of our own
 * (LEASE_SELF) meanwhile; none if it is parked already. The plan is a PLAN_START of
 * LEASE_SELF: whoever was faster has the VF (-EEXIST from execute()).
 */
int plan_park(const struct pf_state *pf, const struct vf_state *vf, int64_t now, struct plan *p,
	      struct error *err);

/* Is it as plan_park() leaves a VF, with its link cut? A person's own setting looks otherwise. */
bool vf_is_parked(const struct vf_state *vf);
/*
 * For VMs that PVE starts without us: the steps that let no driver but vfio-pci have a VF that
 * nobody has a lease of, and give it back the link that parking has cut, under a lease of our own
 * meanwhile. Nothing else of it is set; no steps if it is so already. keep: its driver is not ours
 * to say (driver=keep). A PLAN_START of LEASE_SELF.
 */
int plan_arm(const struct pf_state *pf, const struct vf_state *vf, bool keep, int64_t now,
	     struct plan *p, struct error *err);

/*
 * The step that leases a VF that nobody has to vfhook itself (LEASE_SELF), and the one that drops
 * that lease again: nobody gets it in between. Nothing of it is set.
 */
int plan_hold(const struct pf_state *pf, const struct vf_state *vf, int64_t now, struct plan *p,
	      struct error *err);
int plan_let_go(const struct lease *held, struct plan *p, struct error *err);

/*
 * A VF that is this host's, before its network driver gets it: driver_override cleared, set as
 * wished, under a lease of vfhook's own. No step if it is so already. p is a PLAN_START,
 * undone if it fails. -EEXIST: it is leased; -EBUSY: it cannot be read.
 */
int plan_host_vf(const struct pf_state *pf, const struct vf_state *vf,
		 const struct vf_settings *want, int64_t now, struct plan *p, struct error *err);

/* A driver that has a VF without an interface here, in words for a person. Returns buf. */
const char *plan_driver_words(const char *driver, char *buf, size_t size);

/*
 * Why this VF is not free for that wish, or NULL if it is. Notes what it
 * finds into buf. Does not look at what else the plan gives away.
 */
const char *plan_why_not(const struct snapshot *s, const struct pf_state *pf,
			 const struct vf_state *vf, const struct port_wish *wish, char *buf,
			 size_t size) __attribute__((nonnull(5)));

/* Append a STEP_CALL. The texts are copied; none is longer than OBJECT_TEXT_MAX. */
int plan_add_object(struct plan *p, const struct step_object *o, struct error *err);
#define OBJECT_TEXT_MAX 65536

/* Has the plan steps that change something outside, of that kind or, with NULL, of any? */
bool plan_has_object(const struct plan *p, const char *kind);

/*
 * The steps that take the link of a VF down whoever has its lease: its VM, p->vmid, runs on a VF
 * that is not its own. Read back, since a driver may take the wish and do nothing (ixgbe). p is a
 * PLAN_CUT_OFF.
 */
int plan_cut_off(const struct pf_info *pf, const struct pci_addr *vf, unsigned index,
		 struct plan *p, struct error *err);

/*
 * The facts as they would be once the plan was carried out: leases, settings
 * and overrides of the VFs that are in the snapshot. For looking further ahead
 * without doing anything.
 */
void plan_foresee(const struct plan *p, struct snapshot *s);

/* Append to `out` what undoes p, last step first (see execute.h on what a start's undo is). */
int plan_undoing(const struct plan *p, struct plan *out, struct error *err);

/* Append copies of all steps of `more`. */
int plan_append(struct plan *p, const struct plan *more, struct error *err);

/* One step in words, "VF 0000:06:10.1: VLAN none -> 20". Returns buf. */
const char *step_describe(const struct step *s, char *buf, size_t size);

#endif
