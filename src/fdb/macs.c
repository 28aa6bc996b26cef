/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which MACs live behind which ports of this node's bridges. */
#include "src/fdb/macs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void macs_free(struct macs *m)
{
	free(m->list);
	free(m->ports);
	*m = (struct macs){0};
}

static int compare(const struct heard *h, const uint8_t mac[6], uint16_t vlan, int bridge)
{
	int by_mac = memcmp(h->mac, mac, 6);

	if (by_mac)
		return by_mac;
	if (h->vlan != vlan)
		return h->vlan < vlan ? -1 : 1;
	return (h->bridge > bridge) - (h->bridge < bridge);
}

/* Where it is, or where it would stand. */
static size_t place(const struct macs *m, const uint8_t mac[6], uint16_t vlan, int bridge)
{
	size_t low = 0;
	size_t high = m->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (compare(&m->list[mid], mac, vlan, bridge) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct heard *find(const struct macs *m, const struct fdb_entry *e, int bridge)
{
	size_t i = place(m, e->mac, e->vlan, bridge);

	return i < m->n && !compare(&m->list[i], e->mac, e->vlan, bridge) ? &m->list[i] : NULL;
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

static void leave_port(struct macs *m, int port)
{
	struct heard_port *p = find_port(m, port);

	if (p && p->n)
		p->n--;
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

/* May one more of this port count? */
static bool may_enter(struct macs *m, struct heard_port *p, bool dump, long long now)
{
	if (p->n >= MACS_OF_PORT || m->n >= MACS_AT_MOST) {
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

static int enter(struct macs *m, const struct fdb_entry *e, int bridge)
{
	size_t i = place(m, e->mac, e->vlan, bridge);

	if (m->n == m->room) {
		size_t room = m->room ? m->room * 2 : 64;
		struct heard *more = reallocarray(m->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		m->list = more;
		m->room = room;
	}
	memmove(&m->list[i + 1], &m->list[i], (m->n - i) * sizeof(*m->list));
	m->n++;
	m->list[i] = (struct heard){.vlan = e->vlan,
				    .bridge = bridge,
				    .port = e->ifindex,
				    .state = e->state,
				    .since = time(NULL),
				    .seen = true};
	memcpy(m->list[i].mac, e->mac, 6);
	return 1;
}

static void leave(struct macs *m, size_t i)
{
	leave_port(m, m->list[i].port);
	m->n--;
	memmove(&m->list[i], &m->list[i + 1], (m->n - i) * sizeof(*m->list));
}

static bool drop(struct macs *m, const struct heard *h)
{
	leave(m, (size_t)(h - m->list));
	return true;
}

/* To another port: its guest has moved, or somebody else says that he is it. */
static bool move(struct macs *m, struct heard *h, struct heard_port *to, long long now)
{
	leave_port(m, h->port);
	to->n++;
	h->port = to->port;
	h->since = time(NULL);
	if (now - h->moved > MACS_MOVES_MS) {
		h->moves = 0;
		h->moved = now;
	}
	h->moves++;
	return true;
}

int macs_heard(struct macs *m, const struct fdb_entry *e, int bridge, bool dump, long long now)
{
	struct heard *h = find(m, e, bridge);
	struct heard_port *p;
	bool news;
	int r;

	/* A port's own address is nobody's behind it. */
	if (e->state == FDB_LOCAL)
		return h && h->port == e->ifindex && drop(m, h);
	p = need_port(m, e->ifindex, now);
	if (!p)
		return -ENOMEM;
	if (!h) {
		if (!may_enter(m, p, dump, now))
			return 0;
		r = enter(m, e, bridge);
		if (r > 0)
			p->n++;
		return r;
	}
	news = h->state != e->state || h->quiet;
	h->state = e->state;
	h->quiet = 0;
	h->seen = true;
	if (h->port == e->ifindex)
		return news;
	/* One that counts at its old port must not be what fills the new one. */
	if (!may_enter(m, p, dump, now))
		return drop(m, h);
	return move(m, h, p, now);
}

/* True: something has changed. What was learned stays, quiet. */
static bool forget(struct macs *m, size_t i, long long now)
{
	struct heard *h = &m->list[i];

	if (h->state != FDB_LEARNED) {
		leave(m, i);
		return true;
	}
	if (h->quiet)
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
	return forget(m, (size_t)(h - m->list), now);
}

int macs_remember(struct macs *m, const uint8_t mac[6], int bridge, int port, long long now)
{
	struct fdb_entry e = {.ifindex = port, .state = FDB_LEARNED};
	struct heard *h;
	int r;

	memcpy(e.mac, mac, 6);
	/* In whichever VLAN: it may be known in one. */
	for (size_t i = place(m, mac, 0, 0); i < m->n && !memcmp(m->list[i].mac, mac, 6); i++) {
		if (m->list[i].bridge == bridge)
			return 0;
	}
	r = macs_heard(m, &e, bridge, true, now);
	h = find(m, &e, bridge);
	if (h)
		h->quiet = now;
	return r;
}

bool macs_port_gone(struct macs *m, int port)
{
	bool any = false;

	for (size_t i = m->n; i-- > 0;) {
		if (m->list[i].port != port && m->list[i].bridge != port)
			continue;
		leave(m, i);
		any = true;
	}
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

bool macs_look_end(struct macs *m, long long now)
{
	bool any = false;

	for (size_t i = m->n; i-- > 0;) {
		if (!m->list[i].seen)
			any = forget(m, i, now) || any;
	}
	return any;
}

bool macs_check_ports(struct macs *m, bool (*is_port)(void *arg, int port, int bridge), void *arg)
{
	bool any = false;

	for (size_t i = m->n; i-- > 0;) {
		if (is_port(arg, m->list[i].port, m->list[i].bridge))
			continue;
		leave(m, i);
		any = true;
	}
	/* Nobody tells of the end of a port when events were lost. */
	for (size_t i = m->n_ports; i-- > 0;) {
		if (!m->ports[i].n)
			m->ports[i] = m->ports[--m->n_ports];
	}
	return any;
}

bool macs_expire(struct macs *m, bool (*keeps)(void *arg, const uint8_t mac[6]), void *arg,
		 long long now, long long *next)
{
	bool any = false;

	*next = 0;
	for (size_t i = m->n; i-- > 0;) {
		const struct heard *h = &m->list[i];

		if (!h->quiet || keeps(arg, h->mac))
			continue;
		if (now - h->quiet >= MACS_QUIET_MS) {
			leave(m, i);
			any = true;
		} else if (!*next || h->quiet + MACS_QUIET_MS < *next) {
			*next = h->quiet + MACS_QUIET_MS;
		}
	}
	return any;
}
