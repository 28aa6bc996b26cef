/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/utsname.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "pveapi/datacenter.h"
#include "pveapi/guest.h"
#include "pveapi/guest_list.h"
#include "pveapi/guest_macs.h"
#include "pveapi/guest_names.h"
#include "pveapi/hostpci.h"
#include "pveapi/node.h"
#include "pveapi/section.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

#include "tests/unit/test_pveapi_tree.h"

#define NAME "/etc/pve/nodes/pve1/qemu-server/100.conf"
#define CONF "etc/pve/nodes/pve1/qemu-server/100.conf"

/* hostpciN */

static void hostpci_ok(const char *value, const char *mapping, const char *host, const char *rest)
{
	struct error err = ERROR_INIT;
	struct hostpci h;

	assert_int_equal(hostpci_parse(value, &h, &err), 0);
	assert_true(h.present);
	assert_string_equal(h.raw, value);
	assert_string_equal(h.rest, rest);
	if (mapping)
		assert_string_equal(h.mapping, mapping);
	else
		assert_null(h.mapping);
	if (host)
		assert_string_equal(h.host, host);
	else
		assert_null(h.host);
	hostpci_clear(&h);
}

static void hostpci_bad(const char *value, const char *part)
{
	struct error err = ERROR_INIT;
	struct hostpci h;

	assert_int_equal(hostpci_parse(value, &h, &err), -EINVAL);
	if (!strstr(err.text, part))
		print_error("%s: got \"%s\"\n", value, err.text);
	assert_non_null(strstr(err.text, part));
	assert_null(h.raw);
	assert_null(h.host);
	assert_null(h.mapping);
}

static void test_hostpci_forms(void **state)
{
	(void)state;
	hostpci_ok("0000:06:10.1,pcie=1", NULL, "0000:06:10.1", "pcie=1");
	hostpci_ok("06:10.1", NULL, "06:10.1", "");
	hostpci_ok("06:10", NULL, "06:10", "");
	hostpci_ok("host=06:10.1;06:10.3", NULL, "06:10.1;06:10.3", "");
	hostpci_ok("pcie=1,host=10000:06:10.1,rombar=0", NULL, "10000:06:10.1", "pcie=1,rombar=0");
	hostpci_ok("mapping=vf-100-0,pcie=1", "vf-100-0", NULL, "pcie=1");
	hostpci_ok("pcie=1,mapping=vf-100-0,,x-future=a;b", "vf-100-0", NULL,
		   "pcie=1,x-future=a;b");
}

static void test_hostpci_keep(void **state)
{
	static const struct {
		const char *value;
		bool keep;
	} all[] = {
		{"06:10.1,driver=keep", true},	     {"mapping=vf-100-0,driver=keep,pcie=1", true},
		{"06:10.1,driver=vfio", false},	     {"06:10.1,xdriver=keep", false},
		{"06:10.1,driver=keepalive", false}, {"06:10.1", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct hostpci h;

		assert_int_equal(hostpci_parse(all[i].value, &h, NULL), 0);
		assert_int_equal(h.keep_driver, all[i].keep);
		hostpci_clear(&h);
	}
	hostpci_ok("06:10.1,driver=keep,pcie=1", NULL, "06:10.1", "driver=keep,pcie=1");
}

static void test_hostpci_refused(void **state)
{
	char big[4096];

	(void)state;
	hostpci_bad("", "neither");
	hostpci_bad("pcie=1", "neither");
	hostpci_bad("06:10.1,mapping=vf-100-0", "both");
	hostpci_bad("mapping=..bad", "\"..bad\" is no mapping id");
	hostpci_bad("mapping=../../x", "no mapping id");
	hostpci_bad("mapping=a", "no mapping id");
	hostpci_bad("wan", "\"wan\" is no PCI address");
	hostpci_bad("06:10.8", "no PCI address");
	hostpci_bad("06:20.1", "no PCI address");
	hostpci_bad("06:10.1;", "no PCI address");
	hostpci_bad(";", "no PCI address");
	hostpci_bad("06:10.1;x", "no PCI address");
	hostpci_bad("06:10.1,06:10.2", "host is there twice");
	hostpci_bad("06:10.1,host=06:10.2", "host is there twice");
	hostpci_bad("mapping=ab,mapping=cd", "mapping is there twice");
	hostpci_bad("06:10.1,pcie=1,pcie=0", "pcie is there twice");
	hostpci_bad("06:10.1,pcie=", "\"pcie=\" is no key=value");
	hostpci_bad("06:10.1,=1", "is no key=value");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	hostpci_bad(big, "no PCI address");
}

struct seen {
	struct str text;
	int stop_at;
};

static int see(const struct pci_addr *a, bool whole_device, void *arg)
{
	struct seen *s = arg;
	char buf[PCI_ADDR_LEN];

	str_printf(&s->text, "%s%s ", pci_addr_format(a, buf), whole_device ? "*" : "");
	return s->stop_at && !--s->stop_at ? 7 : 0;
}

static void sees(const char *value, int stop_at, const char *want)
{
	struct seen s = {STR_INIT, stop_at};
	struct hostpci h;

	assert_int_equal(hostpci_parse(value, &h, NULL), 0);
	assert_int_equal(hostpci_each_addr(&h, see, &s), stop_at ? 7 : 0);
	assert_string_equal(str_get(&s.text), want);
	str_free(&s.text);
	hostpci_clear(&h);
}

static void test_each_addr(void **state)
{
	(void)state;
	sees("06:10.1;0001:07:1f;06:10.3", 0, "0000:06:10.1 0001:07:1f.0* 0000:06:10.3 ");
	sees("06:10.1;0001:07:1f;06:10.3", 2, "0000:06:10.1 0001:07:1f.0* ");
	sees("mapping=ab", 0, "");
}

/* Configs */

static struct guest_config config_ok(const char *text)
{
	struct error err = ERROR_INIT;
	struct guest_config g;
	int r = guest_config_parse(NAME, text, strlen(text), 100, &g, &err);

	if (r)
		print_error("%s\n", err.text);
	assert_int_equal(r, 0);
	return g;
}

static void test_config(void **state)
{
	struct guest_config g = config_ok("#A description\n"
					  "#hostpci7%3A 01%3A00.0\n"
					  "cores: 2\n"
					  "hookscript: local:snippets/vfhook\n"
					  "hostpci0: mapping=vf-100-0,pcie=1\n"
					  "hostpci15: 0000:06:10.1\n"
					  "hostpci16: rubbish beyond PVE's limit\n"
					  "hostpci01: rubbish\n"
					  "machine: pc-q35-9.0,viommu=intel\n"
					  "name: pf sense \n"
					  "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0\n"
					  "\n"
					  "no such line\n"
					  "[PENDING]\n"
					  "hostpci1: 0000:06:10.2\n"
					  "name: other\n"
					  "[before-update]\n"
					  "hostpci2: 0000:06:10.3\n"
					  "template: 1\n");

	(void)state;
	assert_int_equal(g.vmid, 100);
	assert_string_equal(g.name, "pf sense");
	assert_string_equal(g.hookscript, "local:snippets/vfhook");
	assert_string_equal(g.machine, "pc-q35-9.0");
	assert_false(g.is_template);
	assert_false(g.numa_known);
	assert_int_equal(g.numa_node, -1);
	assert_true(g.hostpci[0].present);
	assert_string_equal(g.hostpci[0].mapping, "vf-100-0");
	assert_true(g.hostpci[15].present);
	for (unsigned i = 1; i < 15; i++)
		assert_false(g.hostpci[i].present);
	guest_config_free(&g);
}

static void test_config_odd_but_fine(void **state)
{
	struct guest_config g = config_ok("");

	(void)state;
	assert_null(g.name);
	guest_config_free(&g);
	g = config_ok("template: 1\r\nname: crlf\r\nhostpci0: 06:10.1\r\n[x]\r\nname: no\r\n");
	assert_true(g.is_template);
	assert_string_equal(g.name, "crlf");
	assert_string_equal(g.hostpci[0].raw, "06:10.1");
	guest_config_free(&g);
	/* Written twice: the last one counts, as in PVE. */
	g = config_ok("hostpci0: 06:10.1\nname: a\nname: b\nhostpci0: mapping=vf-1-0");
	assert_string_equal(g.name, "b");
	assert_string_equal(g.hostpci[0].mapping, "vf-1-0");
	assert_null(g.hostpci[0].host);
	guest_config_free(&g);
	g = config_ok("machine: type=q35\ntemplate: 0\n Name: x\nname:\nname: \n");
	assert_string_equal(g.machine, "q35");
	assert_null(g.name);
	assert_false(g.is_template);
	guest_config_free(&g);
}

static void numa(const char *text, int node)
{
	struct guest_config g = config_ok(text);

	assert_int_equal(g.numa_known, node >= 0);
	assert_int_equal(g.numa_node, node);
	guest_config_free(&g);
}

static void test_numa(void **state)
{
	(void)state;
	numa("numa: 1\nnuma0: cpus=0-3,hostnodes=1,memory=1024,policy=bind\n", 1);
	numa("numa0: hostnodes=1,policy=bind\nnuma1: cpus=1,hostnodes=1,policy=bind\n", 1);
	numa("numa0: hostnodes=0\nnuma1: cpus=4-7,memory=1024\n", 0);
	numa("numa0: hostnodes=0\nnuma1: hostnodes=1\n", -1);
	numa("numa0: hostnodes=0\nnuma1: hostnodes=0-1\n", -1);
	numa("numa0: hostnodes=0;1\n", -1);
	numa("numa0: hostnodes=99999999999\n", -1);
	numa("numa0: cpus=0-3,memory=1024\naffinity: 0-3\n", -1);
	numa("numa8: hostnodes=1\n", -1);
	numa("numa: 1\n", -1);
}

static void config_bad(const char *text, size_t len, const char *want)
{
	struct error err = ERROR_INIT;
	struct guest_config g;

	assert_int_equal(guest_config_parse(NAME, text, len, 100, &g, &err), -EINVAL);
	if (!strstr(err.text, want))
		print_error("got \"%s\"\n", err.text);
	assert_non_null(strstr(err.text, want));
	assert_null(g.name);
}

static void test_config_refused(void **state)
{
	static const char nul[] = "name: a\nname: b\0c\n";
	static const char late_nul[] = "name: a\n[snap]\nname: b\0c\n";
	static const char bad[] = "name: a\n\nhostpci3: mapping=..bad,pcie=1\n";
	struct guest_config g;

	(void)state;
	config_bad(bad, sizeof(bad) - 1, NAME ":3: hostpci3: \"..bad\" is no mapping id");
	config_bad(nul, sizeof(nul) - 1, NAME ":2: NUL byte");
	assert_int_equal(guest_config_parse(NAME, late_nul, sizeof(late_nul) - 1, 100, &g, NULL),
			 0);
	guest_config_free(&g);
}

static void test_huge_line(void **state)
{
	size_t len = PVE_FILE_MAX;
	char *text = malloc(len + 1);
	struct guest_config g;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', len);
	memcpy(text, "name: ", 6);
	assert_int_equal(guest_config_parse(NAME, text, len, 100, &g, NULL), 0);
	assert_int_equal(strlen(g.name), len - 6);
	guest_config_free(&g);
	memset(text, ',', len);
	memcpy(text, "hostpci0: ", 10);
	text[len] = '\0';
	config_bad(text, len, NAME ":1: hostpci0: longer than 4096 bytes");
	free(text);
}

static void test_load(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct guest_config g;

	tree_write(t->root, CONF, "name: here\n");
	tree_write(t->root, "etc/pve/nodes/pve2/qemu-server/101.conf", "name: there\n");
	assert_int_equal(guest_config_load(t->root, "pve1", NULL, 100, &g, &err), 0);
	assert_string_equal(g.name, "here");
	assert_string_equal(g.node, "pve1");
	guest_config_free(&g);
	assert_int_equal(guest_config_load(t->root, "pve1", "pve2", 101, &g, &err), 0);
	assert_string_equal(g.node, "pve2");
	assert_int_equal(g.vmid, 101);
	guest_config_free(&g);
	assert_int_equal(guest_config_load(t->root, "pve1", "", 101, &g, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/etc/pve/nodes/pve1/qemu-server/101.conf"));
	assert_int_equal(guest_config_load(t->root, "pve1", "pve2", 102, &g, &err), -ENOENT);
	assert_string_equal(err.text,
			    "VM 102 has no config on pve1, nor on pve2, where it comes from");
}

/* The digest is the file's as it was read, whatever became of it since; snapshots count. */
static void test_digest(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct guest_config g;
	char digest[41];

	tree_write(t->root, CONF, "lock: backup\nname: here\n[before]\nlock: none\n");
	assert_int_equal(guest_config_load(t->root, "pve1", NULL, 100, &g, &err), 0);
	tree_write(t->root, CONF, "name: there\n");
	guest_config_digest(&g, digest);
	assert_string_equal(digest, "6f943abd3a9917f41affecd12399d66446f39499");
	assert_string_equal(g.lock, "backup");
	guest_config_free(&g);
	assert_int_equal(guest_config_load(t->root, "pve1", NULL, 100, &g, &err), 0);
	assert_null(g.lock);
	guest_config_free(&g);
}

static void test_load_hostile(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct guest_config g;
	char *big = calloc(1, PVE_FILE_MAX + 1);

	assert_int_equal(guest_config_load(t->root, "../..", NULL, 100, &g, &err), -EINVAL);
	assert_int_equal(guest_config_load(t->root, "pve1", "a/b", 100, &g, &err), -EINVAL);
	assert_int_equal(guest_config_load(t->root, "pve1", NULL, 99, &g, &err), -EINVAL);
	assert_int_equal(guest_config_load(t->root, "pve1", NULL, 1000000000, &g, &err), -EINVAL);
	assert_non_null(big);
	tree_write_len(t->root, CONF, big, PVE_FILE_MAX + 1);
	free(big);
	assert_int_equal(guest_config_load(t->root, "pve1", NULL, 100, &g, &err), -EFBIG);
	assert_non_null(strstr(err.text, NAME));
	tree_link(t->root, CONF, "100.conf");
	assert_int_equal(guest_config_load(t->root, "pve1", NULL, 100, &g, &err), -ELOOP);
	assert_null(g.name);
}

/* Claims */

static void test_claims(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	const struct guest_claim *c;
	struct guest_names g;

	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server/1000.conf",
		   "hostpci3: 06:10.3;06:10.5\n[snap]\nhostpci0: 06:10.6\n");
	tree_write(t->root, CONF, "hostpci0: 06:10\nhostpci1: mapping=vf-100-1\n");
	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server/200.conf",
		   "hostpci0: 06:11.1\nhostpci1: mapping=tpl\ntemplate: 1\n");
	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server/300.conf",
		   "hostpci0: rubbish\nhostpci1: 06:12.1\n");
	tree_write_len(t->root, "etc/pve/nodes/pve1/qemu-server/400.conf", "hostpci0: 06:13.1\n\0",
		       19);
	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server/500.conf.tmp", "hostpci0: 06:14.1\n");
	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server/.tmp-600.conf", "hostpci0: 06:14.1\n");
	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server/0700.conf", "hostpci0: 06:14.1\n");
	tree_write(t->root, "etc/pve/nodes/pve2/qemu-server/101.conf", "hostpci0: 06:14.1\n");
	tree_link(t->root, "etc/pve/nodes/pve1/qemu-server/800.conf", "800.conf");
	assert_int_equal(guest_names_read(t->root, "pve1", &g, &err), 0);
	c = g.raw;
	assert_int_equal(g.n_raw, 5);
	assert_int_equal(c[0].vmid, 100);
	assert_true(c[0].whole_device);
	assert_int_equal(c[0].addr.dev, 0x10);
	assert_int_equal(c[1].vmid, 300);
	assert_int_equal(c[1].slot, 1);
	assert_int_equal(c[1].addr.dev, 0x12);
	assert_int_equal(c[2].vmid, 400);
	assert_int_equal(c[3].vmid, 1000);
	assert_int_equal(c[3].slot, 3);
	assert_int_equal(c[3].addr.fn, 3);
	assert_false(c[3].whole_device);
	assert_int_equal(c[4].addr.fn, 5);
	assert_int_equal(g.n_mapped, 1);
	assert_int_equal(g.mapped[0].vmid, 100);
	assert_int_equal(g.mapped[0].slot, 1);
	assert_string_equal(g.mapped[0].mapping, "vf-100-1");
	assert_int_equal(g.n_vmids, 4);
	assert_string_equal(g.broken, "/etc/pve/nodes/pve1/qemu-server/300.conf, "
				      "/etc/pve/nodes/pve1/qemu-server/400.conf, "
				      "/etc/pve/nodes/pve1/qemu-server/800.conf");
	guest_names_free(&g);
}

static void test_no_claims(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct guest_names g;

	assert_int_equal(guest_names_read(t->root, "pve1", &g, &err), 0);
	assert_int_equal(g.n_raw + g.n_mapped + g.n_vmids, 0);
	assert_null(g.broken);
	guest_names_free(&g);
	assert_int_equal(guest_names_read(t->root, "..", &g, &err), -EINVAL);
	tree_write(t->root, "etc/pve/nodes/pve1/qemu-server", "a file");
	assert_int_equal(guest_names_read(t->root, "pve1", &g, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "/etc/pve/nodes/pve1/qemu-server"));
}

/* MAC addresses */

static void test_macs(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct guest_mac *macs;
	struct str all = STR_INIT;
	size_t n;

	tree_write(t->root, CONF,
		   "name: aa:bb:cc:dd:ee:00\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=5\n"
		   "net1: model=e1000,macaddr=BC:24:11:00:00:02\nnet2: virtio,bridge=vmbr0\n"
		   "netx: virtio=BC:24:11:00:00:09\n[PENDING]\nnet3: virtio=BC:24:11:00:00:03\n"
		   "[snap]\nnet0: virtio=BC:24:11:00:00:04\n");
	tree_write(t->root, "etc/pve/nodes/pve2/lxc/101.conf",
		   "net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:05,ip=dhcp\n");
	tree_write(t->root, "etc/pve/nodes/pve2/qemu-server/102.conf", "net0: \0");
	assert_int_equal(guest_all_macs(t->root, &macs, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		char buf[MAC_LEN];

		str_printf(&all, "%s ", mac_format(macs[i].mac, buf) + 15);
	}
	assert_string_equal(str_get(&all), "01 02 03 04 05 ");
	assert_int_equal(macs[0].vmid, 100);
	assert_int_equal(macs[4].vmid, 101);
	str_free(&all);
	free(macs);
}

static void test_list(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	AUTO_FREE struct guest_ref *list = NULL;
	size_t n;

	assert_int_equal(guest_list(t->root, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_null(guest_find(list, n, 100));
	free(list);
	tree_write(t->root, "etc/pve/nodes/pve2/qemu-server/1000.conf", "");
	tree_write(t->root, "etc/pve/nodes/pve2/lxc/101.conf", "");
	tree_write(t->root, "etc/pve/nodes/pve2/lxc/101.conf.tmp.4711", "");
	tree_write(t->root, "etc/pve/nodes/pve2/qemu-server/0102.conf", "");
	tree_write(t->root, "etc/pve/nodes/a-file", "");
	tree_write(t->root, "etc/pve/nodes/bad name/qemu-server/103.conf", "");
	tree_write(t->root, CONF, "");
	assert_int_equal(guest_list(t->root, &list, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(list[0].vmid, 100);
	assert_string_equal(guest_find(list, n, 1000)->node, "pve2");
	assert_true(guest_find(list, n, 101)->container);
	assert_false(guest_find(list, n, 100)->container);
	assert_null(guest_find(list, n, 102));
}

/* The node and the datacenter */

static void test_node_name(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct utsname uts;
	char name[64];
	char tiny[4];

	assert_int_equal(uname(&uts), 0);
	uts.nodename[strcspn(uts.nodename, ".")] = '\0';
	assert_int_equal(pve_node_name(t->root, name, sizeof(name), &err), 0);
	assert_string_equal(name, uts.nodename);
	tree_link(t->root, "etc/pve/local", "nodes/pve1");
	assert_int_equal(pve_node_name(t->root, name, sizeof(name), &err), 0);
	assert_string_equal(name, "pve1");
	assert_int_equal(pve_node_name(t->root, tiny, sizeof(tiny), &err), -EINVAL);
	tree_link(t->root, "etc/pve/local", "nodes/..");
	assert_int_equal(pve_node_name(t->root, name, sizeof(name), &err), -EINVAL);
	tree_link(t->root, "etc/pve/local", "nodes/a\x1b[b");
	assert_int_equal(pve_node_name(t->root, name, sizeof(name), &err), -EINVAL);
	assert_null(strchr(err.text, '\x1b'));
}

static void prefix_is(int root, const char *config, const char *want, size_t want_n)
{
	struct error err = ERROR_INIT;
	uint8_t prefix[6];
	char buf[MAC_LEN];
	size_t n;

	tree_write(root, "etc/pve/datacenter.cfg", config);
	assert_int_equal(pve_mac_prefix(root, prefix, &n, &err), 0);
	assert_string_equal(mac_format(prefix, buf), want);
	assert_int_equal(n, want_n);
}

static void prefix_bad(int root, const char *config, const char *want)
{
	struct error err = ERROR_INIT;
	uint8_t prefix[6];
	size_t n;

	tree_write(root, "etc/pve/datacenter.cfg", config);
	assert_int_equal(pve_mac_prefix(root, prefix, &n, &err), -EINVAL);
	assert_non_null(strstr(err.text, want));
}

static void test_mac_prefix(void **state)
{
	const struct tree *t = *state;
	uint8_t prefix[6];
	size_t n;

	assert_int_equal(pve_mac_prefix(t->root, prefix, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(prefix, "\xbc\x24\x11\0\0\0", 6);
	prefix_is(t->root, "keyboard: de\n", "bc:24:11:00:00:00", 3);
	prefix_is(t->root, "mac_prefix: 02:AB:cd\n", "02:ab:cd:00:00:00", 3);
	prefix_is(t->root, "mac_prefix: 02:AB:cd:e\r\n", "02:ab:cd:e0:00:00", 4);
	prefix_is(t->root, "mac_prefix: 02:AB:", "02:ab:00:00:00:00", 2);
	prefix_is(t->root, "mac_prefix: 02:A", "02:a0:00:00:00:00", 2);
	prefix_is(t->root, "mac_prefix: 02", "02:00:00:00:00:00", 1);
	prefix_bad(t->root, "x: y\nmac_prefix: 03:AB:cd\n",
		   "/etc/pve/datacenter.cfg:2: mac_prefix \"03:AB:cd\"");
	prefix_bad(t->root, "mac_prefix: 02:AB:cd:ef\n", ":1: ");
	prefix_bad(t->root, "mac_prefix: 0\n", ":1: ");
	prefix_bad(t->root, "mac_prefix: 02-AB-cd\n", ":1: ");
	prefix_bad(t->root, "mac_prefix: 02:xy\n", ":1: ");
	prefix_bad(t->root, "mac_prefix: 02:0:0\n", ":1: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostpci_forms),
		cmocka_unit_test(test_hostpci_keep),
		cmocka_unit_test(test_hostpci_refused),
		cmocka_unit_test(test_each_addr),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_odd_but_fine),
		cmocka_unit_test(test_numa),
		cmocka_unit_test(test_config_refused),
		cmocka_unit_test(test_huge_line),
		tree_test(test_load),
		tree_test(test_digest),
		tree_test(test_load_hostile),
		tree_test(test_claims),
		tree_test(test_no_claims),
		tree_test(test_macs),
		tree_test(test_list),
		tree_test(test_node_name),
		tree_test(test_mac_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
