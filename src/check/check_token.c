/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The token, the connection that it is for, and its rights: all asked for, in a few calls however
 * many VMs there are, and some tried with a call that must be refused for another reason.
 *
 * PVE checks permissions before parameters (PVE::HTTPServer rest_handler, then
 * PVE::RESTHandler handle), so a call with a parameter that cannot be valid is
 * answered 403 without the right and 400 with it, and never gets into the
 * method. For a mapping that matters twice: a PUT that got as far as the digest
 * would have read pci.cfg in a worker, whose next start then may use it stale.
 */
#include "src/check/check_token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/guest_list.h"
#include "pveapi/rest.h"
#include "pveapi/rest_token.h"
#include "pveapi/section.h"
#include "pveapi/tls.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/base/text.h"
#include "src/check/check_rights.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/mapping_id.h"

#define USER_CFG "etc/pve/user.cfg"
/* Between its fields, and between the parts of a path or a list. */
#define ACL_SEPARATORS	":/,; \t\r\n"
#define CALL_TIMEOUT_MS 10000
/* For all calls together: a cluster may have many ports. */
#define ALL_TIMEOUT_S 20
/* What is asked, or tried, of VMs and of mappings one by one. */
#define ASK_MOST	 20
#define TRY_MOST	 2
#define EXPIRY_WARN_DAYS 14
#define DAY		 86400
#define BIT(right)	 (1U << (right))

/* --- Asked --- */

struct asker {
	struct hook *h;
	struct rest *rest;
	struct deadline end;
	struct error broken; /* the connection failed: nothing more is asked */
	struct report *report;
};

static bool may_go_on(const struct asker *a)
{
	return !a->broken.code && deadline_left(&a->end);
}

/* Not PVE's answer, but none: its services are down or slow. 595 and its kin come as -EREMOTEIO. */
static bool is_no_answer(int r, const struct error *err)
{
	return r == -ECONNREFUSED || r == -ETIMEDOUT || r == -EPROTO || r == -ENOMEM ||
	       (r == -EREMOTEIO && strstr(err->text, "systemctl status pvedaemon"));
}

/* One call. What is no answer of PVE's ends all asking. */
static int ask(struct asker *a, const char *method, const char *path,
	       const struct rest_param *params, size_t n, json_t **data, struct error *err)
{
	int r;

	error_clear(err);
	if (!may_go_on(a))
		return fail(err, ECANCELED, "not asked");
	report_progress(a->report, "the token's rights, which Proxmox VE is asked for");
	r = rest_call(a->rest, method, path, params, n, data, err);
	if (r < 0 && is_no_answer(r, err)) {
		a->broken = *err;
		return fail(err, ECANCELED, "not asked");
	}
	return r;
}

/* Booleans come as 1, "1" or true. */
static bool json_is_on(const json_t *j)
{
	const char *text = json_string_value(j);

	return json_is_true(j) || json_integer_value(j) || (text && !strcmp(text, "1"));
}

static void read_rights(const json_t *found, struct path_rights *p)
{
	for (unsigned i = 0; i < RIGHT_COUNT; i++) {
		const json_t *right = json_object_get(found, right_names[i]);

		p->has |= right ? BIT(i) : 0;
		p->propagates |= json_is_on(right) ? BIT(i) : 0;
	}
}

/*
 * GET /access/permissions: everybody may ask what he may himself, and gets
 * {"<path>": {"<privilege>": <propagates>}} (PVE::API2::AccessControl), from the same
 * function that judges his calls.
 */
static void ask_path(struct asker *a, struct path_rights *p)
{
	const struct rest_param params[] = {{"path", p->path}};
	struct error err = ERROR_INIT;
	AUTO_JSON json_t *data = NULL;

	if (ask(a, "GET", "/access/permissions", params, 1, &data, &err) < 0)
		return;
	p->asked = true;
	read_rights(json_object_get(data, p->path), p);
}

/* The first few; the ACLs of a big cluster are long. */
static void note_surplus(const json_t *all, struct token_facts *f)
{
	const char *path;
	const char *privilege;
	json_t *rights;
	json_t *value;

	json_object_foreach((json_t *)all, path, rights)
	{
		json_object_foreach(rights, privilege, value)
		{
			size_t len = strlen(f->surplus);

			if (!is_surplus(privilege) || len > 120)
				continue;
			snprintf(f->surplus + len, sizeof(f->surplus) - len, "%s%.60s on %.60s",
				 len ? ", " : "", privilege, path);
		}
	}
}

/*
 * user.cfg: the ACLs, and which VMs are in a pool, whose ACL they have then. NULL: it cannot be
 * read, so any path may have an ACL of its own. The caller's to free.
 */
static char *read_acls(int root)
{
	char *text = NULL;
	ssize_t len = file_read(root, USER_CFG, PVE_FILE_MAX, &text, NULL);

	if (len < 0)
		return NULL;
	if (strlen(text) != (size_t)len) {
		free(text);
		return NULL;
	}
	return text;
}

/*
 * GET /access/permissions without a path tells of each path that has an ACL of its own or is a VM
 * in a pool; all others have what is handed down from above. Where the token has nothing, the path
 * is left out as well (PVE::RPCEnvironment get_effective_permissions): it is asked for by name, if
 * user.cfg has its last part anywhere. That is one call too many at times, and never one too few.
 * PVE's list of VMs would not do: it shows those with VM.Audit, which nothing else needs.
 */
static void learn_rights(struct asker *a, const json_t *all, const char *acls,
			 struct token_facts *f)
{
	unsigned asked = 0;

	for (size_t i = 0; i < f->n_objects; i++) {
		struct path_rights *p = &f->objects[i];
		const struct path_rights *general = p->vmid ? &f->vms : &f->mappings;
		const json_t *own = json_object_get(all, p->path);

		if (own)
			read_rights(own, p);
		else
			p->has = p->propagates = general->has & general->propagates;
		p->asked = all && general->asked;
		if (own || !p->has ||
		    (acls && !has_word(acls, strrchr(p->path, '/') + 1, ACL_SEPARATORS)))
			continue;
		p->has = p->propagates = 0;
		p->asked = false;
		if (asked++ < ASK_MOST)
			ask_path(a, p);
	}
}

/* --- Tried --- */

static void note_try(struct path_rights *p, enum right right, int r, int proof,
		     const struct error *err)
{
	if (r == -EACCES) {
		p->refused |= BIT(right);
		snprintf(p->why[right], sizeof(p->why[right]), "%.190s", err->text);
	} else if (r == proof) {
		p->tried |= BIT(right);
	}
}

/*
 * The config is not changed for want of a right digest, which is looked at before its lock is
 * taken, but after the right that an option of the hardware needs (PVE::API2::Qemu update_vm_api).
 * No start has such a timeout.
 */
static void try_vm(struct asker *a, struct path_rights *p)
{
	static const struct rest_param change[] = {
		{"tablet", "1"}, {"digest", "0000000000000000000000000000000000000000"}};
	static const struct rest_param no_timeout[] = {{"timeout", "none"}};
	struct error err = ERROR_INIT;
	char base[128];
	char path[160];
	int r;

	snprintf(base, sizeof(base), "/nodes/%s/qemu/%u", a->h->node, p->vmid);
	if (p->has & BIT(RIGHT_HWTYPE)) {
		snprintf(path, sizeof(path), "%s/config", base);
		r = ask(a, "PUT", path, change, ARRAY_SIZE(change), NULL, &err);
		note_try(p, RIGHT_HWTYPE, r, -EAGAIN, &err);
	}
	if (p->has & BIT(RIGHT_POWER)) {
		snprintf(path, sizeof(path), "%s/status/start", base);
		r = ask(a, "POST", path, no_timeout, 1, NULL, &err);
		note_try(p, RIGHT_POWER, r, -EINVAL, &err);
	}
}

/*
 * No digest is as long as this one. Mapping.Use has no such call: every one that
 * needs it would change something with it.
 */
static void try_mapping(struct asker *a, struct path_rights *p)
{
	static const struct rest_param params[] = {
		{"digest", "not-a-digest-but-a-check-of-the-right-to-change-this-mapping-at-all"}};
	struct error err = ERROR_INIT;
	char path[NAME_LEN + 32];
	int r;

	if (!(p->has & BIT(RIGHT_MODIFY)))
		return;
	snprintf(path, sizeof(path), "/cluster/mapping/pci/%s", p->mapping);
	r = ask(a, "PUT", path, params, 1, NULL, &err);
	note_try(p, RIGHT_MODIFY, r, -EINVAL, &err);
}

/* A new mapping without id and map is none. */
static void try_create(struct asker *a, struct path_rights *p)
{
	struct error err = ERROR_INIT;
	int r;

	if (!(p->has & BIT(RIGHT_MODIFY)))
		return;
	r = ask(a, "POST", "/cluster/mapping/pci", NULL, 0, NULL, &err);
	note_try(p, RIGHT_MODIFY, r, -EINVAL, &err);
}

/* --- The connection --- */

static void check_expiry(struct hook *h, struct report *r)
{
	const char *path = tls_server_cert(h->root);
	AUTO_FREE char *pem = NULL;
	ssize_t len = file_read(h->root, path, PVE_FILE_MAX, &pem, NULL);
	int64_t end;
	int64_t days;

	if (len < 0 || tls_not_after(pem, (size_t)len, &end) < 0)
		return;
	days = (end - (int64_t)time(NULL)) / DAY;
	if (days < EXPIRY_WARN_DAYS)
		report_add(r, CHECK_WARN, "tls", "",
			   "renew it: pvenode acme cert renew, or pvecm updatecerts for PVE's own",
			   "pveproxy's certificate (/%s) ends in %lld days", path, (long long)days);
}

/* Any call will do: this one is for everybody who is logged in. */
static bool check_connection(struct asker *a, struct report *r)
{
	struct error err = ERROR_INIT;
	size_t before = r->n;

	report_progress(r, "how Proxmox VE's API answers");
	if (rest_call(a->rest, "GET", "/version", NULL, 0, NULL, &err) < 0) {
		bool refused = err.code == EACCES;

		report_add(r, CHECK_FAIL, refused ? "token" : "tls", "",
			   refused ? "make it anew: /usr/lib/vfhook/setup token"
				   : "systemctl status pveproxy pvedaemon",
			   "%s", err.text);
		return false;
	}
	check_expiry(a->h, r);
	pass_unless_worse(r, before, "tls", "the API answers, with a certificate that verifies");
	return true;
}

/* --- All of it --- */

static void add_object(struct token_facts *f, const char *path, uint32_t vmid, const char *mapping)
{
	struct path_rights *p = &f->objects[f->n_objects++];

	*p = (struct path_rights){.vmid = vmid};
	snprintf(p->path, sizeof(p->path), "%s", path);
	snprintf(p->mapping, sizeof(p->mapping), "%s", mapping);
}

/* This node's VMs with ports, and those ports' mappings. False: out of memory. */
static bool list_objects(struct hook *h, const struct config *c, const struct guest_ref *guests,
			 size_t n_guests, struct token_facts *f)
{
	f->objects = calloc(2 * c->n_ports + 1, sizeof(*f->objects));
	for (size_t i = 0; f->objects && i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];
		const struct guest_ref *g = guest_find(guests, n_guests, p->vmid);
		char id[NAME_LEN];
		char path[NAME_LEN + 16];
		bool first = true;

		if (!g || g->container || strcmp(g->node, h->node) != 0)
			continue;
		for (size_t k = 0; k < i && first; k++)
			first = c->ports[k].vmid != p->vmid;
		snprintf(path, sizeof(path), "/vms/%u", p->vmid);
		if (first)
			add_object(f, path, p->vmid, "");
		port_mapping_id(p->vmid, p->slot, id);
		snprintf(path, sizeof(path), "/mapping/pci/%.*s", NAME_LEN - 1, id);
		add_object(f, path, 0, id);
	}
	return f->objects;
}

static void gather_rights(struct asker *a, struct token_facts *f)
{
	AUTO_FREE char *acls = read_acls(a->h->root);
	AUTO_JSON json_t *all = NULL;
	struct error err = ERROR_INIT;
	unsigned mappings = 0;
	unsigned vms = 0;

	snprintf(f->vms.path, sizeof(f->vms.path), "/vms");
	snprintf(f->mappings.path, sizeof(f->mappings.path), "/mapping/pci");
	ask_path(a, &f->vms);
	ask_path(a, &f->mappings);
	if (!ask(a, "GET", "/access/permissions", NULL, 0, &all, &err))
		note_surplus(all, f);
	learn_rights(a, all, acls, f);
	try_create(a, &f->mappings);
	for (size_t i = 0; i < f->n_objects; i++) {
		struct path_rights *p = &f->objects[i];

		/* What PVE does is the same for all: a few show whether it does as it says. */
		if (p->vmid && vms++ < TRY_MOST)
			try_vm(a, p);
		else if (!p->vmid && mappings++ < TRY_MOST)
			try_mapping(a, p);
	}
	f->incomplete = !f->vms.asked || !f->mappings.asked;
	for (size_t i = 0; i < f->n_objects; i++)
		f->incomplete = f->incomplete || !f->objects[i].asked;
}

static void close_asker(struct asker *a)
{
	rest_close(a->rest);
}

static void free_facts(struct token_facts *f)
{
	free(f->objects);
}

void check_token(struct hook *h, const struct config *c, const struct guest_ref *guests,
		 size_t n_guests, struct report *r)
{
	CLEANUP(close_asker) struct asker a = {.h = h, .report = r, .broken = ERROR_INIT};
	CLEANUP(free_facts) struct token_facts f = {.n_objects = 0};
	struct error err = ERROR_INIT;

	if (rest_token_name(h->root, f.name, sizeof(f.name), &err) < 0) {
		report_add(r, CHECK_FAIL, "token", "", "make it anew: /usr/lib/vfhook/setup token",
			   "%s", err.text);
		return;
	}
	report_add(r, CHECK_PASS, "token", "", "",
		   "token %s in /" VFHOOK_TOKEN_PATH ", for root alone", f.name);
	if (rest_open(h->root, CALL_TIMEOUT_MS, &a.rest, &err) < 0) {
		report_add(r, CHECK_FAIL, "tls", "",
			   strstr(err.text, "libcurl") ? "apt install libcurl4"
						       : "pvecm updatecerts",
			   "%s", err.text);
		return;
	}
	a.end = deadline_in(ALL_TIMEOUT_S * 1000LL);
	if (!check_connection(&a, r))
		return;
	if (!list_objects(h, c, guests, n_guests, &f)) {
		r->failed = true;
		return;
	}
	gather_rights(&a, &f);
	if (a.broken.code)
		report_add(r, CHECK_FAIL, "token-rights", "", "systemctl status pveproxy pvedaemon",
			   "%s", a.broken.text);
	else
		judge_rights(&f, r);
}
