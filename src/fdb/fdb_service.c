/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the kernel's events to the filters of all PFs that want it. */
#include "src/fdb/fdb_service.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pveapi/guest_macs.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/run_dir.h"
#include "src/base/say.h"
#include "src/fdb/bridge_socket.h"
#include "src/fdb/links.h"
#include "src/fdb/macs.h"
#include "src/fdb/served_pf.h"
#include "src/fdb/served_pfs.h"
#include "src/port/config.h"
#include "src/port/fdb_lock.h"

/* vfhook.cfg may be written by another node, of which the kernel tells nothing: it is looked at
 * when something happens on a bridge, and this often. */
#define CONFIG_MS 60000
/* A look that was cut short is had again so much later, and twice as late each time after that. */
#define LOOK_MS	    1000LL
#define LOOK_DOUBLE 5

/* When a file was written last, to the moment. */
struct stamp {
	ino_t inode;
	struct timespec at;
	off_t size;
};

struct service {
	struct hook *h;
	bool once;
	struct bridge_socket *socket;
	struct links links;
	struct macs macs;
	struct served_pfs pfs;
	struct mac_set configured;
	struct stamp config;
	long long config_at; /* clock_ms() of when it was looked at */
	long long guests_at; /* ... of when the guests' configs were read */
	bool guests_stale;   /* interfaces have come since, and guests with them */
	bool moved;	     /* interfaces are others, or stand otherwise to each other */
	bool replaced;	     /* a PF's interface has come or gone */
	bool blind;	     /* events were lost: nothing is done before a look at all there is */
	long long look_at;   /* clock_ms() of when that may be had */
	unsigned cut_short;  /* looks, in a row */
	bool begun;	     /* what was noted before this run has been taken in */
};

static void service_close(struct service *s)
{
	served_pfs_free(&s->pfs);
	links_free(&s->links);
	macs_free(&s->macs);
	mac_set_free(&s->configured);
	bridge_socket_close(s->socket);
}

static void all_dirty(struct service *s)
{
	for (size_t i = 0; i < s->pfs.n; i++)
		s->pfs.list[i].dirty = true;
}

static struct served_pf *pf_of(struct service *s, int ifindex)
{
	for (size_t i = 0; i < s->pfs.n; i++) {
		if (s->pfs.list[i].ifindex == ifindex)
			return &s->pfs.list[i];
	}
	return NULL;
}

/* --- What the kernel says --- */

static void link_gone(struct service *s, const struct link_info *l)
{
	s->moved = links_drop(&s->links, l->ifindex) || s->moved;
	if (macs_port_gone(&s->macs, l->ifindex))
		all_dirty(s);
	s->replaced = s->replaced || pf_of(s, l->ifindex);
}

/*
 * Of a PF: its VFs may be others. When it comes up its driver has filled the card's table anew, and
 * there may be room; what else it tells (carrier, a VF's settings) makes none.
 */
static void pf_changed(struct served_pf *pf, const struct link_info *before,
		       const struct link_info *now)
{
	pf->vfs_stale = true;
	pf->dirty = true;
	if (before && now->up && !before->up)
		pf->most = 0;
}

static bool pf_is_missing(const struct service *s)
{
	for (size_t i = 0; i < s->pfs.n; i++) {
		if (!s->pfs.list[i].ifindex)
			return true;
	}
	return false;
}

static int on_link(void *arg, const struct link_info *l, bool gone)
{
	struct service *s = arg;
	const struct link_info *before = links_find(&s->links, l->ifindex);
	struct served_pf *pf = pf_of(s, l->ifindex);
	int r;

	if (gone) {
		link_gone(s, l);
		return 0;
	}
	if (!before && pf_is_missing(s))
		s->replaced = true;
	/* It has left its bridge: what was behind it is there no more. */
	if (before && before->master && before->master != l->master &&
	    macs_port_gone(&s->macs, l->ifindex))
		all_dirty(s);
	if (pf)
		pf_changed(pf, before, l);
	r = links_put(&s->links, l);
	s->moved = s->moved || r > 0;
	s->guests_stale = s->guests_stale || r > 0;
	return r < 0 ? r : 0;
}

static int on_filter(struct service *s, const struct fdb_entry *e, bool gone)
{
	struct served_pf *pf = pf_of(s, e->ifindex);
	int r;

	if (!pf)
		return 0;
	r = gone ? mac_set_drop(&pf->card, e->mac) : mac_set_add(&pf->card, e->mac);
	pf->dirty = pf->dirty || r > 0;
	/* Somebody has made room. */
	if (gone && r > 0)
		pf->most = 0;
	return r < 0 ? r : 0;
}

static int on_entry(void *arg, const struct fdb_entry *e, bool gone, bool look)
{
	struct service *s = arg;
	const struct link_info *port = links_find(&s->links, e->ifindex);
	int r;

	if (e->self)
		return on_filter(s, e, gone);
	if (!port || !port->master || port->kind == LINK_BRIDGE)
		return 0;
	r = gone ? macs_forgotten(&s->macs, e, port->master, clock_ms())
		 : macs_heard(&s->macs, e, port->master, look, clock_ms());
	if (r > 0)
		all_dirty(s);
	return r < 0 ? r : 0;
}

static int on_event(void *arg, const struct fdb_entry *e, bool gone)
{
	return on_entry(arg, e, gone, false);
}

static int on_listed(void *arg, const struct fdb_entry *e, bool gone)
{
	return on_entry(arg, e, gone, true);
}

static int on_mode(void *arg, int ifindex, bool vepa)
{
	struct served_pf *pf = pf_of(arg, ifindex);

	if (pf && pf->vepa != vepa) {
		pf->vepa = vepa;
		pf->dirty = true;
	}
	return 0;
}

static bool is_port(void *arg, int port, int bridge)
{
	const struct service *s = arg;
	const struct link_info *l = links_find(&s->links, port);

	return l && l->master == bridge;
}

static const struct link_info *link_named(const struct service *s, const char *name)
{
	for (size_t i = 0; i < s->links.n; i++) {
		if (!strcmp(s->links.list[i].name, name))
			return &s->links.list[i];
	}
	return NULL;
}

/* What we had let in before this run began, and whose port is still there; but what somebody had
 * put into a bridge is in it, or gone. */
static int remember_noted(struct service *s, const struct fdb_note *n, struct error *err)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct link_info *port = link_named(s, n->macs[i].port);

		if (n->macs[i].place == FDB_IN && !n->macs[i].fixed && port && port->master &&
		    macs_remember(&s->macs, n->macs[i].mac, port->master, port->ifindex,
				  clock_ms()) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	return 0;
}

/* Everything there is: what was missed meanwhile is gone, or quiet. */
static int look(struct service *s, struct error *err)
{
	const struct bridge_sink to = {
		.link = on_link, .entry = on_listed, .mode = on_mode, .arg = s};

	for (size_t i = 0; i < s->pfs.n; i++) {
		mac_set_free(&s->pfs.list[i].card);
		s->pfs.list[i].vfs_stale = true;
		/* Among what was lost may be what makes room. */
		if (s->blind)
			s->pfs.list[i].most = 0;
	}
	links_free(&s->links);
	s->moved = true;
	s->blind = true;
	macs_look_begin(&s->macs);
	if (bridge_socket_look(s->socket, &to, err) < 0)
		return error_code(err);
	macs_look_end(&s->macs, clock_ms());
	macs_check_ports(&s->macs, is_port, s);
	for (size_t i = 0; i < s->pfs.n && !s->begun; i++) {
		if (remember_noted(s, &s->pfs.list[i].note, err) < 0)
			return error_code(err);
	}
	s->begun = true;
	s->blind = false;
	s->cut_short = 0;
	s->look_at = 0;
	all_dirty(s);
	return 0;
}

/* What changes all the while may be whole at the next look; without one nothing is done. */
static int look_or_wait(struct service *s, struct error *err)
{
	int r = look(s, err);

	if (r != -EINTR && r != -ENOBUFS && r != -ETIMEDOUT)
		return r;
	if (!s->cut_short && !s->once)
		complain("%s: until it can be read the filters stay as they are; it is tried again",
			 err->text);
	s->look_at = clock_ms() + (LOOK_MS << s->cut_short);
	s->cut_short += s->cut_short < LOOK_DOUBLE;
	return 0;
}

/* --- What is asked for --- */

static struct stamp stamp_of(int root)
{
	struct stat st;

	if (fstatat(root, VFHOOK_CFG, &st, 0) < 0)
		return (struct stamp){0};
	return (struct stamp){.inode = st.st_ino, .at = st.st_mtim, .size = st.st_size};
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->inode == b->inode && a->size == b->size && a->at.tv_sec == b->at.tv_sec &&
	       a->at.tv_nsec == b->at.tv_nsec;
}

/* Of a bit in a guest's config: these go first on a card that is full. Without them all are equal.
 */
static void read_configured(struct service *s)
{
	AUTO_FREE struct guest_mac *list = NULL;
	size_t n = 0;

	s->guests_stale = false;
	s->guests_at = clock_ms();
	mac_set_free(&s->configured);
	if (guest_all_macs(s->h->root, &list, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (mac_set_add(&s->configured, list[i].mac) < 0)
			return;
	}
}

/* Which PFs, and where they are. */
static int locate(struct service *s, struct error *err)
{
	s->config = stamp_of(s->h->root);
	if (served_pfs_locate(s->h, &s->pfs, s->config.inode, err) < 0)
		return error_code(err);
	s->replaced = false;
	s->moved = true;
	s->blind = s->blind || s->pfs.other_filter;
	s->pfs.other_filter = false;
	read_configured(s);
	all_dirty(s);
	return 0;
}

/* --- One round --- */

static bool config_changed(struct service *s)
{
	struct stamp now = stamp_of(s->h->root);

	s->config_at = clock_ms();
	return !same_stamp(&now, &s->config);
}

static bool any_full(const struct service *s)
{
	for (size_t i = 0; i < s->pfs.n; i++) {
		if (s->pfs.list[i].most)
			return true;
	}
	return false;
}

/*
 * A guest that starts brings an interface. Who is configured matters at once where there is not
 * room for all, and else only to those that are quiet for long.
 */
static void renew_configured(struct service *s)
{
	if (!s->guests_stale || (!any_full(s) && clock_ms() < s->guests_at + CONFIG_MS))
		return;
	read_configured(s);
	all_dirty(s);
}

static bool look_is_due(const struct service *s)
{
	long long now = clock_ms();

	if (s->blind)
		return now >= s->look_at;
	return s->macs.look_again && now >= s->macs.look_again;
}

static int catch_up(struct service *s, struct error *err)
{
	if ((s->replaced || config_changed(s)) && locate(s, err) < 0)
		return error_code(err);
	if (look_is_due(s) && look_or_wait(s, err) < 0)
		return error_code(err);
	renew_configured(s);
	for (size_t i = 0; i < s->pfs.n && s->moved; i++) {
		if (served_pf_place(&s->pfs.list[i], &s->links) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	s->moved = false;
	return 0;
}

/* Each PF's failure has been told by now. */
static int serve_all(struct service *s, struct error *err)
{
	const struct surroundings around = {&s->links, &s->macs, &s->configured, s->socket};
	struct error why = ERROR_INIT;

	for (size_t i = 0; i < s->pfs.n; i++) {
		if (served_pf_is_due(&s->pfs.list[i], clock_ms()))
			served_pf_serve(s->h, &s->pfs.list[i], &around, &why);
	}
	return why.code ? fail(err, why.code,
			       "not every filter is as it should be: see above; to try again: "
			       "vfhook fdb --once")
			: 0;
}

static bool is_configured(void *arg, const uint8_t mac[6])
{
	const struct service *s = arg;

	return mac_set_has(&s->configured, mac);
}

/* Those on the wire are none that VFs could not reach. */
static bool is_at_wire(const struct service *s, int port)
{
	for (size_t i = 0; i < s->pfs.n; i++) {
		if (s->pfs.list[i].sides &&
		    side_of(&s->links, s->pfs.list[i].sides, port) == SIDE_WIRE)
			return true;
	}
	return false;
}

/* Said once for each port: its guest makes MACs up, or there are really so many behind it. */
static void tell_bounds(struct service *s)
{
	for (size_t i = 0; i < s->macs.n_ports; i++) {
		struct heard_port *p = &s->macs.ports[i];
		const struct link_info *l = links_find(&s->links, p->port);

		if (!p->too_many || p->told)
			continue;
		p->told = true;
		if (is_at_wire(s, p->port))
			continue;
		complain("%s: more addresses behind it than count (%d of a port, %d in all): the "
			 "others "
			 "cannot be reached by guests on VFs",
			 l ? l->name : "a port", MACS_OF_PORT, MACS_AT_MOST);
	}
}

static void sooner(long long *at, long long than)
{
	if (than && than < *at)
		*at = than;
}

/* Milliseconds until something is due without an event. */
static int patience(struct service *s)
{
	long long now = clock_ms();
	long long at = s->config_at + CONFIG_MS;
	long long next;

	if (macs_expire(&s->macs, is_configured, s, now, &next)) {
		all_dirty(s);
		return 0;
	}
	sooner(&at, next);
	sooner(&at, s->blind ? s->look_at : s->macs.look_again);
	/* Nothing is tried before there was a look. */
	for (size_t i = 0; i < s->pfs.n && !s->blind; i++)
		sooner(&at, s->pfs.list[i].again_at);
	return at <= now ? 0 : (int)(at - now);
}

static int listen_on(struct service *s, int ms, struct error *err)
{
	const struct bridge_sink to = {
		.link = on_link, .entry = on_event, .mode = on_mode, .arg = s};
	struct pollfd p = {.fd = bridge_socket_fd(s->socket), .events = POLLIN};
	int r = poll(&p, 1, ms);

	if (r < 0 && errno != EINTR)
		return fail_errno(err, errno, "wait for the kernel");
	r = bridge_socket_events(s->socket, &to, err);
	if (r != -ENOBUFS)
		return r;
	s->blind = true;
	return 0;
}

static int run(struct service *s, struct error *err)
{
	if (locate(s, err) < 0)
		return error_code(err);
	if (s->once && !s->pfs.n)
		say("no pool of this node says fdb on: nothing to do");
	s->blind = true;
	while (true) {
		int r = catch_up(s, err);

		if (r < 0)
			return r;
		if (!s->blind)
			r = serve_all(s, err);
		tell_bounds(s);
		if (s->once)
			return s->blind ? error_code(err) : r;
		error_clear(err);
		if (listen_on(s, patience(s), err) < 0)
			return error_code(err);
	}
}

int fdb_service_run(struct hook *h, bool once, struct error *err)
{
	CLEANUP(service_close) struct service s = {.h = h, .once = once || h->dry_run};
	AUTO_CLOSE int lock = -1;

	if (!h->dry_run) {
		if (run_dirs_make(h->root, err) < 0)
			return error_code(err);
		lock = lock_take(h->root, FDB_LOCK, 0, err);
		if (lock == -EWOULDBLOCK) {
			error_clear(err);
			return fail(err, EBUSY,
				    "another vfhook fdb keeps the filters of this node's PFs "
				    "(vfhook-fdb.service): vfhook fdb list");
		}
		if (lock < 0)
			return error_code(err);
	}
	if (bridge_socket_open(&s.socket, err) < 0)
		return error_code(err);
	return run(&s, err);
}
