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
#include "src/port/boot_config.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/fdb_lock.h"
#include "src/port/pf_where.h"

/* vfhook.cfg may be written by another node, of which the kernel tells nothing: it is looked at
 * when something happens on a bridge, and this often. */
#define CONFIG_MS 60000
/* After a failure. */
#define AGAIN_MS 5000

/* When a file was written last, to the moment. */
struct stamp {
	ino_t inode;
	struct timespec at;
	off_t size;
};

struct service {
	struct hook *h;
	struct bridge_socket *socket;
	struct links links;
	struct macs macs;
	struct served_pf *pfs;
	size_t n_pfs;
	struct mac_set configured;
	struct stamp config;
	long long config_at; /* clock_ms() of when it was looked at */
	long long guests_at; /* ... of when the guests' configs were read */
	bool guests_stale;   /* interfaces have come since, and guests with them */
	bool moved;	     /* interfaces are others, or stand otherwise to each other */
	bool replaced;	     /* a PF's interface has come or gone */
	bool blind;	     /* events were lost */
	bool begun;	     /* what was noted before this run has been taken in */
};

static void service_close(struct service *s)
{
	for (size_t i = 0; i < s->n_pfs; i++)
		served_pf_free(&s->pfs[i]);
	free(s->pfs);
	links_free(&s->links);
	macs_free(&s->macs);
	mac_set_free(&s->configured);
	bridge_socket_close(s->socket);
}

static void all_dirty(struct service *s)
{
	for (size_t i = 0; i < s->n_pfs; i++)
		s->pfs[i].dirty = true;
}

static struct served_pf *pf_of(struct service *s, int ifindex)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		if (s->pfs[i].ifindex == ifindex)
			return &s->pfs[i];
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

/* Of a PF: its VFs may be others, its filter may have been emptied, and there may be room again. */
static void pf_changed(struct served_pf *pf)
{
	pf->vfs_stale = true;
	pf->dirty = true;
	pf->most = 0;
}

static bool pf_is_missing(const struct service *s)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		if (!s->pfs[i].ifindex)
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
		pf_changed(pf);
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

/* What we had let in before this run began, and whose port is still there. */
static int remember_noted(struct service *s, const struct fdb_note *n, struct error *err)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct link_info *port = link_named(s, n->macs[i].port);

		if (n->macs[i].place == FDB_IN && port && port->master &&
		    macs_remember(&s->macs, n->macs[i].mac, port->master, port->ifindex,
				  clock_ms()) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	return 0;
}

/* Everything there is: what was missed meanwhile is gone, or quiet. */
static int look(struct service *s, struct error *err)
{
	const struct bridge_sink to = {.link = on_link, .entry = on_listed, .arg = s};

	for (size_t i = 0; i < s->n_pfs; i++) {
		mac_set_free(&s->pfs[i].card);
		s->pfs[i].vfs_stale = true;
	}
	links_free(&s->links);
	s->moved = true;
	macs_look_begin(&s->macs);
	if (bridge_socket_look(s->socket, &to, err) < 0)
		return error_code(err);
	macs_look_end(&s->macs, clock_ms());
	macs_check_ports(&s->macs, is_port, s);
	for (size_t i = 0; i < s->n_pfs && !s->begun; i++) {
		if (remember_noted(s, &s->pfs[i].note, err) < 0)
			return error_code(err);
	}
	s->begun = true;
	s->blind = false;
	all_dirty(s);
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

static struct served_pf *need_pf(struct service *s, const struct pci_addr *addr, struct error *err)
{
	struct served_pf *more;

	for (size_t i = 0; i < s->n_pfs; i++) {
		if (!pci_addr_cmp(&s->pfs[i].addr, addr))
			return &s->pfs[i];
	}
	more = reallocarray(s->pfs, s->n_pfs + 1, sizeof(*more));
	if (!more) {
		fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	s->pfs = more;
	if (served_pf_init(s->h, addr, &more[s->n_pfs], err) < 0)
		return NULL;
	return &more[s->n_pfs++];
}

/* The interface that a PF has now; its filter is another one then. */
static void give_interface(struct service *s, struct served_pf *pf, const struct nic *nic)
{
	int ifindex = nic ? nic->info.ifindex : 0;

	if (nic)
		snprintf(pf->name, sizeof(pf->name), "%s", nic->info.ifname);
	if (ifindex == pf->ifindex)
		return;
	pf->ifindex = ifindex;
	pf->most = 0;
	/* What is in that filter, only a look at all of it tells. */
	s->blind = true;
}

/* PFs that have had something put into them by us, whatever vfhook.cfg says of them now. */
static int take_noted(struct service *s, const struct nic *nics, size_t n_nics, struct error *err)
{
	struct fdb_note *notes = NULL;
	size_t n = 0;
	int r = fdb_notes_read(s->h->root, &notes, &n, err);

	for (size_t i = 0; i < n && !r; i++) {
		struct served_pf *pf = need_pf(s, &notes[i].pf, err);

		if (!pf)
			r = error_code(err);
		for (size_t k = 0; k < n_nics && pf; k++) {
			if (!pci_addr_cmp(&nics[k].info.addr, &pf->addr))
				give_interface(s, pf, &nics[k]);
		}
	}
	fdb_notes_free(notes, n);
	return r;
}

static int take_wanted(struct service *s, const struct config *c, const struct nic *nics,
		       size_t n_nics, struct error *err)
{
	AUTO_FREE struct pf_where *where = NULL;
	size_t n = 0;

	if (pfs_locate(c, s->h->node, nics, n_nics, &where, &n) < 0)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct pf_where *w = &where[i];
		bool here = w->place == PF_HERE || w->place == PF_MOVED;
		struct served_pf *pf;

		if (!w->pool->fdb || w->alike > 1)
			continue;
		pf = need_pf(s, here ? &w->nic->info.addr : &w->id.addr, err);
		if (!pf)
			return error_code(err);
		pf->wanted = true;
		give_interface(s, pf, here ? w->nic : NULL);
	}
	return 0;
}

/* A pool that is a mistake may be one that says `fdb on`. */
static bool has_bad_pool(const struct config *c)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		if (c->pools[i].bad)
			return true;
	}
	return false;
}

/* *certain: what it does not say is not so. */
static int load(struct service *s, struct config *c, bool *certain, struct error *err)
{
	s->config = stamp_of(s->h->root);
	if (!config_load(s->h->root, c, err) && (s->config.inode || !hook_pve(s->h, NULL))) {
		*certain = !has_bad_pool(c);
		return 0;
	}
	/* /etc/pve is not there, or not whole: this node's own copy, which has not all pools. */
	*certain = false;
	config_free(c);
	error_clear(err);
	return bootcfg_load(s->h, c, err);
}

/* Which PFs, and where they are. */
static int locate(struct service *s, struct error *err)
{
	CLEANUP(config_free) struct config c = {0};
	AUTO_FREE struct nic *nics = NULL;
	bool certain;
	size_t n = 0;

	if (load(s, &c, &certain, err) < 0 || nics_read(s->h, &nics, &n, err) < 0)
		return error_code(err);
	s->replaced = false;
	s->moved = true;
	if (take_noted(s, nics, n, err) < 0)
		return error_code(err);
	/* Unknown is not off: what was let in stays, and is kept. */
	for (size_t i = 0; i < s->n_pfs; i++)
		s->pfs[i].wanted = !certain && (s->pfs[i].wanted || s->pfs[i].note.n);
	if (take_wanted(s, &c, nics, n, err) < 0)
		return error_code(err);
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
	for (size_t i = 0; i < s->n_pfs; i++) {
		if (s->pfs[i].most)
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

static int catch_up(struct service *s, struct error *err)
{
	if ((s->replaced || config_changed(s)) && locate(s, err) < 0)
		return error_code(err);
	if ((s->blind || (s->macs.look_again && clock_ms() >= s->macs.look_again)) &&
	    look(s, err) < 0)
		return error_code(err);
	renew_configured(s);
	for (size_t i = 0; i < s->n_pfs && s->moved; i++) {
		if (served_pf_place(&s->pfs[i], &s->links) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	s->moved = false;
	return 0;
}

static int serve_all(struct service *s, struct error *err)
{
	const struct surroundings around = {&s->links, &s->macs, &s->configured, s->socket};
	int r = 0;

	for (size_t i = 0; i < s->n_pfs; i++) {
		struct error why = ERROR_INIT;

		if (!s->pfs[i].dirty || served_pf_serve(s->h, &s->pfs[i], &around, &why) >= 0)
			continue;
		complain("%s", why.text);
		r = fail(err, why.code, "%s", why.text);
	}
	return r;
}

static bool is_configured(void *arg, const uint8_t mac[6])
{
	const struct service *s = arg;

	return mac_set_has(&s->configured, mac);
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
		complain("%s: more addresses behind it than count (%d of a port, %d in all): the "
			 "others "
			 "cannot be reached by guests on VFs",
			 l ? l->name : "a port", MACS_OF_PORT, MACS_AT_MOST);
	}
}

/* Milliseconds until something is due without an event. */
static int patience(struct service *s, bool failed)
{
	long long now = clock_ms();
	long long at = s->config_at + CONFIG_MS;
	long long next;

	if (macs_expire(&s->macs, is_configured, s, now, &next)) {
		all_dirty(s);
		return 0;
	}
	if (next && next < at)
		at = next;
	if (s->macs.look_again && s->macs.look_again < at)
		at = s->macs.look_again;
	if (failed && now + AGAIN_MS < at)
		at = now + AGAIN_MS;
	return at <= now ? 0 : (int)(at - now);
}

static int listen_on(struct service *s, int ms, struct error *err)
{
	const struct bridge_sink to = {.link = on_link, .entry = on_event, .arg = s};
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

static int run(struct service *s, bool once, struct error *err)
{
	if (locate(s, err) < 0)
		return error_code(err);
	s->blind = true;
	while (true) {
		bool failed;

		if (catch_up(s, err) < 0)
			return error_code(err);
		failed = serve_all(s, err) < 0;
		tell_bounds(s);
		if (once || s->h->dry_run)
			return failed ? error_code(err) : 0;
		error_clear(err);
		if (listen_on(s, patience(s, failed), err) < 0)
			return error_code(err);
	}
}

int fdb_service_run(struct hook *h, bool once, struct error *err)
{
	CLEANUP(service_close) struct service s = {.h = h};
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
	return run(&s, once, err);
}
