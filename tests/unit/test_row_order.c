/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "src/show/row_order.h"
#include "tests/unit/tree.h"

#define N 4

struct card {
	struct vf_state states[N];
	struct vf_report reports[N];
	struct vf_stats stats[N];
	struct pf_state pf_state;
	struct pf_report pf;
	struct pool_report pool;
	struct inventory inv;
};

/* VF 0 of VM 200, VF 1 of VM 100, VF 2 free, VF 3 stale. */
static void make(struct card *c)
{
	static const enum vf_use uses[N] = {USE_RUNNING, USE_RUNNING, USE_FREE, USE_STARTING};
	static const uint32_t vmids[N] = {200, 100, 0, 300};

	*c = (struct card){.pf = {.n_vfs = N, .n_stats = N}, .inv = {.n_pools = 1}};
	for (unsigned i = 0; i < N; i++) {
		c->states[i].info.index = i;
		c->states[i].info.addr = igb_vf(i);
		c->states[i].now = (struct vf_settings){.has = HAS_VLAN | HAS_MAC, .vlan = i * 10};
		c->states[i].now.mac[5] = (uint8_t)i;
		c->reports[i] = (struct vf_report){
			.vf = &c->states[i], .use = uses[i], .vmid = vmids[i], .stale = i == 3};
		c->stats[i].known = true;
	}
	snprintf(c->reports[0].name, sizeof(c->reports[0].name), "Firewall");
	c->pf.vfs = c->reports;
	c->pf.stats = c->stats;
	c->pf.pf = &c->pf_state;
	c->pool = (struct pool_report){.pfs = &c->pf, .n_pfs = 1};
	c->inv.pools = &c->pool;
}

/* The numbers of the VFs that are shown, "0 1 2 3". */
static const char *shown(const struct card *c, const struct row_choice *choice, char buf[32])
{
	const struct vf_report *rows[N];
	size_t n = row_order(&c->pf, choice, rows);

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++)
		snprintf(buf + strlen(buf), 32 - strlen(buf), "%s%u", i ? " " : "",
			 rows[i]->vf->info.index);
	return buf;
}

static void test_filter(void **state)
{
	const struct {
		const char *filter;
		const char *want;
	} all[] = {
		{"", "0 1 2 3"}, {"firewall", "0"}, {"VLAN 10", "1"},  {"00:00:03", "3"},
		{"stale", "3"},	 {"nothing", ""},   {"200 fire", "0"}, {"06:10", "0 1 2 3"},
	};
	struct card c;
	char buf[32];

	(void)state;
	make(&c);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct row_choice choice = {.filter = all[i].filter};

		assert_string_equal(shown(&c, &choice, buf), all[i].want);
	}
	assert_string_equal(shown(&c, &(struct row_choice){.taken = true}, buf), "0 1 3");
	assert_string_equal(shown(&c, &(struct row_choice){0}, buf), "0 1 2 3");
}

static void test_sort(void **state)
{
	struct traffic t = {0};
	struct card before;
	struct card now;
	char buf[32];

	(void)state;
	make(&before);
	make(&now);
	now.stats[1].rx_bytes = 1000;
	now.stats[2].tx_bytes = 2000;
	now.stats[3].rx_bytes = 5000;
	assert_int_equal(traffic_update(&t, &before.inv, &now.inv, 2), 0);
	assert_string_equal(shown(&now, &(struct row_choice){.sort = SORT_VM}, buf), "1 0 3 2");
	assert_string_equal(shown(&now, &(struct row_choice){.sort = SORT_STATE}, buf), "2 0 1 3");
	assert_string_equal(shown(&now, &(struct row_choice){.sort = SORT_RX, .traffic = &t}, buf),
			    "3 1 0 2");
	assert_string_equal(shown(&now, &(struct row_choice){.sort = SORT_TX, .traffic = &t}, buf),
			    "2 0 1 3");
	traffic_free(&t);
}

static void test_traffic(void **state)
{
	struct traffic t = {0};
	struct card before;
	struct card now;
	const struct vf_traffic *v;
	char spark[SPARK_LEN];

	(void)state;
	make(&before);
	make(&now);
	assert_int_equal(traffic_update(&t, NULL, &before.inv, 0), 0);
	v = traffic_of(&t, &before.states[1].info.addr);
	assert_non_null(v);
	assert_false(v->known);
	assert_string_equal(traffic_spark(v, spark), "");
	for (unsigned i = 1; i <= 20; i++) {
		now.stats[1].rx_bytes = before.stats[1].rx_bytes + i * 10000;
		assert_int_equal(traffic_update(&t, &before.inv, &now.inv, 2), 0);
		before.stats[1] = now.stats[1];
	}
	v = traffic_of(&t, &before.states[1].info.addr);
	assert_true(v->known);
	assert_int_equal(v->rx, 800000);
	assert_int_equal(v->n_past, TRAFFIC_KEPT);
	assert_string_equal(traffic_spark(v, spark), "▄▄▄▅▅▅▆▆▆▇▇█");
	/* Silence is low, whatever was before. */
	v = traffic_of(&t, &before.states[0].info.addr);
	assert_string_equal(traffic_spark(v, spark), "▁▁▁▁▁▁▁▁▁▁▁▁");
	/* Counters that went back are no rate. */
	now.stats[1].rx_bytes = 0;
	assert_int_equal(traffic_update(&t, &before.inv, &now.inv, 2), 0);
	assert_false(traffic_of(&t, &before.states[1].info.addr)->known);
	/* VFs that are gone are forgotten. */
	now.pf.n_vfs = 1;
	assert_int_equal(traffic_update(&t, &before.inv, &now.inv, 2), 0);
	assert_null(traffic_of(&t, &before.states[1].info.addr));
	traffic_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
