/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the notes on PFs' filters to filters without what is noted. */
#include "src/command/fdb_clear.h"

#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/file.h"
#include "src/base/run_dir.h"
#include "src/base/say.h"
#include "src/fdb/bridge_socket.h"
#include "src/fdb/fdb_note.h"
#include "src/port/fdb_lock.h"
#include "src/vf/sysfs.h"

struct clearing {
	struct hook *h;
	int lock;
	struct bridge_socket *socket;
	struct fdb_note *notes;
	size_t n;
	unsigned failed;
};

static void clearing_end(struct clearing *c)
{
	bridge_socket_close(c->socket);
	fdb_notes_free(c->notes, c->n);
	cleanup_close(&c->lock);
}

/* The interface of that PF: 0, there is none, and its filter has gone with it. */
static int interface_of(struct clearing *c, const struct fdb_note *n, int *ifindex)
{
	struct error err = ERROR_INIT;
	struct pf_info info = {0};
	int r = sysfs_pf_read(c->h->root, &n->pf, &info, &err);

	*ifindex = r < 0 ? 0 : info.ifindex;
	if (!r || r == -ENODEV || r == -ENOENT)
		return 0;
	c->failed++;
	complain("PF %s: %s: what is in its filter is not known", n->ifname, err.text);
	return r;
}

/* 1: it was in, and is no more; 0: it was not; a negative errno: it still is. */
static int take_out(struct clearing *c, const struct fdb_note *n, int ifindex,
		    const struct fdb_noted *m)
{
	char mac[MAC_LEN];
	int r = ifindex ? bridge_fdb_set(c->socket, ifindex, m->mac, false) : -ENODEV;

	if (!r)
		return 1;
	if (r == -ENOENT || r == -ENODEV)
		return 0;
	c->failed++;
	mac_format(m->mac, mac);
	complain("PF %s: %s stays in its filter: %s; by hand: bridge fdb del %s dev %s self",
		 n->ifname, mac, strerror(-r), mac, n->ifname);
	return r;
}

/* What is still in stays noted. */
static void clear_pf(struct clearing *c, struct fdb_note *n)
{
	struct error err = ERROR_INIT;
	size_t taken = 0;
	size_t kept = 0;
	int ifindex;

	if (interface_of(c, n, &ifindex) < 0)
		return;
	for (size_t i = 0; i < n->n; i++) {
		int r = 1;

		if (n->macs[i].place != FDB_IN)
			continue;
		if (!c->h->dry_run)
			r = take_out(c, n, ifindex, &n->macs[i]);
		taken += r > 0;
		if (r < 0)
			n->macs[kept++] = n->macs[i];
	}
	say("PF %s: %zu address%s %staken out of its filter", n->ifname, taken,
	    taken == 1 ? "" : "es", c->h->dry_run ? "would be " : "");
	if (c->h->dry_run)
		return;
	n->n = kept;
	n->most = n->others = 0;
	if (fdb_note_write(c->h->root, n, &err) < 0) {
		c->failed++;
		complain("%s", err.text);
	}
}

static int begin(struct clearing *c, struct error *err)
{
	if (!c->h->dry_run) {
		if (run_dirs_make(c->h->root, err) < 0)
			return error_code(err);
		c->lock = lock_take(c->h->root, FDB_LOCK, 0, err);
	}
	if (c->lock == -EWOULDBLOCK ||
	    (c->h->dry_run && fdb_service_runs(c->h->root) == ANSWER_YES)) {
		error_clear(err);
		return fail(err, EBUSY,
			    "vfhook fdb runs, and would put all of it back: first systemctl stop "
			    "vfhook-fdb");
	}
	if (c->lock < 0 && !c->h->dry_run)
		return error_code(err);
	if (fdb_notes_read(c->h->root, &c->notes, &c->n, err) < 0)
		return error_code(err);
	if (err->code) {
		c->failed++;
		complain("%s: what it was about may stay in a filter: bridge fdb show", err->text);
		error_clear(err);
	}
	return c->n ? bridge_socket_open(&c->socket, err) : 0;
}

int fdb_clear(struct hook *h)
{
	CLEANUP(clearing_end) struct clearing c = {.h = h, .lock = -1};
	struct error err = ERROR_INIT;

	if (begin(&c, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	for (size_t i = 0; i < c.n; i++)
		clear_pf(&c, &c.notes[i]);
	if (!c.n && !c.failed)
		say("no PF's filter has anything of vfhook's");
	return c.failed ? EXIT_REFUSED : EXIT_DONE;
}
