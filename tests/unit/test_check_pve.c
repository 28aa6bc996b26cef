/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Proxmox VE side of vfhook check: what each judge makes of its facts. */
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/check/check_install.h"
#include "src/check/check_mapping.h"
#include "src/check/check_pve.h"
#include "src/check/check_rights.h"
#include "src/check/check_vms.h"
#include "tests/unit/tree.h"
#include "pveapi/storage.h"
#include "src/port/context.h"
#include "src/port/hostpci_judge.h"

static const char *const levels[] = {"PASS", "WARN", "FAIL"};

/* The whole report, a line "LEVEL id subject: text -> remedy" for each finding. */
static const char *told(const struct report *r, char *buf, size_t size)
{
	buf[0] = '\0';
	for (size_t i = 0; i < r->n; i++) {
		size_t len = strlen(buf);

		snprintf(buf + len, size - len, "%s %s %s: %s -> %s\n", levels[r->list[i].level],
			 r->list[i].id, r->list[i].subject, r->list[i].text, r->list[i].remedy);
	}
	return buf;
}

#define assert_told(r, n_findings, part)                                                           \
	do {                                                                                       \
		char all_[8192];                                                                   \
		told(&(r), all_, sizeof(all_));                                                    \
		assert_int_equal((r).n, n_findings);                                               \
		assert_has(all_, part);                                                            \
		report_free(&(r));                                                                 \
	} while (0)

static void test_node(void **state)
{
	static const struct {
		bool is_pve;
		const char *version;
		const char *want;
	} cases[] = {
		{false, "",
		 "FAIL pve : this machine is no node of its Proxmox VE cluster: there is no "
		 "/etc/pve/nodes/pve1"},
		{true, "9.2.6", "PASS pve : node pve1 of Proxmox VE 9.2.6"},
		{true, "8.0.3~1", "PASS pve : node pve1 of Proxmox VE 8.0.3~1"},
		{true, "7.4-3", "FAIL pve : Proxmox VE 7.4-3 has no PCI resource mappings"},
		{true, "", "PASS pve : node pve1 of Proxmox VE ->"},
		{true, "0.x", "PASS pve : node pve1 of Proxmox VE ->"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct node_facts f = {.node = "pve1", .is_pve = cases[i].is_pve};
		struct report r = {0};

		snprintf(f.version, sizeof(f.version), "%s", cases[i].version);
		judge_node(&f, &r);
		assert_told(r, 1, cases[i].want);
	}
}

static void test_dpkg(void **state)
{
	static const char text[] =
		"Package: pve-manager-x\nStatus: install ok installed\nVersion: 1\n\n"
		"Package: pve-manager\nStatus: install ok installed\nDescription: x\n Version: 3\n"
		"Version: 9.2.6\n\nPackage: old\nStatus: deinstall ok config-files\nVersion: 2\n\n"
		"Package: cut\nStatus: install ok installed";
	char v[64];

	(void)state;
	assert_true(dpkg_version(text, "pve-manager", v, sizeof(v)));
	assert_string_equal(v, "9.2.6");
	assert_false(dpkg_version(text, "old", v, sizeof(v)));
	assert_false(dpkg_version(text, "cut", v, sizeof(v)));
	assert_false(dpkg_version(text, "manager", v, sizeof(v)));
	assert_false(dpkg_version("", "pve-manager", v, sizeof(v)));
}

static void test_quorum(void **state)
{
	static const struct {
		const char *members;
		size_t n;
		const char *want;
	} cases[] = {
		{"{\n\"nodename\": \"pve1\",\n\"version\": 3\n}\n", 1,
		 "PASS quorum : a single node"},
		{"{\"cluster\": { \"name\": \"c\", \"version\": 2, \"nodes\": 3, \"quorate\": 1 }}",
		 1, "PASS quorum : cluster c has quorum (3 nodes)"},
		{"{\"cluster\": { \"name\": \"c\", \"nodes\": 3, \"quorate\": 0 }}", 1,
		 "FAIL quorum : no quorum in cluster c: /etc/pve is read-only"},
		{"{\"cluster\": { \"name\": 7, \"nodes\": -3, \"quorate\": \"1\" }}", 1,
		 "FAIL quorum"},
		{"[]", 0, ""},
		{"{\"cluster\":", 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct node_facts f = {.is_pve = true};
		struct report r = {0};

		members_parse(cases[i].members, strlen(cases[i].members), &f);
		judge_quorum(&f, &r);
		assert_told(r, cases[i].n, cases[i].want);
	}
}

static void test_config(void **state)
{
	static const char text[] =
		"pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\nport: 100-0\n\tpool "
		"wan\n\nport: 101-0\n\tpool lan\n\nport: 102-0\n\tpool wan\n\tvlaan 3\n\n"
		"guest: 103\n\tchian x\n";
	CLEANUP(config_free) struct config c = {0};
	struct report r = {0};
	char all[4096];

	(void)state;
	assert_int_equal(config_parse("cfg", text, strlen(text), &c, NULL), 0);
	judge_config(&c, &r);
	told(&r, all, sizeof(all));
	assert_has(all, "FAIL config port 101-0: there is no pool 'lan'");
	assert_has(all, "FAIL config port 102-0: cfg:12: a port has no 'vlaan'");
	assert_has(all, "FAIL config VM 103: cfg:15: a guest has no 'chian'");
	assert_told(r, 3, "");
}

static void test_snippets(void **state)
{
	static const struct {
		enum snippet_state state;
		bool listed;
		size_t n;
		const char *want;
	} cases[] = {
		{SNIPPET_NONE, true, 1,
		 "FAIL snippet : no storage of this node has snippets/vfhook"},
		{SNIPPET_OURS, true, 1, "PASS snippet storage nas: nas:snippets/vfhook is vfhook"},
		{SNIPPET_OURS, false, 1, "-> pvesm set nas --content iso,backup,snippets"},
		{SNIPPET_NO_EXEC, true, 1, "-> chmod +x /mnt/nas/snippets/vfhook"},
		{SNIPPET_OTHER, true, 1,
		 "WARN snippet storage nas: /mnt/nas/snippets/vfhook is another"},
		{SNIPPET_NO_EXEC, false, 2, "-> pvesm set nas"},
	};
	char id[] = "nas";
	char path[] = "/mnt/nas";
	char content[] = "iso,backup";
	const struct storage s = {id, path, content, true};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct snippet_facts f = {&s, cases[i].state, cases[i].listed};
		struct report r = {0};

		judge_snippets(&f, 1, &r);
		assert_told(r, cases[i].n, cases[i].want);
	}
}

static void test_vm(void **state)
{
	const struct vm_facts good = {.vmid = 100,
				      .exists = true,
				      .here = true,
				      .hookscript = "local:snippets/vfhook",
				      .slots = 5,
				      .named = 5};
	struct report r = {0};
	struct vm_facts v = good;

	(void)state;
	judge_vm(&v, &r);
	assert_told(r, 0, "");
	v.named = 1;
	judge_vm(&v, &r);
	assert_told(r, 1, "WARN hookscript VM 100: hostpci2 is not mapping=vf-100-2");
	v.hookscript[0] = '\0';
	judge_vm(&v, &r);
	assert_told(r, 2, "-> vfhook attach 100 --slot 0");
	v = good;
	v.named = 1;
	v.slot[2].verdict = ENTRY_REFUSE;
	snprintf(v.slot[2].why, sizeof(v.slot[2].why), "it names a GPU");
	snprintf(v.slot[2].mend, sizeof(v.slot[2].mend), "vfhook detach 100 --slot 2");
	judge_vm(&v, &r);
	assert_told(r, 1,
		    "FAIL hookscript VM 100: it is not started: hostpci2: it names a GPU -> vfhook "
		    "detach 100 --slot 2");
	v = good;
	snprintf(v.unusable, sizeof(v.unusable), "it is gone");
	judge_vm(&v, &r);
	assert_told(r, 1, "FAIL hookscript VM 100: it is gone");
	v = good;
	snprintf(v.chain_unusable, sizeof(v.chain_unusable), "other is gone");
	judge_vm(&v, &r);
	assert_told(r, 1,
		    "FAIL hookscript VM 100: the script that is run after vfhook: other is gone");
	v = good;
	snprintf(v.broken, sizeof(v.broken), "bad line");
	judge_vm(&v, &r);
	assert_told(r, 1, "FAIL hookscript VM 100: bad line");
	v = good;
	v.here = false;
	v.hookscript[0] = '\0';
	judge_vm(&v, &r);
	assert_told(r, 0, "");
	v.exists = false;
	judge_vm(&v, &r);
	assert_told(r, 1, "WARN port VM 100: ");
}

static void test_macs(void **state)
{
	struct mac_owner list[] = {
		{{2, 0, 0, 0, 0, 2}, 101, -1}, {{2, 0, 0, 0, 0, 1}, 102, -1},
		{{2, 0, 0, 0, 0, 1}, 102, -1}, {{2, 0, 0, 0, 0, 1}, 100, 3},
		{{2, 0, 0, 0, 0, 3}, 103, -1}, {{2, 0, 0, 0, 0, 3}, 103, 0},
		{{2, 0, 0, 0, 0, 2}, 104, -1},
	};
	struct report r = {0};
	char all[4096];

	(void)state;
	judge_macs(list, ARRAY_SIZE(list), &r);
	told(&r, all, sizeof(all));
	assert_has(all,
		   "FAIL mac : MAC 02:00:00:00:00:01 is there more than once: port 100-3, netN of "
		   "guest 102 -> vfhook set 100 --slot 3 --mac auto");
	assert_has(all,
		   "WARN mac : MAC 02:00:00:00:00:02 is there more than once: netN of guest 101, "
		   "netN of guest 104");
	/* A guest's netN that stands in for its own VF is no mistake. */
	assert_told(r, 2, "");
	judge_macs(list, 1, &r);
	assert_told(r, 1, "PASS mac");
	judge_macs(NULL, 0, &r);
	assert_told(r, 0, "");
}

static void test_mapping(void **state)
{
	const struct mapping_facts good = {.vmid = 100,
					   .there = true,
					   .wanted_here = true,
					   .has_here = true,
					   .path = "0000:06:10.0",
					   .is_vf = true,
					   .id = {"8086:10ca", "8086:10ca"},
					   .iommugroup = {"7", "7"}};
	struct mapping_facts m = good;
	struct report r = {0};

	(void)state;
	judge_mapping(&m, &r);
	assert_told(r, 0, "");
	snprintf(m.iommugroup[1], sizeof(m.iommugroup[1]), "8");
	judge_mapping(&m, &r);
	assert_told(r, 1,
		    "WARN mappings mapping vf-100-0: iommugroup of 0000:06:10.0 is 7, but the "
		    "hardware has 8");
	m = good;
	snprintf(m.subsystem_id[0], sizeof(m.subsystem_id[0]), "8086:0000");
	judge_mapping(&m, &r);
	assert_told(r, 1, "subsystem-id of 0000:06:10.0 is 8086:0000, but the hardware has none");
	m = good;
	m.is_vf = false;
	snprintf(m.missing, sizeof(m.missing), "pve2, pve3");
	judge_mapping(&m, &r);
	assert_told(r, 2, "VM 100 cannot move to pve2, pve3");
	m.has_here = m.wanted_here = false;
	judge_mapping(&m, &r);
	assert_told(r, 1, "cannot move to");
	m.there = false;
	judge_mapping(&m, &r);
	assert_told(r, 1, "port 100-0 has no mapping yet");
}

/* --- Rights --- */

#define ALL	 ((1U << RIGHT_COUNT) - 1)
#define B(right) (1U << RIGHT_##right)

static void token(struct token_facts *f, struct path_rights objects[3])
{
	static const char *const paths[] = {"/vms/100", "/vms/101", "/mapping/pci/vf-100-0"};

	*f = (struct token_facts){.name = "vfhook@pve!hook", .objects = objects, .n_objects = 3};
	f->vms = (struct path_rights){.path = "/vms", .asked = true, .has = ALL, .propagates = ALL};
	f->mappings = f->vms;
	snprintf(f->mappings.path, sizeof(f->mappings.path), "/mapping/pci");
	for (size_t i = 0; i < 3; i++) {
		objects[i] = f->vms;
		objects[i].vmid = i < 2 ? 100 + (uint32_t)i : 0;
		objects[i].tried = ALL;
		snprintf(objects[i].path, sizeof(objects[i].path), "%s", paths[i]);
	}
}

static void test_rights(void **state)
{
	struct path_rights o[3];
	struct token_facts f;
	struct report r = {0};

	(void)state;
	token(&f, o);
	judge_rights(&f, &r);
	assert_told(r, 1, "PASS token-rights : token vfhook@pve!hook has every right");

	/* Nowhere: one finding, at the top, with a command that mends it. */
	f.vms.has = o[0].has = o[1].has = ALL & ~B(HWTYPE);
	judge_rights(&f, &r);
	assert_told(r, 1,
		    "FAIL token-rights : token vfhook@pve!hook lacks VM.Config.HWType on /vms -> "
		    "pveum role modify VFHook --append 1 --privs VM.Config.HWType; pveum acl "
		    "modify /vms --roles VFHook --users vfhook@pve ");

	/* For one VM alone. */
	token(&f, o);
	o[1].has = ALL & ~B(POWER);
	judge_rights(&f, &r);
	assert_told(r, 1, "lacks VM.PowerMgmt on /vms/101 -> ");

	/* At the top, but not below. */
	token(&f, o);
	f.mappings.propagates = 0;
	o[2].has = 0;
	judge_rights(&f, &r);
	assert_told(r, 2,
		    "lacks Mapping.Use on /mapping/pci: it has it there, but not for what is "
		    "below (no propagate)");

	/* For what is there now, but not for more. */
	token(&f, o);
	f.vms.has = f.vms.propagates = ALL & ~B(HWTYPE);
	judge_rights(&f, &r);
	assert_told(r, 1,
		    "WARN token-rights : token vfhook@pve!hook lacks VM.Config.HWType on /vms");

	/* New mappings are made on /mapping/pci itself. */
	token(&f, o);
	f.mappings.has = f.mappings.propagates = ALL & ~B(MODIFY);
	judge_rights(&f, &r);
	assert_told(r, 1,
		    "FAIL token-rights : token vfhook@pve!hook lacks Mapping.Modify on "
		    "/mapping/pci -> ");

	/* Asked and tried differ. */
	token(&f, o);
	o[0].refused = B(HWTYPE);
	snprintf(o[0].why[RIGHT_HWTYPE], sizeof(o[0].why[0]), "403 no, no");
	judge_rights(&f, &r);
	assert_told(r, 1,
		    "FAIL token-rights : token vfhook@pve!hook lacks VM.Config.HWType on "
		    "/vms/100: it is told to have it, but the call is refused: 403 no, no");
}

static void test_rights_unknown(void **state)
{
	struct path_rights o[3];
	struct token_facts f;
	struct report r = {0};

	(void)state;
	/* Nothing was answered for that path: no verdict on it, but a word. */
	token(&f, o);
	o[1].asked = false;
	o[1].has = 0;
	f.incomplete = true;
	judge_rights(&f, &r);
	assert_told(r, 1, "WARN token-rights : not every right could be asked for");
	token(&f, o);
	f.n_objects = 0;
	f.vms.has = ALL & ~B(POWER);
	judge_rights(&f, &r);
	assert_told(r, 1, "FAIL token-rights : token vfhook@pve!hook lacks VM.PowerMgmt on /vms");
	token(&f, o);
	snprintf(f.surplus, sizeof(f.surplus), "Sys.Modify on /");
	judge_rights(&f, &r);
	assert_told(r, 2,
		    "WARN token-rights : token vfhook@pve!hook may do more than vfhook needs: "
		    "Sys.Modify on /");
	assert_true(is_surplus("Permissions.Modify") && is_surplus("VM.Allocate"));
	assert_false(is_surplus("VM.Audit") || is_surplus("Sys.Audit") ||
		     is_surplus("VM.Config.CPU"));
}

/* --- The whole, in trees that are not as they should be --- */

static void check_tree(const struct tree *t, struct report *r)
{
	CLEANUP(hook_free) struct hook h = HOOK_INIT;
	CLEANUP(config_free) struct config c = {0};
	struct error err = ERROR_INIT;

	assert_int_equal(hook_init(&h, t->path, &err), 0);
	config_load(h.root, &c, &err);
	check_pve(&h, &c, r);
	assert_false(r->failed);
}

static void test_hostile(void **state)
{
	const struct tree *t = *state;
	struct report r = {0};

	check_tree(t, &r);
	assert_told(r, 1, "FAIL pve : this machine is no Proxmox VE node");
	tree_link(t->root, "etc/pve/local", "nodes/pve1");
	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server/100.conf", "hostpci0: \033[31m,,=\n[");
	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server/../x", "");
	tree_write(t->root, "etc/pve/nodes/a-file", "");
	tree_write(t->root, "etc/pve/vfhook.cfg",
		   "port: 100-0\n\tpool x\n\nport: 999-1\n\tpool x\n");
	tree_write(t->root, "etc/pve/mapping/pci.cfg", "vf-100-0\n\tmap node=pve1,path=..,id=\n");
	tree_write(t->root, "etc/pve/storage.cfg",
		   "dir: local\n\tpath relative\n\nnfs: ../..\n\tserver x\n");
	tree_write(t->root, "etc/pve/.members", "{\"cluster\": {\"name\": \"\\u001b[31m\"}}");
	tree_write_len(t->root, "var/lib/dpkg/status", "\0Package: pve-manager\n", 22);
	check_tree(t, &r);
	for (size_t i = 0; i < r.n; i++) {
		assert_null(strchr(r.list[i].text, '\033'));
		assert_true(r.list[i].level == CHECK_PASS || r.list[i].remedy[0]);
	}
	assert_told(r, r.n, "WARN port VM 999: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_dpkg),
		cmocka_unit_test(test_quorum),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_snippets),
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_macs),
		cmocka_unit_test(test_mapping),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_rights_unknown),
		cmocka_unit_test_setup_teardown(test_hostile, tree_setup, tree_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
