/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What boot decides: where a PF is, how many VFs it gets, which VF a mapping means. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/cluster_vfs.h"
#include "src/port/pf_where.h"
#include "src/host/make_vfs.h"
#include "src/port/mapping_follow.h"
#include "src/vf/sysfs.h"

#include <cmocka.h>

static struct pci_addr addr_of(const char *text)
{
	struct pci_addr a;

	assert_int_equal(pci_addr_parse(text, &a), 0);
	return a;
}

/* --- Where is it? --- */

static struct config parse(const char *text)
{
	struct error err = ERROR_INIT;
	struct config c;

	assert_int_equal(config_parse("cfg", text, strlen(text), &c, &err), 0);
	return c;
}

/* mac: the last byte, 0 for none; no interface with ifindex 0. */
static struct nic nic(const char *addr, uint8_t mac, int ifindex, const char *driver)
{
	struct nic n = {.info = {.addr = addr_of(addr), .ifindex = ifindex},
			.has_mac = mac != 0,
			.mac = {2, 0, 0, 0, 0, mac}};

	snprintf(n.info.driver, sizeof(n.info.driver), "%s", driver);
	return n;
}

static void where_is(const char *pf_line, const struct nic *nics, size_t n, enum pf_place place,
		     const char *at, bool comes)
{
	char text[200];
	struct pf_where *w;
	struct config c;
	size_t n_where;

	snprintf(text, sizeof(text), "pool: wan\n\tpf node=pve2,path=01:00.0\n\tpf node=pve1,%s\n",
		 pf_line);
	c = parse(text);
	assert_int_equal(pfs_locate(&c, "pve1", nics, n, &w, &n_where), 0);
	assert_int_equal(n_where, 1);
	assert_int_equal(w[0].place, place);
	if (at) {
		struct pci_addr a = addr_of(at);

		assert_int_equal(pci_addr_cmp(&w[0].nic->info.addr, &a), 0);
	} else {
		assert_null(w[0].nic);
	}
	assert_int_equal(pf_may_appear(&w[0], nics, n), comes);
	free(w);
	config_free(&c);
}

/* A card without a network; "" for what is not known of it. */
static struct nic card(const char *addr, const char *model, const char *serial, const char *slot,
		       const char *driver)
{
	struct nic n = {.info = {.addr = addr_of(addr), .no_net = true}};

	snprintf(n.card.model, sizeof(n.card.model), "%s", model);
	snprintf(n.card.serial, sizeof(n.card.serial), "%s", serial);
	snprintf(n.card.slot, sizeof(n.card.slot), "%s", slot);
	snprintf(n.info.driver, sizeof(n.info.driver), "%s", driver);
	return n;
}

#define FLEX "8086:56c0"

static void test_where_cards(void **state)
{
	const struct nic numbered[] = {
		card("03:00.0", FLEX, "1", "", "xe"), card("04:00.0", FLEX, "2", "", "xe"),
		card("05:00.0", FLEX, "", "7", "xe"), card("06:00.0", FLEX, "", "8", "xe")};
	const struct nic twice[] = {card("03:00.0", FLEX, "1", "", "xe"),
				    card("04:00.0", FLEX, "1", "", "xe"),
				    card("04:00.1", FLEX, "1", "", "xe")};
	const struct nic late[] = {card("03:00.0", FLEX, "", "", "")};
	const struct nic taken[] = {card("03:00.0", FLEX, "1", "", "vfio-pci")};
	const struct nic nics[] = {nic("03:00.0", 1, 2, "igb")};
	struct nic unread[] = {card("03:00.0", "", "", "", "xe")};

	(void)state;
#define NET_OFF "\n\tnetwork off"
	where_is("path=03:00.0" NET_OFF, numbered, 4, PF_HERE, "03:00.0", false);
	where_is("path=03:00.0,id=" FLEX ",serial=1" NET_OFF, numbered, 4, PF_HERE, "03:00.0",
		 false);
	/* Another one in its place, and itself somewhere else; then nowhere. */
	where_is("path=03:00.0,id=" FLEX ",serial=2" NET_OFF, numbered, 4, PF_MOVED, "04:00.0",
		 false);
	where_is("path=03:00.0,id=" FLEX ",serial=3" NET_OFF, numbered, 4, PF_STRANGER, "03:00.0",
		 false);
	where_is("path=03:00.0,id=8086:0001" NET_OFF, numbered, 4, PF_STRANGER, "03:00.0", false);
	where_is("path=09:00.0,id=" FLEX ",serial=2" NET_OFF, numbered, 4, PF_MOVED, "04:00.0",
		 false);
	/* Without a number by the slot alone: the same model elsewhere may be another card. */
	where_is("path=09:00.0,id=" FLEX NET_OFF, numbered, 4, PF_MISSING, NULL, false);
	where_is("path=09:00.0,id=" FLEX ",slot=8" NET_OFF, numbered, 4, PF_MOVED, "06:00.0",
		 false);
	where_is("path=05:00.0,id=" FLEX ",slot=8" NET_OFF, numbered, 4, PF_MOVED, "06:00.0",
		 false);
	/* Two with one number; but a card's second function is not its first. */
	where_is("path=09:00.0,id=" FLEX ",serial=1" NET_OFF, twice, 3, PF_MISSING, NULL, false);
	where_is("path=09:00.1,id=" FLEX ",serial=1" NET_OFF, twice, 3, PF_MOVED, "04:00.1", false);
	/* Its driver, which tells the number, may still come. */
	where_is("path=03:00.0,id=" FLEX ",serial=1" NET_OFF, late, 1, PF_NO_NETDEV, "03:00.0",
		 true);
	where_is("path=09:00.0,id=" FLEX ",serial=1" NET_OFF, late, 1, PF_MISSING, NULL, true);
	where_is("path=03:00.0,id=" FLEX ",serial=1" NET_OFF, taken, 1, PF_NO_NETDEV, "03:00.0",
		 false);
	/* What cannot be read is unknown: neither it nor another. */
	snprintf(unread[0].card_why, sizeof(unread[0].card_why), "EIO");
	where_is("path=03:00.0,id=" FLEX ",serial=1" NET_OFF, unread, 1, PF_NO_NETDEV, "03:00.0",
		 true);
	/* Of another kind. */
	where_is("path=03:00.0" NET_OFF, nics, 1, PF_MISSING, NULL, false);
	where_is("path=03:00.0,mac=02:00:00:00:00:01", numbered, 4, PF_MISSING, NULL, false);
}

#define MAC(n) ",mac=02:00:00:00:00:0" #n

static void test_where(void **state)
{
	const struct nic plain[] = {nic("01:00.0", 1, 3, "igb"), nic("02:00.0", 2, 4, "igb")};
	const struct nic twins[] = {nic("01:00.0", 1, 3, "igb"), nic("02:00.0", 1, 4, "igb"),
				    nic("03:00.0", 3, 5, "igb")};
	const struct nic late[] = {nic("01:00.0", 0, 0, ""), nic("02:00.0", 2, 4, "igb")};
	const struct nic passed[] = {nic("01:00.0", 0, 0, "vfio-pci"), nic("02:00.0", 2, 4, "igb")};
	const struct nic mute[] = {nic("01:00.0", 0, 3, "old")};

	(void)state;
	where_is("path=01:00.0", plain, 2, PF_HERE, "01:00.0", false);
	where_is("path=01:00.0" MAC(1), plain, 2, PF_HERE, "01:00.0", false);
	where_is("path=02:00.0" MAC(1), plain, 2, PF_MOVED, "01:00.0", false);
	where_is("path=09:00.0" MAC(1), plain, 2, PF_MOVED, "01:00.0", false);
	where_is("path=01:00.0" MAC(9), plain, 2, PF_STRANGER, "01:00.0", false);
	where_is("path=09:00.0" MAC(9), plain, 2, PF_MISSING, NULL, false);
	where_is("path=09:00.0", plain, 2, PF_MISSING, NULL, false);
	/* Two with one MAC: the address decides, or nothing does. */
	where_is("path=02:00.0" MAC(1), twins, 3, PF_HERE, "02:00.0", false);
	where_is("path=03:00.0" MAC(1), twins, 3, PF_STRANGER, "03:00.0", false);
	/* A driver that is still being loaded may bring the card that is looked for. */
	where_is("path=01:00.0" MAC(1), late, 2, PF_NO_NETDEV, "01:00.0", true);
	where_is("path=01:00.0", late, 2, PF_NO_NETDEV, "01:00.0", true);
	where_is("path=09:00.0" MAC(1), late, 2, PF_MISSING, NULL, true);
	where_is("path=02:00.0" MAC(1), late, 2, PF_STRANGER, "02:00.0", true);
	where_is("path=01:00.0" MAC(2), late, 2, PF_MOVED, "02:00.0", false);
	/* One that a VM is given as a whole will not. */
	where_is("path=01:00.0" MAC(1), passed, 2, PF_NO_NETDEV, "01:00.0", false);
	where_is("path=09:00.0" MAC(1), passed, 2, PF_MISSING, NULL, false);
	/* A driver that tells no permanent MAC. */
	where_is("path=01:00.0" MAC(1), mute, 1, PF_HERE, "01:00.0", false);
}

/* --- How many? --- */

static void test_how_many(void **state)
{
	static const struct {
		struct vfs_facts f;
		enum vfs_what what;
		unsigned to;
		bool raise, no_probe, clamped;
	} cases[] = {
		{{.wanted = 0, .now = 3, .total = 7, .pf_up = true, .autoprobe = true},
		 VFS_KEEP,
		 3,
		 false,
		 false,
		 false},
		{{.wanted = 4, .total = 7, .pf_up = true}, VFS_MAKE, 4, false, false, false},
		{{.wanted = 4, .total = 7, .raise = true, .autoprobe = true},
		 VFS_MAKE,
		 4,
		 true,
		 true,
		 false},
		{{.wanted = 4, .now = 4, .total = 7, .pf_up = true, .in_use = "x"},
		 VFS_KEEP,
		 4,
		 false,
		 false,
		 false},
		{{.wanted = 2, .now = 4, .total = 7, .pf_up = true},
		 VFS_KEEP,
		 4,
		 false,
		 false,
		 false},
		{{.wanted = 6, .now = 4, .total = 7, .pf_up = true},
		 VFS_REMAKE,
		 6,
		 false,
		 false,
		 false},
		{{.wanted = 6, .now = 4, .total = 7, .pf_up = true, .in_use = "x"},
		 VFS_IN_USE,
		 6,
		 false,
		 false,
		 false},
		{{.wanted = 6, .now = 0, .total = 7, .pf_up = true, .in_use = "x"},
		 VFS_MAKE,
		 6,
		 false,
		 false,
		 false},
		{{.wanted = 9, .now = 0, .total = 7, .pf_up = true},
		 VFS_MAKE,
		 7,
		 false,
		 false,
		 true},
		{{.wanted = 9, .now = 7, .total = 7, .pf_up = true},
		 VFS_KEEP,
		 7,
		 false,
		 false,
		 true},
		{{.wanted = 4, .total = 7, .pf_up_first = true}, VFS_DOWN, 4, false, false, false},
		{{.wanted = 4, .total = 7, .pf_up_first = true, .raise = true},
		 VFS_MAKE,
		 4,
		 true,
		 false,
		 false},
		{{.wanted = 4, .total = 0, .pf_up = true}, VFS_NONE, 0, false, false, true},
		/* More than the kernel can list would make all of them useless. */
		{{.wanted = 400, .total = 512, .pf_up = true}, VFS_MAKE, 256, false, false, true},
		{{.wanted = 300, .total = 512, .pf_up = true}, VFS_MAKE, 256, false, false, true},
		/* But those that are there stay: an older kernel lists 334. */
		{{.wanted = 300, .now = 300, .total = 512, .pf_up = true},
		 VFS_KEEP,
		 300,
		 false,
		 false,
		 true},
		{{.wanted = 400, .now = 335, .total = 512, .pf_up = true},
		 VFS_KEEP,
		 335,
		 false,
		 false,
		 true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vfs_plan p;

		vfs_decide(&cases[i].f, &p);
		if (p.what != cases[i].what || p.to != cases[i].to)
			print_error("case %zu\n", i);
		assert_int_equal(p.what, cases[i].what);
		assert_int_equal(p.to, cases[i].to);
		assert_int_equal(p.raise, cases[i].raise);
		assert_int_equal(p.no_probe, cases[i].no_probe);
		assert_int_equal(p.clamped, cases[i].clamped);
	}
}

/* --- Which VF? --- */

#define N_VFS 3

/* The index of the chosen VF among three of PF 09:00.0, -1 for none. */
static int chosen(const char *path, const unsigned taken[N_VFS], size_t n_vfs,
		  const struct published_vf *before, size_t n_before)
{
	struct vf_info vfs[N_VFS];
	struct refresh_facts f = {.entry_path = path,
				  .vfs = vfs,
				  .taken = taken,
				  .n_vfs = n_vfs,
				  .before = before,
				  .n_before = n_before};
	const struct vf_info *vf;

	for (unsigned i = 0; i < N_VFS; i++)
		vfs[i] = (struct vf_info){.addr = {.bus = 9, .dev = 16, .fn = (uint8_t)(2 * i)},
					  .pf = addr_of("09:00.0"),
					  .index = i};
	vf = refresh_choose(&f);
	return vf ? (int)vf->index : -1;
}

static void test_which_vf(void **state)
{
	static const unsigned none[N_VFS];
	static const unsigned first[N_VFS] = {1};
	static const unsigned third[N_VFS] = {0, 0, 1};
	static const unsigned all[N_VFS] = {1, 1, 1};
	static const unsigned crowded[N_VFS] = {3, 1, 2};
	/* Then: the card was at 06, and at 09 was another one. */
	const struct published_vf before[] = {{addr_of("06:10.4"), addr_of("09:00.0"), 2},
					      {addr_of("09:10.0"), addr_of("0a:00.0"), 0}};

	(void)state;
	assert_int_equal(chosen("0000:09:10.2", none, 3, NULL, 0), 1);
	assert_int_equal(chosen("0000:06:10.4", none, 3, before, 2), 2);
	assert_int_equal(chosen("0000:06:10.4", third, 3, before, 2), 0);
	assert_int_equal(chosen("0000:06:10.4", none, 2, before, 2), 0);
	assert_int_equal(chosen("0000:33:10.4", first, 3, before, 2), 1);
	assert_int_equal(chosen(NULL, first, 3, NULL, 0), 1);
	assert_int_equal(chosen("0000:06:10.4;0000:06:10.6", first, 3, before, 2), 1);
	assert_int_equal(chosen(NULL, all, 3, NULL, 0), 0);
	assert_int_equal(chosen("0000:09:10.2", none, 0, NULL, 0), -1);
	/* More ports than VFs: who shares one stays, and who is new shares with the fewest. */
	assert_int_equal(chosen("0000:09:10.4", crowded, 3, NULL, 0), 2);
	assert_int_equal(chosen("0000:06:10.4", crowded, 3, before, 2), 2);
	assert_int_equal(chosen(NULL, crowded, 3, NULL, 0), 1);
	assert_int_equal(chosen("0000:33:10.4", crowded, 3, NULL, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_where_cards),
		cmocka_unit_test(test_how_many),
		cmocka_unit_test(test_which_vf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
