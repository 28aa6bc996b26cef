/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be set on a Virtual Function through its PF, and what a person or
 * the kernel says about it. Unset is not zero: `has` tells which members count.
 */
#ifndef VFHOOK_VF_VF_H
#define VFHOOK_VF_VF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/text.h"

/*
 * One attribute is one rtnetlink message. The order is the order in which a VF
 * is set up: VLAN before MAC, so that the guest's address never appears on a
 * network it is not meant for; spoofchk before trust, so that nothing is
 * trusted before it is checked.
 */
enum vf_attr {
	VF_VLAN,
	VF_MAC,
	VF_SPOOFCHK,
	VF_TRUST,
	VF_RATE, /* min and max travel in one attribute */
	VF_LINK_STATE,
	VF_QUERY_RSS,
	VF_ATTR_COUNT
};

enum {
	HAS_VLAN = 1 << 0, /* vlan, qos and proto together */
	HAS_MAC = 1 << 1,
	HAS_SPOOFCHK = 1 << 2,
	HAS_TRUST = 1 << 3,
	HAS_MIN_RATE = 1 << 4,
	HAS_MAX_RATE = 1 << 5,
	HAS_LINK_STATE = 1 << 6,
	HAS_QUERY_RSS = 1 << 7,
};

/* Values of IFLA_VF_LINK_STATE. */
enum vf_link_state { VF_LINK_AUTO, VF_LINK_ENABLE, VF_LINK_DISABLE };

#define VLAN_PROTO_8021Q  0x8100
#define VLAN_PROTO_8021AD 0x88a8
#define VLAN_ID_MAX	  4094 /* 4095 is reserved; some drivers take it all the same */
#define VLAN_QOS_MAX	  7
#define VF_RATE_MAX	  10000000 /* Mbit/s, of what may be asked for */

/* As many as a PF can have: NumVFs is a 16-bit register (PCI Express, 9.3.3). */
#define PF_VFS_MAX 65535

struct vf_settings {
	uint32_t has;
	uint16_t vlan; /* 0: none, the guest may tag itself where the driver lets it */
	uint8_t qos;
	uint16_t proto; /* VLAN_PROTO_*, host order */
	uint8_t mac[6];
	bool spoofchk;
	bool trust;
	bool query_rss;
	uint32_t min_rate; /* Mbit/s, 0: no limit */
	uint32_t max_rate; /* Mbit/s, 0: no limit */
	enum vf_link_state link_state;
};

/* "MAC", "VLAN", "spoofchk", ...: the word a person reads. */
const char *vf_attr_name(enum vf_attr attr);

/* The HAS_* bits that belong to an attribute. */
uint32_t vf_attr_bits(enum vf_attr attr);

/* True if every member of attr that `want` has is equal in `now` (and `now` has it). */
bool vf_attr_equal(enum vf_attr attr, const struct vf_settings *want,
		   const struct vf_settings *now);

/* The value as text: "vlan 20 qos 3 proto 802.1ad", "bc:24:11:..", "on", "max 500 Mbit/s". "-"
 * if s does not have it. Returns buf. */
const char *vf_attr_value(enum vf_attr attr, const struct vf_settings *s, char *buf, size_t size);

/* All that s has, in one line: "MAC bc:.., VLAN 20, spoofchk on"; "nothing" if empty. */
const char *vf_settings_describe(const struct vf_settings *s, char *buf, size_t size);

/* "802.1Q", "802.1ad"; one that is neither counts as the first. */
const char *vf_vlan_proto_name(uint16_t proto);
/* In either case of letters. 0, or -EINVAL for any other text, and for NULL. */
int vf_vlan_proto_parse(const char *s, uint16_t *out);

/* "auto", "enable", "disable". */
const char *vf_link_state_name(enum vf_link_state state);
/* 0, or -EINVAL for any other text, and for NULL. */
int vf_link_state_parse(const char *s, enum vf_link_state *out);

/* Refuses what no VF may have: zero, multicast. 0, or -EINVAL with err. */
int vf_mac_check(const uint8_t mac[6], struct error *err);

/* The locally administered address a parked VF gets where zero is refused: 02:<domain, bus, devfn>.
 */
void vf_parking_mac(const struct pci_addr *vf, uint8_t mac[6]);

/* Is an interface of that phys_port_name ("pf0vf3") a VF's representor, in switchdev mode? A PF's
 * own is "p0", or has none. */
bool vf_is_representor(const char *phys_port_name);

#endif
