/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/vf/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/vf/drivers.h"

void plan_init(struct plan *p, enum plan_kind kind, uint32_t vmid)
{
	*p = (struct plan){.kind = kind, .vmid = vmid};
}

/* What a plan is, in words and after a crash. */
static const struct {
	const char *name;
	bool undone;
	bool config;
} plan_kinds[] = {
	[PLAN_START] = {"start", true, false},	     [PLAN_RELEASE] = {"release", false, false},
	[PLAN_MEND] = {"mending", false, false},     [PLAN_CHANGE] = {"change", true, false},
	[PLAN_CONFIG] = {"attach", true, true},	     [PLAN_REMOVE] = {"detach", false, true},
	[PLAN_VFS] = {"making of VFs", true, false}, [PLAN_CUT_OFF] = {"cut-off", false, false},
	[PLAN_SWAP] = {"change", true, false},
};

bool plan_kind_is_undone(enum plan_kind kind)
{
	return plan_kinds[kind].undone;
}

bool plan_kind_is_config(enum plan_kind kind)
{
	return plan_kinds[kind].config;
}

bool plan_kind_has_journal(enum plan_kind kind)
{
	return kind != PLAN_CUT_OFF && kind != PLAN_SWAP;
}

const char *plan_kind_name(enum plan_kind kind)
{
	return plan_kinds[kind].name;
}

/* --- Texts of objects --- */

void step_object_free(struct step_object *o)
{
	free((char *)o->kind);
	free((char *)o->name);
	free((char *)o->from);
	free((char *)o->to);
	free((char *)o->what);
	*o = (struct step_object){0};
}

static bool copy_text(const char *from, const char **to)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static int object_copy(const struct step_object *from, struct step_object *to, struct error *err)
{
	*to = (struct step_object){.harmless = from->harmless};
	if (copy_text(from->kind, &to->kind) && copy_text(from->name, &to->name) &&
	    copy_text(from->from, &to->from) && copy_text(from->to, &to->to) &&
	    copy_text(from->what, &to->what))
		return 0;
	step_object_free(to);
	return fail(err, ENOMEM, "plan: out of memory");
}

void plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		step_object_free(&p->steps[i].object);
	free(p->steps);
	free(p->notes);
	p->steps = NULL;
	p->notes = NULL;
	p->n_steps = 0;
	p->n_notes = 0;
}

bool plan_changes_vfs(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		switch (p->steps[i].kind) {
		case STEP_OVERRIDE:
		case STEP_SET:
		case STEP_CLEAR_MAC:
		case STEP_GUARD:
		case STEP_CUT:
			return true;
		default:
			break;
		}
	}
	return false;
}

static struct step *add_step(struct plan *p, const struct step *s, struct error *err)
{
	struct step_object object;

	/* Grown by sixteen: a port needs about ten. */
	if (p->n_steps % 16 == 0) {
		struct step *more = realloc(p->steps, (p->n_steps + 16) * sizeof(*more));

		if (!more) {
			fail(err, ENOMEM, "plan: out of memory");
			return NULL;
		}
		p->steps = more;
	}
	if (object_copy(&s->object, &object, err) < 0)
		return NULL;
	p->steps[p->n_steps] = *s;
	p->steps[p->n_steps].object = object;
	return &p->steps[p->n_steps++];
}

static int __attribute__((format(printf, 4, 5)))
add_note(struct plan *p, bool taken, const struct pci_addr *vf, const char *fmt, ...)
{
	va_list ap;

	if (p->n_notes % 64 == 0) {
		struct plan_note *more = realloc(p->notes, (p->n_notes + 64) * sizeof(*more));

		if (!more)
			return -ENOMEM; /* a note lost is no reason to refuse a start */
		p->notes = more;
	}
	p->notes[p->n_notes] = (struct plan_note){.taken = taken, .vf = *vf};
	va_start(ap, fmt);
	vsnprintf(p->notes[p->n_notes].text, sizeof(p->notes[p->n_notes].text), fmt, ap);
	va_end(ap);
	p->n_notes++;
	return 0;
}

int plan_add_object(struct plan *p, const struct step_object *o, struct error *err)
{
	const char *const texts[] = {o->kind, o->name, o->from, o->to, o->what};
	const struct step s = {.kind = STEP_CALL, .object = *o};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i] && strlen(texts[i]) > OBJECT_TEXT_MAX)
			return fail(err, E2BIG, "%s %s is too long", o->kind, o->name);
	}
	return add_step(p, &s, err) ? 0 : -ENOMEM;
}

bool plan_has_object(const struct plan *p, const char *kind)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		if (p->steps[i].kind == STEP_CALL &&
		    (!kind || (p->steps[i].object.kind && !strcmp(p->steps[i].object.kind, kind))))
			return true;
	}
	return false;
}

/* A step about one VF, with all that a message needs to name it. */
static struct step vf_step(enum step_kind kind, const struct pf_state *pf,
			   const struct vf_state *vf)
{
	struct step s = {
		.kind = kind,
		.vf = vf->info.addr,
		.pf = pf->info.addr,
		.index = vf->info.index,
		.ifindex = pf->info.ifindex,
	};

	memcpy(s.pf_name, pf->info.ifname, sizeof(s.pf_name));
	memcpy(s.driver, pf->info.driver, sizeof(s.driver));
	return s;
}

/* --- Is it free? --- */

bool pf_wanted(const struct port_wish *w, const struct pci_addr *pf)
{
	for (size_t i = 0; i < w->n_pfs; i++) {
		if (!pci_addr_cmp(&w->pfs[i].addr, pf))
			return true;
	}
	return false;
}

/* Another VF of the same IOMMU group that another VM holds: PVE would bind and QEMU take both. */
static const struct vf_state *group_neighbour(const struct snapshot *s, const struct vf_state *vf,
					      uint32_t vmid)
{
	if (vf->info.group_alone)
		return NULL;
	for (size_t i = 0; i < s->n_pfs; i++) {
		for (size_t k = 0; k < s->pfs[i].n_vfs; k++) {
			const struct vf_state *o = &s->pfs[i].vfs[k];

			if (o != vf && o->info.iommu_group == vf->info.iommu_group && o->leased &&
			    (o->lease_broken || o->lease.vmid != vmid))
				return o;
		}
	}
	return NULL;
}

static const char *why_not_netdev(const struct vf_state *v, char *buf, size_t size)
{
	const struct vf_info *i = &v->info;

	if (i->netdev_user[0])
		snprintf(buf, size, "its host interface %s is used by %s", i->ifname,
			 i->netdev_user);
	else if (i->netdev_up)
		snprintf(buf, size, "its host interface %s is up", i->ifname);
	else if (v->has_address == ANSWER_YES)
		snprintf(buf, size, "its host interface %s has an IP address", i->ifname);
	else if (v->has_address != ANSWER_NO)
		snprintf(buf, size,
			 "it cannot be told whether its host interface %s has an IP address",
			 i->ifname);
	else
		return NULL;
	return buf;
}

const char *plan_driver_words(const char *driver, char *buf, size_t size)
{
	/* uio_pci_generic, igb_uio: never a network interface. */
	if (!strncmp(driver, "uio", 3) || ends_with(driver, "uio"))
		snprintf(buf, size, "driver %s: used by a program of its own (DPDK)?", driver);
	else
		snprintf(buf, size, "driver %s, interface not on this host: in a container?",
			 driver);
	return buf;
}

/*
 * A VF that a driver has, and no interface of this host: it is in a container's network namespace,
 * or in a program of its own (DPDK). vfio-pci and its variants (mlx5_vfio_pci, ...) are told by
 * their group instead.
 */
static const char *why_not_driver(const struct vf_info *i, char *buf, size_t size)
{
	if (!i->driver[0] || i->ifname[0] || is_vfio_driver(i->driver))
		return NULL;
	return plan_driver_words(i->driver, buf, size);
}

static const char *why_not_group(const struct snapshot *s, const struct vf_state *v, uint32_t vmid,
				 char *buf, size_t size)
{
	const struct vf_state *other;
	char addr[PCI_ADDR_LEN];

	if (v->info.iommu_group < 0) {
		snprintf(buf, size,
			 "it has no IOMMU group: is the IOMMU on (BIOS, kernel command "
			 "line)?");
		return buf;
	}
	if (!v->info.group_pure) {
		snprintf(buf, size,
			 "its IOMMU group %d also holds %s, which is no VF and would be taken from "
			 "the host with it (no ACS?)",
			 v->info.iommu_group, v->info.group_intruder);
		return buf;
	}
	other = group_neighbour(s, v, vmid);
	if (other) {
		snprintf(buf, size, "its IOMMU group %d is shared with VF %s, which is leased",
			 v->info.iommu_group, pci_addr_format(&other->info.addr, addr));
		return buf;
	}
	return NULL;
}

static const char *why_not_pf(const struct pf_state *pf, const struct port_wish *w, char *buf,
			      size_t size)
{
	char addr[PCI_ADDR_LEN];

	if (pf->broken) {
		snprintf(buf, size, "%s", pf->why);
		return buf;
	}
	if (!pf->link.up && !w->allow_pf_down) {
		snprintf(buf, size,
			 "PF %s (%s) is down: `ip link set %s up`, or `allow-pf-down 1` in pool "
			 "'%s'",
			 pf->info.ifname, pci_addr_format(&pf->info.addr, addr), pf->info.ifname,
			 w->pool);
		return buf;
	}
	return NULL;
}

static const char *why_not_lease(const struct vf_state *v, uint32_t vmid, char *buf, size_t size)
{
	if (v->lease_broken) {
		snprintf(buf, size, "its lease cannot be read: %s", v->lease_why);
		return buf;
	}
	if (v->leased && v->lease.vmid == LEASE_SELF && vmid != LEASE_SELF) {
		snprintf(buf, size,
			 "vfhook itself has it just now, to park it or to make the PF's VFs anew: "
			 "try "
			 "again in a moment");
		return buf;
	}
	if (v->leased && v->lease.vmid != vmid) {
		snprintf(buf, size, "leased by VM %u%s%s%s (hostpci%u, %s)", v->lease.vmid,
			 v->lease.name[0] ? " '" : "", v->lease.name, v->lease.name[0] ? "'" : "",
			 v->lease.slot, lease_phase_name(v->lease.phase));
		return buf;
	}
	return NULL;
}

const char *plan_why_not(const struct snapshot *s, const struct pf_state *pf,
			 const struct vf_state *vf, const struct port_wish *wish, char *buf,
			 size_t size)
{
	bool had = wish->has_last && !pci_addr_cmp(&wish->last, &vf->info.addr);
	const char *why = why_not_pf(pf, wish, buf, size);

	if (!why)
		why = why_not_lease(vf, wish->vmid, buf, size);
	if (!why && vf->host) {
		snprintf(buf, size, "it is set aside for this host (`host-vfs` of its pool)");
		why = buf;
	}
	/* A stranger's config that merely names our VF does not take it from us. */
	if (!why && vf->claim && (vf->claim->firm || !had)) {
		snprintf(buf, size, "%s", vf->claim->who);
		why = buf;
	}
	if (!why && vf->unread) {
		snprintf(buf, size, "%s", vf->unread_why);
		why = buf;
	}
	if (!why)
		why = why_not_group(s, vf, wish->vmid, buf, size);
	if (!why)
		why = why_not_driver(&vf->info, buf, size);
	if (!why)
		why = why_not_netdev(vf, buf, size);
	if (!why && vf->busy != ANSWER_NO) {
		snprintf(buf, size, "/dev/vfio/%d %s", vf->info.iommu_group,
			 vf->busy == ANSWER_YES ? "is in use by some process"
						: "cannot be opened: it may be in use");
		why = buf;
	}
	return why;
}

/* --- Which one? --- */

static bool already_chosen(const struct port_choice *c, size_t n, size_t pf, size_t vf)
{
	for (size_t i = 0; i < n; i++) {
		if (c[i].chosen && c[i].pf == pf && c[i].vf == vf)
			return true;
	}
	return false;
}

/* How many ports of this VM already sit on that PF. */
static unsigned ports_on_pf(const struct port_choice *c, size_t n, size_t pf)
{
	unsigned k = 0;

	for (size_t i = 0; i < n; i++)
		k += c[i].chosen && c[i].pf == pf;
	return k;
}

/* The order of preference of the design, most important first; larger is better. */
struct rank {
	int other_pf; /* bonding wants two cables */
	int carrier;  /* a cable that is plugged in */
	int numa;
	int spoken;   /* a VF that nobody else is likely to want */
	int unspoken; /* and many more of these */
	int free_vfs;
};

static int rank_cmp(const struct rank *a, const struct rank *b)
{
	if (a->other_pf != b->other_pf)
		return a->other_pf - b->other_pf;
	if (a->carrier != b->carrier)
		return a->carrier - b->carrier;
	if (a->numa != b->numa)
		return a->numa - b->numa;
	if (a->spoken != b->spoken)
		return a->spoken - b->spoken;
	if (a->unspoken != b->unspoken)
		return a->unspoken - b->unspoken;
	return a->free_vfs - b->free_vfs;
}

/* The free VFs of one PF. */
struct candidates {
	unsigned n;
	unsigned unspoken; /* that nobody names */
	size_t best;	   /* the index of the one to take */
	unsigned cost;	   /* what others' naming it weighs */
	unsigned equals;   /* how many cost the same */
};

static struct rank pf_rank(const struct pf_state *pf, const struct port_wish *w, unsigned ports,
			   const struct candidates *c)
{
	return (struct rank){
		.other_pf = -(int)ports,
		.carrier = pf->link.carrier,
		.numa = w->numa_node < 0 || pf->info.numa_node == w->numa_node,
		.spoken = -(int)c->cost,
		.unspoken = (int)c->unspoken,
		.free_vfs = (int)c->n,
	};
}

static unsigned spoken_cost(const struct port_wish *w, const struct pci_addr *vf)
{
	unsigned cost = 0;

	for (size_t i = 0; i < w->n_spoken; i++) {
		if (!pci_addr_cmp(&w->spoken[i].vf, vf))
			cost += w->spoken[i].weight;
	}
	return cost;
}

/*
 * One more free VF: of those that others name least, keep the first, or with a spread, the one
 * that the spread falls on.
 */
static void keep_candidate(size_t k, unsigned cost, unsigned spread, struct candidates *c)
{
	c->unspoken += !cost;
	if (!c->n++ || cost < c->cost)
		*c = (struct candidates){c->n, c->unspoken, k, cost, 1};
	/* Any rule will do that sends different spreads to different VFs. */
	else if (cost == c->cost && spread && spread % ++c->equals == 0)
		c->best = k;
}

/* The free VFs of a PF; notes on the others. */
static struct candidates scan_pf(const struct snapshot *s, const struct port_wish *w,
				 const struct port_choice *choices, size_t n, size_t pf_index,
				 struct plan *p)
{
	const struct pf_state *pf = &s->pfs[pf_index];
	struct candidates c = {0};
	char why[320];

	/* Once, not for each of its VFs. */
	if (why_not_pf(pf, w, why, sizeof(why))) {
		add_note(p, false, &pf->info.addr, "%s", why);
		return c;
	}
	if (!pf->n_vfs)
		add_note(p, false, &pf->info.addr, "PF %s has no VFs (sriov_numvfs is %u of %u)",
			 pf->info.ifname, pf->info.num_vfs, pf->info.total_vfs);
	for (size_t k = 0; k < pf->n_vfs; k++) {
		const struct vf_state *v = &pf->vfs[k];

		if (already_chosen(choices, n, pf_index, k)) {
			add_note(p, false, &v->info.addr, "goes to another port of this VM");
		} else if (plan_why_not(s, pf, v, w, why, sizeof(why))) {
			add_note(p, false, &v->info.addr, "%s", why);
		} else {
			keep_candidate(k, spoken_cost(w, &v->info.addr), w->spread, &c);
		}
	}
	return c;
}

static bool choose_last(const struct snapshot *s, const struct port_wish *w,
			const struct port_choice *choices, size_t n, struct port_choice *out,
			struct plan *p)
{
	char why[320];

	if (!w->has_last)
		return false;
	for (size_t i = 0; i < s->n_pfs; i++) {
		const struct pf_state *pf = &s->pfs[i];

		if (!pf_wanted(w, &pf->info.addr))
			continue;
		for (size_t k = 0; k < pf->n_vfs; k++) {
			if (pci_addr_cmp(&pf->vfs[k].info.addr, &w->last) != 0)
				continue;
			if (already_chosen(choices, n, i, k) ||
			    plan_why_not(s, pf, &pf->vfs[k], w, why, sizeof(why)))
				return false;
			/* Who holds the rest of its group is not in a glance at this VF. */
			if (!s->complete && !pf->vfs[k].info.group_alone)
				return false;
			*out = (struct port_choice){.chosen = true, .pf = i, .vf = k};
			add_note(p, true, &w->last, "the VF that hostpci%u had last", w->slot);
			return true;
		}
	}
	return false;
}

static bool choose_best(const struct snapshot *s, const struct port_wish *w,
			const struct port_choice *choices, size_t n, struct port_choice *out,
			struct plan *p)
{
	struct rank best = {0};

	*out = (struct port_choice){0};
	for (size_t i = 0; i < s->n_pfs; i++) {
		const struct pf_state *pf = &s->pfs[i];
		struct candidates c;
		struct rank r;

		if (!pf_wanted(w, &pf->info.addr))
			continue;
		c = scan_pf(s, w, choices, n, i, p);
		if (!c.n)
			continue;
		r = pf_rank(pf, w, ports_on_pf(choices, n, i), &c);
		if (!out->chosen || rank_cmp(&r, &best) > 0) {
			*out = (struct port_choice){.chosen = true, .pf = i, .vf = c.best};
			best = r;
		}
	}
	if (out->chosen)
		add_note(p, true, &s->pfs[out->pf].vfs[out->vf].info.addr,
			 "free, on %s (%d free, %s%s%s)", s->pfs[out->pf].info.ifname,
			 best.free_vfs, best.carrier ? "carrier" : "no carrier",
			 w->numa_node < 0 ? ""
			 : best.numa	  ? ", the VM's NUMA node"
					  : ", another NUMA node",
			 best.spoken ? ", none left that no other mapping names" : "");
	return out->chosen;
}

/* --- What to do with it --- */

/*
 * A wish for one of min and max rate keeps the other as it is: they travel
 * together. On a leftover it is what it was before us, if we had set it.
 */
static struct vf_settings resolve(const struct port_wish *w, const struct vf_state *v)
{
	const struct vf_settings *want = &w->want;
	struct vf_settings to = *want;
	uint32_t ours = v->leased ? v->lease.want.has & v->lease.before.has : 0;

	if ((want->has & HAS_MAX_RATE) && !(want->has & HAS_MIN_RATE)) {
		const struct vf_settings *keep = (ours & HAS_MIN_RATE) ? &v->lease.before : &v->now;

		to.min_rate = (keep->has & HAS_MIN_RATE) ? keep->min_rate : 0;
		to.has |= HAS_MIN_RATE;
	} else if ((want->has & HAS_MIN_RATE) && !(want->has & HAS_MAX_RATE)) {
		const struct vf_settings *keep = (ours & HAS_MAX_RATE) ? &v->lease.before : &v->now;

		to.max_rate = (keep->has & HAS_MAX_RATE) ? keep->max_rate : 0;
		to.has |= HAS_MAX_RATE;
	}
	return to;
}

static int add_lease(const struct pf_state *pf, const struct vf_state *v, const struct port_wish *w,
		     int64_t now, struct plan *p, struct error *err)
{
	struct step s = vf_step(v->leased ? STEP_LEASE_WRITE : STEP_LEASE_TAKE, pf, v);

	s.lease = (struct lease){
		.vf = v->info.addr,
		.pf = pf->info.addr,
		.index = v->info.index,
		.vmid = w->vmid,
		.slot = w->slot,
		.phase = LEASE_STARTING,
		.taken = now,
		/* What it looked like before us, not what a start that failed left. */
		.before = v->leased ? v->lease.before : v->now,
		.want = w->want,
	};
	memcpy(s.lease.pool, w->pool, sizeof(s.lease.pool));
	memcpy(s.lease.name, w->name, sizeof(s.lease.name));
	if (v->leased) {
		s.has_old_lease = true;
		s.old_lease = v->lease;
	}
	return add_step(p, &s, err) ? 0 : -ENOMEM;
}

static int add_set(const struct pf_state *pf, const struct vf_state *v, enum vf_attr attr,
		   const struct vf_settings *to, struct plan *p, struct error *err)
{
	struct step s = vf_step(STEP_SET, pf, v);

	s.attr = attr;
	s.from = v->now;
	s.to = *to;
	return add_step(p, &s, err) ? 0 : -ENOMEM;
}

static bool is_leased_to(const struct vf_state *v, uint32_t vmid)
{
	return v->leased && !v->lease_broken && v->lease.vmid == vmid;
}

static const struct vf_state *vf_by_index(const struct pf_state *pf, unsigned index)
{
	for (size_t k = 0; k < pf->n_vfs; k++) {
		if (pf->vfs[k].info.index == index)
			return &pf->vfs[k];
	}
	return NULL;
}

static int add_guard(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
		     struct error *err)
{
	struct step s = vf_step(STEP_GUARD, pf, v);

	s.attr = VF_SPOOFCHK;
	s.from = v->now;
	return add_step(p, &s, err) ? 0 : -ENOMEM;
}

/* A driver that is known to have no such thing is not asked for it at every stop. */
static bool may_cut(const struct pf_state *pf, const struct vf_state *v)
{
	const struct nic_driver *d = nic_driver(pf->info.driver);

	return (v->now.has & HAS_LINK_STATE) && v->now.link_state != VF_LINK_DISABLE &&
	       (!d || ((d->can | d->maybe) & CAN_LINK_DISABLE));
}

static int add_cut(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
		   struct error *err)
{
	struct step s = vf_step(STEP_CUT, pf, v);

	s.attr = VF_LINK_STATE;
	s.from = v->now;
	return add_step(p, &s, err) ? 0 : -ENOMEM;
}

/* What a link becomes that nobody has a wish about: never the one of a parked VF. */
static struct vf_settings free_link(const struct vf_settings *before)
{
	struct vf_settings to = *before;

	to.has &= HAS_LINK_STATE;
	if (to.link_state == VF_LINK_DISABLE)
		to.link_state = VF_LINK_AUTO;
	return to;
}

/* Clearing the MAC may need spoofchk off: where it was on it comes back. */
static int add_clear_mac(const struct pf_state *pf, const struct vf_state *v, struct plan *p,
			 struct error *err)
{
	struct step s = vf_step(STEP_CLEAR_MAC, pf, v);

	s.from = v->now;
	if (!add_step(p, &s, err))
		return -ENOMEM;
	return (v->now.has & HAS_SPOOFCHK) && v->now.spoofchk ? add_guard(pf, v, p, err) : 0;
}

/* Does the plan so far hold a lease on that VF? */
static bool plan_holds(const struct plan *p, const struct vf_state *v)
{
	bool holds = false;

	for (size_t i = 0; i < p->n_steps; i++) {
		enum step_kind kind = p->steps[i].kind;

		if (pci_addr_cmp(&p->steps[i].vf, &v->info.addr) != 0)
			continue;
		if (kind == STEP_LEASE_TAKE || kind == STEP_LEASE_WRITE)
			holds = true;
		else if (kind == STEP_LEASE_DROP)
			holds = false;
	}
	return holds;
}

/* Does the plan so far give that VF another MAC, or take the one away that it has? */
static bool plan_changes_mac(const struct plan *p, const struct vf_state *v)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step *s = &p->steps[i];

		if (!pci_addr_cmp(&s->vf, &v->info.addr) &&
		    (s->kind == STEP_CLEAR_MAC || (s->kind == STEP_SET && s->attr == VF_MAC)))
			return true;
	}
	return false;
}

/* Under a lease of its own, so that nobody gets the VF while its MAC goes. */
static int add_mac_clearing(const struct pf_state *pf, const struct vf_state *v,
			    const struct port_wish *w, int64_t now, struct plan *p,
			    struct error *err)
{
	struct port_wish nothing = *w;
	struct step drop = vf_step(STEP_LEASE_DROP, pf, v);

	nothing.want = (struct vf_settings){0};
	if (add_lease(pf, v, &nothing, now, p, err) < 0)
		return -ENOMEM;
	drop.has_old_lease = true;
	drop.old_lease = p->steps[p->n_steps - 1].lease;
	if (add_clear_mac(pf, v, p, err) < 0)
		return -ENOMEM;
	return add_step(p, &drop, err) ? 0 : -ENOMEM;
}

/*
 * A VF whose MAC cannot be read now (in reset, as a rule). Its lease tells what it has been set to.
 * Without a lease it has been left clean, or somebody has set it by hand: one VF that hangs must
 * not keep every VM from starting, so that is told. What no list of the kernel can hold is passed
 * over: it is never ours.
 */
static int judge_unread_mac(const struct snapshot *s, const struct pf_state *pf, unsigned index,
			    const struct port_wish *w, struct plan *p, struct error *err)
{
	const struct vf_state *other;
	const struct lease *l;
	char addr[PCI_ADDR_LEN];
	char mac[MAC_LEN];

	if (!pf->link.has_list || index >= pf->link.n_listed)
		return 0;
	if (!s->complete)
		return -EAGAIN;
	other = vf_by_index(pf, index);
	l = other && other->leased ? &other->lease : NULL;
	mac_format(w->want.mac, mac);
	if (l && (l->want.has & HAS_MAC) && !memcmp(l->want.mac, w->want.mac, 6))
		return fail(err, EBUSY,
			    "MAC %s of hostpci%u was given to VF %u (%s) of %s for VM %u, and what "
			    "that VF has now cannot be read (%s): start it again once it can, or "
			    "give the port another MAC",
			    mac, w->slot, index, pci_addr_format(&other->info.addr, addr),
			    pf->info.ifname, l->vmid, other->unread_why);
	if (!l &&
	    !add_note(p, false, other ? &other->info.addr : &pf->info.addr,
		      "VF %u of %s cannot be read now: whether it has MAC %s of hostpci%u, too, "
		      "cannot be told; if the guest is not reached: ip link show %s",
		      index, pf->info.ifname, mac, w->slot, pf->info.ifname))
		p->notes[p->n_notes - 1].aloud = true;
	return 0;
}

/*
 * Two VFs of one PF with the same MAC make the NIC's switch deliver to either.
 * One that is free gets its MAC taken away; one that somebody has is a reason
 * to refuse. One that this VM itself holds is on its way to something else.
 */
static int clear_double_macs(const struct snapshot *s, const struct pf_state *pf,
			     const struct vf_state *v, const struct port_wish *w, int64_t now,
			     struct plan *p, struct error *err)
{
	char mac[MAC_LEN];
	char addr[PCI_ADDR_LEN];
	char why[320];

	if (!(w->want.has & HAS_MAC))
		return 0;
	for (unsigned i = 0; i < pf->link.n_vfs; i++) {
		const struct vf_state *other;
		const char *reason;
		int r;

		if (i == v->info.index)
			continue;
		if (!(pf->link.vfs[i].has & HAS_MAC)) {
			r = judge_unread_mac(s, pf, i, w, p, err);
			if (r < 0)
				return r;
			continue;
		}
		if (memcmp(pf->link.vfs[i].mac, w->want.mac, 6) != 0)
			continue;
		if (!s->complete)
			return -EAGAIN;
		other = vf_by_index(pf, i);
		if (other && plan_changes_mac(p, other))
			continue;
		if (other && (is_leased_to(other, w->vmid) || plan_holds(p, other))) {
			if (add_clear_mac(pf, other, p, err) < 0)
				return -ENOMEM;
			continue;
		}
		reason = other ? plan_why_not(s, pf, other, w, why, sizeof(why)) : "unknown VF";
		if (!reason) {
			if (add_mac_clearing(pf, other, w, now, p, err) < 0)
				return -ENOMEM;
			continue;
		}
		return fail(err, EINVAL,
			    "MAC %s of hostpci%u is already on VF %u (%s) of %s: %s; give the port "
			    "another MAC or free that VF",
			    mac_format(w->want.mac, mac), w->slot, i,
			    other ? pci_addr_format(&other->info.addr, addr) : "?", pf->info.ifname,
			    reason);
	}
	return 0;
}

/*
 * An attribute that this port does not wish for, on a leftover of its VM whose
 * port did wish for it then: it goes back to what a parked VF has, or had before us.
 */
static int add_leftover(const struct pf_state *pf, const struct vf_state *v, enum vf_attr attr,
			struct plan *p, struct error *err)
{
	struct vf_settings to = {.has = vf_attr_bits(attr), .proto = VLAN_PROTO_8021Q};

	if (!(v->lease.want.has & vf_attr_bits(attr)) || !(v->now.has & vf_attr_bits(attr)))
		return 0;
	switch (attr) {
	case VF_MAC:
		return mac_is_zero(v->now.mac) ? 0 : add_clear_mac(pf, v, p, err);
	case VF_SPOOFCHK:
		return v->now.spoofchk ? 0 : add_guard(pf, v, p, err);
	case VF_VLAN:
	case VF_TRUST:
		break;
	case VF_LINK_STATE:
		to = free_link(&v->lease.before);
		break;
	default:
		to = v->lease.before;
		to.has &= vf_attr_bits(attr);
	}
	return vf_attr_equal(attr, &to, &v->now) ? 0 : add_set(pf, v, attr, &to, p, err);
}

static bool is_cut(const struct vf_state *v)
{
	return (v->now.has & HAS_LINK_STATE) && v->now.link_state == VF_LINK_DISABLE;
}

/* No other driver may take it. */
static int add_override(const struct pf_state *pf, const struct vf_state *v, bool keep,
			struct plan *p, struct error *err)
{
	struct step step = vf_step(STEP_OVERRIDE, pf, v);
	const char *driver = vfio_driver(pf->info.driver, keep);

	if (!strcmp(v->info.driver, driver) || !strcmp(v->info.driver_override, driver))
		return 0;
	memcpy(step.from_text, v->info.driver_override, sizeof(step.from_text));
	snprintf(step.to_text, sizeof(step.to_text), "%s", driver);
	return add_step(p, &step, err) ? 0 : -ENOMEM;
}

static int add_port(const struct snapshot *s, const struct pf_state *pf, const struct vf_state *v,
		    const struct port_wish *w, int64_t now, struct plan *p, struct error *err)
{
	struct vf_settings to = resolve(w, v);
	uint32_t opened = 0;
	struct step step;
	int r;

	r = clear_double_macs(s, pf, v, w, now, p, err);
	if (r < 0)
		return r;
	if (add_lease(pf, v, w, now, p, err) < 0 || add_override(pf, v, w->keep_driver, p, err) < 0)
		return -ENOMEM;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		if (!(w->want.has & vf_attr_bits((enum vf_attr)a))) {
			if (a == VF_LINK_STATE && is_cut(v)) {
				opened = HAS_LINK_STATE;
				if (add_set(pf, v, VF_LINK_STATE,
					    &(struct vf_settings){.has = HAS_LINK_STATE}, p,
					    err) < 0)
					return -ENOMEM;
				continue;
			}
			if (is_leased_to(v, w->vmid) &&
			    add_leftover(pf, v, (enum vf_attr)a, p, err) < 0)
				return -ENOMEM;
			continue;
		}
		if (vf_attr_equal((enum vf_attr)a, &to, &v->now))
			continue;
		if (add_set(pf, v, (enum vf_attr)a, &to, p, err) < 0)
			return -ENOMEM;
	}
	step = vf_step(STEP_VERIFY, pf, v);
	step.to = w->want;
	step.to.has |= opened;
	return add_step(p, &step, err) ? 0 : -ENOMEM;
}

/* Wishes must not contradict each other before any VF is looked at. */
static int check_wishes(const struct port_wish *wishes, size_t n, struct error *err)
{
	char mac[MAC_LEN];

	for (size_t i = 0; i < n; i++) {
		if (!wishes[i].n_pfs)
			return fail(err, EINVAL, "pool '%s' of hostpci%u has no PF on this node",
				    wishes[i].pool, wishes[i].slot);
		for (size_t k = 0; k < i; k++) {
			if ((wishes[i].want.has & HAS_MAC) && (wishes[k].want.has & HAS_MAC) &&
			    !memcmp(wishes[i].want.mac, wishes[k].want.mac, 6))
				return fail(err, EINVAL,
					    "hostpci%u and hostpci%u have the same MAC %s",
					    wishes[k].slot, wishes[i].slot,
					    mac_format(wishes[i].want.mac, mac));
		}
	}
	return 0;
}

/*
 * No VF for that wish. -ENOSPC: all are taken, so that other VMs' stopping would help; -ENETDOWN:
 * no PF of the pool can be used, and err has why of each.
 */
static int refuse_wish(const struct snapshot *s, const struct port_wish *w, struct error *err)
{
	CLEANUP(str_free) struct str all = STR_INIT;
	char why[320];

	for (size_t i = 0; i < s->n_pfs; i++) {
		if (!pf_wanted(w, &s->pfs[i].info.addr))
			continue;
		if (!why_not_pf(&s->pfs[i], w, why, sizeof(why)))
			return fail(err, ENOSPC, "no VF of pool '%s' is free for hostpci%u",
				    w->pool, w->slot);
		str_printf(&all, "%s%s", all.len ? "; " : "", why);
	}
	return fail(err, ENETDOWN, "pool '%s' of hostpci%u: %s", w->pool, w->slot, str_get(&all));
}

int plan_start(const struct snapshot *s, const struct port_wish *wishes, size_t n, int64_t now,
	       struct port_choice *choices, struct plan *p, struct error *err)
{
	int r = check_wishes(wishes, n, err);

	if (r < 0)
		return r;
	memset(choices, 0, n * sizeof(*choices));
	/* All that can keep their VF do, before anyone chooses anew. */
	for (size_t i = 0; i < n; i++)
		choose_last(s, &wishes[i], choices, n, &choices[i], p);
	for (size_t i = 0; i < n; i++) {
		struct port_choice c;

		if (choices[i].chosen)
			continue;
		if (!s->complete)
			return -EAGAIN;
		if (!choose_best(s, &wishes[i], choices, n, &c, p))
			return refuse_wish(s, &wishes[i], err);
		choices[i] = c;
	}
	for (size_t i = 0; i < n; i++) {
		const struct pf_state *pf = &s->pfs[choices[i].pf];

		r = add_port(s, pf, &pf->vfs[choices[i].vf], &wishes[i], now, p, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What would be set, and what it goes back to, is not known. */
static int refuse_unread(const struct vf_state *v, struct error *err)
{
	char addr[PCI_ADDR_LEN];

	return fail(err, EBUSY, "VF %s: %s", pci_addr_format(&v->info.addr, addr), v->unread_why);
}

/* As a driver makes a VF: no rate, the link as the PF's, no RSS query. */
static void set_fresh(struct vf_settings *s, enum vf_attr attr, uint32_t has)
{
	s->has |= vf_attr_bits(attr) & has;
	switch (attr) {
	case VF_RATE:
		s->min_rate = s->max_rate = 0;
		break;
	case VF_LINK_STATE:
		s->link_state = VF_LINK_AUTO;
		break;
	default:
		s->query_rss = false;
	}
}

/*
 * What a VF that the port's VM runs on goes back to one day. If its lease was lost, what is set as
 * the port wishes was set for the port: what it was before is not known, and not that.
 */
static struct vf_settings before_of(const struct vf_state *v, const struct port_wish *w)
{
	static const enum vf_attr restored[] = {VF_RATE, VF_LINK_STATE, VF_QUERY_RSS};
	struct vf_settings before = v->leased ? v->lease.before : v->now;
	struct vf_settings want = resolve(w, v);

	for (size_t i = 0; i < ARRAY_SIZE(restored); i++) {
		uint32_t bits = vf_attr_bits(restored[i]);
		bool known = v->leased ? (before.has & bits) != 0
				       : !vf_attr_equal(restored[i], &want, &v->now);

		if ((w->want.has & bits) && !known)
			set_fresh(&before, restored[i], v->now.has);
	}
	return before;
}

static int add_port_on(const struct snapshot *s, const struct pf_state *pf,
		       const struct vf_state *v, const struct port_wish *w, int64_t now,
		       struct plan *p, struct error *err)
{
	size_t first = p->n_steps;
	int r = add_port(s, pf, v, w, now, p, err);

	for (size_t i = first; !r && i < p->n_steps; i++) {
		struct step *step = &p->steps[i];

		if ((step->kind != STEP_LEASE_TAKE && step->kind != STEP_LEASE_WRITE) ||
		    pci_addr_cmp(&step->vf, &v->info.addr) != 0)
			continue;
		step->lease.before = before_of(v, w);
		step->from = v->now;
	}
	return r;
}

int plan_port_on(const struct snapshot *s, const struct port_wish *wish, const struct pci_addr *vf,
		 int64_t now, struct plan *p, struct error *err)
{
	const struct pf_state *pf;
	const struct vf_state *v = snapshot_find(s, vf, &pf);
	char addr[PCI_ADDR_LEN];
	char why[320];

	pci_addr_format(vf, addr);
	if (!v)
		return fail(err, EBUSY, "%s is no VF of pool '%s'", addr, wish->pool);
	if (why_not_lease(v, wish->vmid, why, sizeof(why)) ||
	    (v->claim && v->claim->firm && snprintf(why, sizeof(why), "%s", v->claim->who) > 0))
		return fail(err, EBUSY, "VF %s is not free: %s", addr, why);
	if (v->host && !v->leased)
		return fail(err, EBUSY, "VF %s is set aside for this host (`host-vfs` of its pool)",
			    addr);
	if (v->unread)
		return refuse_unread(v, err);
	return add_port_on(s, pf, v, wish, now, p, err);
}

/* What an attribute becomes that is no longer wished for; has is 0 if nothing is known. */
static struct vf_settings without_wish(const struct vf_state *v, enum vf_attr attr)
{
	struct vf_settings to = {.proto = VLAN_PROTO_8021Q, .spoofchk = true};

	to.has =
		attr == VF_VLAN || attr == VF_TRUST || attr == VF_SPOOFCHK ? vf_attr_bits(attr) : 0;
	if (!to.has) {
		to = v->lease.before;
		to.has &= vf_attr_bits(attr);
	}
	return attr == VF_LINK_STATE ? free_link(&to) : to;
}

int plan_change(const struct pf_state *pf, const struct vf_state *v, const struct vf_settings *want,
		struct plan *p, struct error *err)
{
	struct port_wish w = {.vmid = v->lease.vmid, .want = *want};
	struct vf_settings to = resolve(&w, v);
	struct step s = vf_step(STEP_LEASE_WRITE, pf, v);

	if (v->unread)
		return refuse_unread(v, err);
	s.has_old_lease = true;
	s.old_lease = v->lease;
	s.lease = v->lease;
	s.lease.want = *want;
	s.lease.want.has &= ~(uint32_t)HAS_MAC;
	s.lease.want.has |= v->lease.want.has & HAS_MAC;
	memcpy(s.lease.want.mac, v->lease.want.mac, sizeof(s.lease.want.mac));
	if (!add_step(p, &s, err))
		return -ENOMEM;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		enum vf_attr attr = (enum vf_attr)a;
		struct vf_settings one = to;

		if (attr == VF_MAC)
			continue;
		if (!(want->has & vf_attr_bits(attr))) {
			if (!(v->lease.want.has & vf_attr_bits(attr)))
				continue;
			one = without_wish(v, attr);
		}
		if (!(one.has & vf_attr_bits(attr)) || vf_attr_equal(attr, &one, &v->now))
			continue;
		if (add_set(pf, v, attr, &one, p, err) < 0)
			return -ENOMEM;
	}
	s = vf_step(STEP_VERIFY, pf, v);
	s.to = *want;
	s.to.has &= ~(uint32_t)HAS_MAC;
	return add_step(p, &s, err) ? 0 : -ENOMEM;
}

static bool has_changed(const struct vf_state *v, const struct lease *l, enum vf_attr attr)
{
	struct vf_settings before = l->before;

	before.has &= vf_attr_bits(attr) & v->now.has;
	return (l->want.has & vf_attr_bits(attr)) && before.has &&
	       !vf_attr_equal(attr, &before, &v->now);
}

/* Only what the VF does not yet have: a released VF released again is left alone. */
static int add_parking(const struct pf_state *pf, const struct vf_state *v, const struct lease *l,
		       struct plan *p, struct error *err)
{
	static const enum vf_attr restored[] = {VF_RATE, VF_LINK_STATE, VF_QUERY_RSS};
	struct vf_settings parked = {.has = HAS_VLAN, .proto = VLAN_PROTO_8021Q};
	bool mac_set = (v->now.has & HAS_MAC) && !mac_is_zero(v->now.mac);
	struct step s;

	/* First of all: what comes after it happens to a VF that nobody hears. */
	if (may_cut(pf, v) && add_cut(pf, v, p, err) < 0)
		return -ENOMEM;
	if ((v->now.has & HAS_VLAN) && (v->now.vlan || v->now.qos) &&
	    add_set(pf, v, VF_VLAN, &parked, p, err) < 0)
		return -ENOMEM;
	if (mac_set) {
		s = vf_step(STEP_CLEAR_MAC, pf, v);
		s.from = v->now;
		if (!add_step(p, &s, err))
			return -ENOMEM;
	}
	parked.has = HAS_TRUST;
	if ((v->now.has & HAS_TRUST) && v->now.trust &&
	    add_set(pf, v, VF_TRUST, &parked, p, err) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(restored); i++) {
		if (restored[i] == VF_LINK_STATE && may_cut(pf, v))
			continue;
		if (has_changed(v, l, restored[i]) &&
		    add_set(pf, v, restored[i], &l->before, p, err) < 0)
			return -ENOMEM;
	}
	/* Clearing the MAC may have needed spoofchk off: then it has to come back. */
	if ((v->now.has & HAS_SPOOFCHK) && (!v->now.spoofchk || mac_set))
		return add_guard(pf, v, p, err);
	return 0;
}

int plan_release(const struct pf_state *pf, const struct vf_state *state, const struct lease *lease,
		 struct plan *p, struct error *err)
{
	struct step drop = {
		.kind = STEP_LEASE_DROP, .vf = lease->vf, .pf = lease->pf, .index = lease->index};

	/* It may have anything: nobody gets it before it could be looked at. */
	if (state && state->unread)
		return refuse_unread(state, err);
	if (state && add_parking(pf, state, lease, p, err) < 0)
		return -ENOMEM;
	drop.old_lease = *lease;
	drop.has_old_lease = true;
	return add_step(p, &drop, err) ? 0 : -ENOMEM;
}

bool vf_is_marked(const struct vf_state *v)
{
	const struct vf_settings *s = &v->now;
	uint8_t parked[6];

	vf_parking_mac(&v->info.addr, parked);
	return ((s->has & HAS_VLAN) && (s->vlan || s->qos)) || ((s->has & HAS_TRUST) && s->trust) ||
	       ((s->has & HAS_SPOOFCHK) && !s->spoofchk) ||
	       ((s->has & HAS_MAC) && !mac_is_zero(s->mac) &&
		memcmp(s->mac, parked, sizeof(parked)) != 0);
}

void lease_set_nobodys(struct lease *l, uint32_t has)
{
	static const enum vf_attr kept[] = {VF_RATE, VF_QUERY_RSS};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		set_fresh(&l->before, kept[i], has);
		set_fresh(&l->want, kept[i], has);
	}
}

int plan_park(const struct pf_state *pf, const struct vf_state *v, int64_t now, struct plan *p,
	      struct error *err)
{
	const struct port_wish self = {.vmid = LEASE_SELF};
	struct step drop = vf_step(STEP_LEASE_DROP, pf, v);
	size_t first = p->n_steps;
	struct step *take;

	if (v->unread)
		return refuse_unread(v, err);
	if (add_lease(pf, v, &self, now, p, err) < 0)
		return -ENOMEM;
	take = &p->steps[first];
	if (vf_is_marked(v)) {
		take->from = v->now;
		lease_set_nobodys(&take->lease, v->now.has);
	}
	drop.has_old_lease = true;
	drop.old_lease = take->lease;
	if (add_override(pf, v, false, p, err) < 0 ||
	    add_parking(pf, v, &p->steps[first].lease, p, err) < 0)
		return -ENOMEM;
	if (p->n_steps == first + 1) { /* it is as it should be: not even a lease */
		p->n_steps = first;
		return 0;
	}
	return add_step(p, &drop, err) ? 0 : -ENOMEM;
}

bool vf_is_parked(const struct vf_state *v)
{
	const struct vf_settings *s = &v->now;
	uint8_t parked[6];

	vf_parking_mac(&v->info.addr, parked);
	return !v->unread && is_cut(v) && !s->vlan && !s->qos && !s->trust &&
	       (s->spoofchk || !(s->has & HAS_SPOOFCHK)) &&
	       (mac_is_zero(s->mac) || !memcmp(s->mac, parked, sizeof(parked)));
}

int plan_arm(const struct pf_state *pf, const struct vf_state *v, bool keep, int64_t now,
	     struct plan *p, struct error *err)
{
	const struct vf_settings open = {.has = HAS_LINK_STATE, .link_state = VF_LINK_AUTO};
	size_t first = p->n_steps;

	if (plan_hold(pf, v, now, p, err) < 0 ||
	    (!keep && add_override(pf, v, false, p, err) < 0) ||
	    (vf_is_parked(v) && add_set(pf, v, VF_LINK_STATE, &open, p, err) < 0))
		return error_code(err);
	if (p->n_steps == first + 1) {
		p->n_steps = first;
		return 0;
	}
	return plan_let_go(&p->steps[first].lease, p, err);
}

int plan_host_vf(const struct pf_state *pf, const struct vf_state *v,
		 const struct vf_settings *want, int64_t now, struct plan *p, struct error *err)
{
	const struct port_wish self = {.vmid = LEASE_SELF, .want = *want};
	struct step drop = vf_step(STEP_LEASE_DROP, pf, v);
	struct step override = vf_step(STEP_OVERRIDE, pf, v);
	struct step verify = vf_step(STEP_VERIFY, pf, v);
	struct vf_settings to = *want;
	size_t first = p->n_steps;

	if (v->unread)
		return refuse_unread(v, err);
	if (v->leased)
		return fail(err, EEXIST, "it is leased");
	/* Who gave it back last took its link down. */
	if (is_cut(v) && !(to.has & HAS_LINK_STATE)) {
		to.has |= HAS_LINK_STATE;
		to.link_state = VF_LINK_AUTO;
	}
	if (add_lease(pf, v, &self, now, p, err) < 0)
		return -ENOMEM;
	drop.has_old_lease = true;
	drop.old_lease = p->steps[first].lease;
	memcpy(override.from_text, v->info.driver_override, sizeof(override.from_text));
	if (v->info.driver_override[0] && !add_step(p, &override, err))
		return -ENOMEM;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		if ((to.has & vf_attr_bits((enum vf_attr)a)) &&
		    !vf_attr_equal((enum vf_attr)a, &to, &v->now) &&
		    add_set(pf, v, (enum vf_attr)a, &to, p, err) < 0)
			return -ENOMEM;
	}
	if (p->n_steps == first + 1) { /* it is as it should be: not even a lease */
		p->n_steps = first;
		return 0;
	}
	verify.to = to;
	return add_step(p, &verify, err) && add_step(p, &drop, err) ? 0 : -ENOMEM;
}

int plan_hold(const struct pf_state *pf, const struct vf_state *v, int64_t now, struct plan *p,
	      struct error *err)
{
	const struct port_wish self = {.vmid = LEASE_SELF};

	if (v->leased)
		return fail(err, EEXIST, "it is leased already");
	return add_lease(pf, v, &self, now, p, err);
}

int plan_let_go(const struct lease *held, struct plan *p, struct error *err)
{
	return plan_release(NULL, NULL, held, p, err);
}

/* --- What would be --- */

static void foresee_setting(struct snapshot *s, const struct step *step,
			    const struct vf_settings *to, uint32_t bits)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		struct pf_state *pf = &s->pfs[i];

		if (pci_addr_cmp(&pf->info.addr, &step->pf) != 0)
			continue;
		if (step->index < pf->link.n_vfs)
			vf_settings_merge(&pf->link.vfs[step->index], to, bits);
		for (size_t k = 0; k < pf->n_vfs; k++) {
			if (pf->vfs[k].info.index == step->index)
				vf_settings_merge(&pf->vfs[k].now, to, bits);
		}
	}
}

static void foresee_vf(struct vf_state *v, const struct step *step)
{
	switch (step->kind) {
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
	case STEP_LEASE_SEIZE:
		v->leased = true;
		v->lease_broken = false;
		v->lease = step->lease;
		break;
	case STEP_LEASE_DROP:
		/* Nobody gives back what some process still has open. */
		v->leased = false;
		v->lease_broken = false;
		v->busy = ANSWER_NO;
		break;
	case STEP_OVERRIDE:
		memcpy(v->info.driver_override, step->to_text, sizeof(v->info.driver_override));
		break;
	default:
		break;
	}
}

void plan_foresee(const struct plan *p, struct snapshot *s)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step *step = &p->steps[i];
		struct vf_settings to = step->to;
		struct vf_state *v;

		switch (step->kind) {
		case STEP_SET:
			foresee_setting(s, step, &to, vf_attr_bits(step->attr));
			break;
		case STEP_CLEAR_MAC:
			to.has = HAS_MAC;
			memset(to.mac, 0, sizeof(to.mac));
			foresee_setting(s, step, &to, HAS_MAC);
			break;
		case STEP_CUT:
			to.has = HAS_LINK_STATE;
			to.link_state = VF_LINK_DISABLE;
			foresee_setting(s, step, &to, HAS_LINK_STATE);
			break;
		case STEP_GUARD:
			to.has = HAS_SPOOFCHK;
			to.spoofchk = true;
			foresee_setting(s, step, &to, HAS_SPOOFCHK);
			break;
		default:
			v = (struct vf_state *)snapshot_find(s, &step->vf, NULL);
			if (v)
				foresee_vf(v, step);
		}
	}
}

int plan_append(struct plan *p, const struct plan *more, struct error *err)
{
	for (size_t i = 0; i < more->n_steps; i++) {
		if (!add_step(p, &more->steps[i], err))
			return -ENOMEM;
	}
	return 0;
}

/* The opposite of a step of a start; false if there is nothing to undo. */
static bool invert_step(const struct step *s, struct step *out)
{
	struct vf_settings from = s->from;

	*out = *s;
	from.has &= vf_attr_bits(s->attr);
	switch (s->kind) {
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
		out->kind = s->has_old_lease ? STEP_LEASE_WRITE : STEP_LEASE_DROP;
		out->lease = s->old_lease;
		out->old_lease = s->lease;
		out->has_old_lease = true;
		return true;
	case STEP_OVERRIDE:
		memcpy(out->from_text, s->to_text, sizeof(out->from_text));
		memcpy(out->to_text, s->from_text, sizeof(out->to_text));
		return true;
	case STEP_CALL:
		out->object.from = s->object.to;
		out->object.to = s->object.from;
		out->object.what = NULL;
		return !s->object.harmless;
	case STEP_SET:
		if (!from.has)
			return false;
		out->from = s->to;
		out->to = from;
		if (s->attr == VF_MAC && mac_is_zero(from.mac))
			out->kind = STEP_CLEAR_MAC;
		return true;
	default:
		return false;
	}
}

int plan_undoing(const struct plan *p, struct plan *out, struct error *err)
{
	for (size_t i = p->n_steps; i-- > 0;) {
		struct step s;

		if (invert_step(&p->steps[i], &s) && !add_step(out, &s, err))
			return -ENOMEM;
	}
	return 0;
}

int plan_cut_off(const struct pf_info *pf, const struct pci_addr *vf, unsigned index,
		 struct plan *p, struct error *err)
{
	struct step s = {
		.kind = STEP_SET,
		.vf = *vf,
		.pf = pf->addr,
		.index = index,
		.ifindex = pf->ifindex,
		.attr = VF_LINK_STATE,
		.to = {.has = HAS_LINK_STATE, .link_state = VF_LINK_DISABLE},
	};

	memcpy(s.pf_name, pf->ifname, sizeof(s.pf_name));
	memcpy(s.driver, pf->driver, sizeof(s.driver));
	if (!add_step(p, &s, err))
		return -ENOMEM;
	s.kind = STEP_VERIFY;
	return add_step(p, &s, err) ? 0 : -ENOMEM;
}

/* --- In words --- */

/* One line of it: what is longer is told by who knows what the object is. */
static void describe_object(const struct step_object *o, char *buf, size_t size)
{
	const char *from = o->from ? o->from : "none";
	const char *to = o->to ? o->to : "none";

	if (o->what)
		snprintf(buf, size, "%s", o->what);
	else
		snprintf(buf, size, "%s %s: %.*s -> %.*s", o->kind ? o->kind : "?",
			 o->name ? o->name : "?", (int)strcspn(from, "\n"), from,
			 (int)strcspn(to, "\n"), to);
}

const char *step_describe(const struct step *s, char *buf, size_t size)
{
	char vf[PCI_ADDR_LEN];
	char from[64];
	char to[128];

	pci_addr_format(&s->vf, vf);
	switch (s->kind) {
	case STEP_LEASE_TAKE:
		snprintf(buf, size, "VF %s (VF %u of %s): lease to VM %u hostpci%u", vf, s->index,
			 s->pf_name, s->lease.vmid, s->lease.slot);
		break;
	case STEP_LEASE_WRITE:
		snprintf(buf, size, "VF %s (VF %u of %s): lease of VM %u hostpci%u %s -> %s", vf,
			 s->index, s->pf_name, s->lease.vmid, s->lease.slot,
			 lease_phase_name(s->old_lease.phase), lease_phase_name(s->lease.phase));
		break;
	case STEP_LEASE_SEIZE:
		snprintf(buf, size,
			 "VF %s: lease file that cannot be used -> lease of %s%u; kept as "
			 "%s.broken",
			 vf, s->lease.vmid == LEASE_SELF ? "vfhook itself, " : "VM ", s->lease.vmid,
			 vf);
		break;
	case STEP_LEASE_DROP:
		snprintf(buf, size, "VF %s: drop the lease of VM %u", vf, s->old_lease.vmid);
		break;
	case STEP_OVERRIDE:
		snprintf(buf, size, "VF %s: driver_override %s -> %s", vf,
			 s->from_text[0] ? s->from_text : "none",
			 s->to_text[0] ? s->to_text : "none");
		break;
	case STEP_SET:
		snprintf(buf, size, "VF %s: %s%s%s -> %s", vf, vf_attr_name(s->attr),
			 s->from.has & vf_attr_bits(s->attr) ? " " : "",
			 s->from.has & vf_attr_bits(s->attr)
				 ? vf_attr_value(s->attr, &s->from, from, sizeof(from))
				 : "",
			 vf_attr_value(s->attr, &s->to, to, sizeof(to)));
		break;
	case STEP_CLEAR_MAC:
		snprintf(buf, size, "VF %s: MAC %s -> none", vf,
			 vf_attr_value(VF_MAC, &s->from, from, sizeof(from)));
		break;
	case STEP_GUARD:
		if ((s->from.has & HAS_SPOOFCHK) && s->from.spoofchk) {
			snprintf(buf, size, "VF %s: spoofchk stays on", vf);
			break;
		}
		snprintf(buf, size, "VF %s: spoofchk %s -> on", vf,
			 vf_attr_value(VF_SPOOFCHK, &s->from, from, sizeof(from)));
		break;
	case STEP_CUT:
		snprintf(buf, size, "VF %s: link state %s -> disable", vf,
			 vf_attr_value(VF_LINK_STATE, &s->from, from, sizeof(from)));
		break;
	case STEP_VERIFY:
		snprintf(buf, size, "VF %s: read back and compare: %s", vf,
			 vf_settings_describe(&s->to, to, sizeof(to)));
		break;
	case STEP_CALL:
		describe_object(&s->object, buf, size);
		break;
	}
	return buf;
}
