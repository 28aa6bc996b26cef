/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans carried out on the fake kernel: all or nothing for a start, to the end
 * for a release, and the same after a crash at any place.
 */
#include <signal.h>

#include "src/vf/execute.h"
#include "src/vf/journal.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"
#include "src/base/json.h"
#include "src/base/run_dir.h"
#include "src/vf/executor.h"
#include "src/vf/plan_choice.h"
#include "src/vf/plan_release.h"
#include "src/vf/plan_start.h"
#include "src/vf/port_wish.h"
#include "src/vf/vf_keys.h"
#include "tests/unit/tree.h"
#include "tests/unit/locked.h"

#define VM	100
#define NOW	1790000000
#define JOURNAL RUN_DIR "/journal/100"

/* Driver manners: how the fake kernel's drivers differ in what they refuse. */
static const char *const manners[] = {
	"",
	"refuse-zero-mac-spoofchk",
	"refuse-zero-mac",
	"spoofchk-needs-mac",
	"refuse-zero-mac-spoofchk,spoofchk-needs-mac",
	"refuse-zero-mac,spoofchk-needs-mac",
};

/* Hundreds of forks: each copies the tables of what is held back after free(). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1";
}

struct rig {
	const struct tree *t;
	struct executor x;
	struct str said;
	unsigned calls;
	int (*on_call)(struct rig *r);
};

static void hear(void *arg, const char *line)
{
	struct rig *r = arg;

	assert_null(strchr(line, '\n'));
	str_printf(&r->said, "%s\n", line);
}

static int call(void *arg, const struct step *s, bool undo, struct error *err)
{
	struct rig *r = arg;

	(void)s;
	(void)undo;
	(void)err;
	r->calls++;
	if (r->on_call && r->on_call(r))
		return (fail)(err, EIO, "the cluster said no");
	return 0;
}

static void add_thing(struct plan *p, const char *what)
{
	const struct step_object thing = {
		.kind = "thing", .name = "a", .what = what, .harmless = true};

	assert_int_equal(plan_add_object(p, &thing, NULL), 0);
}

static void rig_open(struct rig *r, const struct tree *t)
{
	*r = (struct rig){.t = t, .said = STR_INIT};
	r->x = (struct executor){.root = t->root, .call = call, .say = hear, .arg = r};
	assert_int_equal(kernel_open(t->root, &r->x.kernel, NULL), 0);
	assert_int_equal(run_dirs_make(t->root, NULL), 0);
}

static void rig_close(struct rig *r)
{
	kernel_close(r->x.kernel);
	str_free(&r->said);
}

/* --- The fake kernel's pages --- */

static json_t *page_load(const struct tree *t, const char *page)
{
	AUTO_FREE char *text = tree_read(t->root, page);
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;
	json_t *vfs;

	if (!j)
		j = json_pack("{s:b s:b s:[] s:[]}", "up", 1, "carrier", 1, "vfs", "quirks");
	vfs = json_object_get(j, "vfs");
	while (json_array_size(vfs) < (strcmp(page, PAGE0) ? 4 : 7)) {
		struct vf_settings s = {.has = 0xff, .proto = VLAN_PROTO_8021Q, .spoofchk = true};

		json_array_append_new(vfs, vf_settings_to_json(&s));
	}
	return j;
}

static void page_store(const struct tree *t, const char *page, json_t *j)
{
	AUTO_FREE char *text = json_dumps(j, 0);

	tree_write(t->root, page, text);
	json_decref(j);
}

/* "a,b" becomes the list of quirks. */
static void quirks(const struct tree *t, const char *page, const char *list)
{
	AUTO_FREE char *copy = strdup(list);
	json_t *j = page_load(t, page);
	json_t *q = json_array();
	char *rest = copy;
	const char *part;

	while ((part = strsep(&rest, ","))) {
		if (*part)
			json_array_append_new(q, json_string(part));
	}
	json_object_set_new(j, "quirks", q);
	page_store(t, page, j);
}

__attribute__((format(printf, 3, 4))) static void quirksf(const struct tree *t, const char *page,
							  const char *fmt, ...)
{
	char list[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(list, sizeof(list), fmt, ap);
	va_end(ap);
	quirks(t, page, list);
}

static void vf_put(const struct tree *t, const char *page, unsigned vf, const struct vf_settings *s)
{
	json_t *j = page_load(t, page);

	json_array_set_new(json_object_get(j, "vfs"), vf, vf_settings_to_json(s));
	page_store(t, page, j);
}

static struct vf_settings vf_get(const struct tree *t, const char *page, unsigned vf)
{
	json_t *j = page_load(t, page);
	struct vf_settings s;

	assert_int_equal(
		vf_settings_from_json(json_array_get(json_object_get(j, "vfs"), vf), &s, NULL), 0);
	json_decref(j);
	return s;
}

static void describe_page(const struct tree *t, const char *page, struct str *out)
{
	json_t *j = page_load(t, page);
	AUTO_FREE char *text = json_dumps(json_object_get(j, "vfs"), JSON_SORT_KEYS);

	str_printf(out, "%s %s\n", page, text);
	json_decref(j);
}

/* All that may be seen of the machine: VFs, driver_override, leases, journals. Caller frees. */
static char *world(const struct tree *t)
{
	struct str out = STR_INIT;

	describe_page(t, PAGE0, &out);
	describe_page(t, PAGE1, &out);
	for (unsigned i = 0; i < 7; i++) {
		struct pci_addr a = igb_vf(i);
		char addr[PCI_ADDR_LEN];
		char path[128];
		char buf[64];

		pci_addr_format(&a, addr);
		snprintf(path, sizeof(path), DEV "%s/driver_override", addr);
		if (attr_read(t->root, path, buf, sizeof(buf)) > 0 && strcmp(buf, "(null)") != 0)
			str_printf(&out, "%s override %s\n", addr, buf);
		snprintf(path, sizeof(path), LEASE_DIR "/%s", addr);
		if (path_exists(t->root, path)) {
			AUTO_FREE char *text = tree_read(t->root, path);

			str_printf(&out, "%s lease %s\n", addr, text);
		}
	}
	str_printf(&out, "%u leases, %u journals\n", tree_count(t->root, LEASE_DIR),
		   tree_count(t->root, RUN_DIR "/journal"));
	return str_take(&out);
}

/* Prints the lines that differ, and fails, unless the world is as it was. */
static void same_world(const char *before, const struct tree *t, const char *when)
{
	AUTO_FREE char *now = world(t);
	AUTO_FREE char *old = strdup(before);
	char *a_rest = old;
	char *b_rest = now;
	bool same = !strcmp(before, now);

	while (!same && a_rest && b_rest) {
		const char *a = strsep(&a_rest, "\n");
		const char *b = strsep(&b_rest, "\n");

		if (strcmp(a, b) != 0)
			print_error("%s:\nwas %s\nis  %s\n", when, a, b);
	}
	assert_true(same);
}

/* --- Plans --- */

static struct vf_settings everything(void)
{
	return (struct vf_settings){
		.has = 0xff,
		.vlan = 20,
		.qos = 3,
		.proto = VLAN_PROTO_8021AD,
		.mac = {0xbc, 0x24, 0x11, 0, 0, 1},
		.spoofchk = true,
		.trust = true,
		.query_rss = true,
		.min_rate = 10,
		.max_rate = 100,
		.link_state = VF_LINK_ENABLE,
	};
}

/* Another state in which nothing is as above, and nothing as a driver makes it. */
static struct vf_settings something_else(void)
{
	return (struct vf_settings){
		.has = 0xff,
		.vlan = 7,
		.proto = VLAN_PROTO_8021Q,
		.mac = {2, 0, 0, 0, 0, 9},
		.spoofchk = false,
		.min_rate = 1,
		.max_rate = 2,
		.link_state = VF_LINK_DISABLE,
	};
}

static void observe(struct rig *r, struct snapshot *s)
{
	struct pf_id pfs[] = {{.addr = addr_of(PF0)}, {.addr = addr_of(PF1)}};
	struct observer o = {.root = r->t->root, .kernel = r->x.kernel, .vmid = VM};

	assert_int_equal(snapshot_read(&o, pfs, 2, NULL, 0, true, s, NULL), 0);
}

static void make_wish(struct port_wish *w, unsigned slot, const struct pf_id *pf,
		      const struct vf_settings *want)
{
	*w = (struct port_wish){.vmid = VM,
				.slot = slot,
				.pool = "wan",
				.name = "fw",
				.pfs = pf,
				.n_pfs = 1,
				.want = *want,
				.numa_node = -1};
}

/* Two ports, one on each PF, the second one with the same wishes but another MAC. */
static void plan_two(struct rig *r, const struct vf_settings *want, struct plan *p)
{
	static struct pf_id pfs[2];
	struct port_wish w[2];
	struct port_choice choices[2];
	struct vf_settings other = *want;
	struct error err = ERROR_INIT;
	struct snapshot s;

	pfs[0].addr = addr_of(PF0);
	pfs[1].addr = addr_of(PF1);
	other.mac[5]++;
	make_wish(&w[0], 0, &pfs[0], want);
	make_wish(&w[1], 1, &pfs[1], &other);
	observe(r, &s);
	plan_init(p, PLAN_START, VM);
	if (plan_start(&s, w, 2, NOW, choices, p, &err) < 0)
		print_error("%s\n", err.text);
	assert_true(p->n_steps > 0);
	snapshot_free(&s);
}

/* One port, on VF 0 of the igb PF. */
static void plan_one(struct rig *r, enum plan_kind kind, const struct vf_settings *want,
		     struct plan *p)
{
	struct pf_id pf = {.addr = addr_of(PF0)};
	struct pci_addr vf = igb_vf(0);
	struct error err = ERROR_INIT;
	struct port_wish w;
	struct snapshot s;

	make_wish(&w, 0, &pf, want);
	observe(r, &s);
	plan_init(p, kind, VM);
	assert_int_equal(plan_port_on(&s, &w, &vf, NOW, p, &err), 0);
	snapshot_free(&s);
}

static void plan_back(struct rig *r, struct plan *p)
{
	struct pci_addr vf = igb_vf(0);
	const struct pf_state *pf;
	const struct vf_state *v;
	struct error err = ERROR_INIT;
	struct lease l;
	struct snapshot s;

	assert_int_equal(lease_read(r->t->root, &vf, &l, &err), 0);
	observe(r, &s);
	v = snapshot_find(&s, &vf, &pf);
	plan_init(p, PLAN_RELEASE, VM);
	assert_int_equal(plan_release(pf, v, &l, p, &err), 0);
	snapshot_free(&s);
}

static void start(struct rig *r, const struct vf_settings *want)
{
	struct error err = ERROR_INIT;
	struct plan p;

	plan_one(r, PLAN_START, want, &p);
	if (locked_execute(&r->x, &p, &err) < 0)
		print_error("%s\n", err.text);
	assert_int_equal(err.code, 0);
	plan_free(&p);
}

static int release(struct rig *r, struct error *err)
{
	struct plan p;
	int e;

	plan_back(r, &p);
	e = locked_execute(&r->x, &p, err);
	plan_free(&p);
	return e;
}

static void equal(const struct vf_settings *want, const struct vf_settings *now)
{
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		if (!vf_attr_equal((enum vf_attr)a, want, now))
			print_error("%s differs\n", vf_attr_name((enum vf_attr)a));
		assert_true(vf_attr_equal((enum vf_attr)a, want, now));
	}
}

/* --- Start --- */

static void test_start(void **state)
{
	struct vf_settings want = everything();
	struct pci_addr vf = igb_vf(0);
	struct error err = ERROR_INIT;
	struct vf_settings now;
	struct lease l;
	struct plan p;
	struct rig r;
	char buf[64];

	rig_open(&r, *state);
	plan_two(&r, &want, &p);
	assert_int_equal(locked_execute(&r.x, &p, &err), 0);
	now = vf_get(r.t, PAGE0, 0);
	equal(&want, &now);
	now = vf_get(r.t, PAGE1, 0);
	want.mac[5]++;
	equal(&want, &now);
	assert_int_equal(lease_read(r.t->root, &vf, &l, &err), 0);
	assert_int_equal(l.vmid, VM);
	assert_int_equal(l.phase, LEASE_STARTING);
	assert_int_equal(l.before.vlan, 0);
	assert_true(attr_read(r.t->root, DEV "0000:06:10.0/driver_override", buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "vfio-pci");
	assert_int_equal(tree_count(r.t->root, LEASE_DIR), 2);
	assert_int_equal(tree_count(r.t->root, RUN_DIR "/journal"), 0);
	plan_free(&p);
	rig_close(&r);
}

static void test_nothing_to_do(void **state)
{
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	plan_init(&p, PLAN_START, VM);
	assert_int_equal(locked_execute(&r.x, &p, NULL), 0);
	assert_int_equal(locked_recover(&r.x, VM, &(struct error){0}), 0);
	rig_close(&r);
}

static bool by_parking(const char *manner)
{
	return strstr(manner, "refuse-zero-mac") && !strstr(manner, "refuse-zero-mac-spoofchk");
}

/*
 * Each attribute fails in turn, on the second of two VFs, for VFs in two
 * states and with every manner: afterwards all is as it was.
 */
static void test_start_is_all_or_nothing(void **state)
{
	struct vf_settings want = everything();
	struct vf_settings else_ = something_else();
	struct rig r;

	rig_open(&r, *state);
	for (size_t m = 0; m < ARRAY_SIZE(manners); m++) {
		for (int shape = 0; shape < 2; shape++) {
			for (int a = 0; a < VF_ATTR_COUNT; a++) {
				const char *name = vf_attr_name((enum vf_attr)a);
				AUTO_FREE char *before = NULL;
				struct error err = ERROR_INIT;
				struct plan p;

				/* A VF whose zero MAC cannot come back is another test's. */
				if (!shape &&
				    (by_parking(manners[m]) || strstr(manners[m], "needs-mac")))
					continue;
				/* On already: nothing to fail. */
				if (!shape && a == VF_SPOOFCHK)
					continue;
				unlinkat(r.t->root, PAGE0, 0);
				unlinkat(r.t->root, PAGE1, 0);
				quirks(r.t, PAGE0, manners[m]);
				if (shape) {
					vf_put(r.t, PAGE0, 0, &else_);
					vf_put(r.t, PAGE1, 0, &else_);
				}
				plan_two(&r, &want, &p);
				before = world(r.t);
				quirksf(r.t, PAGE1, "%s,fail:%s", manners[m], name);
				assert_int_equal(locked_execute(&r.x, &p, &err), -EIO);
				assert_has(err.text, "firmware said no");
				assert_has(err.text, "VF 0 of enp7s0, i40e");
				assert_has(err.text, name);
				same_world(before, r.t, name);
				plan_free(&p);
			}
		}
	}
	rig_close(&r);
}

/* A VF that was without a MAC and whose driver cannot clear it gets one that nobody has. */
static void test_undo_where_zero_is_refused(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	struct pci_addr vf = igb_vf(0);
	struct vf_settings now;
	uint8_t parking[6];
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	quirks(r.t, PAGE0, "refuse-zero-mac,fail:query_rss");
	plan_one(&r, PLAN_START, &want, &p);
	assert_int_equal(locked_execute(&r.x, &p, &err), -EIO);
	now = vf_get(r.t, PAGE0, 0);
	vf_parking_mac(&vf, parking);
	assert_memory_equal(now.mac, parking, 6);
	assert_true(now.spoofchk);
	assert_int_equal(now.vlan, 0);
	assert_false(now.trust);
	assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
	plan_free(&p);
	rig_close(&r);
}

/* Some drivers want spoofchk off for a zero MAC: an undo must not leave it off. */
static void test_undo_leaves_spoofchk_on(void **state)
{
	struct vf_settings want = {
		.has = HAS_MAC | HAS_TRUST, .mac = {2, 0, 0, 0, 0, 1}, .trust = true};
	struct rig r;

	rig_open(&r, *state);
	for (size_t m = 0; m < ARRAY_SIZE(manners); m++) {
		struct error err = ERROR_INIT;
		struct vf_settings now;
		struct plan p;

		unlinkat(r.t->root, PAGE0, 0);
		quirks(r.t, PAGE0, manners[m]);
		plan_one(&r, PLAN_START, &want, &p);
		quirksf(r.t, PAGE0, "%s,fail:trust", manners[m]);
		assert_int_equal(locked_execute(&r.x, &p, &err), -EIO);
		now = vf_get(r.t, PAGE0, 0);
		assert_true(now.spoofchk);
		assert_memory_not_equal(now.mac, want.mac, 6);
		assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
		plan_free(&p);
	}
	rig_close(&r);
}

static void test_lost_race(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	AUTO_FREE char *before = NULL;
	struct lease l = {.vf = igb_vf(0), .pf = addr_of(PF0), .vmid = 105, .pool = "wan"};
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	plan_two(&r, &want, &p);
	assert_int_equal(locked_take(r.t->root, &l, NULL), 0);
	before = world(r.t);
	assert_int_equal(locked_execute(&r.x, &p, &err), -EEXIST);
	same_world(before, r.t, "race");
	plan_free(&p);
	rig_close(&r);
}

/* Its last owner gave it back between our look at its settings and our lease. */
static void test_changed_before_the_lease(void **state)
{
	struct vf_settings want = {.has = HAS_MAC, .mac = {0xbc, 0x24, 0x11, 0, 0, 1}};
	struct vf_settings his = {.has = 0xff,
				  .vlan = 55,
				  .proto = VLAN_PROTO_8021Q,
				  .spoofchk = true,
				  .max_rate = 500};
	struct vf_settings parked = {.has = 0xff, .proto = VLAN_PROTO_8021Q, .spoofchk = true};
	struct vf_settings now;
	struct error err = ERROR_INIT;
	struct pci_addr vf = igb_vf(0);
	struct lease l;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	vf_put(r.t, PAGE0, 0, &his);
	plan_one(&r, PLAN_START, &want, &p);
	vf_put(r.t, PAGE0, 0, &parked);
	/* Planned on what is no longer so: as a race that was lost, with nothing done. */
	assert_int_equal(locked_execute(&r.x, &p, &err), -EEXIST);
	assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
	assert_false(path_exists(r.t->root, JOURNAL));
	now = vf_get(r.t, PAGE0, 0);
	equal(&parked, &now);
	plan_free(&p);
	start(&r, &want);
	assert_int_equal(lease_read(r.t->root, &vf, &l, NULL), 0);
	equal(&parked, &l.before);
	rig_close(&r);
}

static void test_override_fails(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	AUTO_FREE char *before = NULL;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	plan_one(&r, PLAN_START, &want, &p);
	unlinkat(r.t->root, DEV "0000:06:10.0/driver_override", 0);
	before = world(r.t);
	assert_true(locked_execute(&r.x, &p, &err) < 0);
	assert_has(err.text, "driver_override");
	same_world(before, r.t, "override");
	plan_free(&p);
	rig_close(&r);
}

/* The driver's name and the attribute's, since a person has to choose between the two. */
static void test_unsupported(void **state)
{
	static const struct {
		const char *quirk;
		const char *name;
		struct vf_settings want;
	} cases[] = {
		{"no-trust", "trust", {.has = HAS_MAC | HAS_TRUST, .mac = {2}, .trust = true}},
		{"no-spoofchk", "spoofchk", {.has = HAS_MAC | HAS_SPOOFCHK, .mac = {2}}},
		{"no-rate", "rate", {.has = HAS_MAC | HAS_MAX_RATE, .mac = {2}, .max_rate = 5}},
		{"no-link-state",
		 "link state",
		 {.has = HAS_MAC | HAS_LINK_STATE, .mac = {2}, .link_state = VF_LINK_ENABLE}},
		{"no-query-rss",
		 "query_rss",
		 {.has = HAS_MAC | HAS_QUERY_RSS, .mac = {2}, .query_rss = true}},
		{"no-8021ad",
		 "VLAN",
		 {.has = HAS_MAC | HAS_VLAN, .mac = {2}, .vlan = 5, .proto = VLAN_PROTO_8021AD}},
	};
	struct rig r;

	rig_open(&r, *state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		AUTO_FREE char *before = NULL;
		struct vf_settings want = cases[i].want;
		struct plan p;

		unlinkat(r.t->root, PAGE0, 0);
		quirks(r.t, PAGE0, cases[i].quirk);
		before = world(r.t);
		plan_one(&r, PLAN_START, &want, &p);
		assert_true(locked_execute(&r.x, &p, &err) < 0);
		assert_has(err.text, "igb");
		assert_has(err.text, cases[i].name);
		same_world(before, r.t, cases[i].quirk);
		plan_free(&p);
		/* Who does not ask for it does not notice. */
		want.has = HAS_MAC;
		start(&r, &want);
		assert_int_equal(release(&r, &err), 0);
	}
	rig_close(&r);
}

static void test_accepted_but_ignored(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	AUTO_FREE char *before = NULL;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	quirks(r.t, PAGE0, "ignore-link-state");
	before = world(r.t);
	plan_one(&r, PLAN_START, &want, &p);
	assert_true(locked_execute(&r.x, &p, &err) < 0);
	assert_has(err.text, "link state enable");
	assert_has(err.text, "auto");
	assert_has(err.text, "igb");
	same_world(before, r.t, "read back");
	plan_free(&p);
	rig_close(&r);
}

static void test_busy_is_waited_for(void **state)
{
	struct vf_settings want = everything();
	struct vf_settings now;
	struct error err = ERROR_INIT;
	struct rig r;

	rig_open(&r, *state);
	quirks(r.t, PAGE0, "busy:4");
	start(&r, &want);
	now = vf_get(r.t, PAGE0, 0);
	equal(&want, &now);
	quirks(r.t, PAGE0, "busy:4");
	assert_int_equal(release(&r, &err), 0);
	rig_close(&r);
}

/* --- Calls --- */

static int refuse_call(struct rig *r)
{
	(void)r;
	return 1;
}

static void test_call(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	AUTO_FREE char *before = NULL;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	before = world(r.t);
	plan_two(&r, &want, &p);
	add_thing(&p, "first thing");
	add_thing(&p, "second thing");
	r.on_call = refuse_call;
	assert_int_equal(locked_execute(&r.x, &p, &err), -EIO);
	assert_has(err.text, "the cluster said no");
	assert_int_equal(r.calls, 1);
	same_world(before, r.t, "call");
	r.on_call = NULL;
	error_clear(&err);
	assert_int_equal(locked_execute(&r.x, &p, &err), 0);
	assert_int_equal(r.calls, 3);
	plan_free(&p);
	rig_close(&r);
}

/* --- When undoing fails too --- */

static int break_pf(struct rig *r)
{
	quirks(r->t, PAGE0, "gone");
	return 1;
}

static int break_vlan(struct rig *r)
{
	quirks(r->t, PAGE0, "fail:VLAN");
	return 1;
}

static int remove_nic(struct rig *r)
{
	quirks(r->t, PAGE0, "gone");
	return tree_shell("cd %s/sys/bus/pci/devices && rm 0000:06:*", r->t->path) + 1;
}

/* Nobody may have a VF in an unknown state; the VM itself cleans it later. */
static void dirty_start(struct rig *r, int (*on_call)(struct rig *r))
{
	struct vf_settings want = everything();
	struct pci_addr vf = igb_vf(0);
	struct error err = ERROR_INIT;
	struct vf_settings now;
	struct lease l;
	struct plan p;

	plan_one(r, PLAN_START, &want, &p);
	add_thing(&p, "a thing");
	r->on_call = on_call;
	assert_int_equal(locked_execute(&r->x, &p, &err), -EIO);
	plan_free(&p);
	assert_has(str_get(&r->said), "could not undo");
	assert_int_equal(lease_read(r->t->root, &vf, &l, &err), 0);
	assert_int_equal(l.phase, LEASE_DIRTY);
	assert_int_equal(l.vmid, VM);
	assert_int_equal(tree_count(r->t->root, RUN_DIR "/journal"), 0);
	quirks(r->t, PAGE0, "");
	error_clear(&err);
	assert_int_equal(release(r, &err), 0);
	now = vf_get(r->t, PAGE0, 0);
	equal(&(struct vf_settings){.has = 0xff, .spoofchk = true}, &now);
	assert_int_equal(tree_count(r->t->root, LEASE_DIR), 0);
}

static void test_pf_gone_in_the_middle(void **state)
{
	struct rig r;

	rig_open(&r, *state);
	dirty_start(&r, break_pf);
	rig_close(&r);
}

static void test_undo_fails(void **state)
{
	struct rig r;

	rig_open(&r, *state);
	dirty_start(&r, break_vlan);
	rig_close(&r);
}

/* With the NIC the VFs are gone: a lease on nothing helps nobody. */
static void test_nic_gone_in_the_middle(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	plan_one(&r, PLAN_START, &want, &p);
	add_thing(&p, "a thing");
	r.on_call = remove_nic;
	assert_int_equal(locked_execute(&r.x, &p, &err), -EIO);
	assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
	assert_int_equal(tree_count(r.t->root, RUN_DIR "/journal"), 0);
	plan_free(&p);
	rig_close(&r);
}

/* --- Release --- */

/* Whatever the driver wants for it: no guest's address, VLAN or trust stays, spoofchk is on. */
static void test_release_with_every_manner(void **state)
{
	struct vf_settings want = everything();
	struct pci_addr vf = igb_vf(0);
	uint8_t parking[6];
	struct rig r;

	rig_open(&r, *state);
	vf_parking_mac(&vf, parking);
	for (size_t m = 0; m < 2 * ARRAY_SIZE(manners); m++) {
		const char *manner = manners[m / 2];
		struct error err = ERROR_INIT;
		struct vf_settings now;

		unlinkat(r.t->root, PAGE0, 0);
		quirks(r.t, PAGE0, manner);
		want.spoofchk = m % 2;
		start(&r, &want);
		assert_int_equal(release(&r, &err), 0);
		now = vf_get(r.t, PAGE0, 0);
		assert_true(now.spoofchk);
		assert_int_equal(now.vlan, 0);
		assert_false(now.trust);
		assert_int_equal(now.max_rate, 0);
		assert_int_equal(now.link_state, VF_LINK_AUTO);
		assert_false(now.query_rss);
		if (by_parking(manner) ||
		    (strstr(manner, "needs-mac") &&
		     (!want.spoofchk || strstr(manner, "refuse-zero-mac-spoofchk"))))
			assert_memory_equal(now.mac, parking, 6);
		else
			assert_true(mac_is_zero(now.mac));
		assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
		assert_int_equal(tree_count(r.t->root, RUN_DIR "/journal"), 0);
	}
	rig_close(&r);
}

/* One attribute after the other refuses to go: all others go, and the VF is nobody's. */
static void test_release_that_fails(void **state)
{
	struct vf_settings want = everything();
	struct pci_addr vf = igb_vf(0);
	struct rig r;

	rig_open(&r, *state);
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		struct error err = ERROR_INIT;
		struct vf_settings now;
		struct lease l;

		want.spoofchk = false;
		start(&r, &want);
		quirksf(r.t, PAGE0, "fail:%s", vf_attr_name((enum vf_attr)a));
		assert_int_equal(release(&r, &err), -EIO);
		assert_has(err.text, "0000:06:10.0");
		assert_has(err.text, "firmware said no");
		assert_int_equal(lease_read(r.t->root, &vf, &l, &err), 0);
		assert_int_equal(l.phase, LEASE_DIRTY);
		assert_int_equal(l.vmid, VM);
		assert_int_equal(l.qemu_pid, 0);
		now = vf_get(r.t, PAGE0, 0);
		for (int b = 0; b < VF_ATTR_COUNT; b++) {
			struct vf_settings clean = {.has = vf_attr_bits((enum vf_attr)b),
						    .spoofchk = true};

			if (b != a && b != VF_MAC)
				assert_true(vf_attr_equal((enum vf_attr)b, &clean, &now));
		}
		assert_int_equal(tree_count(r.t->root, RUN_DIR "/journal"), 0);
		quirks(r.t, PAGE0, "");
		error_clear(&err);
		assert_int_equal(release(&r, &err), 0);
		now = vf_get(r.t, PAGE0, 0);
		equal(&(struct vf_settings){.has = 0xff, .spoofchk = true}, &now);
		assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
	}
	rig_close(&r);
}

static void test_release_of_a_vf_that_is_gone(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	start(&r, &want);
	plan_back(&r, &p);
	assert_int_equal(remove_nic(&r), 1);
	assert_int_equal(locked_execute(&r.x, &p, &err), 0);
	assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
	plan_free(&p);
	rig_close(&r);
}

/* --- Mend --- */

static void test_mend_goes_on(void **state)
{
	struct vf_settings want = everything();
	struct pci_addr vf = igb_vf(0);
	struct error err = ERROR_INIT;
	struct vf_settings now;
	struct lease l;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	quirks(r.t, PAGE0, "fail:trust");
	plan_one(&r, PLAN_MEND, &want, &p);
	assert_int_equal(locked_execute(&r.x, &p, &err), -EIO);
	assert_has(err.text, "trust");
	now = vf_get(r.t, PAGE0, 0);
	want.trust = false;
	equal(&want, &now);
	assert_int_equal(lease_read(r.t->root, &vf, &l, &err), 0);
	assert_int_equal(l.vmid, VM);
	assert_int_equal(tree_count(r.t->root, RUN_DIR "/journal"), 0);
	plan_free(&p);
	rig_close(&r);
}

static void test_mend_ends_at_anothers_lease(void **state)
{
	struct vf_settings want = everything();
	struct lease l = {.vf = igb_vf(0), .pf = addr_of(PF0), .vmid = 105, .pool = "wan"};
	struct error err = ERROR_INIT;
	AUTO_FREE char *before = NULL;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	plan_one(&r, PLAN_MEND, &want, &p);
	assert_int_equal(locked_take(r.t->root, &l, NULL), 0);
	before = world(r.t);
	assert_int_equal(locked_execute(&r.x, &p, &err), -EEXIST);
	same_world(before, r.t, "mend");
	plan_free(&p);
	rig_close(&r);
}

/* --- Whose it is, asked where the deed is done --- */

/* VM 105 gets the VF, as when a person removes our lease in the middle and a start takes it. */
static int lose_it(struct rig *r)
{
	struct lease l = {.vf = igb_vf(0), .pf = addr_of(PF0), .vmid = 105, .pool = "wan"};
	struct vf_settings his = something_else();

	l.before.proto = l.want.proto = VLAN_PROTO_8021Q;
	wipe_lease(r->t->root, &l.vf);
	assert_int_equal(locked_take(r->t->root, &l, NULL), 0);
	vf_put(r->t, PAGE0, 0, &his);
	return 0;
}

/* The same plan with a call in front of step n: what it does comes between two steps. */
static void call_before(struct plan *p, size_t n)
{
	struct step last;

	add_thing(p, "something between");
	last = p->steps[p->n_steps - 1];
	memmove(&p->steps[n + 1], &p->steps[n], (p->n_steps - 1 - n) * sizeof(last));
	p->steps[n] = last;
}

/* Wherever in a plan it is lost, nothing of it is done to the VF that is another's now. */
static void test_lost_in_the_middle(void **state)
{
	static const enum plan_kind kinds[] = {PLAN_START, PLAN_RELEASE, PLAN_MEND};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (size_t n = 1;; n++) {
			struct vf_settings want = everything();
			struct vf_settings his = something_else();
			struct vf_settings now;
			struct pci_addr vf = igb_vf(0);
			struct error err = ERROR_INIT;
			struct lease l;
			struct plan p;
			struct rig r;
			bool over;

			rig_open(&r, *state);
			unlinkat(r.t->root, PAGE0, 0);
			wipe_lease(r.t->root, &vf);
			if (kinds[k] == PLAN_RELEASE) {
				start(&r, &want);
				plan_back(&r, &p);
			} else {
				plan_one(&r, kinds[k], &want, &p);
			}
			/* The last step is the lease's own, or only reads. */
			over = n + 1 >= p.n_steps;
			call_before(&p, n);
			r.on_call = lose_it;
			assert_true(locked_execute(&r.x, &p, &err) < 0);
			now = vf_get(r.t, PAGE0, 0);
			equal(&his, &now);
			assert_int_equal(lease_read(r.t->root, &vf, &l, NULL), 0);
			assert_int_equal(l.vmid, 105);
			plan_free(&p);
			rig_close(&r);
			if (over)
				break;
		}
	}
}

/* bnxt's MAC, i40e's spoofchk, rates of ice and mlx5: refused, and done all the same. */
static void test_refused_and_done(void **state)
{
	static const char *const attrs[] = {"MAC", "VLAN", "trust", "rate"};
	struct vf_settings want = everything();
	struct rig r;

	rig_open(&r, *state);
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		struct error err = ERROR_INIT;
		struct vf_settings before;
		struct vf_settings now;
		struct plan p;

		unlinkat(r.t->root, PAGE0, 0);
		before = vf_get(r.t, PAGE0, 0);
		plan_one(&r, PLAN_START, &want, &p);
		quirksf(r.t, PAGE0, "fail-keeps:%s", attrs[i]);
		assert_int_equal(locked_execute(&r.x, &p, &err), -EIO);
		plan_free(&p);
		/* The step that failed is undone too: nobody gets a VF with anything of that start.
		 */
		now = vf_get(r.t, PAGE0, 0);
		equal(&before, &now);
		assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
		/* And a release is done if the VF reads back as it is to be. */
		quirks(r.t, PAGE0, "");
		start(&r, &want);
		quirksf(r.t, PAGE0, "fail-keeps:%s", attrs[i]);
		assert_int_equal(release(&r, &err), 0);
		assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
		now = vf_get(r.t, PAGE0, 0);
		assert_true(mac_is_zero(now.mac));
		assert_int_equal(now.vlan, 0);
		assert_false(now.trust);
	}
	rig_close(&r);
}

/* "Look again" is for who lost a lease; a driver that says so has been asked for long enough. */
static void test_again_of_a_driver(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	AUTO_FREE char *before = NULL;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	quirks(r.t, PAGE0, "again-after:0");
	before = world(r.t);
	plan_one(&r, PLAN_START, &want, &p);
	assert_int_equal(locked_execute(&r.x, &p, &err), -EBUSY);
	assert_int_equal(err.code, EBUSY);
	same_world(before, r.t, "EAGAIN");
	plan_free(&p);
	rig_close(&r);
}

/* One whose link was forced up by somebody is not as we leave them: it is read again when taken. */
static void test_link_enable_is_not_clean(void **state)
{
	struct vf_settings seen = {.has = 0xff,
				   .proto = VLAN_PROTO_8021Q,
				   .spoofchk = true,
				   .link_state = VF_LINK_ENABLE};
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	vf_put(r.t, PAGE0, 0, &seen);
	plan_one(&r, PLAN_START, &want, &p);
	seen.vlan = 77;
	vf_put(r.t, PAGE0, 0, &seen);
	assert_int_equal(locked_execute(&r.x, &p, &err), -EEXIST);
	assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
	plan_free(&p);
	rig_close(&r);
}

/* Where zero is refused twice, the spoofchk that was off for the second try is on again. */
static void test_spoofchk_comes_back(void **state)
{
	struct vf_settings want = {.has = HAS_MAC, .mac = {2, 0, 0, 0, 0, 9}};
	struct error err = ERROR_INIT;
	struct vf_settings now;
	uint8_t parking[6];
	struct pci_addr vf = igb_vf(0);
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	quirks(r.t, PAGE0, "refuse-zero-mac");
	start(&r, &want);
	plan_back(&r, &p);
	for (size_t i = 0; i < p.n_steps; i++) {
		if (p.steps[i].kind == STEP_GUARD)
			p.steps[i].kind = STEP_VERIFY;
	}
	assert_int_equal(locked_execute(&r.x, &p, &err), 0);
	now = vf_get(r.t, PAGE0, 0);
	vf_parking_mac(&vf, parking);
	assert_memory_equal(now.mac, parking, 6);
	assert_true(now.spoofchk);
	plan_free(&p);
	rig_close(&r);
}

/* The journal becomes something that cannot be removed. */
static int nail_journal(struct rig *r)
{
	unlinkat(r->t->root, JOURNAL, 0);
	return mkdirat(r->t->root, JOURNAL, 0755) || mkdirat(r->t->root, JOURNAL "/in", 0755);
}

/* A start whose journal stays would be undone by the next run: it is undone now, and refused. */
static void test_journal_stays(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	struct vf_settings before;
	struct vf_settings now;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	before = vf_get(r.t, PAGE0, 0);
	plan_one(&r, PLAN_START, &want, &p);
	add_thing(&p, "a thing");
	r.on_call = nail_journal;
	assert_true(locked_execute(&r.x, &p, &err) < 0);
	assert_has(err.text, "journal");
	assert_int_equal(tree_count(r.t->root, LEASE_DIR), 0);
	now = vf_get(r.t, PAGE0, 0);
	equal(&before, &now);
	plan_free(&p);
	rig_close(&r);
}

/* A plan is carried out with the lock of its VM, and with no other. */
static void test_wrong_lock(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	AUTO_FREE char *before = NULL;
	struct owner *other;
	struct owner *none;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	plan_one(&r, PLAN_START, &want, &p);
	other = owner_of(r.t->root, 105);
	assert_int_equal(owner_pretend(VM, &none, &err), 0);
	before = world(r.t);
	assert_int_equal(execute(&r.x, other, &p, &err), -EPERM);
	assert_int_equal(execute(&r.x, none, &p, &err), -EPERM);
	same_world(before, r.t, "wrong lock");
	owner_unlock(other);
	owner_unlock(none);
	plan_free(&p);
	rig_close(&r);
}

/* --- Crashes --- */

enum job { JOB_START, JOB_START_AGAIN, JOB_RELEASE, JOB_MEND, JOB_MEND_AGAIN, JOBS };

static bool is_mend(enum job job)
{
	return job == JOB_MEND || job == JOB_MEND_AGAIN;
}

/* How things are before the job, and its plan. */
static void prepare(struct rig *r, enum job job, const char *manner, struct plan *p)
{
	struct vf_settings want = everything();
	struct vf_settings else_ = something_else();
	struct pci_addr vf = igb_vf(0);

	unlinkat(r->t->root, PAGE0, 0);
	unlinkat(r->t->root, PAGE1, 0);
	unlinkat(r->t->root, JOURNAL, 0);
	wipe_lease(r->t->root, &vf);
	sys_write(r->t->root, DEV "0000:06:10.0/driver_override", "(null)\n");
	vf_put(r->t, PAGE0, 0, &else_);
	quirks(r->t, PAGE0, manner);
	if (job != JOB_START && job != JOB_MEND) {
		start(r, &want);
		want.vlan = 30;
		want.mac[5] = 0x77;
		want.trust = false;
	}
	if (job == JOB_RELEASE)
		plan_back(r, p);
	else
		plan_one(r, is_mend(job) ? PLAN_MEND : PLAN_START, &want, p);
}

static int run_plan(struct rig *r, const struct plan *p)
{
	return locked_execute(&r->x, p, NULL) ? 1 : 0;
}

static int run_recover(struct rig *r)
{
	struct error err = ERROR_INIT;

	return locked_recover(&r->x, VM, &err) < 0;
}

/* True if a child that carries the plan out (or recovers) is killed before its nth set. */
static bool dies(struct rig *r, const struct plan *p, const char *manner, unsigned n)
{
	pid_t pid;
	int status;

	quirksf(r->t, PAGE0, "%s,die-after:%u", manner, n);
	pid = fork();
	if (!pid)
		_exit(p ? run_plan(r, p) : run_recover(r));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	quirks(r->t, PAGE0, manner);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void recovered(struct rig *r, const char *want, const char *when)
{
	struct error err = ERROR_INIT;
	int e = locked_recover(&r->x, VM, &err);

	if (e < 0)
		print_error("%s\n", err.text);
	assert_int_equal(e, 1);
	same_world(want, r->t, when);
	/* Twice is harmless. */
	assert_int_equal(locked_recover(&r->x, VM, &err), 0);
	same_world(want, r->t, when);
}

/* What the world must be after the recovery: as before (a start), or as after (the others). */
static char *wanted(struct rig *r, enum job job, const char *manner)
{
	char *want;
	struct plan p;

	prepare(r, job, manner, &p);
	if (job == JOB_RELEASE || is_mend(job))
		assert_int_equal(run_plan(r, &p), 0);
	want = world(r->t);
	plan_free(&p);
	return want;
}

static void crash_everywhere(struct rig *r, enum job job, const char *manner)
{
	AUTO_FREE char *want = wanted(r, job, manner);
	bool died = true;
	unsigned n;

	for (n = 0; died; n++) {
		char when[128];
		struct plan p;

		prepare(r, job, manner, &p);
		snprintf(when, sizeof(when), "job %d, %s, set %u", job, manner, n);
		died = dies(r, &p, manner, n);
		if (died)
			recovered(r, want, when);
		plan_free(&p);
		assert_true(n < 40);
	}
	assert_true(n > 3);
}

static void test_crash(void **state)
{
	struct rig r;

	rig_open(&r, *state);
	for (int job = 0; job < JOBS; job++) {
		for (size_t m = 0; m < ARRAY_SIZE(manners); m++)
			crash_everywhere(&r, (enum job)job, manners[m]);
	}
	rig_close(&r);
}

/* The recovery may be cut off as well, at any place, after a crash at any place. */
static void test_crash_in_the_recovery(void **state)
{
	struct rig r;

	rig_open(&r, *state);
	for (int job = 0; job < JOBS; job++) {
		AUTO_FREE char *want = wanted(&r, (enum job)job, "");

		for (unsigned n = 1; n < 8; n += 2) {
			for (unsigned m = 0; m < 8; m += 3) {
				struct plan p;
				bool died;

				prepare(&r, (enum job)job, "", &p);
				if (dies(&r, &p, "", n)) {
					died = dies(&r, NULL, "", m);
					if (died)
						recovered(&r, want, "second crash");
					else
						same_world(want, r.t, "recovery");
				}
				plan_free(&p);
			}
		}
	}
	rig_close(&r);
}

/* The order in which a VF is set up, seen by stopping after each step. */
static void test_order(void **state)
{
	static const enum vf_attr order[] = {VF_VLAN, VF_MAC,	     VF_SPOOFCHK, VF_TRUST,
					     VF_RATE, VF_LINK_STATE, VF_QUERY_RSS};
	struct vf_settings want = everything();
	struct rig r;

	rig_open(&r, *state);
	for (unsigned n = 0; n < ARRAY_SIZE(order); n++) {
		struct vf_settings now;
		struct plan p;

		prepare(&r, JOB_START, "", &p);
		assert_true(dies(&r, &p, "", n));
		now = vf_get(r.t, PAGE0, 0);
		for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
			assert_int_equal(vf_attr_equal(order[i], &want, &now), i < n);
		plan_free(&p);
	}
	rig_close(&r);
}

/* The journal is written, and nothing done yet. */
static void test_crash_before_the_first_step(void **state)
{
	struct rig r;

	rig_open(&r, *state);
	for (int job = 0; job < JOBS; job++) {
		AUTO_FREE char *want = wanted(&r, (enum job)job, "");
		struct plan p;

		prepare(&r, (enum job)job, "", &p);
		assert_int_equal(journal_write(r.t->root, &p, NULL), 0);
		recovered(&r, want, "journal only");
		plan_free(&p);
	}
	rig_close(&r);
}

/* Everything is done, and only the journal not yet dropped. */
static void test_crash_after_the_last_step(void **state)
{
	struct rig r;

	rig_open(&r, *state);
	for (int job = 0; job < JOBS; job++) {
		AUTO_FREE char *want = wanted(&r, (enum job)job, "");
		struct plan p;

		prepare(&r, (enum job)job, "", &p);
		assert_int_equal(run_plan(&r, &p), 0);
		assert_int_equal(journal_write(r.t->root, &p, NULL), 0);
		recovered(&r, want, "before the drop");
		plan_free(&p);
	}
	rig_close(&r);
}

/* Cut off in the middle; then the lease went, and another VM has the VF by now. */
static void test_never_anothers_vf(void **state)
{
	struct vf_settings his = {.has = 0xff,
				  .vlan = 55,
				  .proto = VLAN_PROTO_8021Q,
				  .mac = {2, 0, 0, 0, 0, 0x55},
				  .spoofchk = true};
	struct lease l = {.vf = igb_vf(0), .pf = addr_of(PF0), .vmid = 105, .pool = "wan"};
	struct rig r;

	rig_open(&r, *state);
	for (int job = 0; job < JOBS; job++) {
		for (unsigned n = 0; n < 6; n++) {
			AUTO_FREE char *want = NULL;
			struct error err = ERROR_INIT;
			struct plan p;
			bool died;

			prepare(&r, (enum job)job, "", &p);
			died = dies(&r, &p, "", n);
			if (!died) {
				plan_free(&p);
				break;
			}
			locked_drop(r.t->root, 100, &l.vf, NULL);
			assert_int_equal(locked_take(r.t->root, &l, NULL), 0);
			vf_put(r.t, PAGE0, 0, &his);
			assert_int_equal(renameat(r.t->root, JOURNAL, r.t->root, "aside"), 0);
			want = world(r.t);
			assert_int_equal(renameat(r.t->root, "aside", r.t->root, JOURNAL), 0);
			assert_int_equal(locked_recover(&r.x, VM, &err), 1);
			same_world(want, r.t, "another VM's");
			plan_free(&p);
		}
	}
	rig_close(&r);
}

/* One of two VFs is another VM's by now: the other one is put right all the same. */
static void test_one_of_two(void **state)
{
	struct vf_settings want = everything();
	struct lease l = {.vf = igb_vf(0), .pf = addr_of(PF0), .vmid = 105, .pool = "wan"};
	struct error err = ERROR_INIT;
	struct vf_settings his;
	struct vf_settings now;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	plan_two(&r, &want, &p);
	assert_int_equal(locked_execute(&r.x, &p, &err), 0);
	assert_int_equal(journal_write(r.t->root, &p, &err), 0);
	assert_int_equal(locked_drop(r.t->root, 100, &l.vf, NULL), 0);
	assert_int_equal(locked_take(r.t->root, &l, NULL), 0);
	his = vf_get(r.t, PAGE0, 0);
	assert_int_equal(locked_recover(&r.x, VM, &err), 1);
	now = vf_get(r.t, PAGE0, 0);
	equal(&his, &now);
	now = vf_get(r.t, PAGE1, 0);
	equal(&(struct vf_settings){.has = 0xff, .spoofchk = true}, &now);
	assert_int_equal(tree_count(r.t->root, LEASE_DIR), 1);
	plan_free(&p);
	rig_close(&r);
}

/* Interface names and numbers of then may not be those of now. */
static void test_interface_renumbered(void **state)
{
	AUTO_FREE char *want = NULL;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	want = wanted(&r, JOB_START, "");
	prepare(&r, JOB_START, "", &p);
	assert_true(dies(&r, &p, "", 4));
	sys_write(r.t->root, DEV PF0 "/net/enp6s0f0/ifindex", "50\n");
	recovered(&r, want, "renumbered");
	plan_free(&p);
	rig_close(&r);
}

/* A killed writer leaves half a lease beside the lease. */
static void test_half_a_lease(void **state)
{
	AUTO_FREE char *want = NULL;
	struct plan p;
	struct rig r;

	rig_open(&r, *state);
	want = wanted(&r, JOB_START, "");
	prepare(&r, JOB_START, "", &p);
	assert_true(dies(&r, &p, "", 2));
	tree_write(r.t->root, LEASE_DIR "/.tmp-0000:06:10.0", "{\"ver");
	recovered(&r, want, "temporary file");
	plan_free(&p);
	rig_close(&r);
}

/* What a call of then was is not known now: it is not done with whatever has its number. */
static void test_recovery_makes_no_calls(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	struct rig r;

	rig_open(&r, *state);
	for (int kind = PLAN_START; kind <= PLAN_MEND; kind += PLAN_MEND - PLAN_START) {
		struct plan p;

		plan_one(&r, (enum plan_kind)kind, &want, &p);
		assert_int_equal(plan_add_object(&p,
						 &(struct step_object){
							 .kind = "thing",
							 .name = "a",
							 .what = "mapping vf-100-0 on pve1 -> x",
							 .harmless = true},
						 &err),
				 0);
		assert_int_equal(journal_write(r.t->root, &p, &err), 0);
		str_free(&r.said);
		assert_int_equal(locked_recover(&r.x, VM, &err), 1);
		assert_int_equal(r.calls, 0);
		assert_has(str_get(&r.said), "mapping vf-100-0 on pve1 -> x");
		plan_free(&p);
	}
	rig_close(&r);
}

static void test_broken_journal(void **state)
{
	struct vf_settings want = everything();
	struct error err = ERROR_INIT;
	struct pci_addr vf = igb_vf(0);
	struct vf_settings now;
	struct lease l;
	struct rig r;

	rig_open(&r, *state);
	start(&r, &want);
	tree_write(r.t->root, JOURNAL, "{\"version\":1");
	assert_int_equal(locked_recover(&r.x, VM, &err), 1);
	assert_has(str_get(&r.said), JOURNAL);
	assert_has(str_get(&r.said), "100.broken");
	assert_true(path_exists(r.t->root, JOURNAL ".broken"));
	assert_false(path_exists(r.t->root, JOURNAL));
	now = vf_get(r.t, PAGE0, 0);
	equal(&want, &now);
	assert_int_equal(lease_read(r.t->root, &vf, &l, &err), 0);
	assert_int_equal(locked_recover(&r.x, VM, &err), 0);
	assert_int_equal(release(&r, &err), 0);
	rig_close(&r);
}

/* A release that cannot be finished after a crash is a dirty VF, not an endless journal. */
static void test_recovery_fails(void **state)
{
	struct pci_addr vf = igb_vf(0);
	struct error err = ERROR_INIT;
	struct rig r;

	rig_open(&r, *state);
	for (int job = 0; job < JOBS; job++) {
		struct lease l;
		struct plan p;

		if (is_mend((enum job)job))
			continue;
		prepare(&r, (enum job)job, "", &p);
		assert_true(dies(&r, &p, "", 2));
		quirks(r.t, PAGE0, "fail:VLAN");
		locked_recover(&r.x, VM, &err);
		if (job == JOB_RELEASE) /* its VLAN had gone already */
			quirks(r.t, PAGE0, "");
		if (!lease_read(r.t->root, &vf, &l, NULL)) {
			assert_int_equal(l.vmid, VM);
			assert_int_equal(l.phase, LEASE_DIRTY);
		}
		assert_int_equal(tree_count(r.t->root, RUN_DIR "/journal"), 0);
		plan_free(&p);
	}
	rig_close(&r);
}

/* A start that finds a MAC of its own on a free VF takes it away there, and puts nothing worse. */
static void test_double_mac(void **state)
{
	struct vf_settings want = everything();
	struct pf_id pfs = {.addr = addr_of(PF0)};
	struct rig r;

	rig_open(&r, *state);
	for (size_t m = 0; m < ARRAY_SIZE(manners); m++) {
		struct pci_addr used = igb_vf(0);
		struct error err = ERROR_INIT;
		struct port_choice choice;
		struct vf_settings other;
		struct port_wish w;
		struct snapshot s;
		struct plan p;

		unlinkat(r.t->root, PAGE0, 0);
		locked_drop(r.t->root, 100, &used, NULL);
		other = (struct vf_settings){.has = 0xff, .spoofchk = true};
		memcpy(other.mac, want.mac, 6);
		vf_put(r.t, PAGE0, 3, &other);
		quirks(r.t, PAGE0, manners[m]);
		make_wish(&w, 0, &pfs, &want);
		observe(&r, &s);
		plan_init(&p, PLAN_START, VM);
		assert_int_equal(plan_start(&s, &w, 1, NOW, &choice, &p, &err), 0);
		assert_int_equal(locked_execute(&r.x, &p, &err), 0);
		other = vf_get(r.t, PAGE0, 3);
		assert_memory_not_equal(other.mac, want.mac, 6);
		assert_true(other.spoofchk);
		assert_int_equal(tree_count(r.t->root, LEASE_DIR), 1);
		snapshot_free(&s);
		plan_free(&p);
	}
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		nic_test(test_start),
		nic_test(test_nothing_to_do),
		nic_test(test_start_is_all_or_nothing),
		nic_test(test_undo_where_zero_is_refused),
		nic_test(test_undo_leaves_spoofchk_on),
		nic_test(test_lost_race),
		nic_test(test_changed_before_the_lease),
		nic_test(test_override_fails),
		nic_test(test_unsupported),
		nic_test(test_accepted_but_ignored),
		nic_test(test_busy_is_waited_for),
		nic_test(test_call),
		nic_test(test_pf_gone_in_the_middle),
		nic_test(test_undo_fails),
		nic_test(test_nic_gone_in_the_middle),
		nic_test(test_release_with_every_manner),
		nic_test(test_release_that_fails),
		nic_test(test_release_of_a_vf_that_is_gone),
		nic_test(test_mend_goes_on),
		nic_test(test_mend_ends_at_anothers_lease),
		nic_test(test_lost_in_the_middle),
		nic_test(test_refused_and_done),
		nic_test(test_again_of_a_driver),
		nic_test(test_link_enable_is_not_clean),
		nic_test(test_spoofchk_comes_back),
		nic_test(test_journal_stays),
		nic_test(test_wrong_lock),
		nic_test(test_crash),
		nic_test(test_crash_in_the_recovery),
		nic_test(test_order),
		nic_test(test_crash_before_the_first_step),
		nic_test(test_crash_after_the_last_step),
		nic_test(test_never_anothers_vf),
		nic_test(test_one_of_two),
		nic_test(test_interface_renumbered),
		nic_test(test_half_a_lease),
		nic_test(test_recovery_makes_no_calls),
		nic_test(test_broken_journal),
		nic_test(test_recovery_fails),
		nic_test(test_double_mac),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
