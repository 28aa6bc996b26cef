/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is the same for every kernel: what its list of VFs means, and how long a run waits. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/vf/kernel_impl.h"

/* A VF that is looked at again: ice and i40e need less than a second to reset one. */
#define UNTOLD_WAIT_MS 2000

#define FIRST_NAP_MS 10
#define LAST_NAP_MS  200

/* --- The list --- */

void pf_link_free(struct pf_link *l)
{
	free(l->vfs);
	l->vfs = NULL;
	l->n_vfs = 0;
}

int pf_link_vf(const struct pf_link *l, unsigned index, struct vf_settings *out, struct error *err)
{
	if (index >= l->n_vfs)
		return fail(err, ENODEV, "the PF has no VF %u any more", index);
	if (l->vfs[index].has) {
		*out = l->vfs[index];
		return 0;
	}
	if (!l->has_list)
		return fail(err, EAGAIN, "its PF's driver cannot tell what VFs are set to");
	if (index >= l->n_listed)
		return fail(err, EAGAIN, "the kernel lists only the first %zu VFs of a PF",
			    l->n_listed);
	return fail(err, EAGAIN, "the driver does not tell its settings now (%s)",
		    l->up ? "in reset?" : "its PF is down");
}

/* Is it worth while to look at that VF again? */
static bool may_be_told(const struct pf_link *l, unsigned index)
{
	bool told = false;

	if (!l->has_list || index >= l->n_listed || l->vfs[index].has)
		return false;
	for (size_t i = 0; i < l->n_vfs; i++)
		told = told || l->vfs[i].has;
	return told || l->up; /* else it is the PF, which nobody sets up meanwhile */
}

/* --- Patience --- */

/* One thing that is tried again. */
struct retry {
	struct timespec since; /* the first refusal */
	long spent_ms;	       /* until now */
	long nap_ms;	       /* the last one; 0: not refused yet */
	long most_ms;
};

static long ms_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}

/*
 * It was refused: nap, and true for another try; false if there is no patience left. What a try
 * takes counts as well: a driver may wait inside it.
 */
static bool try_again(struct kernel *k, struct retry *r)
{
	struct patience *p = kernel_patience(k);
	long most = p->left_ms < r->most_ms ? p->left_ms : r->most_ms;
	long nap = r->nap_ms * 2 < LAST_NAP_MS ? r->nap_ms * 2 : LAST_NAP_MS;

	if (!r->nap_ms) {
		clock_gettime(CLOCK_MONOTONIC, &r->since);
		nap = FIRST_NAP_MS;
	}
	r->spent_ms = ms_since(&r->since);
	if (r->spent_ms >= most)
		return false;
	r->nap_ms = nap;
	if (nap > most - r->spent_ms)
		nap = most - r->spent_ms;
	nanosleep(&(struct timespec){nap / 1000, nap % 1000 * 1000000}, NULL);
	r->spent_ms = ms_since(&r->since);
	return true;
}

/* Take what was spent off the run's patience. */
static void end_retry(struct kernel *k, struct retry *r)
{
	struct patience *p = kernel_patience(k);

	if (r->nap_ms)
		r->spent_ms = ms_since(&r->since);
	p->left_ms = p->left_ms > r->spent_ms ? p->left_ms - r->spent_ms : 0;
}

void kernel_set_patience(struct kernel *k, int ms)
{
	kernel_patience(k)->left_ms = ms;
}

int kernel_pf_read_for(struct kernel *k, int ifindex, const unsigned *wanted, size_t n,
		       struct pf_link *out, struct error *err)
{
	struct retry retry = {.most_ms = UNTOLD_WAIT_MS};
	int r = kernel_pf_read(k, ifindex, out, err);

	for (size_t i = 0; !r && i < n;) {
		if (!may_be_told(out, wanted[i])) {
			i++;
			continue;
		}
		if (!try_again(k, &retry))
			break;
		pf_link_free(out);
		r = kernel_pf_read(k, ifindex, out, err);
	}
	end_retry(k, &retry);
	return r;
}

int kernel_vf_read(struct kernel *k, int ifindex, unsigned vf, struct vf_settings *out,
		   struct error *err)
{
	CLEANUP(pf_link_free) struct pf_link l = {0};

	int r = kernel_pf_read_for(k, ifindex, &vf, 1, &l, err);

	return r < 0 ? r : pf_link_vf(&l, vf, out, err);
}

static bool worth_retry(int r)
{
	return r == -EAGAIN || r == -EBUSY || r == -ENOBUFS || r == -EINTR;
}

int kernel_vf_set(struct kernel *k, int ifindex, unsigned vf, enum vf_attr attr,
		  const struct vf_settings *to, struct error *err)
{
	struct retry retry = {.most_ms = LONG_MAX};
	const char *said = "";
	char clean[256];
	char text[64];
	int r;

	do {
		r = kernel_vf_set_once(k, ifindex, vf, attr, to, &said);
	} while (worth_retry(r) && try_again(k, &retry));
	end_retry(k, &retry);
	if (!r)
		return 0;
	if (r == -KERNEL_ENOTSUPP)
		r = -EOPNOTSUPP;
	vf_attr_value(attr, to, text, sizeof(text));
	if (!said[0])
		return fail_errno(err, -r, "set %s to %s", vf_attr_name(attr), text);
	text_clean(said, clean, sizeof(clean));
	return fail_errno(err, -r, "set %s to %s: the driver says \"%s\"", vf_attr_name(attr), text,
			  clean);
}
