/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which MACs live behind which ports of this node's bridges. */
#include "src/fdb/macs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/sorted.h"

void macs_free(struct macs *m)
{
	free(m->list);
	free(m->ports);
	*m = (struct macs){0};
}

/* Where a MAC is known. */
struct where {
	const uint8_t *mac;
	uint16_t vlan;
	int bridge;
};

static int compare(const void *item, const void *key)
{
	const struct heard *h = item;
	const struct where *w = key;
	int by_mac = memcmp(h->mac, w->mac, 6);

	if (by_mac)
		return by_mac;
	if (h->vlan != w->vlan)
		return h->vlan < w->vlan ? -1 : 1;
	return (h->bridge > w->bridge) - (h->bridge < w->bridge);
}

/* Where it is, or where it would stand. */
static size_t place(const struct macs *m, const struct where *w)
{
	return sorted_place(m->list, m->n, sizeof(*m->list), w, compare);
}

static struct heard *find(const struct macs *m, const struct fdb_entry *e, int bridge)
{
	const struct where w = {e->mac, e->vlan, bridge};
	size_t i = place(m, &w);

	return i < m->n && !compare(&m->list[i], &w) ? &m->list[i] : NULL;
}

/* --- Ports, and how much of them counts --- */

static struct heard_port *find_port(struct macs *m, int port)
{
	for (size_t i = 0; i < m->n_ports; i++) {
		if (m->ports[i].port == port)
			return &m->ports[i];
	}
	return NULL;
}

static struct heard_port *need_port(struct macs *m, int port, long long now)
{
	struct heard_port *p = find_port(m, port);

	if (p)
		return p;
	p = reallocarray(m->ports, m->n_ports + 1, sizeof(*p));
	if (!p)
		return NULL;
	m->ports = p;
	p += m->n_ports++;
	*p = (struct heard_port){.port = port, .tokens = MACS_BURST, .filled = now};
	return p;
}

/* Is this MAC known behind this port in another VLAN, too? i is where it stands, or would; its own
 * entry does not count. */
static bool is_elsewhere(const struct macs *m, size_t i, const uint8_t mac[6], int port)
{
	for (size_t k = i; k-- > 0 && !memcmp(m->list[k].mac, mac, 6);) {
		if (m->list[k].port == port)
			return true;
	}
	for (size_t k = i; k < m->n && !memcmp(m->list[k].mac, mac, 6); k++) {
		if (k != i && m->list[k].port == port)
			return true;
	}
	return false;
}

static void count_in(struct macs *m, struct heard_port *p, bool is_new)
{
	p->entries++;
	p->n += is_new;
	m->n_macs += is_new;
}

/* Before the entry goes, or becomes another port's. */
static void count_out(struct macs *m, size_t i)
{
	struct heard_port *p = find_port(m, m->list[i].port);
	bool last = !is_elsewhere(m, i, m->list[i].mac, m->list[i].port);

	if (!p || !p->entries)
		return;
	p->entries--;
	p->n -= last;
	m->n_macs -= last;
}

/* After many have gone at once. */
static void count_anew(struct macs *m)
{
	struct heard_port *p = NULL;

	m->n_macs = 0;
	for (size_t i = 0; i < m->n_ports; i++)
		m->ports[i].n = m->ports[i].entries = 0;
	for (size_t i = 0; i < m->n; i++) {
		const struct heard *h = &m->list[i];
		bool is_new = true;

		for (size_t k = i; is_new && k-- > 0 && !memcmp(m->list[k].mac, h->mac, 6);)
			is_new = m->list[k].port != h->port;
		if (!p || p->port != h->port)
			p = find_port(m, h->port);
		if (p)
			count_in(m, p, is_new);
	}
}

static void fill(struct heard_port *p, long long now)
{
	long long more = (now - p->filled) * MACS_A_SECOND / 1000;

	if (more <= 0)
		return;
	p->filled += more * 1000 / MACS_A_SECOND;
	p->tokens = more >= MACS_BURST - p->tokens ? MACS_BURST : p->tokens + (unsigned)more;
}

/* A second at first, and no more than a minute while it does not end. */
static void look_later(struct macs *m, long long now)
{
	if (m->look_again)
		return;
	if (now - m->late_at > MACS_LATE_MS)
		m->late = 0;
	m->late_at = now;
	m->look_again = now + (1000LL << (m->late < 6 ? m->late : 6));
	m->late++;
}

static bool has_room(const struct macs *m, const struct heard_port *p, bool is_new)
{
	if (p->entries >= MACS_OF_PORT * MACS_VLANS || (is_new && p->n >= MACS_OF_PORT))
		return false;
	return p->entries < MACS_SURE ||
	       (m->n < MACS_AT_MOST * MACS_VLANS && (!is_new || m->n_macs < MACS_AT_MOST));
}

/* May one more of this port count? is_new: it is not known there in any VLAN. */
static bool may_enter(struct macs *m, struct heard_port *p, bool is_new, bool dump, long long now)
{
	if (!has_room(m, p, is_new)) {
		p->too_many = true;
		return false;
	}
	if (dump)
		return true;
	fill(p, now);
	if (!p->tokens) {
		look_later(m, now);
		return false;
	}
	p->tokens--;
	return true;
}

/* --- Entries --- */

/* One that is not known in that VLAN of that bridge. */
static int enter(struct macs *m, const struct fdb_entry *e, int bridge, struct heard_port *p,
		 bool dump, long long now)
{
	const struct where w = {e->mac, e->vlan, bridge};
	size_t i = place(m, &w);
	bool is_new =
		!is_elsewhere(m, i, e->mac, e->ifindex) &&
		!(i < m->n && !memcmp(m->list[i].mac, e->mac, 6) && m->list[i].port == e->ifindex);
	struct heard *more;

	if (!may_enter(m, p, is_new, dump, now))
		return 0;
	more = sorted_open(m->list, m->n, &m->room, sizeof(*m->list), i);
	if (!more)
		return -ENOMEM;
	m->list = more;
	m->n++;
	m->list[i] = (struct heard){.vlan = e->vlan,
				    .bridge = bridge,
				    .port = e->ifindex,
				    .state = e->state,
				    .since = time(NULL),
				    .seen = true};
	memcpy(m->list[i].mac, e->mac, 6);
	count_in(m, p, is_new);
	return 1;
}

static bool drop(struct macs *m, const struct heard *h)
{
	size_t i = (size_t)(h - m->list);

	count_out(m, i);
	sorted_close(m->list, m->n--, sizeof(*m->list), i);
	return true;
}

/* To another port: its guest has moved, or somebody else says that he is it. */
static bool move(struct macs *m, struct heard *h, struct heard_port *to, bool is_new, long long now)
{
	count_out(m, (size_t)(h - m->list));
	count_in(m, to, is_new);
	h->port = to->port;
	h->since = time(NULL);
	if (now - h->moved > MACS_MOVES_MS) {
		h->moves = 0;
		h->moved = now;
	}
	h->moves++;
	if (h->moves > MACS_MOVES)
		h->moved = now;
	return true;
}

int macs_heard(struct macs *m, const struct fdb_entry *e, int bridge, bool dump, long long now)
{
	struct heard *h = find(m, e, bridge);
	struct heard_port *p;
	bool is_new;
	bool news;

	/* A port's own address is nobody's behind it. */
	if (e->state == FDB_LOCAL)
		return h && h->port == e->ifindex && drop(m, h);
	p = need_port(m, e->ifindex, now);
	if (!p)
		return -ENOMEM;
	if (!h)
		return enter(m, e, bridge, p, dump, now);
	news = h->state != e->state || h->quiet;
	h->state = e->state;
	h->quiet = 0;
	h->seen = true;
	if (h->port == e->ifindex)
		return news;
	/* One that counts at its old port must not be what fills the new one. */
	is_new = !is_elsewhere(m, (size_t)(h - m->list), e->mac, e->ifindex);
	if (!may_enter(m, p, is_new, dump, now))
		return drop(m, h);
	return move(m, h, p, is_new, now);
}

/* The bridge has it no more. What was learned stays, quiet: true if it was not. */
static bool falls_quiet(struct heard *h, long long now)
{
	if (h->state != FDB_LEARNED || h->quiet)
		return false;
	h->quiet = now;
	return true;
}

bool macs_forgotten(struct macs *m, const struct fdb_entry *e, int bridge, long long now)
{
	struct heard *h = find(m, e, bridge);

	/* It may have come to another port before this was told. */
	if (!h || h->port != e->ifindex)
		return false;
	return h->state == FDB_LEARNED ? falls_quiet(h, now) : drop(m, h);
}

int macs_remember(struct macs *m, const uint8_t mac[6], int bridge, int port, long long now)
{
	struct fdb_entry e = {.ifindex = port, .state = FDB_LEARNED};
	const struct where w = {mac, 0, 0};
	struct heard *h;
	int r;

	memcpy(e.mac, mac, 6);
	/* In whichever VLAN: it may be known in one. */
	for (size_t i = place(m, &w); i < m->n && !memcmp(m->list[i].mac, mac, 6); i++) {
		if (m->list[i].bridge == bridge)
			return 0;
	}
	r = macs_heard(m, &e, bridge, true, now);
	h = find(m, &e, bridge);
	if (h)
		h->quiet = now;
	return r;
}

/* --- Many at once --- */

/* Out with each of which goes(arg, it) is true. */
static bool sweep(struct macs *m, bool (*goes)(void *arg, struct heard *h), void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		if (goes(arg, &m->list[i]))
			continue;
		if (kept != i)
			m->list[kept] = m->list[i];
		kept++;
	}
	if (kept == m->n)
		return false;
	m->n = kept;
	count_anew(m);
	return true;
}

static bool is_behind(void *arg, struct heard *h)
{
	const int *port = arg;

	return h->port == *port || h->bridge == *port;
}

bool macs_port_gone(struct macs *m, int port)
{
	bool any = sweep(m, is_behind, &port);

	for (size_t i = 0; i < m->n_ports; i++) {
		if (m->ports[i].port == port)
			m->ports[i--] = m->ports[--m->n_ports];
	}
	return any;
}

void macs_look_begin(struct macs *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->list[i].seen = false;
	m->look_again = 0;
}

struct look_end {
	long long now;
	bool any;
};

static bool is_not_there(void *arg, struct heard *h)
{
	struct look_end *end = arg;

	if (h->seen)
		return false;
	end->any = falls_quiet(h, end->now) || end->any;
	return h->state != FDB_LEARNED;
}

bool macs_look_end(struct macs *m, long long now)
{
	struct look_end end = {.now = now};

	return sweep(m, is_not_there, &end) || end.any;
}

struct port_check {
	bool (*is_port)(void *arg, int port, int bridge);
	void *arg;
};

static bool has_no_port(void *arg, struct heard *h)
{
	const struct port_check *c = arg;

	return !c->is_port(c->arg, h->port, h->bridge);
}

bool macs_check_ports(struct macs *m, bool (*is_port)(void *arg, int port, int bridge), void *arg)
{
	struct port_check c = {is_port, arg};
	bool any = sweep(m, has_no_port, &c);

	/* Nobody tells of the end of a port when events were lost. */
	for (size_t i = m->n_ports; i-- > 0;) {
		if (!m->ports[i].n)
			m->ports[i] = m->ports[--m->n_ports];
	}
	return any;
}

struct expiry {
	bool (*keeps)(void *arg, const uint8_t mac[6]);
	void *arg;
	long long now;
	long long next;
	bool rested;
};

static void expect(struct expiry *x, long long at)
{
	if (!x->next || at < x->next)
		x->next = at;
}

static bool is_over(void *arg, struct heard *h)
{
	struct expiry *x = arg;

	if (heard_wanders(h, x->now)) {
		expect(x, h->moved + MACS_MOVES_MS);
	} else if (h->moves > MACS_MOVES) {
		h->moves = 0;
		x->rested = true;
	}
	if (!h->quiet || x->keeps(x->arg, h->mac))
		return false;
	if (x->now - h->quiet < MACS_QUIET_MS)
		expect(x, h->quiet + MACS_QUIET_MS);
	return x->now - h->quiet >= MACS_QUIET_MS;
}

bool macs_expire(struct macs *m, bool (*keeps)(void *arg, const uint8_t mac[6]), void *arg,
		 long long now, long long *next)
{
	struct expiry x = {.keeps = keeps, .arg = arg, .now = now};
	bool any = sweep(m, is_over, &x);

	*next = x.next;
	return any || x.rested;
}
