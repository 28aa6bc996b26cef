/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans out of snapshots that are built by hand: no file, no kernel. */
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/plan_choice.h"
#include "src/vf/plan_outcome.h"
#include "src/vf/plan_park.h"
#include "src/vf/plan_release.h"
#include "src/vf/plan_start.h"
#include "src/vf/plan_words.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"
#include "src/vf/why_not_free.h"
#include "src/vf/kernel.h"
#include "src/vf/sysfs.h"
#include "tests/unit/tree.h"

#define PFS 3
#define VFS 8
#define VM  100
#define NOW 1790000000

struct world {
	struct snapshot s;
	struct pf_state pfs[PFS];
	struct vf_state vfs[PFS][VFS];
	struct vf_settings link[PFS][VFS];
	struct pf_id pool[PFS];
	struct port_wish wishes[4];
	struct port_choice choices[4];
	struct plan p;
	struct error err;
};

static const uint8_t mac_a[6] = {0xbc, 0x24, 0x11, 0, 0, 0xa};
static const uint8_t mac_b[6] = {0xbc, 0x24, 0x11, 0, 0, 0xb};

static void make_vf(struct world *w, unsigned pf, unsigned k)
{
	struct vf_state *v = &w->vfs[pf][k];

	v->info = (struct vf_info){
		.addr = {.bus = (uint8_t)(6 + pf), .dev = (uint8_t)(0x10 + k / 4), .fn = k % 4 * 2},
		.pf = w->pool[pf].addr,
		.index = k,
		.id = "8086:10ca",
		.iommu_group = (int)(100 * pf + k),
		.group_pure = true,
		.group_alone = true,
		.driver = "vfio-pci",
	};
	v->now = (struct vf_settings){.has = 0xff, .proto = VLAN_PROTO_8021Q, .spoofchk = true};
	w->link[pf][k] = v->now;
}

/* A pool of n_pfs PFs with n_vfs free VFs each, and n ports that wish for one with nothing set. */
static void world_init(struct world *w, unsigned n_pfs, unsigned n_vfs, unsigned n)
{
	memset(w, 0, sizeof(*w));
	w->s = (struct snapshot){.complete = true, .pfs = w->pfs, .n_pfs = n_pfs};
	for (unsigned i = 0; i < n_pfs; i++) {
		struct pf_state *pf = &w->pfs[i];

		w->pool[i] = (struct pf_id){.addr = {.bus = (uint8_t)(6 + i)}};
		pf->info = (struct pf_info){.addr = w->pool[i].addr,
					    .ifindex = (int)(2 + i),
					    .driver = "igb",
					    .numa_node = -1,
					    .total_vfs = VFS,
					    .num_vfs = n_vfs};
		snprintf(pf->info.ifname, sizeof(pf->info.ifname), "enp%us0", 6 + i);
		pf->link = (struct pf_link){
			.up = true, .carrier = true, .n_vfs = n_vfs, .vfs = w->link[i]};
		pf->vfs = w->vfs[i];
		pf->n_vfs = n_vfs;
		for (unsigned k = 0; k < n_vfs; k++)
			make_vf(w, i, k);
	}
	for (unsigned i = 0; i < n; i++)
		w->wishes[i] = (struct port_wish){.vmid = VM,
						  .slot = i,
						  .pool = "wan",
						  .name = "fw",
						  .pfs = w->pool,
						  .n_pfs = n_pfs,
						  .numa_node = -1};
	plan_init(&w->p, PLAN_START, VM);
}

static void lease_to(struct vf_state *v, uint32_t vmid, enum lease_phase phase)
{
	v->leased = true;
	v->lease = (struct lease){.vf = v->info.addr,
				  .pf = v->info.pf,
				  .index = v->info.index,
				  .vmid = vmid,
				  .slot = 2,
				  .phase = phase,
				  .pool = "wan",
				  .before = v->now};
}

static void set_mac(struct world *w, unsigned pf, unsigned k, const uint8_t mac[6])
{
	memcpy(w->vfs[pf][k].now.mac, mac, 6);
	memcpy(w->link[pf][k].mac, mac, 6);
}

static void wish_last(struct world *w, unsigned i, unsigned pf, unsigned k)
{
	w->wishes[i].has_last = true;
	w->wishes[i].last = w->vfs[pf][k].info.addr;
}

static void wish_mac(struct world *w, unsigned i, const uint8_t mac[6])
{
	w->wishes[i].want.has |= HAS_MAC;
	memcpy(w->wishes[i].want.mac, mac, 6);
}

static unsigned n_wishes(const struct world *w)
{
	unsigned n = 0;

	while (n < 4 && w->wishes[n].vmid)
		n++;
	return n;
}

static int plan(struct world *w)
{
	plan_free(&w->p);
	error_clear(&w->err);
	return plan_start(&w->s, w->wishes, n_wishes(w), NOW, w->choices, &w->p, &w->err);
}

static void got(const struct world *w, unsigned i, unsigned pf, unsigned k)
{
	assert_true(w->choices[i].chosen);
	assert_int_equal(w->choices[i].pf, pf);
	assert_int_equal(w->choices[i].vf, k);
}

static void chosen(struct world *w, unsigned pf, unsigned k)
{
	int r = plan(w);

	if (r)
		print_error("%s\n", w->err.text);
	assert_int_equal(r, 0);
	got(w, 0, pf, k);
}

/* The first step about that VF with that kind, or NULL. */
static const struct step *step_of(const struct world *w, const struct vf_state *v,
				  enum step_kind kind)
{
	for (size_t i = 0; i < w->p.n_steps; i++) {
		if (w->p.steps[i].kind == kind && !pci_addr_cmp(&w->p.steps[i].vf, &v->info.addr))
			return &w->p.steps[i];
	}
	return NULL;
}

static const struct step *set_of(const struct world *w, const struct vf_state *v, enum vf_attr attr)
{
	for (size_t i = 0; i < w->p.n_steps; i++) {
		const struct step *s = &w->p.steps[i];

		if (s->kind == STEP_SET && s->attr == attr && !pci_addr_cmp(&s->vf, &v->info.addr))
			return s;
	}
	return NULL;
}

static bool noted(const struct world *w, const struct vf_state *v, const char *part)
{
	for (size_t i = 0; i < w->p.n_notes; i++) {
		if (!pci_addr_cmp(&w->p.notes[i].vf, &v->info.addr) &&
		    strstr(w->p.notes[i].text, part))
			return true;
	}
	return false;
}

/* --- Which one? --- */

static void test_first_free(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 4, 1);
	chosen(&w, 0, 0);
	lease_to(&w.vfs[0][0], 105, LEASE_RUNNING);
	w.vfs[0][1].busy = true;
	chosen(&w, 0, 2);
	plan_free(&w.p);
}

static void test_last_one_first(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, 4, 1);
	w.pfs[1].link.carrier = false;
	w.pfs[1].info.numa_node = 1;
	w.wishes[0].numa_node = 0;
	wish_last(&w, 0, 1, 3);
	chosen(&w, 1, 3);
	assert_true(noted(&w, &w.vfs[1][3], "had last"));
	w.s.complete = false; /* nothing else need be known */
	chosen(&w, 1, 3);
	/* Its own leftover is no obstacle. */
	lease_to(&w.vfs[1][3], VM, LEASE_STARTING);
	chosen(&w, 1, 3);
	plan_free(&w.p);
}

static void test_last_one_is_not_free(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 4, 1);
	wish_last(&w, 0, 0, 3);
	lease_to(&w.vfs[0][3], 105, LEASE_RUNNING);
	chosen(&w, 0, 0);
	assert_true(noted(&w, &w.vfs[0][3], "105"));
	w.s.complete = false;
	assert_int_equal(plan(&w), -EAGAIN);
	plan_free(&w.p);
}

static void test_last_one_left_the_pool(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, 4, 1);
	wish_last(&w, 0, 1, 3);
	w.wishes[0].n_pfs = 1;
	chosen(&w, 0, 0);
	w.wishes[0].last = addr_of("0000:99:10.0");
	chosen(&w, 0, 0);
	plan_free(&w.p);
}

static void test_incomplete(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 4, 2);
	w.s.complete = false;
	assert_int_equal(plan(&w), -EAGAIN);
	wish_last(&w, 0, 0, 1);
	assert_int_equal(plan(&w), -EAGAIN);
	wish_last(&w, 1, 0, 2);
	assert_int_equal(plan(&w), 0);
	got(&w, 0, 0, 1);
	got(&w, 1, 0, 2);
	plan_free(&w.p);
}

/* Who keeps his VF does before anyone chooses anew. */
static void test_keeping_goes_before_choosing(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 4, 2);
	wish_last(&w, 1, 0, 0);
	chosen(&w, 0, 1);
	got(&w, 1, 0, 0);
	/* Two ports that had the same: one of them keeps it. */
	wish_last(&w, 0, 0, 0);
	assert_int_equal(plan(&w), 0);
	got(&w, 0, 0, 0);
	got(&w, 1, 0, 1);
	plan_free(&w.p);
}

static void test_bond_wants_two_cables(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, 4, 4);
	for (unsigned k = 1; k < 4; k++)
		lease_to(&w.vfs[1][k], 105, LEASE_RUNNING);
	w.pfs[1].link.carrier = false;
	w.wishes[2].vmid = 0;
	/* Fewer free and no carrier, and yet another PF than the first port's. */
	assert_int_equal(plan(&w), 0);
	got(&w, 0, 0, 0);
	got(&w, 1, 1, 0);
	plan_free(&w.p);
}

static void test_bond_keeps_apart_from_what_is_kept(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, 4, 2);
	wish_last(&w, 1, 0, 3);
	assert_int_equal(plan(&w), 0);
	got(&w, 0, 1, 0);
	got(&w, 1, 0, 3);
	plan_free(&w.p);
}

static void test_carrier_then_numa_then_free(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3, 4, 1);
	chosen(&w, 0, 0); /* all alike: the first */
	lease_to(&w.vfs[0][3], 105, LEASE_RUNNING);
	lease_to(&w.vfs[1][2], 105, LEASE_RUNNING);
	lease_to(&w.vfs[1][3], 105, LEASE_RUNNING);
	chosen(&w, 2, 0); /* most free */
	w.wishes[0].numa_node = 1;
	w.pfs[0].info.numa_node = 0;
	w.pfs[1].info.numa_node = 1;
	w.pfs[2].info.numa_node = 0;
	chosen(&w, 1, 0); /* the VM's node */
	w.wishes[0].numa_node = -1;
	chosen(&w, 2, 0); /* which only counts for a VM that is pinned */
	w.wishes[0].numa_node = 1;
	w.pfs[1].link.carrier = false;
	chosen(&w, 2, 0); /* a cable first of all */
	w.pfs[0].link.carrier = false;
	w.pfs[2].link.carrier = false;
	chosen(&w, 1, 0); /* no cable anywhere is no reason to give none */
	plan_free(&w.p);
}

/* For one who lost a race: any free VF, and not the same for all who lost it. */
static void test_spread(void **state)
{
	unsigned seen[VFS] = {0};
	unsigned different = 0;
	struct world w;

	(void)state;
	world_init(&w, 1, VFS, 1);
	lease_to(&w.vfs[0][0], 105, LEASE_RUNNING);
	lease_to(&w.vfs[0][5], 105, LEASE_RUNNING);
	for (unsigned spread = 1; spread <= 200; spread++) {
		w.wishes[0].spread = spread;
		assert_int_equal(plan(&w), 0);
		seen[w.choices[0].vf]++;
	}
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[5], 0);
	for (unsigned k = 0; k < VFS; k++)
		different += seen[k] > 0;
	assert_true(different >= 4);
	w.wishes[0].spread = 0;
	chosen(&w, 0, 1);
	plan_free(&w.p);
}

/* What others name comes last, the least named first; a cable and a NUMA node count for more. */
static void test_spoken_for(void **state)
{
	struct spoken_for spoken[5];
	struct world w;

	(void)state;
	world_init(&w, 2, 3, 1);
	for (unsigned k = 0; k < 5; k++)
		spoken[k] = (struct spoken_for){w.vfs[k / 3][k % 3].info.addr, 1};
	w.wishes[0].spoken = spoken;
	w.wishes[0].n_spoken = 2;
	assert_int_equal(plan(&w), 0);
	assert_int_equal(w.choices[0].pf, 1); /* more that nobody names */
	w.wishes[0].n_spoken = 5;
	assert_int_equal(plan(&w), 0);
	assert_int_equal(w.choices[0].pf, 1);
	assert_int_equal(w.choices[0].vf, 2);
	w.pfs[1].link.carrier = false;
	spoken[3] = spoken[0];
	spoken[4] = spoken[1];
	assert_int_equal(plan(&w), 0);
	assert_int_equal(w.choices[0].pf, 0);
	assert_int_equal(w.choices[0].vf, 2); /* named once, the others twice */
	for (unsigned spread = 0; spread < 20; spread++) {
		w.wishes[0].spread = spread;
		assert_int_equal(plan(&w), 0);
		assert_int_equal(w.choices[0].vf, 2);
	}
	wish_last(&w, 0, 0, 0); /* what it had is its own */
	assert_int_equal(plan(&w), 0);
	assert_int_equal(w.choices[0].vf, 0);
	plan_free(&w.p);
}

static void test_never_the_same_twice(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 4, 4);
	for (unsigned spread = 0; spread < 50; spread++) {
		unsigned used = 0;

		for (unsigned i = 0; i < 4; i++)
			w.wishes[i].spread = spread;
		assert_int_equal(plan(&w), 0);
		for (unsigned i = 0; i < 4; i++)
			used |= 1U << w.choices[i].vf;
		assert_int_equal(used, 15);
	}
	plan_free(&w.p);
}

static void test_none_free(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, 2, 1);
	for (unsigned k = 0; k < 2; k++)
		lease_to(&w.vfs[0][k], 105 + k, LEASE_RUNNING);
	w.pfs[1].n_vfs = w.pfs[1].link.n_vfs = w.pfs[1].info.num_vfs = 0;
	assert_int_equal(plan(&w), -ENOSPC);
	assert_has(w.err.text, "wan");
	assert_has(w.err.text, "hostpci0");
	assert_true(noted(&w, &w.vfs[0][0], "VM 105"));
	assert_true(noted(&w, &w.vfs[0][1], "VM 106"));
	assert_int_equal(w.p.n_steps, 0);
	for (size_t i = 0; i < w.p.n_notes; i++)
		assert_false(w.p.notes[i].taken);
	/* The PF without VFs is named as well. */
	assert_has(w.p.notes[2].text, "enp7s0");
	assert_has(w.p.notes[2].text, "sriov_numvfs");
	plan_free(&w.p);
}

/* Not full: no VM that is stopped would help. One line for a PF, however many VFs it has. */
static void test_no_pf_to_use(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, 4, 1);
	w.pfs[0].broken = true;
	snprintf(w.pfs[0].why, sizeof(w.pfs[0].why), "PF enp6s0 fell off");
	w.pfs[0].n_vfs = 0;
	w.pfs[1].link.up = false;
	assert_int_equal(plan(&w), -ENETDOWN);
	assert_string_equal(w.err.text,
			    "pool 'wan' of hostpci0: PF enp6s0 fell off; PF enp7s0 (0000:07:00.0) "
			    "is down: `ip link set enp7s0 up`, or `allow-pf-down 1` in pool 'wan'");
	assert_int_equal(w.p.n_notes, 2);
	assert_int_equal(w.p.n_steps, 0);
	plan_free(&w.p);

	world_init(&w, 2, 4, 1);
	w.pfs[0].link.up = false;
	for (unsigned k = 0; k < 4; k++)
		lease_to(&w.vfs[1][k], 105 + k, LEASE_RUNNING);
	assert_int_equal(plan(&w), -ENOSPC);
	assert_int_equal(w.p.n_notes, 5);
	plan_free(&w.p);
}

static void test_fewer_than_ports(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 1, 2);
	assert_int_equal(plan(&w), -ENOSPC);
	assert_has(w.err.text, "hostpci1");
	assert_true(noted(&w, &w.vfs[0][0], "another port of this guest"));
	plan_free(&w.p);
}

static void test_broken_pf_hides_no_other(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, 2, 1);
	w.pfs[0].broken = true;
	snprintf(w.pfs[0].why, sizeof(w.pfs[0].why), "it fell off");
	w.pfs[0].n_vfs = 0;
	chosen(&w, 1, 0);
	assert_has(w.p.notes[0].text, "it fell off");
	plan_free(&w.p);
}

static void test_wishes_that_contradict(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 4, 2);
	wish_mac(&w, 0, mac_a);
	wish_mac(&w, 1, mac_a);
	assert_int_equal(plan(&w), -EINVAL);
	assert_has(w.err.text, "hostpci0");
	assert_has(w.err.text, "hostpci1");
	assert_has(w.err.text, "bc:24:11:00:00:0a");
	plan_free(&w.p);
	world_init(&w, 1, 4, 1);
	w.wishes[0].n_pfs = 0;
	assert_int_equal(plan(&w), -EINVAL);
	assert_has(w.err.text, "wan");
	plan_free(&w.p);
}

/* --- Why not? --- */

static void why_not(struct world *w, const char *a, const char *b)
{
	char buf[320] = "";
	const char *why =
		vf_why_not_free(&w->s, &w->pfs[0], &w->vfs[0][0], &w->wishes[0], buf, sizeof(buf));
	int r;

	assert_non_null(why);
	assert_has(why, a);
	assert_has(why, b);
	assert_null(strchr(why, '\n'));
	/* And so it is not chosen. */
	r = plan(w);
	assert_true(r == -ENOSPC || r == -ENETDOWN);
	plan_free(&w->p);
}

static void test_why_not(void **state)
{
	struct vf_claim claim = {.firm = true, .who = "reserved by PVE for VM 107 (running)"};
	struct world w;
	struct vf_state *v = &w.vfs[0][0];
	char buf[320];

	(void)state;
	world_init(&w, 1, 1, 1);
	assert_null(vf_why_not_free(&w.s, &w.pfs[0], v, &w.wishes[0], buf, sizeof(buf)));
	lease_to(v, 105, LEASE_RUNNING);
	why_not(&w, "leased by VM 105", "running");
	snprintf(v->lease.name, sizeof(v->lease.name), "web");
	why_not(&w, "VM 105 'web'", "hostpci2");
	v->lease.phase = LEASE_DIRTY;
	why_not(&w, "VM 105 'web'", "dirty");
	v->lease_broken = true;
	snprintf(v->lease_why, sizeof(v->lease_why), "no JSON at all");
	why_not(&w, "lease cannot be read", "no JSON at all");
	world_init(&w, 1, 1, 1);
	v->claim = &claim;
	why_not(&w, "VM 107", "running");
	wish_last(&w, 0, 0, 0);
	why_not(&w, "VM 107", "running"); /* he has it now */
	claim.firm = false;
	assert_null(vf_why_not_free(&w.s, &w.pfs[0], v, &w.wishes[0], buf, sizeof(buf)));
	w.wishes[0].has_last = false;
	why_not(&w, "VM 107", "");
}

static void test_why_not_hardware(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];
	char buf[320];

	(void)state;
	world_init(&w, 1, 1, 1);
	v->info.iommu_group = -1;
	why_not(&w, "no IOMMU group", "");
	world_init(&w, 1, 1, 1);
	v->info.group_pure = v->info.group_alone = false;
	snprintf(v->info.group_intruder, sizeof(v->info.group_intruder), "0000:06:00.0");
	v->info.iommu_group = 17;
	why_not(&w, "group 17", "0000:06:00.0");
	world_init(&w, 1, 1, 1);
	w.pfs[0].link.up = false;
	why_not(&w, "enp6s0", "down");
	why_not(&w, "ip link set enp6s0 up", "allow-pf-down");
	w.wishes[0].allow_pf_down = true;
	assert_null(vf_why_not_free(&w.s, &w.pfs[0], v, &w.wishes[0], buf, sizeof(buf)));
	world_init(&w, 1, 1, 1);
	v->busy = true;
	v->info.iommu_group = 23;
	why_not(&w, "/dev/vfio/23", "in use");
}

static void test_why_not_netdev(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];

	(void)state;
	world_init(&w, 1, 1, 1);
	snprintf(v->info.ifname, sizeof(v->info.ifname), "enp6s0v0");
	snprintf(v->info.driver, sizeof(v->info.driver), "igbvf");
	v->info.netdev_up = true;
	why_not(&w, "enp6s0v0", "up");
	v->info.netdev_up = false;
	v->has_address = ANSWER_YES;
	why_not(&w, "enp6s0v0", "address");
	v->has_address = ANSWER_UNKNOWN;
	why_not(&w, "it cannot be told", "enp6s0v0");
	v->has_address = ANSWER_NO;
	snprintf(v->info.netdev_user, sizeof(v->info.netdev_user), "vmbr0");
	why_not(&w, "enp6s0v0", "vmbr0");
	v->info.netdev_user[0] = '\0';
	chosen(&w, 0, 0);
	plan_free(&w.p);
}

/* A VF whose settings are not known is given to nobody, given back by nobody, and changed by
 * nobody. */
static void test_unread(void **state)
{
	const struct vf_settings want = {.has = HAS_TRUST, .trust = true};
	struct world w;
	struct vf_state *v = &w.vfs[0][0];

	(void)state;
	world_init(&w, 1, 2, 1);
	v->unread = true;
	snprintf(v->unread_why, sizeof(v->unread_why), "the driver does not tell");
	v->now = (struct vf_settings){0};
	wish_last(&w, 0, 0, 0);
	chosen(&w, 0, 1);
	plan_free(&w.p);
	lease_to(v, VM, LEASE_RUNNING);
	plan_init(&w.p, PLAN_RELEASE, VM);
	assert_int_equal(plan_release(&w.pfs[0], v, &v->lease, &w.p, &w.err), -EBUSY);
	assert_has(w.err.text, "the driver does not tell");
	assert_int_equal(plan_change(&w.pfs[0], v, &want, &w.p, &w.err), -EBUSY);
	assert_int_equal(plan_port_on(&w.s, &w.wishes[0], &v->info.addr, NOW, &w.p, &w.err),
			 -EBUSY);
	v->leased = false;
	assert_int_equal(plan_park(&w.pfs[0], v, NOW, &w.p, &w.err), -EBUSY);
	assert_int_equal(w.p.n_steps, 0);
	world_init(&w, 1, 1, 1);
	v->unread = true;
	snprintf(v->unread_why, sizeof(v->unread_why), "the driver does not tell");
	why_not(&w, "the driver does not tell", "");
}

static void share_group(struct world *w, unsigned a, unsigned b)
{
	w->vfs[0][a].info.iommu_group = w->vfs[0][b].info.iommu_group = 9;
	w->vfs[0][a].info.group_alone = w->vfs[0][b].info.group_alone = false;
}

static void test_shared_group(void **state)
{
	struct world w;
	char buf[320];

	(void)state;
	world_init(&w, 1, 2, 1);
	share_group(&w, 0, 1);
	chosen(&w, 0, 0); /* nobody has the other */
	lease_to(&w.vfs[0][1], VM, LEASE_STARTING);
	chosen(&w, 0, 0); /* this VM has */
	lease_to(&w.vfs[0][1], 105, LEASE_RUNNING);
	why_not(&w, "group 9", "0000:06:10.2");
	w.vfs[0][1].lease_broken = true;
	assert_non_null(
		vf_why_not_free(&w.s, &w.pfs[0], &w.vfs[0][0], &w.wishes[0], buf, sizeof(buf)));
}

/* With a glance at the last VF alone nothing is known of who holds the rest of its group. */
static void test_shared_group_wants_all(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 2, 1);
	share_group(&w, 0, 1);
	wish_last(&w, 0, 0, 0);
	w.s.complete = false;
	w.pfs[0].n_vfs = 1; /* the neighbour is not in the snapshot */
	assert_int_equal(plan(&w), -EAGAIN);
	plan_free(&w.p);
}

/* --- What is done with it? --- */

static struct vf_settings everything(void)
{
	struct vf_settings s = {
		.has = 0xff,
		.vlan = 20,
		.qos = 3,
		.proto = VLAN_PROTO_8021AD,
		.spoofchk = false,
		.trust = true,
		.query_rss = true,
		.min_rate = 10,
		.max_rate = 100,
		.link_state = VF_LINK_ENABLE,
	};

	memcpy(s.mac, mac_a, 6);
	return s;
}

static void test_order_of_steps(void **state)
{
	static const enum vf_attr order[] = {VF_VLAN, VF_MAC,	     VF_SPOOFCHK, VF_TRUST,
					     VF_RATE, VF_LINK_STATE, VF_QUERY_RSS};
	struct world w;

	(void)state;
	world_init(&w, 1, 2, 1);
	w.wishes[0].want = everything();
	w.vfs[0][0].info.driver[0] = '\0';
	snprintf(w.vfs[0][0].info.driver_override, DRIVER_LEN, "igbvf");
	chosen(&w, 0, 0);
	assert_int_equal(w.p.n_steps, 10);
	assert_int_equal(w.p.steps[0].kind, STEP_LEASE_TAKE);
	assert_int_equal(w.p.steps[1].kind, STEP_OVERRIDE);
	assert_string_equal(w.p.steps[1].from_text, "igbvf");
	assert_string_equal(w.p.steps[1].to_text, "vfio-pci");
	for (int i = 0; i < VF_ATTR_COUNT; i++) {
		assert_int_equal(w.p.steps[2 + i].kind, STEP_SET);
		assert_int_equal(w.p.steps[2 + i].attr, order[i]);
	}
	assert_int_equal(w.p.steps[9].kind, STEP_VERIFY);
	assert_int_equal(w.p.steps[9].to.has, 0xff);
	assert_true(plan_changes_vfs(&w.p));
	plan_free(&w.p);
}

static void test_lease_says_it_all(void **state)
{
	const struct lease *l;
	struct world w;

	(void)state;
	world_init(&w, 1, 2, 1);
	w.wishes[0].want = everything();
	w.vfs[0][0].now.max_rate = 77;
	chosen(&w, 0, 0);
	l = &w.p.steps[0].lease;
	assert_int_equal(pci_addr_cmp(&l->vf, &w.vfs[0][0].info.addr), 0);
	assert_int_equal(pci_addr_cmp(&l->pf, &w.pool[0].addr), 0);
	assert_int_equal(l->vmid, VM);
	assert_int_equal(l->phase, LEASE_STARTING);
	assert_int_equal(l->taken, NOW);
	assert_string_equal(l->pool, "wan");
	assert_string_equal(l->name, "fw");
	assert_int_equal(l->before.max_rate, 77);
	assert_int_equal(l->want.vlan, 20);
	plan_free(&w.p);
}

static void test_only_differences(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 2, 1);
	w.wishes[0].want = everything();
	w.vfs[0][0].now = everything();
	w.link[0][0] = everything();
	chosen(&w, 0, 0);
	assert_int_equal(w.p.n_steps, 2); /* lease, read back */
	assert_false(plan_changes_vfs(&w.p));
	w.vfs[0][0].now.trust = false;
	chosen(&w, 0, 0);
	assert_int_equal(w.p.n_steps, 3);
	assert_non_null(set_of(&w, &w.vfs[0][0], VF_TRUST));
	/* Unset is as on a parked VF, also if somebody's settings are on one that nobody has; rates
	 * stay. */
	w.vfs[0][0].now.trust = true;
	w.vfs[0][0].now.spoofchk = false;
	w.wishes[0].want.has = HAS_MAC;
	chosen(&w, 0, 0);
	assert_int_equal(set_of(&w, &w.vfs[0][0], VF_VLAN)->to.vlan, 0);
	assert_false(set_of(&w, &w.vfs[0][0], VF_TRUST)->to.trust);
	assert_non_null(step_of(&w, &w.vfs[0][0], STEP_GUARD));
	assert_null(set_of(&w, &w.vfs[0][0], VF_RATE));
	plan_free(&w.p);
}

/* What the driver does not tell is set, whatever it may be. */
static void test_unknown_is_different(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 1, 1);
	w.vfs[0][0].now.has &= ~(uint32_t)HAS_TRUST;
	w.wishes[0].want = (struct vf_settings){.has = HAS_TRUST, .trust = false};
	chosen(&w, 0, 0);
	assert_non_null(set_of(&w, &w.vfs[0][0], VF_TRUST));
	plan_free(&w.p);
}

/* The two rates travel together: who wishes for one keeps the other as it is. */
static void test_rates(void **state)
{
	const struct step *s;
	struct world w;

	(void)state;
	world_init(&w, 1, 1, 1);
	w.vfs[0][0].now.min_rate = 5;
	w.vfs[0][0].now.max_rate = 50;
	w.wishes[0].want = (struct vf_settings){.has = HAS_MAX_RATE, .max_rate = 500};
	chosen(&w, 0, 0);
	s = set_of(&w, &w.vfs[0][0], VF_RATE);
	assert_non_null(s);
	assert_int_equal(s->to.min_rate, 5);
	assert_int_equal(s->to.max_rate, 500);
	assert_int_equal(s->to.has & (HAS_MIN_RATE | HAS_MAX_RATE), HAS_MIN_RATE | HAS_MAX_RATE);
	w.wishes[0].want = (struct vf_settings){.has = HAS_MIN_RATE, .min_rate = 7};
	chosen(&w, 0, 0);
	s = set_of(&w, &w.vfs[0][0], VF_RATE);
	assert_int_equal(s->to.min_rate, 7);
	assert_int_equal(s->to.max_rate, 50);
	w.vfs[0][0].now.has &= ~(uint32_t)HAS_MAX_RATE;
	chosen(&w, 0, 0);
	s = set_of(&w, &w.vfs[0][0], VF_RATE);
	assert_int_equal(s->to.max_rate, 0);
	w.vfs[0][0].now.has = 0xff;
	w.wishes[0].want.min_rate = 5;
	chosen(&w, 0, 0);
	assert_null(set_of(&w, &w.vfs[0][0], VF_RATE));
	plan_free(&w.p);
}

/* A leftover of this VM: what it looked like before us is not what we left it as. */
static void test_own_leftover(void **state)
{
	struct vf_state *v;
	struct world w;

	(void)state;
	world_init(&w, 1, 1, 1);
	v = &w.vfs[0][0];
	lease_to(v, VM, LEASE_DIRTY);
	v->now = everything();
	chosen(&w, 0, 0);
	assert_int_equal(w.p.steps[0].kind, STEP_LEASE_WRITE);
	assert_true(w.p.steps[0].has_old_lease);
	assert_int_equal(w.p.steps[0].old_lease.phase, LEASE_DIRTY);
	assert_int_equal(w.p.steps[0].lease.phase, LEASE_STARTING);
	assert_int_equal(w.p.steps[0].lease.before.vlan, 0);
	assert_int_equal(w.p.steps[0].lease.qemu_pid, 0);
	plan_free(&w.p);
}

/*
 * What the port asked for then and asks for no more must not stay: a VLAN that
 * was taken out of the config would live on in the guest.
 */
static void test_own_leftover_loses_old_wishes(void **state)
{
	struct vf_state *v;
	const struct step *s;
	struct world w;

	(void)state;
	world_init(&w, 1, 1, 1);
	v = &w.vfs[0][0];
	v->now.max_rate = 1000;
	lease_to(v, VM, LEASE_STARTING);
	v->lease.want = everything();
	v->now = everything();
	w.link[0][0] = v->now;
	wish_last(&w, 0, 0, 0);
	w.wishes[0].want = (struct vf_settings){.has = HAS_TRUST, .trust = true};
	chosen(&w, 0, 0);
	s = set_of(&w, v, VF_VLAN);
	assert_non_null(s);
	assert_int_equal(s->to.vlan, 0);
	assert_int_equal(s->to.qos, 0);
	assert_non_null(step_of(&w, v, STEP_CLEAR_MAC));
	assert_non_null(step_of(&w, v, STEP_GUARD)); /* spoofchk was off by wish */
	assert_null(set_of(&w, v, VF_TRUST));	     /* wished for then and now */
	s = set_of(&w, v, VF_RATE);
	assert_non_null(s);
	assert_int_equal(s->to.max_rate, 1000);
	assert_non_null(set_of(&w, v, VF_LINK_STATE));
	assert_non_null(set_of(&w, v, VF_QUERY_RSS));
	/* One rate wished for then, the other one now. */
	v->lease.want.has = HAS_MAX_RATE;
	w.wishes[0].want = (struct vf_settings){.has = HAS_MIN_RATE, .min_rate = 10};
	chosen(&w, 0, 0);
	s = set_of(&w, v, VF_RATE);
	assert_non_null(s);
	assert_int_equal(s->to.min_rate, 10);
	assert_int_equal(s->to.max_rate, 1000);
	/* What nobody of us had asked for is left alone. */
	w.wishes[0].want = (struct vf_settings){.has = HAS_TRUST, .trust = true};
	v->lease.want.has = HAS_TRUST;
	chosen(&w, 0, 0);
	assert_false(plan_changes_vfs(&w.p));
	plan_free(&w.p);
}

/* --- Two VFs with one MAC --- */

static void test_double_mac_on_a_free_vf(void **state)
{
	const struct vf_state *other;
	const struct step *take;
	const struct step *clear;
	const struct step *drop;
	struct world w;

	(void)state;
	world_init(&w, 1, 3, 1);
	wish_last(&w, 0, 0, 0);
	wish_mac(&w, 0, mac_a);
	set_mac(&w, 0, 2, mac_a);
	other = &w.vfs[0][2];
	w.s.complete = false;
	assert_int_equal(plan(&w), -EAGAIN); /* who has that one is not known */
	w.s.complete = true;
	chosen(&w, 0, 0);
	take = step_of(&w, other, STEP_LEASE_TAKE);
	clear = step_of(&w, other, STEP_CLEAR_MAC);
	drop = step_of(&w, other, STEP_LEASE_DROP);
	assert_true(take && clear && drop && take < clear && clear < drop);
	/* All of it before the address appears on the VF it is meant for. */
	assert_true(drop < set_of(&w, &w.vfs[0][0], VF_MAC));
	assert_int_equal(take->lease.vmid, VM);
	assert_int_equal(take->lease.want.has, 0);
	plan_free(&w.p);
}

static void test_double_mac_on_anothers_vf(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, 3, 1);
	wish_last(&w, 0, 0, 0);
	wish_mac(&w, 0, mac_a);
	set_mac(&w, 0, 2, mac_a);
	lease_to(&w.vfs[0][2], 105, LEASE_RUNNING);
	assert_int_equal(plan(&w), -EINVAL);
	assert_has(w.err.text, "bc:24:11:00:00:0a");
	assert_has(w.err.text, "hostpci0");
	assert_has(w.err.text, "VM 105");
	assert_has(w.err.text, "enp6s0");
	/* A VF that the kernel has and PCI does not. */
	plan_free(&w.p);
	world_init(&w, 1, 3, 1);
	wish_mac(&w, 0, mac_a);
	set_mac(&w, 0, 2, mac_a);
	w.pfs[0].n_vfs = 2;
	assert_int_equal(plan(&w), -EINVAL);
	assert_has(w.err.text, "VF 2");
	plan_free(&w.p);
}

/* A VF that cannot be read may have the MAC: its lease tells, or nothing does. */
static void test_double_mac_on_an_unread_vf(void **state)
{
	struct vf_state *other;
	struct world w;

	(void)state;
	world_init(&w, 1, 3, 1);
	wish_last(&w, 0, 0, 0);
	wish_mac(&w, 0, mac_a);
	other = &w.vfs[0][2];
	other->unread = true;
	w.pfs[0].link.has_list = true;
	w.pfs[0].link.n_listed = 3;
	w.link[0][2].has = 0;
	w.s.complete = false;
	assert_int_equal(plan(&w), -EAGAIN);
	w.s.complete = true;
	/* Nobody's: clean as far as we know. Told, and no reason to refuse. */
	chosen(&w, 0, 0);
	assert_true(noted(&w, other, "cannot be told"));
	assert_null(step_of(&w, other, STEP_CLEAR_MAC));
	/* Another VM's, with a MAC of its own: known well enough. */
	lease_to(other, 105, LEASE_RUNNING);
	other->lease.want = (struct vf_settings){.has = HAS_MAC, .mac = {2, 0, 0, 0, 0, 9}};
	chosen(&w, 0, 0);
	assert_false(noted(&w, other, "cannot be told"));
	/* With that very MAC. */
	memcpy(other->lease.want.mac, mac_a, 6);
	assert_int_equal(plan(&w), -EBUSY);
	assert_has(w.err.text, "VM 105");
	assert_has(w.err.text, "VF 2");
	/* The VM's own leftover, which it had before this one. */
	other->lease.vmid = VM;
	assert_int_equal(plan(&w), -EBUSY);
	/* What the kernel never lists is nothing of ours. */
	other->leased = false;
	w.pfs[0].link.n_listed = 2;
	w.s.complete = false;
	chosen(&w, 0, 0);
	plan_free(&w.p);
}

static void test_double_mac_on_own_leftover(void **state)
{
	const struct vf_state *other;
	struct world w;

	(void)state;
	world_init(&w, 1, 3, 1);
	wish_last(&w, 0, 0, 0);
	wish_mac(&w, 0, mac_a);
	set_mac(&w, 0, 2, mac_a);
	other = &w.vfs[0][2];
	lease_to(&w.vfs[0][2], VM, LEASE_STARTING);
	chosen(&w, 0, 0);
	assert_non_null(step_of(&w, other, STEP_CLEAR_MAC));
	assert_null(step_of(&w, other, STEP_LEASE_DROP));
	assert_true(step_of(&w, other, STEP_CLEAR_MAC) < set_of(&w, &w.vfs[0][0], VF_MAC));
	plan_free(&w.p);
}

static void test_double_mac_elsewhere_is_fine(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, 3, 1);
	wish_last(&w, 0, 0, 0);
	wish_mac(&w, 0, mac_a);
	set_mac(&w, 1, 2, mac_a); /* another PF: another switch */
	set_mac(&w, 0, 0, mac_a); /* the VF itself */
	w.s.complete = false;
	chosen(&w, 0, 0);
	assert_null(set_of(&w, &w.vfs[0][0], VF_MAC));
	plan_free(&w.p);
}

/* Where the MAC was taken away, spoofchk may have had to go for it: it comes back. */
static void test_double_mac_leaves_spoofchk_on(void **state)
{
	const struct step *guard;
	struct world w;

	(void)state;
	for (int own = 0; own < 2; own++) {
		world_init(&w, 1, 3, 1);
		wish_last(&w, 0, 0, 0);
		wish_mac(&w, 0, mac_a);
		set_mac(&w, 0, 2, mac_a);
		if (own)
			lease_to(&w.vfs[0][2], VM, LEASE_STARTING);
		chosen(&w, 0, 0);
		guard = step_of(&w, &w.vfs[0][2], STEP_GUARD);
		assert_non_null(guard);
		assert_true(guard > step_of(&w, &w.vfs[0][2], STEP_CLEAR_MAC));
		if (!own)
			assert_true(guard < step_of(&w, &w.vfs[0][2], STEP_LEASE_DROP));
		plan_free(&w.p);
	}
}

/* Leases are taken once: a plan that takes one twice fails, and would for ever. */
static void leases_are_consistent(const struct world *w)
{
	for (size_t i = 0; i < w->p.n_steps; i++) {
		bool held = false;

		for (size_t k = 0; k <= i; k++) {
			if (pci_addr_cmp(&w->p.steps[k].vf, &w->p.steps[i].vf) != 0)
				continue;
			if (w->p.steps[k].kind == STEP_LEASE_TAKE) {
				assert_false(held);
				held = true;
			} else if (w->p.steps[k].kind == STEP_LEASE_DROP) {
				held = false;
			}
		}
	}
}

/* Two ports of one VM whose VFs have each other's address, in any order and lease. */
static void test_two_ports_change_addresses(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 16; m++) {
		struct world w;
		unsigned first = m & 1;

		world_init(&w, 1, 2, 2);
		wish_last(&w, 0, 0, first);
		wish_last(&w, 1, 0, !first);
		if (m & 2)
			wish_mac(&w, 0, mac_a);
		wish_mac(&w, 1, mac_b);
		set_mac(&w, 0, first, mac_b);
		set_mac(&w, 0, !first, mac_a);
		if (m & 4)
			lease_to(&w.vfs[0][first], VM, LEASE_STARTING);
		if (m & 8)
			lease_to(&w.vfs[0][!first], VM, LEASE_STARTING);
		chosen(&w, 0, first);
		got(&w, 1, 0, !first);
		leases_are_consistent(&w);
		assert_non_null(set_of(&w, &w.vfs[0][!first], VF_MAC));
		plan_free(&w.p);
	}
}

/* --- A VF that the VM has already --- */

static void test_port_on(void **state)
{
	struct vf_claim claim = {.firm = true, .who = "reserved by PVE for VM 107 (running)"};
	struct pci_addr stranger = addr_of("0000:99:10.0");
	struct world w;
	struct vf_state *v = &w.vfs[0][1];

	(void)state;
	world_init(&w, 1, 2, 1);
	wish_mac(&w, 0, mac_a);
	v->busy = true; /* QEMU has it open: that is why */
	w.pfs[0].link.up = false;
	assert_int_equal(plan_port_on(&w.s, &w.wishes[0], &v->info.addr, NOW, &w.p, &w.err), 0);
	assert_non_null(step_of(&w, v, STEP_LEASE_TAKE));
	assert_non_null(set_of(&w, v, VF_MAC));
	plan_free(&w.p);
	lease_to(v, 105, LEASE_STARTING);
	assert_int_equal(plan_port_on(&w.s, &w.wishes[0], &v->info.addr, NOW, &w.p, &w.err),
			 -EBUSY);
	assert_has(w.err.text, "VM 105");
	v->leased = false;
	v->claim = &claim;
	assert_int_equal(plan_port_on(&w.s, &w.wishes[0], &v->info.addr, NOW, &w.p, &w.err),
			 -EBUSY);
	assert_has(w.err.text, "VM 107");
	assert_int_equal(plan_port_on(&w.s, &w.wishes[0], &stranger, NOW, &w.p, &w.err), -EBUSY);
	assert_has(w.err.text, "0000:99:10.0");
	assert_has(w.err.text, "wan");
	plan_free(&w.p);
}

/*
 * A running VM's lease was lost: the rate that its VF has is the port's own, and must not become
 * what the VF goes back to, for then the next VM would have it.
 */
static void test_port_on_lost_lease(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][1];
	const struct step *s;
	struct lease l;

	(void)state;
	for (int seized = 0; seized < 2; seized++) {
		world_init(&w, 1, 2, 1);
		w.wishes[0].want.has |= HAS_MAX_RATE;
		w.wishes[0].want.max_rate = 500;
		v->now.max_rate = 500;
		if (seized) { /* as repair makes it where the file was no lease */
			lease_to(v, VM, LEASE_STARTING);
			v->lease.before = v->lease.want =
				(struct vf_settings){.proto = VLAN_PROTO_8021Q};
		}
		assert_int_equal(plan_port_on(&w.s, &w.wishes[0], &v->info.addr, NOW, &w.p, &w.err),
				 0);
		s = step_of(&w, v, seized ? STEP_LEASE_WRITE : STEP_LEASE_TAKE);
		assert_non_null(s);
		l = s->lease;
		assert_int_equal(s->from.max_rate, 500);
		assert_null(set_of(&w, v, VF_RATE));
		plan_free(&w.p);
		plan_init(&w.p, PLAN_RELEASE, VM);
		assert_int_equal(plan_release(&w.pfs[0], v, &l, &w.p, &w.err), 0);
		s = set_of(&w, v, VF_RATE);
		assert_non_null(s);
		assert_int_equal(s->to.max_rate, 0);
		plan_free(&w.p);
	}
	/* What is otherwise than the port wishes was so before. */
	world_init(&w, 1, 2, 1);
	w.wishes[0].want.has |= HAS_MAX_RATE;
	w.wishes[0].want.max_rate = 500;
	v->now.max_rate = 300;
	assert_int_equal(plan_port_on(&w.s, &w.wishes[0], &v->info.addr, NOW, &w.p, &w.err), 0);
	assert_int_equal(step_of(&w, v, STEP_LEASE_TAKE)->lease.before.max_rate, 300);
	plan_free(&w.p);
}

/* Other wishes while it runs: what the guest's driver has as its address stays, in the lease too.
 */
static void test_change_keeps_the_mac(void **state)
{
	struct vf_settings want = {
		.has = HAS_MAC | HAS_VLAN, .vlan = 30, .proto = VLAN_PROTO_8021Q};
	const struct step *s;
	struct vf_state *v;
	struct world w;

	(void)state;
	world_init(&w, 1, 1, 1);
	v = &w.vfs[0][0];
	lease_to(v, VM, LEASE_RUNNING);
	v->lease.want.has = HAS_MAC | HAS_TRUST;
	v->lease.want.trust = true;
	v->now.trust = true;
	memcpy(v->lease.want.mac, mac_a, 6);
	memcpy(want.mac, mac_b, 6);
	set_mac(&w, 0, 0, mac_a);
	assert_int_equal(plan_change(&w.pfs[0], v, &want, &w.p, &w.err), 0);
	assert_null(set_of(&w, v, VF_MAC));
	s = step_of(&w, v, STEP_LEASE_WRITE);
	assert_non_null(s);
	assert_true(s->lease.want.has & HAS_MAC);
	assert_memory_equal(s->lease.want.mac, mac_a, 6);
	assert_memory_equal(s->old_lease.want.mac, mac_a, 6);
	s = set_of(&w, v, VF_VLAN);
	assert_true(s && s->to.vlan == 30);
	s = set_of(&w, v, VF_TRUST);
	assert_true(s && !s->to.trust);
	s = step_of(&w, v, STEP_VERIFY);
	assert_true(s && !(s->to.has & HAS_MAC));
	/* A port that has no MAC by now: the lease still says what the guest has. */
	plan_free(&w.p);
	plan_init(&w.p, PLAN_START, VM);
	want.has = HAS_VLAN;
	assert_int_equal(plan_change(&w.pfs[0], v, &want, &w.p, &w.err), 0);
	s = step_of(&w, v, STEP_LEASE_WRITE);
	assert_true(s && (s->lease.want.has & HAS_MAC));
	plan_free(&w.p);
}

/* A leftover whose port limited it both ways: the one that is wished for no more is as before us.
 */
static void test_rates_of_a_leftover(void **state)
{
	const struct step *s;
	struct vf_state *v;
	struct world w;

	(void)state;
	world_init(&w, 1, 1, 1);
	v = &w.vfs[0][0];
	v->now.min_rate = 3;
	v->now.max_rate = 30;
	lease_to(v, VM, LEASE_STARTING);
	v->lease.want.has = HAS_MIN_RATE | HAS_MAX_RATE;
	v->now.min_rate = 10;
	v->now.max_rate = 100;
	w.wishes[0].want = (struct vf_settings){.has = HAS_MAX_RATE, .max_rate = 500};
	chosen(&w, 0, 0);
	s = set_of(&w, v, VF_RATE);
	assert_true(s && s->to.min_rate == 3 && s->to.max_rate == 500);
	w.wishes[0].want = (struct vf_settings){.has = HAS_MIN_RATE, .min_rate = 7};
	chosen(&w, 0, 0);
	s = set_of(&w, v, VF_RATE);
	assert_true(s && s->to.min_rate == 7 && s->to.max_rate == 30);
	plan_free(&w.p);
}

/* Two VFs of one VM that change their addresses: each step is on a VF that is leased by then. */
static void test_swap_is_under_leases(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 4; m++) {
		bool held[2] = {m & 1, m & 2};
		struct world w;

		world_init(&w, 1, 2, 2);
		wish_last(&w, 0, 0, 0);
		wish_last(&w, 1, 0, 1);
		wish_mac(&w, 0, mac_a);
		wish_mac(&w, 1, mac_b);
		set_mac(&w, 0, 0, mac_b);
		set_mac(&w, 0, 1, mac_a);
		for (unsigned k = 0; k < 2; k++) {
			if (held[k])
				lease_to(&w.vfs[0][k], VM, LEASE_STARTING);
		}
		chosen(&w, 0, 0);
		for (size_t i = 0; i < w.p.n_steps; i++) {
			const struct step *s = &w.p.steps[i];

			if (s->kind == STEP_LEASE_TAKE || s->kind == STEP_LEASE_WRITE)
				held[s->index] = true;
			else if (s->kind == STEP_LEASE_DROP)
				held[s->index] = false;
			else
				assert_true(held[s->index]);
		}
		/* Nobody has the other's address while both have one. */
		assert_true(step_of(&w, &w.vfs[0][1], STEP_CLEAR_MAC) <
			    set_of(&w, &w.vfs[0][0], VF_MAC));
		plan_free(&w.p);
	}
}

/* --- Giving back --- */

static void release(struct world *w, const struct vf_state *v, const struct lease *l)
{
	plan_free(&w->p);
	plan_init(&w->p, PLAN_RELEASE, l->vmid);
	assert_int_equal(plan_release(&w->pfs[0], v, l, &w->p, &w->err), 0);
	assert_true(w->p.n_steps > 0);
	assert_int_equal(w->p.steps[w->p.n_steps - 1].kind, STEP_LEASE_DROP);
}

/* A driver with a link state: parked VFs have none, and whoever gets one has it again. */
static void test_parked_link(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];
	struct vf_settings want = {.has = HAS_VLAN, .vlan = 5, .proto = VLAN_PROTO_8021Q};
	const struct step *s;

	(void)state;
	world_init(&w, 1, 1, 1);
	snprintf(w.pfs[0].info.driver, DRIVER_LEN, "i40e");
	lease_to(v, VM, LEASE_RUNNING);
	release(&w, v, &v->lease);
	assert_int_equal(w.p.steps[0].kind, STEP_CUT);
	plan_foresee(&w.p, &w.s);
	assert_int_equal(v->now.link_state, VF_LINK_DISABLE);
	/* Once more: nothing to do. */
	release(&w, v, &v->lease);
	assert_null(step_of(&w, v, STEP_CUT));

	chosen(&w, 0, 0);
	s = set_of(&w, v, VF_LINK_STATE);
	assert_true(s && s->to.link_state == VF_LINK_AUTO);
	s = step_of(&w, v, STEP_VERIFY);
	assert_true(s && (s->to.has & HAS_LINK_STATE) && s->to.link_state == VF_LINK_AUTO);
	w.wishes[0].want =
		(struct vf_settings){.has = HAS_LINK_STATE, .link_state = VF_LINK_ENABLE};
	chosen(&w, 0, 0);
	s = set_of(&w, v, VF_LINK_STATE);
	assert_true(s && s->to.link_state == VF_LINK_ENABLE);

	/* It ran with a wish that is taken back while it runs: its link must not go. */
	lease_to(v, VM, LEASE_RUNNING);
	v->lease.want = w.wishes[0].want;
	v->lease.before = v->now;
	v->now.link_state = VF_LINK_ENABLE;
	plan_free(&w.p);
	plan_init(&w.p, PLAN_MEND, VM);
	assert_int_equal(plan_change(&w.pfs[0], v, &want, &w.p, &w.err), 0);
	s = set_of(&w, v, VF_LINK_STATE);
	assert_true(s && s->to.link_state == VF_LINK_AUTO);
	plan_free(&w.p);
}

/* At boot: under a lease of our own, and only what is not as it should be. */
static void test_park(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];

	(void)state;
	world_init(&w, 1, 1, 1);
	snprintf(w.pfs[0].info.driver, DRIVER_LEN, "i40e");
	v->info.driver[0] = '\0';
	v->now.vlan = 7;
	plan_init(&w.p, PLAN_START, LEASE_SELF);
	assert_int_equal(plan_park(&w.pfs[0], v, NOW, &w.p, &w.err), 0);
	assert_int_equal(w.p.steps[0].kind, STEP_LEASE_TAKE);
	assert_int_equal(w.p.steps[0].lease.vmid, LEASE_SELF);
	assert_int_equal(w.p.steps[w.p.n_steps - 1].kind, STEP_LEASE_DROP);
	assert_non_null(step_of(&w, v, STEP_OVERRIDE));
	assert_non_null(step_of(&w, v, STEP_CUT));
	assert_non_null(set_of(&w, v, VF_VLAN));
	plan_foresee(&w.p, &w.s);
	assert_false(v->leased);
	plan_free(&w.p);
	plan_init(&w.p, PLAN_START, LEASE_SELF);
	assert_int_equal(plan_park(&w.pfs[0], v, NOW, &w.p, &w.err), 0);
	assert_int_equal(w.p.n_steps, 0);
	plan_free(&w.p);
}

/* A guest's rate on a VF whose lease is lost goes with its VLAN; a rate alone is nobody's mark. */
static void test_park_with_rate(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];
	const struct step *s;

	(void)state;
	world_init(&w, 1, 1, 1);
	v->now.max_rate = 500;
	plan_init(&w.p, PLAN_START, LEASE_SELF);
	assert_int_equal(plan_park(&w.pfs[0], v, NOW, &w.p, &w.err), 0);
	assert_null(set_of(&w, v, VF_RATE));
	plan_free(&w.p);
	v->now.vlan = 7;
	plan_init(&w.p, PLAN_START, LEASE_SELF);
	assert_int_equal(plan_park(&w.pfs[0], v, NOW, &w.p, &w.err), 0);
	s = set_of(&w, v, VF_RATE);
	assert_non_null(s);
	assert_int_equal(s->to.max_rate, 0);
	assert_int_equal(w.p.steps[0].from.max_rate, 500);
	plan_free(&w.p);
}

static void test_release_everything(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];
	const struct step *s;

	(void)state;
	world_init(&w, 1, 1, 1);
	v->now.max_rate = 1000;
	lease_to(v, VM, LEASE_RUNNING);
	v->lease.want = everything();
	v->now = everything();
	snprintf(w.pfs[0].info.driver, sizeof(w.pfs[0].info.driver), "i40e");
	release(&w, v, &v->lease);
	/* First of all nobody hears it any more. */
	assert_int_equal(w.p.steps[0].kind, STEP_CUT);
	snprintf(w.pfs[0].info.driver, sizeof(w.pfs[0].info.driver), "igb");
	release(&w, v, &v->lease);
	s = set_of(&w, v, VF_VLAN);
	assert_true(s && !s->to.vlan && !s->to.qos);
	assert_non_null(step_of(&w, v, STEP_CLEAR_MAC));
	assert_true(s < step_of(&w, v, STEP_CLEAR_MAC));
	s = set_of(&w, v, VF_TRUST);
	assert_true(s && !s->to.trust);
	s = set_of(&w, v, VF_RATE);
	assert_true(s && s->to.max_rate == 1000 && s->to.min_rate == 0);
	s = set_of(&w, v, VF_LINK_STATE);
	assert_true(s && s->to.link_state == VF_LINK_AUTO);
	s = set_of(&w, v, VF_QUERY_RSS);
	assert_true(s && !s->to.query_rss);
	assert_non_null(step_of(&w, v, STEP_GUARD));
	assert_true(step_of(&w, v, STEP_GUARD) > step_of(&w, v, STEP_CLEAR_MAC));
	plan_free(&w.p);
}

static void test_release_what_is_clean(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];

	(void)state;
	world_init(&w, 1, 1, 1);
	lease_to(v, VM, LEASE_RUNNING);
	v->lease.want = everything();
	release(&w, v, &v->lease);
	assert_int_equal(w.p.n_steps, 1);
	release(&w, NULL, &v->lease); /* it is no longer there */
	assert_int_equal(w.p.n_steps, 1);
	assert_int_equal(pci_addr_cmp(&w.p.steps[0].vf, &v->info.addr), 0);
	plan_free(&w.p);
}

/* Rates, link state and query_rss that the port had not asked for are somebody else's. */
static void test_release_leaves_alone(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];

	(void)state;
	world_init(&w, 1, 1, 1);
	lease_to(v, VM, LEASE_RUNNING);
	v->lease.want = (struct vf_settings){.has = HAS_VLAN, .vlan = 20};
	v->now = everything();
	release(&w, v, &v->lease);
	assert_null(set_of(&w, v, VF_RATE));
	assert_null(set_of(&w, v, VF_LINK_STATE));
	assert_null(set_of(&w, v, VF_QUERY_RSS));
	/* What was not known before cannot be put back. */
	v->lease.want = everything();
	v->lease.before.has = 0;
	release(&w, v, &v->lease);
	assert_null(set_of(&w, v, VF_RATE));
	/* Safe is safe, whoever set it. */
	assert_non_null(set_of(&w, v, VF_VLAN));
	assert_non_null(set_of(&w, v, VF_TRUST));
	/* What the driver does not tell is not touched. */
	v->now.has = HAS_MAC;
	release(&w, v, &v->lease);
	assert_int_equal(w.p.n_steps, 2);
	plan_free(&w.p);
}

static void test_release_with_priority_only(void **state)
{
	struct world w;
	struct vf_state *v = &w.vfs[0][0];

	(void)state;
	world_init(&w, 1, 1, 1);
	lease_to(v, VM, LEASE_RUNNING);
	v->now.qos = 5;
	v->now.spoofchk = false;
	release(&w, v, &v->lease);
	assert_non_null(set_of(&w, v, VF_VLAN));
	assert_null(step_of(&w, v, STEP_CLEAR_MAC));
	assert_non_null(step_of(&w, v, STEP_GUARD));
	plan_free(&w.p);
}

/* --- In words --- */

/* What would be after a start, and after its undoing, and after a release. */
static void test_foresee(void **state)
{
	struct world w;
	struct plan back;
	struct vf_settings before;
	struct vf_state *v = &w.vfs[0][0];

	(void)state;
	world_init(&w, 1, 2, 1);
	v->info.driver[0] = '\0';
	before = v->now;
	wish_mac(&w, 0, mac_a);
	w.wishes[0].want.has |= HAS_VLAN | HAS_TRUST | HAS_MAX_RATE | HAS_LINK_STATE;
	w.wishes[0].want.vlan = 20;
	w.wishes[0].want.proto = VLAN_PROTO_8021Q;
	w.wishes[0].want.trust = true;
	w.wishes[0].want.max_rate = 500;
	w.wishes[0].want.link_state = VF_LINK_ENABLE;
	chosen(&w, 0, 0);
	plan_foresee(&w.p, &w.s);
	assert_true(v->leased);
	assert_int_equal(v->lease.vmid, VM);
	assert_string_equal(v->info.driver_override, "vfio-pci");
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		assert_true(vf_attr_equal((enum vf_attr)a, &w.wishes[0].want, &v->now));
		assert_true(vf_attr_equal((enum vf_attr)a, &w.wishes[0].want, &w.link[0][0]));
	}
	assert_false(w.vfs[0][1].leased);
	assert_true(mac_is_zero(w.link[0][1].mac));

	plan_init(&back, PLAN_START, VM);
	assert_int_equal(plan_undoing(&w.p, &back, &w.err), 0);
	plan_foresee(&back, &w.s);
	assert_false(v->leased);
	assert_string_equal(v->info.driver_override, "");
	for (int a = 0; a < VF_ATTR_COUNT; a++)
		assert_true(vf_attr_equal((enum vf_attr)a, &before, &v->now));
	plan_free(&back);

	/* Foreseen, it is the same plan again; and a release parks what it gave. */
	plan_foresee(&w.p, &w.s);
	v->busy = true;
	plan_init(&back, PLAN_RELEASE, VM);
	assert_int_equal(plan_release(&w.pfs[0], v, &v->lease, &back, &w.err), 0);
	plan_foresee(&back, &w.s);
	assert_false(v->leased);
	assert_false(v->busy);
	for (int a = 0; a < VF_ATTR_COUNT; a++)
		assert_true(vf_attr_equal((enum vf_attr)a, &before, &v->now));
	plan_free(&back);
	plan_free(&w.p);
}

static void test_append(void **state)
{
	struct world w;
	struct plan all;

	(void)state;
	world_init(&w, 1, 2, 1);
	wish_mac(&w, 0, mac_a);
	chosen(&w, 0, 0);
	plan_init(&all, PLAN_START, VM);
	for (int i = 0; i < 20; i++)
		assert_int_equal(plan_append(&all, &w.p, &w.err), 0);
	assert_int_equal(all.n_steps, 20 * w.p.n_steps);
	assert_memory_equal(&all.steps[19 * w.p.n_steps], w.p.steps,
			    w.p.n_steps * sizeof(*w.p.steps));
	plan_free(&all);
	plan_free(&w.p);
}

static void test_words(void **state)
{
	struct world w;
	char buf[600];

	(void)state;
	world_init(&w, 1, 1, 1);
	w.wishes[0].want = everything();
	lease_to(&w.vfs[0][0], VM, LEASE_DIRTY);
	w.vfs[0][0].info.driver[0] = '\0';
	chosen(&w, 0, 0);
	assert_int_equal(
		plan_add_object(&w.p,
				&(struct step_object){.kind = "thing",
						      .name = "a",
						      .what = "mapping vf-100-0 on pve1 -> x",
						      .harmless = true},
				&w.err),
		0);
	assert_string_equal(w.p.steps[w.p.n_steps - 1].object.name, "a");
	for (size_t i = 0; i < w.p.n_steps; i++) {
		step_describe(&w.p.steps[i], buf, sizeof(buf));
		assert_true(buf[0]);
		assert_null(strchr(buf, '\n'));
		if (w.p.steps[i].kind != STEP_CALL)
			assert_has(buf, "0000:06:10.0");
	}
	step_describe(&w.p.steps[0], buf, sizeof(buf));
	assert_has(buf, "VM 100");
	assert_has(buf, "dirty -> starting");
	w.p.steps[0].lease.vmid = LEASE_SELF;
	step_describe(&w.p.steps[0], buf, sizeof(buf));
	assert_has(buf, "lease of vfhook itself dirty -> starting");
	step_describe(set_of(&w, &w.vfs[0][0], VF_VLAN), buf, sizeof(buf));
	assert_string_equal(buf, "VF 0000:06:10.0: VLAN none -> 20 qos 3 802.1ad");
	step_describe(set_of(&w, &w.vfs[0][0], VF_MAC), buf, sizeof(buf));
	assert_has(buf, "bc:24:11:00:00:0a");
	step_describe(step_of(&w, &w.vfs[0][0], STEP_OVERRIDE), buf, sizeof(buf));
	assert_has(buf, "none -> vfio-pci");
	step_describe(&w.p.steps[w.p.n_steps - 1], buf, sizeof(buf));
	assert_string_equal(buf, "mapping vf-100-0 on pve1 -> x");
	release(&w, &w.vfs[0][0], &w.vfs[0][0].lease);
	step_describe(&w.p.steps[w.p.n_steps - 1], buf, sizeof(buf));
	assert_has(buf, "VM 100");
	plan_free(&w.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_free),
		cmocka_unit_test(test_last_one_first),
		cmocka_unit_test(test_last_one_is_not_free),
		cmocka_unit_test(test_last_one_left_the_pool),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_keeping_goes_before_choosing),
		cmocka_unit_test(test_bond_wants_two_cables),
		cmocka_unit_test(test_bond_keeps_apart_from_what_is_kept),
		cmocka_unit_test(test_carrier_then_numa_then_free),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_spoken_for),
		cmocka_unit_test(test_never_the_same_twice),
		cmocka_unit_test(test_none_free),
		cmocka_unit_test(test_fewer_than_ports),
		cmocka_unit_test(test_no_pf_to_use),
		cmocka_unit_test(test_broken_pf_hides_no_other),
		cmocka_unit_test(test_wishes_that_contradict),
		cmocka_unit_test(test_why_not),
		cmocka_unit_test(test_why_not_hardware),
		cmocka_unit_test(test_why_not_netdev),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_shared_group),
		cmocka_unit_test(test_shared_group_wants_all),
		cmocka_unit_test(test_order_of_steps),
		cmocka_unit_test(test_lease_says_it_all),
		cmocka_unit_test(test_only_differences),
		cmocka_unit_test(test_unknown_is_different),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_own_leftover),
		cmocka_unit_test(test_own_leftover_loses_old_wishes),
		cmocka_unit_test(test_double_mac_on_a_free_vf),
		cmocka_unit_test(test_double_mac_on_an_unread_vf),
		cmocka_unit_test(test_double_mac_on_anothers_vf),
		cmocka_unit_test(test_double_mac_on_own_leftover),
		cmocka_unit_test(test_double_mac_elsewhere_is_fine),
		cmocka_unit_test(test_double_mac_leaves_spoofchk_on),
		cmocka_unit_test(test_two_ports_change_addresses),
		cmocka_unit_test(test_port_on),
		cmocka_unit_test(test_port_on_lost_lease),
		cmocka_unit_test(test_change_keeps_the_mac),
		cmocka_unit_test(test_rates_of_a_leftover),
		cmocka_unit_test(test_swap_is_under_leases),
		cmocka_unit_test(test_parked_link),
		cmocka_unit_test(test_park),
		cmocka_unit_test(test_park_with_rate),
		cmocka_unit_test(test_release_everything),
		cmocka_unit_test(test_release_what_is_clean),
		cmocka_unit_test(test_release_leaves_alone),
		cmocka_unit_test(test_release_with_priority_only),
		cmocka_unit_test(test_foresee),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
