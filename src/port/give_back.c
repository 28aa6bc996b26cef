/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving VFs back, in a child that can be given up. */
#include "src/port/give_back.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/base/bounded.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/port/reclaim.h"
#include "src/vf/kernel.h"

struct giving_back {
	struct hook *h;
	const struct owner *o;
	const struct pci_addr *keep;
	size_t n_keep;
	pid_t parent;
	/* What comes of it. */
	int released;
	size_t found;
	struct error err;
};

/* An answer that the child does not wait for any more must not be the parent's next one. */
static void have_own_socket(const struct giving_back *g)
{
	if (getpid() != g->parent)
		g->h->kernel = NULL;
}

static int give_back(void *arg)
{
	struct giving_back *g = arg;

	have_own_socket(g);
	g->released = recover_own(g->h, g->o, &g->err);
	if (!g->released)
		g->released = release_vm(g->h, g->o, g->keep, g->n_keep, &g->found, &g->err);
	return 0;
}

static int give_back_all(void *arg)
{
	struct giving_back *g = arg;

	have_own_socket(g);
	/* Told as it happens; a VF that stays out of use is no reason not to start with another. */
	release_vm(g->h, g->o, g->keep, g->n_keep, NULL, &g->err);
	error_clear(&g->err);
	if (reclaim_stale(g->h, owner_vmid(g->o), &g->err) < 0)
		complain("%s", g->err.text);
	return 0;
}

/* Room that the child shares with us. NULL: there is none, and none is needed to do it ourselves.
 */
static struct giving_back *share(const struct giving_back *g)
{
	struct giving_back *room = mmap(NULL, sizeof(*room), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED)
		return NULL;
	*room = *g;
	return room;
}

static int run(int (*fn)(void *arg), struct giving_back *g, struct error *err)
{
	const int limit_ms = kernel_release_limit_ms(g->h->root);
	struct giving_back *room = NULL;
	int r;

	g->parent = getpid();
	if (!g->h->dry_run)
		room = share(g);
	r = room ? run_bounded(fn, room, limit_ms, err) : fn(g);
	if (room) {
		if (!r)
			*g = *room;
		munmap(room, sizeof(*room));
	}
	if (r == -ETIMEDOUT)
		return fail(err, ETIMEDOUT,
			    "the driver of a VF that is to be given back has not answered for %d "
			    "s: it is given up, and the VF stays out of use",
			    limit_ms / 1000);
	return r < 0 ? r : 0;
}

int give_back_vm(struct hook *h, const struct owner *o, const struct pci_addr *keep, size_t n_keep,
		 size_t *found, struct error *err)
{
	struct giving_back g = {.h = h, .o = o, .keep = keep, .n_keep = n_keep, .err = ERROR_INIT};
	int r = run(give_back, &g, err);

	if (r < 0)
		return r;
	if (found)
		*found = g.found;
	if (g.released < 0)
		*err = g.err;
	return g.released;
}

int give_back_for_start(struct hook *h, const struct owner *o, const struct pci_addr *keep,
			size_t n_keep, struct error *err)
{
	struct giving_back g = {.h = h, .o = o, .keep = keep, .n_keep = n_keep, .err = ERROR_INIT};

	return run(give_back_all, &g, err);
}
