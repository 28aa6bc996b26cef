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

static size_t count_refused(const struct fdb_note *n)
{
	size_t refused = 0;

	for (size_t i = 0; i < n->n; i++)
		refused += n->macs[i].place == FDB_REFUSED;
	return refused;
}

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
	pf->told_full = count_refused(&pf->note) > 0;
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
	mac_set_free(&pf->vfs);
	pf->vfs = now;
	return !same;
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

/* Before the card is touched: what is ours then, and what still is, until it has been taken out. */
static int note_before(struct hook *h, const struct served_pf *pf, struct fdb_plan *p,
		       struct error *err)
{
	struct fdb_note n = p->after;
	int r = 0;

	n.macs = NULL;
	n.n = n.room = 0;
	for (size_t i = 0; i < p->after.n && !r; i++)
		r = fdb_note_put(&n, &p->after.macs[i]);
	for (size_t i = 0; i < p->n_changes && !r; i++) {
		const struct fdb_noted *m = fdb_note_find(&pf->note, p->changes[i].mac);

		if (!p->changes[i].add && m)
			r = fdb_note_put(&n, m);
	}
	r = r < 0 ? fail(err, ENOMEM, "out of memory") : fdb_note_write(h->root, &n, err);
	fdb_note_free(&n);
	return r;
}

static bool is_full(int r)
{
	return r == -ENOMEM || r == -ENOSPC || r == -E2BIG;
}

/* Out of the note: it is not in the card, or not by us. */
static void forget(struct fdb_note *n, const uint8_t mac[6])
{
	struct fdb_noted *m = fdb_note_find(n, mac);

	if (!m)
		return;
	memmove(m, m + 1, (size_t)(n->macs + n->n - (m + 1)) * sizeof(*m));
	n->n--;
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
	return fail_errno(err, -r, "PF %s: %s cannot be taken out of its filter", pf->name,
			  mac_format(c->mac, mac));
}

/* 1: the card is full. */
static int let_in(struct served_pf *pf, const struct surroundings *around,
		  const struct fdb_change *c, struct fdb_plan *p, struct error *err)
{
	int r = bridge_fdb_set(around->socket, pf->ifindex, c->mac, true);
	char mac[MAC_LEN];

	if (!r || r == -EEXIST) {
		if (r)
			forget(&p->after, c->mac);
		return mac_set_add(&pf->card, c->mac) < 0 ? fail(err, ENOMEM, "out of memory") : 0;
	}
	forget(&p->after, c->mac);
	if (is_full(r))
		return 1;
	return fail_errno(err, -r, "PF %s: %s cannot be let in", pf->name, mac_format(c->mac, mac));
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
			forget(&p->after, c->mac);
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
			forget(&p->after, p->changes[i].mac);
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
		    a->macs[i].place != b->macs[i].place ||
		    strcmp(a->macs[i].port, b->macs[i].port) != 0)
			return false;
	}
	return true;
}

/* One plan: 1 if the card turned out to be full before its end. */
static int serve_once(struct hook *h, struct served_pf *pf, const struct surroundings *around,
		      struct error *err)
{
	CLEANUP(fdb_plan_free) struct fdb_plan p = {0};
	struct error why = ERROR_INIT;
	bool full = false;
	bool noted;
	int r = plan(pf, around, &p, err);

	if (r < 0)
		return r;
	memcpy(p.after.ifname, pf->name, sizeof(p.after.ifname));
	if (h->dry_run) {
		tell_all(pf, around, &p, true);
		tell_room(pf, &p, true);
		return 0;
	}
	if (!p.n_changes && same_note(&pf->note, &p.after))
		return 0;
	noted = note_before(h, pf, &p, &why) >= 0;
	if (!noted)
		leave_additions(&p);
	r = carry_out(pf, around, &p, &full, err);
	if (full)
		pf->most = pf->card.n;
	p.after.most = pf->most;
	if (!full)
		tell_room(pf, &p, false);
	tell_all(pf, around, &p, false);
	keep_note(pf, &p);
	if (!noted && !r)
		return fail(err, why.code, "PF %s: nothing new is let in: %s", pf->name, why.text);
	if (fdb_note_write(h->root, &pf->note, r < 0 ? NULL : err) < 0 && !r)
		return error_code(err);
	return r < 0 ? r : full;
}

/* Who is to be added must be no VF's, as of now: a VF's guest may have chosen its MAC itself. */
static int renew_vfs(struct hook *h, struct served_pf *pf, const struct surroundings *around,
		     struct error *err)
{
	CLEANUP(fdb_plan_free) struct fdb_plan p = {0};
	bool adds = pf->vfs_stale;
	int r = plan(pf, around, &p, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p.n_changes; i++)
		adds = adds || p.changes[i].add;
	r = adds ? read_vfs(h, pf, err) : 0;
	pf->vfs_stale = r < 0;
	return r < 0 ? r : 0;
}

int served_pf_serve(struct hook *h, struct served_pf *pf, const struct surroundings *around,
		    struct error *err)
{
	int r = 1;

	if (!pf->ifindex) {
		pf->dirty = false;
		return 0;
	}
	if (renew_vfs(h, pf, around, err) < 0)
		return error_code(err);
	for (int round = 0; round < ROUNDS && r > 0; round++)
		r = serve_once(h, pf, around, err);
	pf->dirty = r < 0;
	return r < 0 ? r : 0;
}
