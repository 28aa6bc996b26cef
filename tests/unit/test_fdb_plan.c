/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a PF's filter is to have: single promises, and all of them in many small worlds. */
#include <stdlib.h>

#include "src/fdb/fdb_plan.h"
#include "tests/unit/tree.h"

enum { PF = 1, BRIDGE = 2, TAP = 3, TAP2 = 4 };

/* A PF and two taps in a bridge, the card and the note, as the kernel and /run would have them. */
struct world {
	struct links links;
	enum side *sides;
	bool *host;
	struct macs macs;
	struct mac_set configured;
	struct mac_set vfs;
	struct mac_set card;
	struct fdb_note note;
	size_t most;
	bool wanted;
	bool alone;
};

static const uint8_t *mac_of(unsigned n, uint8_t mac[6])
{
	const uint8_t m[6] = {2, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n};

	memcpy(mac, m, 6);
	return mac;
}

static void add_link(struct world *w, int ifindex, enum link_kind kind, int master)
{
	struct link_info l = {.ifindex = ifindex, .kind = kind, .master = master, .up = true};

	snprintf(l.name, sizeof(l.name), "if%d", ifindex);
	mac_of(0xff00U + (unsigned)ifindex, l.mac);
	assert_int_equal(links_put(&w->links, &l), 1);
}

static void world_make(struct world *w)
{
	*w = (struct world){.wanted = true};
	add_link(w, PF, LINK_OTHER, BRIDGE);
	add_link(w, BRIDGE, LINK_BRIDGE, 0);
	add_link(w, TAP, LINK_OTHER, BRIDGE);
	add_link(w, TAP2, LINK_OTHER, BRIDGE);
	assert_int_equal(links_sides(&w->links, PF, &w->sides, &w->host), 0);
}

static void world_free(struct world *w)
{
	links_free(&w->links);
	free(w->sides);
	free(w->host);
	macs_free(&w->macs);
	mac_set_free(&w->configured);
	mac_set_free(&w->vfs);
	mac_set_free(&w->card);
	fdb_note_free(&w->note);
}

static void hear(struct world *w, unsigned n, int port, uint16_t vlan, enum fdb_state state)
{
	struct fdb_entry e = {.ifindex = port, .vlan = vlan, .state = state};

	mac_of(n, e.mac);
	assert_true(macs_heard(&w->macs, &e, BRIDGE, true, 1000) >= 0);
}

static void plan(const struct world *w, struct fdb_plan *p)
{
	struct fdb_facts f = {.links = &w->links,
			      .sides = w->sides,
			      .host = w->host,
			      .macs = &w->macs,
			      .configured = &w->configured,
			      .wanted = w->wanted,
			      .alone = w->alone,
			      .vfs = &w->vfs,
			      .card = &w->card,
			      .note = &w->note,
			      .most = w->most,
			      .now = 2000};

	mac_of(0xff00U + PF, f.own);
	assert_int_equal(fdb_plan_make(&f, p), 0);
}

static bool is_ours(const struct world *w, const uint8_t mac[6])
{
	const struct fdb_noted *m = fdb_note_find(&w->note, mac);

	return m && m->place == FDB_IN;
}

/* The whole plan, or its first `upto` changes and a crash: the note is then as before the card. */
static void apply(struct world *w, struct fdb_plan *p, size_t upto)
{
	bool crash = upto < p->n_changes;

	for (size_t i = 0; i < p->n_changes; i++) {
		const struct fdb_change *c = &p->changes[i];
		const struct fdb_noted *m = fdb_note_find(&w->note, c->mac);

		if (crash && !c->add)
			assert_int_equal(fdb_note_put(&p->after, m), 0);
		if (i >= upto)
			continue;
		if (c->add)
			assert_int_equal(mac_set_add(&w->card, c->mac), 1);
		else
			assert_true(mac_set_drop(&w->card, c->mac));
	}
	fdb_note_free(&w->note);
	w->note = p->after;
	p->after = (struct fdb_note){0};
}

static void serve(struct world *w)
{
	struct fdb_plan p;

	plan(w, &p);
	apply(w, &p, p.n_changes);
	fdb_plan_free(&p);
}

static bool in_card(const struct world *w, unsigned n)
{
	uint8_t mac[6];

	return mac_set_has(&w->card, mac_of(n, mac));
}

static void add_mac(struct mac_set *s, unsigned n)
{
	uint8_t mac[6];

	assert_true(mac_set_add(s, mac_of(n, mac)) >= 0);
}

static void test_sides(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	hear(&w, 1, TAP, 0, FDB_LEARNED);
	hear(&w, 2, PF, 0, FDB_LEARNED);
	hear(&w, 3, TAP, 0, FDB_LEARNED);
	add_mac(&w.vfs, 3);
	hear(&w, 0xff00 + PF, TAP, 0, FDB_LEARNED);
	serve(&w);
	assert_true(in_card(&w, 1));
	assert_false(in_card(&w, 2));
	assert_false(in_card(&w, 3));
	assert_false(in_card(&w, 0xff00 + PF));
	assert_true(in_card(&w, 0xff00 + BRIDGE));
	hear(&w, 1, PF, 0, FDB_LEARNED);
	serve(&w);
	assert_false(in_card(&w, 1));
	world_free(&w);
}

/* Behind the bridge in one VLAN, at the wire in another: the wire's. */
static void test_vlans(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	hear(&w, 1, TAP, 10, FDB_STATIC);
	hear(&w, 1, PF, 20, FDB_LEARNED);
	hear(&w, 2, TAP, 10, FDB_LEARNED);
	hear(&w, 2, TAP2, 20, FDB_LEARNED);
	serve(&w);
	assert_false(in_card(&w, 1));
	assert_true(in_card(&w, 2));
	world_free(&w);
}

static void test_full(void **state)
{
	struct world w;
	uint8_t mac[6];

	(void)state;
	world_make(&w);
	w.most = 2;
	hear(&w, 5, TAP, 0, FDB_LEARNED);
	serve(&w);
	assert_true(in_card(&w, 5));
	/* An equal with a lower MAC does not put it out, and is listed. */
	hear(&w, 4, TAP, 0, FDB_LEARNED);
	serve(&w);
	assert_true(in_card(&w, 5));
	assert_int_equal(fdb_note_find(&w.note, mac_of(4, mac))->place, FDB_REFUSED);
	/* One that is configured does. */
	hear(&w, 6, TAP, 0, FDB_LEARNED);
	add_mac(&w.configured, 6);
	serve(&w);
	assert_true(in_card(&w, 6) && in_card(&w, 0xff00 + BRIDGE));
	assert_false(in_card(&w, 5));
	/* Room again. */
	w.most = 0;
	serve(&w);
	assert_true(in_card(&w, 4) && in_card(&w, 5));
	world_free(&w);
}

static void test_others_and_off(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	add_mac(&w.card, 7);
	add_mac(&w.card, 8);
	hear(&w, 7, TAP, 0, FDB_LEARNED);
	hear(&w, 1, TAP, 0, FDB_LEARNED);
	serve(&w);
	assert_int_equal(w.note.n, 2);
	w.wanted = false;
	serve(&w);
	assert_int_equal(w.card.n, 2);
	assert_int_equal(w.note.n, 0);
	assert_true(in_card(&w, 7) && in_card(&w, 8));
	world_free(&w);
}

static void forget(struct world *w, unsigned n, int port, long long now)
{
	struct fdb_entry e = {.ifindex = port};

	mac_of(n, e.mac);
	assert_true(macs_forgotten(&w->macs, &e, BRIDGE, now));
}

/* The only change of the next plan, which is carried out: its why. */
static enum fdb_why only_change(struct world *w, unsigned n, bool add)
{
	struct fdb_plan p;
	enum fdb_why why;
	uint8_t mac[6];

	plan(w, &p);
	assert_int_equal(p.n_changes, 1);
	assert_memory_equal(p.changes[0].mac, mac_of(n, mac), 6);
	assert_int_equal(p.changes[0].add, add);
	why = p.changes[0].why;
	apply(w, &p, 1);
	fdb_plan_free(&p);
	return why;
}

static void no_change(struct world *w)
{
	struct fdb_plan p;

	plan(w, &p);
	assert_int_equal(p.n_changes, 0);
	apply(w, &p, 0);
	fdb_plan_free(&p);
}

/* From one port to another nothing changes in the card, and the note says where. */
static void test_moves(void **state)
{
	struct world w;
	uint8_t mac[6];

	(void)state;
	world_make(&w);
	hear(&w, 1, TAP, 0, FDB_LEARNED);
	serve(&w);
	assert_string_equal(fdb_note_find(&w.note, mac_of(1, mac))->port, "if3");
	hear(&w, 1, TAP2, 0, FDB_LEARNED);
	no_change(&w);
	assert_string_equal(fdb_note_find(&w.note, mac_of(1, mac))->port, "if4");
	/* To the wire, and back. */
	hear(&w, 1, PF, 0, FDB_LEARNED);
	assert_int_equal(only_change(&w, 1, false), FDB_AT_WIRE);
	hear(&w, 1, TAP, 0, FDB_LEARNED);
	assert_int_equal(only_change(&w, 1, true), FDB_HEARD);
	/* On and on. */
	for (unsigned i = 0; i < 2 * MACS_MOVES; i++)
		hear(&w, 1, i & 1 ? TAP : PF, 0, FDB_LEARNED);
	assert_int_equal(only_change(&w, 1, false), FDB_WANDERS);
	no_change(&w);
	/* One that PVE knows is not taken out so easily, but for the wire. */
	add_mac(&w.configured, 1);
	assert_int_equal(only_change(&w, 1, true), FDB_CONFIGURED);
	hear(&w, 1, PF, 0, FDB_LEARNED);
	assert_int_equal(only_change(&w, 1, false), FDB_AT_WIRE);
	/* The bridge has forgotten that it was there: nobody has it. */
	forget(&w, 1, PF, 3000);
	no_change(&w);
	world_free(&w);
}

static void test_goes(void **state)
{
	struct world w;
	uint8_t mac[6];

	(void)state;
	world_make(&w);
	hear(&w, 1, TAP, 0, FDB_STATIC);
	hear(&w, 2, TAP, 0, FDB_LEARNED);
	serve(&w);
	assert_true(fdb_note_find(&w.note, mac_of(1, mac))->fixed);
	assert_false(fdb_note_find(&w.note, mac_of(2, mac))->fixed);
	/* Put there by somebody and taken away: out at once. Learned: it may be silent. */
	forget(&w, 1, TAP, 1500);
	assert_int_equal(only_change(&w, 1, false), FDB_GONE);
	forget(&w, 2, TAP, 1500);
	no_change(&w);
	assert_true(in_card(&w, 2));
	add_mac(&w.vfs, 2);
	assert_int_equal(only_change(&w, 2, false), FDB_OF_VF);
	mac_set_drop(&w.vfs, mac_of(2, mac));
	assert_int_equal(only_change(&w, 2, true), FDB_QUIET);
	assert_true(macs_port_gone(&w.macs, TAP));
	assert_int_equal(only_change(&w, 2, false), FDB_GONE);
	world_free(&w);
}

/* Host's, configured, learned, quiet; and of equals the older. */
static void test_order(void **state)
{
	struct world w;
	uint8_t mac[6];

	(void)state;
	world_make(&w);
	w.most = 1;
	add_mac(&w.configured, 4);
	for (unsigned n = 1; n <= 5; n++) {
		hear(&w, n, TAP, 0, FDB_LEARNED);
		w.macs.list[n - 1].since = 1000 - (time_t)n;
	}
	forget(&w, 5, TAP, 1500);
	serve(&w);
	assert_true(w.card.n == 1 && in_card(&w, 0xff00 + BRIDGE));
	w.most = 2;
	assert_int_equal(only_change(&w, 4, true), FDB_CONFIGURED);
	w.most = 3;
	assert_int_equal(only_change(&w, 3, true), FDB_HEARD);
	w.most = 4;
	assert_int_equal(only_change(&w, 2, true), FDB_HEARD);
	w.most = 5;
	assert_int_equal(only_change(&w, 1, true), FDB_HEARD);
	assert_int_equal(fdb_note_find(&w.note, mac_of(5, mac))->place, FDB_REFUSED);
	w.most = 6;
	assert_int_equal(only_change(&w, 5, true), FDB_QUIET);
	/* A quiet one goes for one that speaks. */
	forget(&w, 1, TAP, 1500);
	hear(&w, 6, TAP2, 0, FDB_LEARNED);
	serve(&w);
	assert_true(in_card(&w, 6));
	assert_int_equal(in_card(&w, 1) + in_card(&w, 5), 1);
	world_free(&w);
}

static void test_alone(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	add_mac(&w.card, 7);
	hear(&w, 1, TAP, 0, FDB_LEARNED);
	serve(&w);
	w.alone = true;
	serve(&w);
	assert_true(w.card.n == 1 && in_card(&w, 7));
	assert_int_equal(w.note.n, 0);
	w.alone = false;
	serve(&w);
	assert_true(in_card(&w, 1));
	world_free(&w);
}

/* --- Many worlds --- */

static unsigned draw(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245U + 12345U;
	return (*seed >> 16) % below;
}

static void disturb(struct world *w, unsigned *seed)
{
	static const enum fdb_state states[] = {FDB_LEARNED, FDB_LEARNED, FDB_STATIC};
	unsigned n = draw(seed, 12);
	uint8_t mac[6];

	mac_of(n, mac);
	switch (draw(seed, 7)) {
	case 0:
		add_mac(&w->configured, n);
		return;
	case 1:
		if (draw(seed, 2))
			add_mac(&w->vfs, n);
		else
			mac_set_drop(&w->vfs, mac);
		return;
	case 2:
		/* Somebody else's, or somebody else takes one away. */
		if (draw(seed, 2))
			add_mac(&w->card, n);
		else
			mac_set_drop(&w->card, mac);
		return;
	case 3:
		w->most = draw(seed, 3) ? draw(seed, 8) : 0;
		return;
	case 4:
		w->wanted = draw(seed, 4) > 0;
		return;
	default:
		hear(w, n, 1 + (int)draw(seed, 4), (uint16_t)draw(seed, 2), states[draw(seed, 3)]);
	}
}

static void check_changes(const struct world *w, const struct fdb_plan *p)
{
	for (size_t i = 0; i < p->n_changes; i++) {
		const struct fdb_change *c = &p->changes[i];

		if (c->add) {
			assert_true(w->wanted);
			assert_false(mac_set_has(&w->vfs, c->mac));
			assert_false(mac_set_has(&w->card, c->mac));
		} else {
			assert_true(is_ours(w, c->mac));
		}
		for (size_t k = 0; c->add && k < w->macs.n; k++)
			assert_false(w->macs.list[k].port == PF &&
				     !memcmp(w->macs.list[k].mac, c->mac, 6));
	}
}

static void check_rest(const struct world *w)
{
	size_t ours = 0;

	for (size_t i = 0; i < w->note.n; i++) {
		bool in = w->note.macs[i].place == FDB_IN;

		ours += in;
		assert_int_equal(mac_set_has(&w->card, w->note.macs[i].mac), in);
		assert_false(mac_set_has(&w->vfs, w->note.macs[i].mac));
	}
	assert_true(w->wanted || !ours);
	assert_true(!w->most || !ours || w->card.n <= w->most);
}

static void test_worlds(void **state)
{
	(void)state;
	for (unsigned s = 1; s <= 2000; s++) {
		unsigned seed = s;
		struct world w;

		world_make(&w);
		for (int step = 0; step < 30; step++) {
			struct fdb_plan p;

			disturb(&w, &seed);
			plan(&w, &p);
			check_changes(&w, &p);
			/* Now and then we are killed on the way. */
			apply(&w, &p,
			      draw(&seed, 4) ? p.n_changes
					     : draw(&seed, (unsigned)p.n_changes + 1));
			fdb_plan_free(&p);
			if (draw(&seed, 2))
				continue;
			serve(&w);
			check_rest(&w);
			plan(&w, &p);
			assert_int_equal(p.n_changes, 0);
			fdb_plan_free(&p);
		}
		world_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sides),  cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_full),   cmocka_unit_test(test_others_and_off),
		cmocka_unit_test(test_worlds), cmocka_unit_test(test_moves),
		cmocka_unit_test(test_goes),   cmocka_unit_test(test_order),
		cmocka_unit_test(test_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
