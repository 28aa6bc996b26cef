/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mapping is read as a file, and written whole with the digest of what was read. */
#include "pveapi/api_mapping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "pveapi/mapping.h"
#include "pveapi/node.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/run_dir.h"
#include "src/base/text.h"

#define LOCK_PATH LOCKS_DIR "/mapping"

#define TRIES_MAX     10
#define TRY_FOR_MS    20000
#define PAUSE_MIN_MS  40
#define PAUSE_MAX_MS  2000
#define VALUE_MAX_LEN 4096

static int check_mapping_id(const char *id, struct error *err)
{
	char shown[80];

	if (mapping_id_valid(id))
		return 0;
	return fail(err, EINVAL, "\"%s\" is no mapping id",
		    text_clean(id ? id : "", shown, sizeof(shown)));
}

/* --- Trying again --- */

struct retry {
	long long end;
	unsigned tries;
	int pause;
};

static struct retry retry_start(void)
{
	return (struct retry){clock_ms() + TRY_FOR_MS, 0, PAUSE_MIN_MS};
}

/* True after a pause (half of it random: others wait for the same file) if there is a next try. */
static bool retry_next(struct retry *t)
{
	unsigned jitter = 0;
	int pause;

	if (++t->tries >= TRIES_MAX)
		return false;
	if (getrandom(&jitter, sizeof(jitter), GRND_NONBLOCK) < 0)
		jitter = (unsigned)clock_ms();
	pause = t->pause / 2 + (int)(jitter % (unsigned)(t->pause / 2 + 1));
	if (clock_ms() + pause >= t->end)
		return false;
	nap_ms(pause);
	t->pause = t->pause * 2 < PAUSE_MAX_MS ? t->pause * 2 : PAUSE_MAX_MS;
	return true;
}

/* Our own starts wait for each other here rather than fight over the file's digest. */
static int mapping_lock(int root, struct error *err)
{
	int fd = lock_take(root, LOCK_PATH, TRY_FOR_MS, err);
	int r;

	if (fd != -ENOENT)
		return fd;
	error_clear(err);
	r = dir_make(root, RUN_DIR, 0755, err);
	if (!r)
		r = dir_make(root, LOCKS_DIR, 0700, err);
	return r < 0 ? r : lock_take(root, LOCK_PATH, TRY_FOR_MS, err);
}

/* --- One try --- */

struct wish {
	const char *node;
	const char *id;
	const char *description;
	const char *entry; /* NULL: none */
	/* With compare: only if the node's entry is `from`, or none with NULL. */
	bool compare;
	const struct mapping_entry *from;
};

static bool same_entry(const struct mapping_entry *a, const struct mapping_entry *b)
{
	return a->unknown_key == b->unknown_key && !strcmp(a->path, b->path) &&
	       !strcmp(a->id, b->id) && !strcmp(a->subsystem_id, b->subsystem_id) &&
	       !strcmp(a->iommugroup, b->iommugroup);
}

static bool new_description(const struct mapping *m, const struct wish *w)
{
	return w->description && strcmp(w->description, m->description ? m->description : "") != 0;
}

/*
 * entry is what the wish's entry reads as once it stands in the file; NULL: it wishes for none.
 * With mdev on PVE refuses every start with a function that has none (PVE::Mapping::PCI
 * assert_valid).
 */
static bool is_granted(const struct mapping *m, const struct wish *w,
		       const struct mapping_entry *entry)
{
	size_t n = 0;
	const struct mapping_entry *now = m ? mapping_node_entry(m, w->node, &n) : NULL;

	if (!entry)
		return !now;
	return n == 1 && same_entry(now, entry) && !m->mdev && !new_description(m, w);
}

/* Is the node's entry the one that the wish was made for, or what it asks for already? */
static bool is_as_seen(const struct mapping *m, const struct wish *w,
		       const struct mapping_entry *entry)
{
	size_t n;
	const struct mapping_entry *now = m ? mapping_node_entry(m, w->node, &n) : NULL;

	if (!w->compare || (now && entry && same_entry(now, entry)))
		return true;
	return now ? w->from && same_entry(now, w->from) : !w->from;
}

/*
 * The whole array again: others' entries as they are, ours where this node's first one was. What
 * PVE cannot read is left out, as PVE itself does when it writes the file next.
 */
static size_t fill_maps(const struct mapping *m, const struct wish *w, struct rest_param *params)
{
	bool placed = false;
	size_t n = 0;

	for (size_t i = 0; i < m->n_entries; i++) {
		const struct mapping_entry *e = &m->entries[i];

		/* With a key that it does not know PVE would refuse it all. */
		if (!*e->node || e->unknown_key)
			continue;
		if (strcmp(e->node, w->node) != 0)
			params[n++] = (struct rest_param){"map", e->raw};
		else if (!placed && w->entry)
			params[n++] = (struct rest_param){"map", w->entry};
		placed = placed || !strcmp(e->node, w->node);
	}
	if (!placed && w->entry)
		params[n++] = (struct rest_param){"map", w->entry};
	return n;
}

/* What is sent: made once, told by a dry run and sent by any other. */
struct request {
	const char *method;
	char path[300];
	struct rest_param *params; /* the values are others' */
	size_t n;
};

static void request_free(struct request *q)
{
	free(q->params);
}

static void add_param(struct request *q, const char *key, const char *value)
{
	q->params[q->n++] = (struct rest_param){key, value};
}

static int make_request(const struct mapping *m, const char *digest, const struct wish *w,
			struct request *q, struct error *err)
{
	*q = (struct request){.method = m ? "PUT" : "POST"};
	q->params = calloc((m ? m->n_entries : 0) + 4, sizeof(*q->params));
	if (!q->params)
		return fail(err, ENOMEM, "out of memory");
	if (!m) {
		snprintf(q->path, sizeof(q->path), "/cluster/mapping/pci");
		add_param(q, "id", w->id);
		add_param(q, "map", w->entry);
		if (w->description && *w->description)
			add_param(q, "description", w->description);
		return 0;
	}
	snprintf(q->path, sizeof(q->path), "/cluster/mapping/pci/%s", w->id);
	q->n = fill_maps(m, w, q->params);
	if (!q->n) { /* PVE knows no mapping without an entry */
		q->method = "DELETE";
		return 0;
	}
	if (m->mdev)
		add_param(q, "delete", "mdev");
	add_param(q, "digest", digest);
	if (new_description(m, w))
		add_param(q, "description", w->description);
	return 0;
}

/* 1: written, 0: it says so already, -EAGAIN: somebody else was faster. */
static int try_set(struct rest *r, int root, const struct wish *w,
		   const struct mapping_entry *entry, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(request_free) struct request q = {0};
	const struct mapping *m;
	int ret = mapping_load(root, &f, err);

	if (ret < 0)
		return ret;
	m = mapping_find(&f, w->id);
	if ((m || !entry) && is_granted(m, w, entry))
		return 0;
	if (!is_as_seen(m, w, entry))
		return fail(err, ESTALE, "its entry for node %s was changed meanwhile", w->node);
	ret = make_request(m, f.digest, w, &q, err);
	if (ret < 0)
		return ret;
	ret = rest_call(r, q.method, q.path, q.params, q.n, NULL, err);
	/* Made or deleted since the file was read. */
	if ((m && ret == -ENOENT) || (!m && ret == -EEXIST))
		ret = -EAGAIN;
	return ret < 0 ? ret : 1;
}

static int set_locked(struct rest *r, int root, const struct wish *w,
		      const struct mapping_entry *entry, struct error *err)
{
	struct retry retry = retry_start();

	for (;;) {
		int ret = try_set(r, root, w, entry, err);

		if (ret != -EAGAIN || !retry_next(&retry))
			return ret;
		error_clear(err);
	}
}

static bool is_line(const char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	}
	return len <= VALUE_MAX_LEN;
}

static int check_wish(const struct wish *w, struct error *err)
{
	int ret = pve_node_check(w->node, err);

	if (!ret)
		ret = check_mapping_id(w->id, err);
	if (!ret && w->description && !is_line(w->description))
		ret = fail(err, EINVAL, "mapping %s: bad description", w->id);
	if (!ret && w->entry && !is_line(w->entry))
		ret = fail(err, EINVAL, "mapping %s: bad entry", w->id);
	return ret;
}

/* A map value as it will stand in the file, to be compared part by part. NULL: no entry. */
static int parse_entry(const struct wish *w, const char *text, struct mapping_file *f,
		       const struct mapping_entry **e, struct error *err)
{
	CLEANUP(str_free) struct str file = STR_INIT;
	size_t n;
	int ret;

	*e = NULL;
	if (!text)
		return 0;
	str_printf(&file, "%s\n\tmap %s\n", w->id, text);
	if (!str_ok(&file))
		return fail(err, ENOMEM, "out of memory");
	ret = mapping_parse("the new entry", str_get(&file), file.len, f, err);
	if (ret < 0)
		return ret;
	*e = mapping_node_entry(&f->mappings[0], w->node, &n);
	if (!*e)
		return fail(err, EINVAL, "mapping %s: \"%.200s\" is no entry for node %s", w->id,
			    text, w->node);
	return 0;
}

static int set_entry(struct rest *r, int root, const struct wish *w, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	AUTO_CLOSE int lock = -1;
	const struct mapping_entry *e = NULL;
	int ret = check_wish(w, err);

	if (!ret)
		ret = parse_entry(w, w->entry, &f, &e, err);
	if (ret < 0)
		return ret;
	lock = mapping_lock(root, err);
	return lock < 0 ? lock : set_locked(r, root, w, e, err);
}

int api_mapping_set(struct rest *r, int root, const char *node, const char *id,
		    const char *description, const char *entry, struct error *err)
{
	const struct wish w = {.node = node, .id = id, .description = description, .entry = entry};

	return set_entry(r, root, &w, err);
}

int api_mapping_swap(struct rest *r, int root, const char *node, const char *id,
		     const char *description, const char *from, const char *entry,
		     struct error *err)
{
	struct wish w = {.node = node,
			 .id = id,
			 .description = description,
			 .entry = entry,
			 .compare = true};
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	int ret = check_wish(&w, err);

	if (!ret)
		ret = parse_entry(&w, from, &f, &w.from, err);
	return ret < 0 ? ret : set_entry(r, root, &w, err);
}

int api_mapping_describe(int root, const char *node, const char *id, const char *description,
			 const char *entry, struct str *out, struct error *err)
{
	const struct wish w = {.node = node, .id = id, .description = description, .entry = entry};
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(request_free) struct request q = {0};
	int ret = check_wish(&w, err);

	if (!ret)
		ret = mapping_load(root, &f, err);
	if (!ret)
		ret = make_request(mapping_find(&f, id), f.digest, &w, &q, err);
	if (ret < 0)
		return ret;
	str_printf(out, "%s %s", q.method, q.path);
	for (size_t i = 0; i < q.n; i++)
		str_printf(out, "\n%s=%s", q.params[i].key, q.params[i].value);
	return str_ok(out) ? 0 : fail(err, ENOMEM, "out of memory");
}

/* --- live-migration-capable --- */

/* 0: it is so, -EAGAIN: somebody else was faster. */
static int try_live(struct rest *r, int root, const char *id, bool on, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	const struct wish keep_all = {.node = ""};
	CLEANUP(request_free) struct request q = {.method = "PUT"};
	const struct mapping *m;
	int ret = mapping_load(root, &f, err);

	m = ret < 0 ? NULL : mapping_find(&f, id);
	if (!m || m->live_migration == on)
		return ret;
	q.params = calloc(m->n_entries + 2, sizeof(*q.params));
	if (!q.params)
		return fail(err, ENOMEM, "out of memory");
	snprintf(q.path, sizeof(q.path), "/cluster/mapping/pci/%s", id);
	q.n = fill_maps(m, &keep_all, q.params);
	add_param(&q, "live-migration-capable", on ? "1" : "0");
	add_param(&q, "digest", f.digest);
	ret = rest_call(r, q.method, q.path, q.params, q.n, NULL, err);
	if (ret == -EINVAL && strstr(err->text, "not defined in schema"))
		return fail(err, EOPNOTSUPP,
			    "this Proxmox VE has no live-migration-capable for mappings: 8.4 and "
			    "later have");
	/* Deleted since. */
	return ret == -ENOENT ? -EAGAIN : ret;
}

int api_mapping_live(struct rest *r, int root, const char *id, bool on, struct error *err)
{
	struct retry retry = retry_start();
	AUTO_CLOSE int lock = -1;
	int ret = check_mapping_id(id, err);

	if (ret < 0)
		return ret;
	lock = mapping_lock(root, err);
	for (ret = lock; ret >= 0 || ret == -EAGAIN;) {
		error_clear(err);
		ret = try_live(r, root, id, on, err);
		if (ret != -EAGAIN || !retry_next(&retry))
			break;
	}
	return ret < 0 ? ret : 0;
}

/* --- Deleting --- */

static int delete_locked(struct rest *r, int root, const char *id, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	struct retry retry = retry_start();
	char path[300];
	int ret = mapping_load(root, &f, err);

	if (ret < 0 || !mapping_find(&f, id))
		return ret;
	snprintf(path, sizeof(path), "/cluster/mapping/pci/%s", id);
	for (;;) {
		error_clear(err);
		ret = rest_call(r, "DELETE", path, NULL, 0, NULL, err);
		if (ret == -ENOENT) {
			error_clear(err);
			return 0;
		}
		if (ret != -EAGAIN || !retry_next(&retry))
			return ret;
	}
}

int api_mapping_delete(struct rest *r, int root, const char *id, struct error *err)
{
	AUTO_CLOSE int lock = -1;
	int ret = check_mapping_id(id, err);

	if (ret < 0)
		return ret;
	lock = mapping_lock(root, err);
	if (lock < 0)
		return lock;
	return delete_locked(r, root, id, err);
}
