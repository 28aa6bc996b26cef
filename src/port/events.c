/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing the files of events, under their lock. */
#include "src/port/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pveapi/limits.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/base/jsonout.h"
#include "src/base/text.h"

#define DIR_PATH "var/lib/vfhook"
#define NAME	 "events"
#define OLD_NAME "events.1"
#define TOTALS	 "events.totals"

#define TEXT_MAX     1600
#define LINE_MAX_LEN 8192
/* Another writer needs microseconds; one that is stopped must not keep a VM from starting. */
#define LOCK_TRIES  100
#define LOCK_NAP_MS 2

static const char *const kinds[EVENT_KINDS] = {
	[EVENT_START] = "start",     [EVENT_REFUSED] = "refused", [EVENT_MENDED] = "mended",
	[EVENT_CUT_OFF] = "cut-off", [EVENT_RELEASE] = "release", [EVENT_RECLAIM] = "reclaim",
	[EVENT_REPAIR] = "repair",   [EVENT_UNPLUG] = "unplug",	  [EVENT_PLUG] = "plug",
};

const char *event_kind_name(enum event_kind kind)
{
	return (unsigned)kind < EVENT_KINDS ? kinds[kind] : "?";
}

static bool kind_parse(const char *name, enum event_kind *out)
{
	for (int i = 0; i < EVENT_KINDS; i++) {
		if (!strcmp(name, kinds[i])) {
			*out = (enum event_kind)i;
			return true;
		}
	}
	return false;
}

/* --- The file --- */

static bool lock_file(int fd, int how)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, how | LOCK_NB))
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return false;
		nap_ms(LOCK_NAP_MS);
	}
	return false;
}

/*
 * The file of that name, locked, and still of that name once it was: it may
 * have become the old one in between. Returns a descriptor or a negative errno.
 */
static int open_locked(int dir, int flags, int how, struct stat *st)
{
	for (int i = 0; i < 10; i++) {
		AUTO_CLOSE int fd = openat(
			dir, NAME, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);
		struct stat named;

		if (fd < 0)
			return -errno;
		if (!lock_file(fd, how))
			return -EWOULDBLOCK;
		if (fstat(fd, st) < 0)
			return -errno;
		if (!S_ISREG(st->st_mode))
			return -EINVAL;
		if (!fstatat(dir, NAME, &named, AT_SYMLINK_NOFOLLOW) &&
		    named.st_ino == st->st_ino && named.st_dev == st->st_dev)
			return STEAL_FD(fd);
	}
	return -EAGAIN;
}

static int open_events_dir(struct hook *h, bool make)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(h->root, DIR_PATH, flags);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	/* Not dir_make() for all of it: the folders above are the system's, links and all. */
	if (mkdirat(h->root, DIR_PATH, 0755) < 0 && errno == ENOENT &&
	    dir_make(h->root, DIR_PATH, 0755, NULL) < 0)
		return -1;
	return openat(h->root, DIR_PATH, flags);
}

/* --- Reading --- */

struct event_list {
	struct event *events;
	size_t n;
	size_t cap;
};

static bool line_to_event(const char *line, size_t len, struct event *e)
{
	AUTO_JSON json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	char clean[TEXT_MAX];
	const char *kind;
	const char *text;
	json_int_t when;
	json_int_t vmid;

	if (!json_is_object(j) || json_need_int(j, "time", 0, 253402300799LL, &when, NULL) < 0 ||
	    json_need_int(j, "vmid", 0, PVE_VMID_MAX, &vmid, NULL) < 0)
		return false;
	kind = json_need_string(j, "kind", NULL);
	text = json_need_string(j, "text", NULL);
	if (!kind || !text || !kind_parse(kind, &e->kind))
		return false;
	e->time = when;
	e->vmid = (uint32_t)vmid;
	e->text = strdup(text_clean(text, clean, sizeof(clean)));
	return e->text;
}

static int keep(struct event_list *l, struct event *e)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct event *more = reallocarray(l->events, cap, sizeof(*more));

		if (!more) {
			free(e->text);
			return -ENOMEM;
		}
		l->events = more;
		l->cap = cap;
	}
	l->events[l->n++] = *e;
	return 0;
}

/* Returns how many bytes were whole lines, or -ENOMEM. */
static ssize_t read_lines(const char *data, size_t len, uint32_t vmid, struct event_list *l)
{
	const char *at = data;

	for (const char *end = data + len; at < end;) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t n = nl ? (size_t)(nl - at) : 0;
		struct event e;

		if (!nl) /* half a line: being written, or cut */
			break;
		if (n && n <= LINE_MAX_LEN && line_to_event(at, n, &e)) {
			if (vmid && e.vmid != vmid)
				free(e.text);
			else if (keep(l, &e) < 0)
				return -ENOMEM;
		}
		at = nl + 1;
	}
	return at - data;
}

/*
 * From *from on, which is moved behind the last whole line. At most the last EVENTS_MAX bytes: a
 * file that is longer is none that we have written.
 */
static int read_from(int fd, off_t *from, uint32_t vmid, struct event_list *l, struct error *err)
{
	AUTO_FREE char *data = NULL;
	struct stat st;
	size_t used = 0;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (st.st_size - *from > EVENTS_MAX)
		*from = st.st_size - EVENTS_MAX;
	if (st.st_size <= *from)
		return 0;
	data = malloc(EVENTS_MAX);
	if (!data)
		return fail(err, ENOMEM, "out of memory");
	while (used < EVENTS_MAX &&
	       (n = pread(fd, data + used, EVENTS_MAX - used, *from + (off_t)used)) > 0)
		used += (size_t)n;
	n = read_lines(data, used, vmid, l);
	if (n < 0)
		return fail(err, ENOMEM, "out of memory");
	*from += n;
	return 0;
}

static int read_file(int fd, uint32_t vmid, struct event_list *l, struct error *err)
{
	off_t from = 0;

	return read_from(fd, &from, vmid, l, err);
}

/* The files, now locked: while we hold it nobody makes the one the other. -1: it is not there. */
struct event_files {
	int dir;
	int now;
	int old;
};

#define EVENT_FILES_INIT ((struct event_files){-1, -1, -1})

static void event_files_close(struct event_files *f)
{
	if (f->now >= 0)
		close(f->now);
	if (f->old >= 0)
		close(f->old);
	if (f->dir >= 0)
		close(f->dir);
}

static int open_old(int dir)
{
	return openat(dir, OLD_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
}

static int event_files_open(struct hook *h, struct event_files *f, struct error *err)
{
	struct stat st;

	f->dir = open_events_dir(h, false);
	if (f->dir < 0)
		return errno == ENOENT ? 0 : fail_errno(err, errno, "read /" DIR_PATH);
	f->now = open_locked(f->dir, O_RDONLY, LOCK_SH, &st);
	if (f->now < 0 && f->now != -ENOENT)
		return fail_errno(err, -f->now, "read /" DIR_PATH "/" NAME);
	f->old = open_old(f->dir);
	return 0;
}

/* Is it the file that was read from, and as far as the mark at least? */
static bool is_marked(int fd, const struct events_mark *mark)
{
	struct stat st;

	return fd >= 0 && mark->inode && !fstat(fd, &st) && st.st_ino == mark->inode &&
	       st.st_dev == mark->device && st.st_size >= mark->at;
}

static int read_since(const struct event_files *f, uint32_t vmid, struct events_mark *mark,
		      struct event_list *l, bool *lost, struct error *err)
{
	bool in_now = is_marked(f->now, mark);
	bool in_old = !in_now && is_marked(f->old, mark);
	off_t from_now = in_now ? mark->at : 0;
	off_t from_old = in_old ? mark->at : 0;
	struct stat st = {0};
	int r = 0;

	*lost = mark->inode && !in_now && !in_old;
	if (f->old >= 0 && !in_now)
		r = read_from(f->old, &from_old, vmid, l, err);
	if (!r && f->now >= 0)
		r = read_from(f->now, &from_now, vmid, l, err);
	if (!r && f->now >= 0 && !fstat(f->now, &st))
		*mark = (struct events_mark){st.st_dev, st.st_ino, from_now};
	return r;
}

int events_since(struct hook *h, uint32_t vmid, struct events_mark *mark, struct event **list,
		 size_t *n, bool *lost, struct error *err)
{
	CLEANUP(event_files_close) struct event_files f = EVENT_FILES_INIT;
	struct event_list l = {0};
	int r = event_files_open(h, &f, err);

	*list = NULL;
	*n = 0;
	*lost = false;
	if (!r)
		r = read_since(&f, vmid, mark, &l, lost, err);
	if (r < 0) {
		events_free(l.events, l.n);
		return r;
	}
	*list = l.events;
	*n = l.n;
	return 0;
}

int events_read(struct hook *h, uint32_t vmid, struct event **list, size_t *n, struct error *err)
{
	struct events_mark mark = {0};
	bool lost;

	return events_since(h, vmid, &mark, list, n, &lost, err);
}

void events_free(struct event *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].text);
	free(list);
}

/* --- Totals --- */

/* How many events are gone, and the last file that was counted in: it may still be there. */
struct totals {
	uint64_t gone[EVENT_KINDS];
	char of[96];
};

/* A file, told from any other that ever had its name. */
static bool stamp(int fd, char buf[96])
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	snprintf(buf, 96, "%llu:%lld:%lld.%09ld", (unsigned long long)st.st_ino,
		 (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return true;
}

/* One that is not there, or is none of ours, counts from nothing. */
static void totals_load(int dir, struct totals *t)
{
	AUTO_JSON json_t *j = NULL;
	const char *of;

	*t = (struct totals){0};
	if (json_file_read(dir, TOTALS, LINE_MAX_LEN, &j, NULL) < 0)
		return;
	for (int i = 0; i < EVENT_KINDS; i++) {
		json_int_t n;

		if (!json_need_int(j, kinds[i], 0, INT64_MAX, &n, NULL))
			t->gone[i] = (uint64_t)n;
	}
	of = json_string_value(json_object_get(j, "of"));
	snprintf(t->of, sizeof(t->of), "%s", of ? of : "");
}

static void totals_store(int dir, const struct totals *t)
{
	CLEANUP(json_out_free) struct json_out o = JSON_OUT_INIT;

	json_out_begin(&o, NULL, '{');
	for (int i = 0; i < EVENT_KINDS; i++)
		json_out_int(&o, kinds[i], (int64_t)t->gone[i]);
	json_out_text(&o, "of", t->of);
	json_out_end(&o, '}');
	str_append(&o.text, "\n");
	if (str_ok(&o.text))
		file_replace(dir, TOTALS, 0644, str_get(&o.text), o.text.len, NULL);
}

static int add_counts(int fd, uint64_t counts[EVENT_KINDS], struct error *err)
{
	struct event_list l = {0};
	int r = read_file(fd, 0, &l, err);

	for (size_t i = 0; i < l.n; i++)
		counts[l.events[i].kind]++;
	events_free(l.events, l.n);
	return r;
}

/*
 * Before the old file goes. If we are killed between this and its end it is there and counted in:
 * its stamp says so to whoever counts next.
 */
static void count_old_in(int dir)
{
	AUTO_CLOSE int old = open_old(dir);
	struct totals t;
	char of[sizeof(t.of)];

	if (old < 0 || !stamp(old, of))
		return;
	totals_load(dir, &t);
	if (!strcmp(t.of, of) || add_counts(old, t.gone, NULL) < 0)
		return;
	memcpy(t.of, of, sizeof(of));
	totals_store(dir, &t);
}

int events_totals(struct hook *h, uint64_t totals[EVENT_KINDS], struct error *err)
{
	CLEANUP(event_files_close) struct event_files f = EVENT_FILES_INIT;
	struct totals t = {0};
	char of[sizeof(t.of)];
	int r = event_files_open(h, &f, err);

	if (!r && f.dir >= 0)
		totals_load(f.dir, &t);
	if (!r && f.old >= 0 && stamp(f.old, of) && strcmp(t.of, of) != 0)
		r = add_counts(f.old, t.gone, err);
	if (!r && f.now >= 0)
		r = add_counts(f.now, t.gone, err);
	memcpy(totals, t.gone, sizeof(t.gone));
	return r;
}

/* --- Writing --- */

static void append(int dir, const char *line, size_t len)
{
	struct stat st = {0};
	AUTO_CLOSE int fd = open_locked(dir, O_WRONLY | O_APPEND | O_CREAT, LOCK_EX, &st);

	if (fd >= 0 && (size_t)st.st_size + len > EVENTS_MAX && st.st_size > 0) {
		count_old_in(dir);
		if (renameat(dir, NAME, dir, OLD_NAME) < 0)
			return; /* bounded is worth more than complete */
		close(fd);
		fd = open_locked(dir, O_WRONLY | O_APPEND | O_CREAT, LOCK_EX, &st);
	}
	if (fd < 0)
		return;
	/* Half a line (a full disk) would spoil the next one too. */
	if (write(fd, line, len) != (ssize_t)len && ftruncate(fd, st.st_size) < 0)
		return;
}

void event_add(struct hook *h, uint32_t vmid, enum event_kind kind, const char *fmt, ...)
{
	CLEANUP(json_out_free) struct json_out o = JSON_OUT_INIT;
	AUTO_CLOSE int dir = -1;
	char raw[TEXT_MAX];
	char clean[TEXT_MAX];
	va_list ap;

	if (h->dry_run)
		return;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	json_out_begin(&o, NULL, '{');
	json_out_int(&o, "time", time(NULL));
	json_out_int(&o, "vmid", vmid);
	json_out_text(&o, "kind", event_kind_name(kind));
	json_out_text(&o, "text", text_clean(raw, clean, sizeof(clean)));
	json_out_end(&o, '}');
	str_append(&o.text, "\n");
	dir = str_ok(&o.text) ? open_events_dir(h, true) : -1;
	if (dir >= 0)
		append(dir, str_get(&o.text), o.text.len);
}
