/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts of a picture: kept, marked, compared, freed. */
#include "src/show/seen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK_LEN 700

void seen_marks_free(struct seen_marks *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->list[i].text);
	free(m->list);
	*m = (struct seen_marks){NULL, 0};
}

void seen_pf_free(struct seen_pf *pf)
{
	for (size_t i = 0; i < pf->n_vfs; i++)
		seen_marks_free(&pf->vfs[i].marks);
	free(pf->vfs);
	seen_marks_free(&pf->marks);
	*pf = (struct seen_pf){.n_vfs = 0};
}

static int by_index(const void *a, const void *b)
{
	const struct seen_vf *x = a;
	const struct seen_vf *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

void seen_vfs_sort(struct seen_pf *pf)
{
	if (pf->n_vfs)
		qsort(pf->vfs, pf->n_vfs, sizeof(*pf->vfs), by_index);
}

void seen_node_free(struct seen_node *n)
{
	for (size_t i = 0; i < n->n_pfs; i++)
		seen_pf_free(&n->pfs[i]);
	free(n->pfs);
	seen_marks_free(&n->marks);
	*n = (struct seen_node){.n_pfs = 0};
}

bool seen_mark_add(struct seen_marks *m, enum seen_level level, const char *fmt, ...)
{
	struct seen_mark *more = reallocarray(m->list, m->n + 1, sizeof(*more));
	char raw[MARK_LEN];
	char clean[MARK_LEN];
	va_list ap;

	if (!more)
		return false;
	m->list = more;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	more[m->n].level = level;
	more[m->n].text = strdup(text_clean(raw, clean, sizeof(clean)));
	if (!more[m->n].text)
		return false;
	m->n++;
	return true;
}

enum seen_level seen_worst(const struct seen_marks *m)
{
	enum seen_level worst = SEEN_NOTE;

	for (size_t i = 0; i < m->n; i++) {
		if (m->list[i].level > worst)
			worst = m->list[i].level;
	}
	return worst;
}

bool seen_same_card(const struct seen_pf *a, const struct seen_pf *b)
{
	/* Functions of one device: the address up to its point. A board with a bridge of its own
	 * has several devices, and one serial number. */
	return !strncmp(a->addr, b->addr, strcspn(a->addr, ".") + 1) ||
	       (a->card.serial[0] && !strcmp(a->card.serial, b->card.serial));
}
