/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What we have put into a PF's filter, as a small JSON file. */
#include "src/fdb/fdb_note.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/base/names.h"
#include "src/base/run_dir.h"
#include "src/base/sorted.h"
#include "src/fdb/macs.h"

#define FDB_DIR	     RUN_DIR "/fdb"
#define NOTE_VERSION 1
/* An entry has some 100 bytes; ports may have room beyond what all of them have (MACS_SURE). */
#define NOTE_MAX (2UL * MACS_AT_MOST * 160)

void fdb_note_free(struct fdb_note *n)
{
	free(n->macs);
	n->macs = NULL;
	n->n = 0;
	n->room = 0;
}

static int compare(const void *item, const void *mac)
{
	const struct fdb_noted *m = item;

	return memcmp(m->mac, mac, 6);
}

static size_t place(const struct fdb_note *n, const uint8_t mac[6])
{
	return sorted_place(n->macs, n->n, sizeof(*n->macs), mac, compare);
}

struct fdb_noted *fdb_note_find(const struct fdb_note *n, const uint8_t mac[6])
{
	size_t i = place(n, mac);

	return i < n->n && !memcmp(n->macs[i].mac, mac, 6) ? &n->macs[i] : NULL;
}

int fdb_note_put(struct fdb_note *n, const struct fdb_noted *m)
{
	size_t i = place(n, m->mac);
	struct fdb_noted *more;

	if (i < n->n && !memcmp(n->macs[i].mac, m->mac, 6)) {
		n->macs[i] = *m;
		return 0;
	}
	more = sorted_open(n->macs, n->n, &n->room, sizeof(*n->macs), i);
	if (!more)
		return -ENOMEM;
	n->macs = more;
	n->macs[i] = *m;
	n->n++;
	return 0;
}

void fdb_note_drop(struct fdb_note *n, const uint8_t mac[6])
{
	size_t i = place(n, mac);

	if (i < n->n && !memcmp(n->macs[i].mac, mac, 6))
		sorted_close(n->macs, n->n--, sizeof(*n->macs), i);
}

/* --- The file --- */

static const char *note_path(const struct pci_addr *pf, char path[64])
{
	char addr[PCI_ADDR_LEN];

	snprintf(path, 64, FDB_DIR "/%s", pci_addr_format(pf, addr));
	return path;
}

static int read_one(const json_t *j, struct fdb_note *n, struct error *err)
{
	struct fdb_noted m = {0};
	const char *mac = json_need_string(j, "mac", err);
	const char *port = mac ? json_need_string(j, "port", err) : NULL;
	json_int_t since;

	if (!port || json_need_int(j, "since", 0, INT64_MAX, &since, err) < 0)
		return error_code(err);
	if (mac_parse(mac, m.mac) < 0 || mac_is_multicast(m.mac) || strlen(port) >= IFNAME_LEN)
		return fail(err, EINVAL, "'mac' or 'port' is none");
	memcpy(m.port, port, strlen(port) + 1);
	m.since = since;
	m.fixed = json_is_true(json_object_get(j, "static"));
	m.place = json_is_true(json_object_get(j, "refused")) ? FDB_REFUSED : FDB_IN;
	return fdb_note_put(n, &m) < 0 ? fail(err, ENOMEM, "out of memory") : 0;
}

static int read_note(const json_t *j, struct fdb_note *n, struct error *err)
{
	const json_t *macs = json_object_get(j, "macs");
	const char *ifname = json_need_string(j, "ifname", err);
	json_int_t most;
	json_int_t others;
	const json_t *one;
	size_t i;

	if (!json_is_array(macs))
		return fail(err, EINVAL, "'macs' is missing or no list");
	if (!ifname || json_need_version(j, NOTE_VERSION, err) < 0 ||
	    json_need_addr(j, "pf", &n->pf, err) < 0 ||
	    json_need_int(j, "most", 0, INT_MAX, &most, err) < 0 ||
	    json_need_int(j, "others", 0, INT_MAX, &others, err) < 0)
		return error_code(err);
	snprintf(n->ifname, sizeof(n->ifname), "%s", ifname);
	n->most = (size_t)most;
	n->others = (size_t)others;
	json_array_foreach(macs, i, one)
	{
		if (read_one(one, n, err) < 0)
			return error_code(err);
	}
	return 0;
}

int fdb_note_read(int root, const struct pci_addr *pf, struct fdb_note *out, struct error *err)
{
	AUTO_JSON json_t *j = NULL;
	char path[64];
	int r;

	*out = (struct fdb_note){.pf = *pf};
	r = json_file_read(root, note_path(pf, path), NOTE_MAX, &j, err);
	if (r < 0)
		return r;
	if (!read_note(j, out, err) && !pci_addr_cmp(&out->pf, pf))
		return 0;
	fdb_note_free(out);
	out->pf = *pf;
	fail_context(err, "/%s is not usable", path);
	return -EINVAL;
}

static void print_note(const struct fdb_note *n, struct json_out *o)
{
	char addr[PCI_ADDR_LEN];
	char mac[MAC_LEN];

	json_out_begin(o, NULL, '{');
	json_out_int(o, "version", NOTE_VERSION);
	json_out_text(o, "pf", pci_addr_format(&n->pf, addr));
	json_out_text(o, "ifname", n->ifname);
	json_out_int(o, "most", (int64_t)n->most);
	json_out_int(o, "others", (int64_t)n->others);
	json_out_begin(o, "macs", '[');
	for (size_t i = 0; i < n->n; i++) {
		json_out_begin(o, NULL, '{');
		json_out_text(o, "mac", mac_format(n->macs[i].mac, mac));
		json_out_text(o, "port", n->macs[i].port);
		json_out_int(o, "since", n->macs[i].since);
		if (n->macs[i].place == FDB_REFUSED)
			json_out_bool(o, "refused", true);
		if (n->macs[i].fixed)
			json_out_bool(o, "static", true);
		json_out_end(o, '}');
	}
	json_out_end(o, ']');
	json_out_end(o, '}');
	str_append(&o->text, "\n");
}

int fdb_note_write(int root, const struct fdb_note *n, struct error *err)
{
	CLEANUP(json_out_free) struct json_out o = JSON_OUT_INIT;
	char path[64];

	note_path(&n->pf, path);
	if (!n->n && !n->others && !n->most) {
		if (unlinkat(root, path, 0) < 0 && errno != ENOENT)
			return fail_errno(err, errno, "remove /%s", path);
		return 0;
	}
	print_note(n, &o);
	if (!str_ok(&o.text))
		return fail(err, ENOMEM, "out of memory");
	if (dir_make(root, FDB_DIR, 0755, err) < 0)
		return error_code(err);
	return file_replace_only(root, path, 0644, o.text.data, o.text.len, err);
}

int fdb_notes_read(int root, struct fdb_note **list, size_t *n, struct error *err)
{
	AUTO_NAMES struct names d = NAMES_INIT;
	const char *name;

	*list = NULL;
	*n = 0;
	if (names_open(root, FDB_DIR, &d) < 0)
		return d.error == -ENOENT ? 0 : fail_errno(err, -d.error, "read /" FDB_DIR);
	while ((name = names_next(&d))) {
		struct fdb_note *more;
		struct pci_addr pf;

		if (pci_addr_parse(name, &pf) < 0)
			continue;
		more = reallocarray(*list, *n + 1, sizeof(*more));
		if (!more)
			return fail(err, ENOMEM, "out of memory");
		*list = more;
		if (!fdb_note_read(root, &pf, &more[*n], err))
			(*n)++;
	}
	return 0;
}

void fdb_notes_free(struct fdb_note *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fdb_note_free(&list[i]);
	free(list);
}

size_t fdb_note_count(const struct fdb_note *n, enum fdb_place place)
{
	size_t found = 0;

	for (size_t i = 0; i < n->n; i++)
		found += n->macs[i].place == place;
	return found;
}
