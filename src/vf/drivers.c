/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of PF drivers, and what a wish asks of them. */
#include "src/vf/drivers.h"

#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/vf/vf_keys.h"

#define CAN_LINK (CAN_LINK_ENABLE | CAN_LINK_DISABLE)

/* From drivers/net/ethernet/ of Linux 6.x; the functions named are those that refuse. */
static const struct nic_driver drivers[] = {
	/*
	 * igb_main.c: no ndo_set_vf_link_state, no ndo_set_vf_rss_query_en;
	 * igb_ndo_set_vf_vlan: 802.1Q only; igb_ndo_set_vf_bw: 82576 only, min must
	 * be 0, link up.
	 */
	{.name = "igb",
	 .can = CAN_SPOOFCHK | CAN_TRUST,
	 .maybe = CAN_MAX_RATE,
	 .note = "max-rate: only the 82576, with link"},
	/*
	 * ixgbe_sriov.c: ixgbe_ndo_set_vf_link_state answers 0 to "enable" and does
	 * nothing; ixgbe_ndo_set_vf_bw: min must be 0, max above 10, link at 10 Gbit/s;
	 * ixgbe_ndo_set_vf_rss_query_en: 82599 and X540; ixgbe_ndo_set_vf_vlan: 802.1Q.
	 */
	{.name = "ixgbe",
	 .can = CAN_SPOOFCHK | CAN_TRUST | CAN_LINK_DISABLE,
	 .maybe = CAN_MAX_RATE | CAN_QUERY_RSS,
	 .note = "max-rate: only with a link of 10 Gbit/s, above 10; query-rss: only 82599, X540"},
	/*
	 * i40e_virtchnl_pf.c: i40e_ndo_set_vf_port_vlan: 802.1Q only;
	 * i40e_ndo_set_vf_bw: min must be 0. Every setting resets the VF.
	 */
	{.name = "i40e", .can = CAN_SPOOFCHK | CAN_TRUST | CAN_MAX_RATE | CAN_LINK, .note = ""},
	/*
	 * ice_sriov.c: ice_is_supported_port_vlan_proto: 802.1ad in double VLAN mode
	 * only; ice_set_vf_bw (5.16 and later): min not with DCB, nor more than the link in all.
	 */
	{.name = "ice",
	 .can = CAN_SPOOFCHK | CAN_TRUST | CAN_MAX_RATE | CAN_LINK,
	 .maybe = CAN_8021AD | CAN_MIN_RATE,
	 .note = "vlan-proto 802.1ad: only in double VLAN mode (firmware and DDP package); "
		 "min-rate: not with DCB"},
	/*
	 * mlx5/core: mlx5e_set_vf_vlan: 802.1Q only; esw/legacy.c: everything below is
	 * refused in switchdev mode; esw/qos.c: rates need the card's QoS capability;
	 * mlx5_esw_set_vport_mac_locked only warns of a zero MAC.
	 */
	{.name = "mlx5_core",
	 .can = CAN_SPOOFCHK | CAN_TRUST | CAN_LINK,
	 .maybe = CAN_MIN_RATE | CAN_MAX_RATE,
	 .note = "min-rate, max-rate: only cards with eswitch QoS",
	 /* en_fs.c: mlx5e_vport_context_update_addr_list: 1 << log_max_current_uc_list. */
	 .quiet_room = 127},
	/*
	 * bnxt_sriov.c: bnxt_set_vf_vlan: 802.1ad needs BNXT_FW_CAP_DFLT_VLAN_TPID_PCP;
	 * bnxt_set_vf_bw: neither above the link's speed; no ndo_set_vf_rss_query_en.
	 */
	{.name = "bnxt_en",
	 .can = CAN_SPOOFCHK | CAN_TRUST | CAN_MIN_RATE | CAN_MAX_RATE | CAN_LINK,
	 .maybe = CAN_8021AD,
	 .pf_up_first = true, /* bnxt_sriov_configure: !netif_running() */
	 .quiet_room = 3,     /* bnxt_cfg_rx_mode: BNXT_MAX_UC_ADDRS, then promiscuous */
	 .note = "vlan-proto 802.1ad: only with firmware that can insert that tag"},
};

const struct nic_driver *nic_driver(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (!strcmp(name, drivers[i].name))
			return &drivers[i];
	}
	return NULL;
}

/* drivers/vfio/pci/ of Linux 7.x: mlx5/main.c, pds/pci_drv.c, virtio/main.c (KBUILD_MODNAME),
 * xe/main.c, qat/main.c. */
const char *vf_variant_driver(const char *pf_driver)
{
	static const char *const variants[][2] = {
		{"mlx5_core", "mlx5_vfio_pci"},	   {"pds_core", "pds_vfio_pci"},
		{"virtio-pci", "virtio_vfio_pci"}, {"xe", "xe-vfio-pci"},
		{"4xxx", "qat_vfio_pci"},	   {"6xxx", "qat_vfio_pci"}};

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		if (!strcmp(pf_driver, variants[i][0]))
			return variants[i][1];
	}
	return NULL;
}

/* drivers/net/ethernet/ of Linux 6.x: the pci_driver that has the ids of the PF driver's VFs. */
const char *nic_vf_driver(const char *pf_driver)
{
	static const char *const drivers_of_vfs[][2] = {
		{"igb", "igbvf"},	{"ixgbe", "ixgbevf"},	    {"i40e", "iavf"},
		{"ice", "iavf"},	{"mlx5_core", "mlx5_core"}, {"mlx4_core", "mlx4_core"},
		{"bnxt_en", "bnxt_en"}, {"cxgb4", "cxgb4vf"},	    {"qede", "qede"},
		{"be2net", "be2net"},	{"nfp", "nfp_netvf"},	    {"sfc", "sfc"},
		{"hns3", "hns3"},	{"hinic", "hinic"},	    {"ionic", "ionic"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(drivers_of_vfs); i++) {
		if (!strcmp(pf_driver, drivers_of_vfs[i][0]))
			return drivers_of_vfs[i][1];
	}
	return NULL;
}

const char *vfio_driver(const char *pf_driver, bool keep)
{
	const char *variant = keep ? vf_variant_driver(pf_driver) : NULL;

	return variant ? variant : "vfio-pci";
}

bool is_vfio_driver(const char *driver)
{
	size_t len = strlen(driver);

	return len >= 8 &&
	       (!strcmp(driver + len - 8, "vfio-pci") || !strcmp(driver + len - 8, "vfio_pci"));
}

/* Which key each is for; value: whether it is one only with the value that is wanted. */
static const struct {
	uint32_t can;
	enum vf_key_id key;
	bool value;
} abilities[] = {
	{CAN_8021AD, VF_KEY_VLAN_PROTO, true},
	{CAN_SPOOFCHK, VF_KEY_SPOOFCHK, false},
	{CAN_TRUST, VF_KEY_TRUST, false},
	{CAN_MIN_RATE, VF_KEY_MIN_RATE, false},
	{CAN_MAX_RATE, VF_KEY_MAX_RATE, false},
	{CAN_LINK_ENABLE, VF_KEY_LINK_STATE, true},
	{CAN_LINK_DISABLE, VF_KEY_LINK_STATE, true},
	{CAN_QUERY_RSS, VF_KEY_QUERY_RSS, false},
};

/* What is zero, off or auto is what a VF without the setting has, and asks nothing of a driver. */
static uint32_t asked_for(const struct vf_settings *w)
{
	uint32_t bits = 0;

	if ((w->has & HAS_VLAN) && w->vlan && w->proto == VLAN_PROTO_8021AD)
		bits |= CAN_8021AD;
	if (w->has & HAS_SPOOFCHK)
		bits |= CAN_SPOOFCHK;
	if ((w->has & HAS_TRUST) && w->trust)
		bits |= CAN_TRUST;
	if ((w->has & HAS_MIN_RATE) && w->min_rate)
		bits |= CAN_MIN_RATE;
	if ((w->has & HAS_MAX_RATE) && w->max_rate)
		bits |= CAN_MAX_RATE;
	if ((w->has & HAS_LINK_STATE) && w->link_state == VF_LINK_ENABLE)
		bits |= CAN_LINK_ENABLE;
	if ((w->has & HAS_LINK_STATE) && w->link_state == VF_LINK_DISABLE)
		bits |= CAN_LINK_DISABLE;
	if ((w->has & HAS_QUERY_RSS) && w->query_rss)
		bits |= CAN_QUERY_RSS;
	return bits;
}

const char *nic_driver_refuses(const struct nic_driver *d, const struct vf_settings *want,
			       bool maybe, char buf[DRIVER_WISH_LEN])
{
	uint32_t bits = asked_for(want) & (maybe ? d->maybe : ~(d->can | d->maybe));
	CLEANUP(str_free) struct str text = STR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(abilities); i++) {
		const struct vf_key *k = &vf_keys[abilities[i].key];

		if (!(bits & abilities[i].can))
			continue;
		str_append(&text, k->name);
		if (abilities[i].value) {
			str_append(&text, " ");
			vf_key_print(k, want, false, &text);
		}
		snprintf(buf, DRIVER_WISH_LEN, "%s", str_get(&text));
		return buf;
	}
	return NULL;
}
