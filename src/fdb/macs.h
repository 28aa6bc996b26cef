/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which MACs live behind which ports of this node's bridges, as the bridges have learned or been
 * told. Guests choose MACs: how many of a port count, and how many new ones a second, is
 * bounded here.
 */
#ifndef VFHOOK_FDB_MACS_H
#define VFHOOK_FDB_MACS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "src/fdb/bridge_msg.h"

/* So many MACs of one port, and of all ports, count; a guest that makes up more gains nothing. */
#define MACS_OF_PORT 1024
#define MACS_AT_MOST 8192
/* One that is known in several VLANs is one MAC; its entries count as well, to so many for each of
 * the MACs above. */
#define MACS_VLANS 4UL
/* A port has room for so many, whatever is behind the others. */
#define MACS_SURE 32
/* New ones of a port, each VLAN counted: so many at once, and so many a second after that. */
#define MACS_BURST    64
#define MACS_A_SECOND 16
/*
 * A bridge forgets a station after 300 s of silence, FreeBSD asks for one by ARP every 1,200 s only
 * (net.link.ether.inet.max_age): one that is forgotten stays for half an hour more, as long as its
 * port is there.
 */
#define MACS_QUIET_MS (1800 * 1000LL)
/* One that has come to another port more than so often within a minute wanders: it stays out until
 * it has rested for one. */
#define MACS_MOVES    4
#define MACS_MOVES_MS (60 * 1000LL)

/* It was too much for the last time so long ago: that has ended. */
#define MACS_LATE_MS (120 * 1000LL)

struct heard {
	uint8_t mac[6];
	uint16_t vlan;
	int bridge;
	int port;
	enum fdb_state state;
	time_t since;	 /* on this port */
	long long quiet; /* clock_ms() since when the bridge has forgotten it, 0: it has not */
	long long moved; /* clock_ms() of when moves began to count; of one that wanders, of the
			    last */
	unsigned moves;	 /* so often has it come to another port */
	bool seen;	 /* in the look that is under way */
};

struct heard_port {
	int port;
	size_t n;	  /* MACs of it that count */
	size_t entries;	  /* ... in all their VLANs */
	unsigned tokens;  /* new ones that may come now */
	long long filled; /* clock_ms() of when tokens were counted */
	bool too_many;	  /* it has had more than count */
	bool told;	  /* and that has been said */
};

/* Sorted by MAC, VLAN and bridge. Zeroed is empty; release with macs_free(). */
struct macs {
	struct heard *list;
	size_t n;
	size_t room;
	size_t n_macs; /* each once for each port that it is behind */
	struct heard_port *ports;
	size_t n_ports;
	long long look_again; /* clock_ms() of when the bridges are to be asked anew, 0: never */
	unsigned late;	      /* so often in a row it was too much */
	long long late_at;    /* clock_ms() of the last time */
};

/* Free what it owns, and leave it empty. */
void macs_free(struct macs *m);

/*
 * A bridge has this entry, in an event, or (dump) in an answer to a question for all of them, where
 * nobody counts how many a second. now is clock_ms(). 1: that is news, 0: it is not, or is too
 * much (m->look_again is set then); -ENOMEM.
 */
int macs_heard(struct macs *m, const struct fdb_entry *e, int bridge, bool dump, long long now);

/* A bridge has it no more: one that was put there is gone, one that was learned is quiet. */
bool macs_forgotten(struct macs *m, const struct fdb_entry *e, int bridge, long long now);

/*
 * One that we have let in before we were started anew, and that its bridge has forgotten by now:
 * its port is still there, and so it may be as well. As macs_heard(), in a look.
 */
int macs_remember(struct macs *m, const uint8_t mac[6], int bridge, int port, long long now);

/* An interface is gone, or is no port of that bridge any more: so are those behind it. */
bool macs_port_gone(struct macs *m, int port);

/* Around a look at all there is: what was not seen in it has been forgotten meanwhile. */
void macs_look_begin(struct macs *m);
bool macs_look_end(struct macs *m, long long now);
/* Drop those whose port is not one of their bridge any more, by what is_port(arg, port, bridge)
 * says. */
bool macs_check_ports(struct macs *m, bool (*is_port)(void *arg, int port, int bridge), void *arg);

/*
 * What time does: drop those that have been quiet for too long, and believe again where those are
 * that wandered. True: that has changed something. keeps(arg, mac) says which quiet ones stay for
 * as long as their port does. *next: clock_ms() of when to ask again, 0 if there is nobody to wait
 * for.
 */
bool macs_expire(struct macs *m, bool (*keeps)(void *arg, const uint8_t mac[6]), void *arg,
		 long long now, long long *next);

/* Has it come and gone so often that nobody believes where it is? */
static inline bool heard_wanders(const struct heard *h, long long now)
{
	return h->moves > MACS_MOVES && now - h->moved < MACS_MOVES_MS;
}

#endif
