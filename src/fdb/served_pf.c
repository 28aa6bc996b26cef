/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One PF's filter: planned for, noted, and changed. */
#include "src/fdb/served_pf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/say.h"
#include "src/vf/kernel.h"

/* More changes than this at once are told in one line. */
#define TELL_EACH 4
/* A card that says "full" for another number each time is not asked for ever. */
#define ROUNDS 4
/* After a failure, and twice as long after each that follows, up to a minute or so. */
#define AGAIN_MS     5000LL
#define AGAIN_DOUBLE 4

int served_pf_init(struct hook *h, const struct pci_addr *addr, struct served_pf *pf,
		   struct error *err)
{
	int r;

	*pf = (struct served_pf){.addr = *addr, .dirty = true, .vfs_stale = true};
	r = fdb_note_read(h->root, addr, &pf->note, err);
	if (r == -ENOENT || r == -EINVAL) {
		/* Ours are somebody else's then, and stay: nobody can tell them apart. */
		if (r == -EINVAL)
			complain("%s: what is in that PF's filter stays, and is nobody's to take "
				 "away: bridge fdb show",
				 err->text);
		error_clear(err);
		return 0;
	}
	pf->most = pf->note.most;
	pf->told_full = fdb_note_count(&pf->note, FDB_REFUSED) > 0;
	return r;
}

void served_pf_free(struct served_pf *pf)
{
	free(pf->sides);
	free(pf->host);
	free(pf->vf_macs);
	mac_set_free(&pf->vfs);
	mac_set_free(&pf->card);
	fdb_note_free(&pf->note);
	*pf = (struct served_pf){0};
}

int served_pf_place(struct served_pf *pf, const struct links *links)
{
	enum side *sides;
	bool *host;
	int r = links_sides(links, pf->ifindex, &sides, &host);

	if (r < 0) {
		free(sides);
		free(host);
		return r;
	}
	free(pf->sides);
	free(pf->host);
	pf->sides = sides;
	pf->host = host;
	pf->dirty = true;
	return 0;
}

bool served_pf_has_bridge(const struct served_pf *pf, const struct links *links)
{
	for (size_t i = 0; i < links->n && pf->sides; i++) {
		if (pf->sides[i] == SIDE_BRIDGE)
			return true;
	}
	return false;
}

/* --- The VFs' addresses --- */

static int keep_vf_macs(struct served_pf *pf, const struct pf_link *l)
{
	uint8_t(*more)[6] = reallocarray(pf->vf_macs, l->n_vfs + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	pf->vf_macs = more;
	if (l->n_vfs > pf->n_vfs)
		memset(more[pf->n_vfs], 0, (l->n_vfs - pf->n_vfs) * sizeof(*more));
	pf->n_vfs = l->n_vfs;
	for (size_t i = 0; i < l->n_vfs; i++) {
		struct vf_settings s;

		if (!pf_link_vf(l, (unsigned)i, &s, NULL) && (s.has & vf_attr_bits(VF_MAC)))
			memcpy(more[i], s.mac, 6);
	}
	return 0;
}

/* 1: they are others than before, 0: the same; a negative errno with err. */
static int read_vfs(struct hook *h, struct served_pf *pf, struct error *err)
{
	CLEANUP(pf_link_free) struct pf_link l = {0};
	const size_t n_before = pf->n_vfs;
	struct mac_set now = {0};
	bool same;
	int r;

	if (hook_kernel(h, err) < 0 || kernel_pf_read(h->kernel, pf->ifindex, &l, err) < 0)
		return error_code(err);
	if (keep_vf_macs(pf, &l) < 0)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < pf->n_vfs; i++) {
		r = mac_is_zero(pf->vf_macs[i]) ? 0 : mac_set_add(&now, pf->vf_macs[i]);
		if (r < 0) {
			mac_set_free(&now);
			return fail(err, ENOMEM, "out of memory");
		}
	}
	same = now.n == pf->vfs.n && (!now.n || !memcmp(now.list, pf->vfs.list, now.n * 6));
	/* What VFs do not take of the card's table is for others (igb: one entry a VF; ixgbe: one
	 * an address). */
	if (pf->n_vfs != n_before || now.n < pf->vfs.n)
		pf->most = 0;
	mac_set_free(&pf->vfs);
	pf->vfs = now;
	return !same;
}

/* --- Left alone --- */

static enum alone why_alone(const struct served_pf *pf, const struct links *links)
{
	if (links_represent(links, &pf->addr))
		return ALONE_SWITCHDEV;
	return pf->vepa ? ALONE_VEPA : ALONE_NOT;
}

/* Once, and again when it is another reason, or over. */
static void tell_alone(struct served_pf *pf, const struct links *links)
{
	enum alone why =
		pf->wanted && served_pf_has_bridge(pf, links) ? why_alone(pf, links) : ALONE_NOT;

	if (why == pf->told_alone)
		return;
	if (why == ALONE_SWITCHDEV)
		say("PF %s is in switchdev mode: its filter is left alone, since its VFs reach a "
		    "bridge by their representors, once those are ports of it",
		    pf->name);
	else if (why == ALONE_VEPA)
		say("PF %s has hwmode vepa: its filter is left alone, since the switch outside "
		    "sends back what is for others on the card",
		    pf->name);
	else if (pf->wanted)
		say("PF %s: its filter is kept again", pf->name);
	pf->told_alone = why;
}

/* --- A plan --- */

static int plan(const struct served_pf *pf, const struct surroundings *around, struct fdb_plan *out,
		struct error *err)
{
	const struct link_info *self = links_find(around->links, pf->ifindex);
	struct fdb_facts f = {
		.links = around->links,
		.sides = pf->sides,
		.host = pf->host,
		.macs = around->macs,
		.configured = around->configured,
		.wanted = pf->wanted && served_pf_has_bridge(pf, around->links),
		.alone = why_alone(pf, around->links) != ALONE_NOT,
		.vfs = &pf->vfs,
		.card = &pf->card,
		.note = &pf->note,
		.most = pf->most,
		.now = clock_ms(),
	};

	if (self)
		memcpy(f.own, self->mac, 6);
	return fdb_plan_make(&f, out) < 0 ? fail(err, ENOMEM, "out of memory") : 0;
}

static void tell(const struct served_pf *pf, const struct surroundings *around,
		 const struct fdb_change *c, bool dry)
{
	const struct link_info *port = c->port ? links_find(around->links, c->port) : NULL;
	char mac[MAC_LEN];

	say("PF %s: %s %s%s%s%s: %s", pf->name, mac_format(c->mac, mac), dry ? "would be " : "",
	    c->add ? "let in" : "taken out", port ? ", at " : "", port ? port->name : "",
	    fdb_why_text(c->why));
}

/* What is so by now; in a dry run, what would be. */
static void tell_all(const struct served_pf *pf, const struct surroundings *around,
		     const struct fdb_plan *p, bool dry)
{
	size_t added = 0;
	size_t taken = 0;

	for (size_t i = 0; i < p->n_changes; i++) {
		const struct fdb_change *c = &p->changes[i];

		if (!dry && mac_set_has(&pf->card, c->mac) != c->add)
			continue;
		added += c->add;
		taken += !c->add;
		if (dry || p->n_changes <= TELL_EACH)
			tell(pf, around, c, dry);
	}
	if (dry && !p->n_changes)
		say("PF %s: nothing to do", pf->name);
	if (!dry && p->n_changes > TELL_EACH && added + taken)
		say("PF %s: %zu addresses let in, %zu taken out: vfhook fdb list", pf->name, added,
		    taken);
}

/* Said when it begins and when it is over, not for each that comes and goes meanwhile. */
static void tell_room(struct served_pf *pf, const struct fdb_plan *p, bool dry)
{
	bool before = pf->told_full;

	pf->told_full = p->n_refused > 0;
	if (p->n_refused && (!before || dry))
		complain("PF %s: its filter is full with %zu addresses: %zu more behind the bridge "
			 "cannot be reached by guests on its VFs: vfhook fdb list",
			 pf->name, p->after.most, p->n_refused);
	if (!p->n_refused && before && !dry)
		say("PF %s: there is room in its filter again", pf->name);
}

/* --- Doing it --- */

static bool adds_any(const struct fdb_plan *p)
{
	for (size_t i = 0; i < p->n_changes; i++) {
		if (p->changes[i].add)
			return true;
	}
	return false;
}

/*
 * What is ours once all is done, and what still is until it has been taken out: as it stands in the
 * file before anything is put into the card.
 */
static int note_before(struct hook *h, const struct served_pf *pf, const struct fdb_plan *p,
		       struct fdb_note *out, struct error *err)
{
	int r = 0;

	*out = p->after;
	out->macs = NULL;
	out->n = out->room = 0;
	for (size_t i = 0; i < p->after.n && !r; i++)
		r = fdb_note_put(out, &p->after.macs[i]);
	for (size_t i = 0; i < p->n_changes && !r; i++) {
		const struct fdb_noted *m = fdb_note_find(&pf->note, p->changes[i].mac);

		if (!p->changes[i].add && m)
			r = fdb_note_put(out, m);
	}
	return r < 0 ? fail(err, ENOMEM, "out of memory") : fdb_note_write(h->root, out, err);
}

static bool is_full(int r)
{
	return r == -ENOMEM || r == -ENOSPC || r == -E2BIG;
}

static int take_out(struct served_pf *pf, const struct surroundings *around,
		    const struct fdb_change *c, struct fdb_plan *p, struct error *err)
{
	int r = bridge_fdb_set(around->socket, pf->ifindex, c->mac, false);
	const struct fdb_noted *m = fdb_note_find(&pf->note, c->mac);
	char mac[MAC_LEN];

	if (!r || r == -ENOENT) {
		mac_set_drop(&pf->card, c->mac);
		return 0;
	}
	/* It stays ours. */
	if (m && fdb_note_put(&p->after, m) < 0)
		return fail(err, ENOMEM, "out of memory");
	mac_format(c->mac, mac);
	return fail_errno(
		err, -r,
		"PF %s: %s cannot be taken out of its filter, and until it is, guests on "
		"VFs reach it here or nowhere; it is tried again; by hand: bridge fdb del "
		"%s dev %s self",
		pf->name, mac, mac, pf->name);
}

/* 1: the card is full. */
static int let_in(struct served_pf *pf, const struct surroundings *around,
		  const struct fdb_change *c, struct fdb_plan *p, struct error *err)
{
	int r = bridge_fdb_set(around->socket, pf->ifindex, c->mac, true);
	char mac[MAC_LEN];

	if (!r || r == -EEXIST) {
		if (r)
			fdb_note_drop(&p->after, c->mac);
		return mac_set_add(&pf->card, c->mac) < 0 ? fail(err, ENOMEM, "out of memory") : 0;
	}
	fdb_note_drop(&p->after, c->mac);
	if (is_full(r))
		return 1;
	mac_format(c->mac, mac);
	return fail_errno(err, -r,
			  "PF %s: %s cannot be let in, and until it is, guests on VFs cannot reach "
			  "it; it is tried again; by hand: bridge fdb add %s dev %s self permanent",
			  pf->name, mac, mac, pf->name);
}

/* All of it, or as far as it goes; *full: the card has no room for the rest. */
static int carry_out(struct served_pf *pf, const struct surroundings *around, struct fdb_plan *p,
		     bool *full, struct error *err)
{
	int r = 0;

	*full = false;
	for (size_t i = 0; i < p->n_changes; i++) {
		const struct fdb_change *c = &p->changes[i];
		struct error why = ERROR_INIT;
		int done = 0;

		if (!c->add)
			done = take_out(pf, around, c, p, &why);
		else if (*full || r < 0)
			fdb_note_drop(&p->after, c->mac);
		else
			done = let_in(pf, around, c, p, &why);
		*full = *full || done > 0;
		if (done < 0) {
			r = done;
			*err = why;
		}
	}
	return r;
}

/*
 * What is not noted is not put into the card. What is to go stands in the note of before, and goes
 * all the same: an address that has moved to the wire is hidden from all VFs as long as it is in.
 */
static void leave_additions(struct fdb_plan *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_changes; i++) {
		if (p->changes[i].add)
			fdb_note_drop(&p->after, p->changes[i].mac);
		else
			p->changes[kept++] = p->changes[i];
	}
	p->n_changes = kept;
}

static void keep_note(struct served_pf *pf, struct fdb_plan *p)
{
	fdb_note_free(&pf->note);
	pf->note = p->after;
	p->after = (struct fdb_note){0};
}

static bool same_note(const struct fdb_note *a, const struct fdb_note *b)
{
	if (a->n != b->n || a->most != b->most || a->others != b->others ||
	    strcmp(a->ifname, b->ifname) != 0)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (memcmp(a->macs[i].mac, b->macs[i].mac, 6) != 0 ||
		    a->macs[i].place != b->macs[i].place || a->macs[i].fixed != b->macs[i].fixed ||
		    strcmp(a->macs[i].port, b->macs[i].port) != 0)
			return false;
	}
	return true;
}

/*
 * A plan that holds as of now. Who is to be added must be no VF's: a VF's guest may have chosen its
 * MAC itself. *blocked: nobody can tell, and why.
 */
static int plan_now(struct hook *h, struct served_pf *pf, const struct surroundings *around,
		    struct fdb_plan *p, struct error *blocked, struct error *err)
{
	int r = plan(pf, around, p, err);

	if (r < 0 || (!pf->vfs_stale && !adds_any(p)))
		return r;
	r = read_vfs(h, pf, blocked);
	pf->vfs_stale = r < 0;
	if (r <= 0)
		return 0;
	fdb_plan_free(p);
	return plan(pf, around, p, err);
}

/* What has become of the plan, into the file, if that does not say so already. */
static int note_after(struct hook *h, struct served_pf *pf, struct fdb_plan *p,
		      const struct fdb_note *written, struct error *err)
{
	keep_note(pf, p);
	if (written && same_note(written, &pf->note))
		return 0;
	pf->unwritten = fdb_note_write(h->root, &pf->note, err) < 0;
	return pf->unwritten ? error_code(err) : 0;
}

/* The card first, as far as it goes, then the note: 1 if the card was full before the end. */
static int carry_out_noted(struct hook *h, struct served_pf *pf, const struct surroundings *around,
			   struct fdb_plan *p, struct error *blocked, struct error *err)
{
	CLEANUP(fdb_note_free) struct fdb_note before = {0};
	const bool adds = adds_any(p);
	struct error note_err = ERROR_INIT;
	bool full = false;
	int r;

	if (adds && note_before(h, pf, p, &before, blocked) < 0)
		leave_additions(p);
	r = carry_out(pf, around, p, &full, err);
	if (full)
		p->after.most = pf->most = pf->card.n;
	if (!full && !blocked->code)
		tell_room(pf, p, false);
	tell_all(pf, around, p, false);
	if (note_after(h, pf, p, adds && !blocked->code ? &before : NULL, &note_err) < 0 && !r &&
	    !blocked->code)
		return fail(err, note_err.code, "%s", note_err.text);
	return r < 0 ? r : full;
}

/* One plan: 1 if the card turned out to be full before its end. */
static int serve_once(struct hook *h, struct served_pf *pf, const struct surroundings *around,
		      struct error *err)
{
	CLEANUP(fdb_plan_free) struct fdb_plan p = {0};
	struct error blocked = ERROR_INIT;
	int r = plan_now(h, pf, around, &p, &blocked, err);

	if (r < 0)
		return r;
	memcpy(p.after.ifname, pf->name, sizeof(p.after.ifname));
	if (blocked.code)
		leave_additions(&p);
	if (h->dry_run) {
		tell_all(pf, around, &p, true);
		tell_room(pf, &p, true);
	} else if (p.n_changes || pf->unwritten || !same_note(&pf->note, &p.after)) {
		r = carry_out_noted(h, pf, around, &p, &blocked, err);
	}
	if (blocked.code && r >= 0)
		return fail(err, blocked.code, "PF %s: nothing new is let in: %s", pf->name,
			    blocked.text);
	return r;
}

bool served_pf_is_due(const struct served_pf *pf, long long now)
{
	return pf->dirty || (pf->again_at && now >= pf->again_at);
}

/* What came of it, for the next time; a failure is told if it is not the one that was told last. */
static void conclude(struct served_pf *pf, const struct error *why)
{
	pf->dirty = false;
	if (!why->code) {
		pf->failures = 0;
		pf->again_at = 0;
		error_clear(&pf->told);
		return;
	}
	pf->again_at = clock_ms() + (AGAIN_MS << pf->failures);
	pf->failures += pf->failures < AGAIN_DOUBLE;
	if (strcmp(pf->told.text, why->text) != 0)
		complain("%s", why->text);
	pf->told = *why;
}

int served_pf_serve(struct hook *h, struct served_pf *pf, const struct surroundings *around,
		    struct error *err)
{
	struct error why = ERROR_INIT;
	int r = pf->ifindex ? 1 : 0;

	if (pf->ifindex)
		tell_alone(pf, around->links);
	for (int round = 0; round < ROUNDS && r > 0; round++)
		r = serve_once(h, pf, around, &why);
	conclude(pf, &why);
	return r < 0 ? fail(err, why.code, "%s", why.text) : 0;
}
