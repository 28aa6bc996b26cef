/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts written as JSON, and read again from whoever wrote them. */
#include "src/show/seen_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/json.h"
#include "src/vf/kernel.h"

/* Raised when a member changes its meaning; new ones may come at any time. */
#define VERSION 1
/* What is read of what others wrote. */
#define MARKS_MAX 64
#define SPEED_MAX 10000000
#define MTU_MAX	  1000000

static const char *const levels[] = {
	[SEEN_NOTE] = "note", [SEEN_WARN] = "warn", [SEEN_BAD] = "bad"};

/* --- Writing --- */

static json_t *marks_to_json(const struct seen_marks *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n; i++)
		json_array_append_new(list,
				      json_pack("{s:s s:s}", "level", levels[m->list[i].level],
						"text", m->list[i].text));
	return list;
}

/* Empty text, and what is not known, is left out. */
static void set_text(json_t *j, const char *key, const char *text)
{
	if (text[0])
		json_object_set_new(j, key, json_string(text));
}

static void set_answer(json_t *j, const char *key, enum answer a)
{
	if (a != ANSWER_UNKNOWN)
		json_object_set_new(j, key, json_boolean(a == ANSWER_YES));
}

static bool is_free(const struct seen_vf *v)
{
	return !strcmp(v->state, "free") && !v->marks.n;
}

static json_t *vf_to_json(const struct seen_vf *v)
{
	json_t *j = json_pack("{s:I s:s}", "index", (json_int_t)v->index, "state", v->state);

	set_text(j, "address", v->addr);
	if (v->vmid) {
		json_object_set_new(j, "vmid", json_integer(v->vmid));
		json_object_set_new(j, "container", json_boolean(v->container));
	}
	set_text(j, "name", v->guest);
	set_text(j, "place", v->place);
	set_text(j, "vlan", v->vlan);
	set_text(j, "mac", v->mac);
	if (v->group >= 0)
		json_object_set_new(j, "iommu-group", json_integer(v->group));
	if (v->vlan_differs)
		json_object_set_new(j, "vlan-differs", json_true());
	if (v->mac_differs)
		json_object_set_new(j, "mac-differs", json_true());
	if (v->marks.n)
		json_object_set_new(j, "marks", marks_to_json(&v->marks));
	return j;
}

/* [[5, 7], [9, 9]]: from number to number. */
static json_t *free_to_json(const struct seen_pf *pf)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pf->n_vfs;) {
		size_t n = 1;

		if (!is_free(&pf->vfs[i])) {
			i++;
			continue;
		}
		while (i + n < pf->n_vfs && is_free(&pf->vfs[i + n]) &&
		       pf->vfs[i + n].index == pf->vfs[i].index + n)
			n++;
		json_array_append_new(list, json_pack("[I,I]", (json_int_t)pf->vfs[i].index,
						      (json_int_t)pf->vfs[i + n - 1].index));
		i += n;
	}
	return list;
}

static json_t *pf_to_json(const struct seen_pf *pf)
{
	json_t *vfs = json_array();
	json_t *j;

	for (size_t i = 0; i < pf->n_vfs; i++) {
		if (!is_free(&pf->vfs[i]))
			json_array_append_new(vfs, vf_to_json(&pf->vfs[i]));
	}
	j = json_pack("{s:s s:b s:I s:I s:o s:o s:o}", "address", pf->addr, "network", !pf->no_net,
		      "speed", (json_int_t)pf->speed, "mtu", (json_int_t)pf->mtu, "marks",
		      marks_to_json(&pf->marks), "vfs", vfs, "free", free_to_json(pf));
	set_text(j, "ifname", pf->ifname);
	set_text(j, "driver", pf->driver);
	set_text(j, "card", pf->card_name);
	set_text(j, "model", pf->card.model);
	set_text(j, "serial", pf->card.serial);
	set_text(j, "slot", pf->card.slot);
	set_text(j, "pools", pf->pools);
	set_text(j, "above", pf->above);
	set_answer(j, "up", pf->up);
	set_answer(j, "carrier", pf->carrier);
	return j;
}

json_t *seen_to_json(const struct seen_node *n)
{
	json_t *pfs = json_array();

	for (size_t i = 0; i < n->n_pfs; i++)
		json_array_append_new(pfs, pf_to_json(&n->pfs[i]));
	return json_pack("{s:i s:I s:o s:o}", "version", VERSION, "time", (json_int_t)n->time,
			 "marks", marks_to_json(&n->marks), "pfs", pfs);
}

/* --- Reading --- */

/* Cleaned, and cut. */
static void get_text(const json_t *j, const char *key, char *buf, size_t size)
{
	const char *text = json_string_value(json_object_get(j, key));

	text_clean(text ? text : "", buf, size);
}

static json_int_t get_int(const json_t *j, const char *key, json_int_t min, json_int_t max,
			  json_int_t otherwise)
{
	json_int_t n;

	return json_need_int(j, key, min, max, &n, NULL) < 0 ? otherwise : n;
}

static enum answer get_answer(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return !json_is_boolean(value) ? ANSWER_UNKNOWN
	       : json_is_true(value)   ? ANSWER_YES
				       : ANSWER_NO;
}

/* A level that is not known is worth a look. */
static enum seen_level get_level(const json_t *j)
{
	const char *text = json_string_value(json_object_get(j, "level"));

	for (size_t i = 0; text && i < ARRAY_SIZE(levels); i++) {
		if (!strcmp(text, levels[i]))
			return (enum seen_level)i;
	}
	return SEEN_WARN;
}

static bool marks_from_json(const json_t *list, struct seen_marks *out)
{
	for (size_t i = 0; i < json_array_size(list) && i < MARKS_MAX; i++) {
		const json_t *j = json_array_get(list, i);
		const char *text = json_string_value(json_object_get(j, "text"));

		if (text && text[0] && !seen_mark_add(out, get_level(j), "%s", text))
			return false;
	}
	return true;
}

static bool vf_from_json(const json_t *j, struct seen_vf *v)
{
	struct pci_addr addr;

	*v = (struct seen_vf){.index = (unsigned)get_int(j, "index", 0, PF_VFS_MAX, 0)};
	if (!json_need_addr(j, "address", &addr, NULL))
		pci_addr_format(&addr, v->addr);
	get_text(j, "state", v->state, sizeof(v->state));
	v->vmid = (uint32_t)get_int(j, "vmid", 1, 999999999, 0);
	v->container = json_is_true(json_object_get(j, "container"));
	get_text(j, "name", v->guest, sizeof(v->guest));
	get_text(j, "place", v->place, sizeof(v->place));
	get_text(j, "vlan", v->vlan, sizeof(v->vlan));
	get_text(j, "mac", v->mac, sizeof(v->mac));
	v->group = (int)get_int(j, "iommu-group", 0, INT32_MAX, -1);
	v->vlan_differs = json_is_true(json_object_get(j, "vlan-differs"));
	v->mac_differs = json_is_true(json_object_get(j, "mac-differs"));
	return marks_from_json(json_object_get(j, "marks"), &v->marks);
}

/* The numbers of a run that it is right to count on; 0 for none. */
static size_t free_run(const json_t *run, json_int_t *first)
{
	json_int_t last = json_integer_value(json_array_get(run, 1));

	*first = json_integer_value(json_array_get(run, 0));
	if (json_array_size(run) != 2 || *first < 0 || last < *first || last >= PF_VFS_LISTED)
		return 0;
	return (size_t)(last - *first + 1);
}

/* One that is told twice is there once. */
static void drop_twice(struct seen_pf *pf)
{
	size_t kept = 0;

	for (size_t i = 0; i < pf->n_vfs; i++) {
		if (kept && pf->vfs[kept - 1].index == pf->vfs[i].index)
			seen_marks_free(&pf->vfs[i].marks);
		else
			pf->vfs[kept++] = pf->vfs[i];
	}
	pf->n_vfs = kept;
}

static bool vfs_from_json(const json_t *j, struct seen_pf *pf)
{
	const json_t *vfs = json_object_get(j, "vfs");
	const json_t *runs = json_object_get(j, "free");
	size_t n_told = json_array_size(vfs);

	if (n_told > PF_VFS_LISTED)
		n_told = PF_VFS_LISTED;
	/* As many as can be: a run is no longer, and no more are taken than fit. */
	pf->vfs = calloc(n_told + PF_VFS_LISTED, sizeof(*pf->vfs));
	if (!pf->vfs)
		return false;
	for (size_t i = 0; i < n_told; i++) {
		if (!vf_from_json(json_array_get(vfs, i), &pf->vfs[pf->n_vfs++]))
			return false;
	}
	for (size_t i = 0; i < json_array_size(runs); i++) {
		json_int_t first;
		size_t n = free_run(json_array_get(runs, i), &first);

		for (size_t k = 0; k < n && pf->n_vfs < n_told + PF_VFS_LISTED; k++)
			pf->vfs[pf->n_vfs++] =
				(struct seen_vf){.index = (unsigned)first + (unsigned)k,
						 .state = "free",
						 .group = -1};
	}
	seen_vfs_sort(pf);
	drop_twice(pf);
	return true;
}

/* One without an address is none: it is skipped. */
static bool pf_from_json(const json_t *j, struct seen_node *n)
{
	struct seen_pf *pf = &n->pfs[n->n_pfs];
	struct pci_addr addr;

	if (json_need_addr(j, "address", &addr, NULL) < 0)
		return true;
	*pf = (struct seen_pf){.up = get_answer(j, "up"),
			       .carrier = get_answer(j, "carrier"),
			       .no_net = json_is_false(json_object_get(j, "network")),
			       .speed = (unsigned)get_int(j, "speed", 0, SPEED_MAX, 0),
			       .mtu = (unsigned)get_int(j, "mtu", 0, MTU_MAX, 0)};
	n->n_pfs++;
	pci_addr_format(&addr, pf->addr);
	get_text(j, "ifname", pf->ifname, sizeof(pf->ifname));
	get_text(j, "driver", pf->driver, sizeof(pf->driver));
	get_text(j, "card", pf->card_name, sizeof(pf->card_name));
	get_text(j, "model", pf->card.model, sizeof(pf->card.model));
	get_text(j, "serial", pf->card.serial, sizeof(pf->card.serial));
	get_text(j, "slot", pf->card.slot, sizeof(pf->card.slot));
	get_text(j, "pools", pf->pools, sizeof(pf->pools));
	get_text(j, "above", pf->above, sizeof(pf->above));
	return vfs_from_json(j, pf) && marks_from_json(json_object_get(j, "marks"), &pf->marks);
}

int seen_from_json(const json_t *j, struct seen_node *out, struct error *err)
{
	const json_t *pfs = json_object_get(j, "pfs");
	size_t n = json_array_size(pfs);

	if (json_need_version(j, VERSION, err) < 0)
		return error_code(err);
	out->time = get_int(j, "time", 0, 253402300799LL, 0);
	out->pfs = calloc((n < SEEN_PFS_MAX ? n : SEEN_PFS_MAX) + 1, sizeof(*out->pfs));
	for (size_t i = 0; out->pfs && i < n && i < SEEN_PFS_MAX; i++) {
		if (!pf_from_json(json_array_get(pfs, i), out))
			return fail(err, ENOMEM, "out of memory");
	}
	if (!out->pfs || !marks_from_json(json_object_get(j, "marks"), &out->marks))
		return fail(err, ENOMEM, "out of memory");
	return 0;
}
