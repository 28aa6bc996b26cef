/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook fdb: guests on a bridge and guests on VFs of the NIC below it can talk
 * (src/fdb/fdb_plan.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest_macs.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/fdb_clear.h"
#include "src/fdb/fdb_note.h"
#include "src/fdb/fdb_service.h"
#include "src/port/fdb_lock.h"
#include "src/show/time_words.h"

struct notes {
	struct fdb_note *list;
	size_t n;
	struct guest_mac *guests;
	size_t n_guests;
};

static void notes_free(struct notes *n)
{
	fdb_notes_free(n->list, n->n);
	free(n->guests);
}

/* The guest in whose config it is, 0: in none. */
static uint32_t guest_of(const struct notes *n, const uint8_t mac[6])
{
	for (size_t i = 0; i < n->n_guests; i++) {
		if (!memcmp(n->guests[i].mac, mac, 6))
			return n->guests[i].vmid;
	}
	return 0;
}

static json_t *mac_json(const struct notes *n, const struct fdb_noted *m)
{
	uint32_t vmid = guest_of(n, m->mac);
	char mac[MAC_LEN];
	json_t *j = json_pack("{s:s s:s s:I s:b}", "mac", mac_format(m->mac, mac), "port", m->port,
			      "since", (json_int_t)m->since, "refused", m->place == FDB_REFUSED);

	if (j && vmid)
		json_object_set_new(j, "vmid", json_integer(vmid));
	return j;
}

static json_t *note_json(const struct notes *n, const struct fdb_note *note)
{
	json_t *macs = json_array();
	char addr[PCI_ADDR_LEN];

	for (size_t i = 0; i < note->n; i++)
		json_array_append_new(macs, mac_json(n, &note->macs[i]));
	return json_pack("{s:s s:s s:I s:I s:o}", "pf", pci_addr_format(&note->pf, addr), "ifname",
			 note->ifname, "room", (json_int_t)note->most, "others",
			 (json_int_t)note->others, "macs", macs);
}

static int list_json(const struct notes *n, enum output_format format)
{
	AUTO_JSON json_t *all = json_array();

	for (size_t i = 0; i < n->n; i++)
		json_array_append_new(all, note_json(n, &n->list[i]));
	return output_json(all, format);
}

#define ROW "%-18s %-10s %-16s %-15s %-19s %s\n"

static void print_note(const struct notes *n, const struct fdb_note *note)
{
	for (size_t i = 0; i < note->n; i++) {
		const struct fdb_noted *m = &note->macs[i];
		uint32_t vmid = guest_of(n, m->mac);
		char since[TIME_WORDS_LEN];
		char guest[16] = "-";
		char mac[MAC_LEN];

		if (vmid)
			snprintf(guest, sizeof(guest), "%u", vmid);
		printf(ROW, mac_format(m->mac, mac), guest, m->port, note->ifname,
		       time_words(m->since, since), m->place == FDB_REFUSED ? "no room" : "in");
	}
}

static int list(struct hook *h, enum output_format format)
{
	CLEANUP(notes_free) struct notes n = {0};
	struct error err = ERROR_INIT;

	if (fdb_notes_read(h->root, &n.list, &n.n, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	if (err.code)
		complain("%s", err.text);
	/* Without names of guests it is a list all the same. */
	if (guest_all_macs(h->root, &n.guests, &n.n_guests, NULL) < 0)
		n.n_guests = 0;
	if (format != OUTPUT_TEXT)
		return list_json(&n, format);
	if (fdb_service_runs(h->root) == ANSWER_NO)
		say("vfhook-fdb.service does not run: what follows is how it left it");
	if (n.n)
		printf(ROW, "MAC", "GUEST", "BEHIND", "PF", "SINCE", "STATE");
	else if (!err.code)
		say("no PF's filter has anything of ours: vfhook pool add <name> --pf <interface> "
		    "--fdb on");
	for (size_t i = 0; i < n.n; i++)
		print_note(&n, &n.list[i]);
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	const char *format_text = NULL;
	bool once = false;
	const struct opt opts[] = {{"once", NULL, &once},
				   {"dry-run", NULL, &h->dry_run},
				   {"output-format", &format_text, NULL}};
	struct error err = ERROR_INIT;
	enum output_format format;
	const char *verb = NULL;
	size_t n;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &verb, 1, &n) ||
	    output_format_parse(format_text, &format))
		return EXIT_USAGE;
	if (n && strcmp(verb, "list") != 0 && strcmp(verb, "clear") != 0) {
		complain("fdb: no such thing to do: '%s'; see vfhook fdb --help", verb);
		return EXIT_USAGE;
	}
	if (n && !strcmp(verb, "clear")) {
		if (!once && !format_text)
			return fdb_clear(h);
		complain("fdb clear has no option but --dry-run; see vfhook fdb --help");
		return EXIT_USAGE;
	}
	if (n && (once || h->dry_run)) {
		complain("fdb list only looks: --once and --dry-run are for vfhook fdb");
		return EXIT_USAGE;
	}
	if (n)
		return list(h, format);
	if (!fdb_service_run(h, once, &err))
		return EXIT_DONE;
	complain("%s", err.text);
	return EXIT_REFUSED;
}

const struct command cmd_fdb = {
	.name = "fdb",
	.summary = "let guests on a bridge and on VFs of one NIC talk",
	.help = "Usage: vfhook fdb [--once] [--dry-run]\n"
		"       vfhook fdb list [--output-format text|json|json-pretty]\n"
		"       vfhook fdb clear [--dry-run]\n"
		"\n"
		"A card delivers a frame from a VF to the PF only if its MAC is in the PF's own\n"
		"filter, and MACs of guests on a bridge over the PF are not. This puts them\n"
		"there, and takes them out again, for the PFs of pools with `fdb on`, as the\n"
		"bridges learn and forget them. vfhook-fdb.service runs it; what others have put\n"
		"into a filter stays.\n"
		"\n"
		"  list       which MACs are in, of which guest, behind which port, since when,\n"
		"             and for which there was no room\n"
		"  clear      take out what vfhook has put in, while nobody keeps the filters: "
		"what\n"
		"             an uninstall does, since a service that is stopped leaves them\n"
		"  --once     make the filters right, and end\n"
		"  --dry-run  tell what would be done and why, and do nothing\n",
	.run = run,
	.without_pve = "",
};
