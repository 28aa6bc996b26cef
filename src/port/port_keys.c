/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a port: read, judged together, and written. */
#include "src/port/port_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/guest.h"
#include "src/base/cleanup.h"
#include "src/base/key_value.h"
#include "src/base/text.h"
#include "src/vf/vf_keys.h"

/* The least that IPv4 takes, and the most that an interface has (net/core/dev.c). */
#define MTU_MIN 68
#define MTU_MAX 65535

/* One that is to be made, or one as a VF can have it. */
static int set_mac(const char *v, struct port *p, struct error *err)
{
	const struct vf_key *k = &vf_keys[VF_KEY_MAC];
	uint8_t mac[6];

	if (!strcmp(v, "auto")) {
		p->mac_auto = true;
		return 0;
	}
	if (mac_parse(v, mac) < 0)
		return key_bad_value(k->name, v, "an address like BC:24:11:12:34:56, or auto", err);
	return vf_key_parse(k, v, &p->want, err);
}

static int set_pool_name(const char *v, struct port *p, struct error *err)
{
	if (!is_plain_name(v, NAME_LEN - 1))
		return key_bad_value("pool", v, "a name of letters, digits, '-' and '_'", err);
	snprintf(p->pool, sizeof(p->pool), "%s", v);
	return 0;
}

/* As the kernel takes one (net/core/dev.c: dev_valid_name), and PVE of a netN (PVE/LXC/Config.pm).
 */
static int set_netname(const char *v, struct port *p, struct error *err)
{
	if (!is_plain_name(v, IFNAME_LEN - 1) || !strcmp(v, "lo"))
		return key_bad_value(
			"name", v,
			"an interface's name like eth1: at most 15 letters, digits, '-', '_', '.'",
			err);
	snprintf(p->netname, sizeof(p->netname), "%s", v);
	return 0;
}

static int set_mtu(const char *v, struct port *p, struct error *err)
{
	uint32_t n;

	if (parse_u32(v, MTU_MAX, &n) < 0 || n < MTU_MIN)
		return key_bad_value("mtu", v, "a number from 68 to 65535", err);
	p->mtu = n;
	return 0;
}

/* What a port has beside the settings of its VF. */
static const char *const own_keys[] = {"pool", "name", "mtu", "live-migration", "comment"};

const char *port_key_name(size_t i)
{
	if (i < VF_KEY_COUNT)
		return vf_keys[i].name;
	return i - VF_KEY_COUNT < ARRAY_SIZE(own_keys) ? own_keys[i - VF_KEY_COUNT] : NULL;
}

int port_set_key(const char *key, const char *v, struct port *p, struct error *err)
{
	const struct vf_key *k = vf_key_find(key);

	if (!strcmp(key, "comment"))
		return 0;
	if (!strcmp(key, "pool"))
		return set_pool_name(v, p, err);
	if (!strcmp(key, "name"))
		return set_netname(v, p, err);
	if (!strcmp(key, "mtu"))
		return set_mtu(v, p, err);
	if (!strcmp(key, "live-migration"))
		return key_flag(key, v, &p->live_migration, err);
	/* A typing mistake must not become a VLAN that is silently not set. */
	if (!k)
		return key_unknown("port", key, err);
	return k == &vf_keys[VF_KEY_MAC] ? set_mac(v, p, err) : vf_key_parse(k, v, &p->want, err);
}

int port_id_parse(const char *id, struct port *p, struct error *err)
{
	const char *dash = strchr(id, '-');
	char vmid[16] = "";
	char clean[64];
	uint32_t slot = 0;

	if (dash && (size_t)(dash - id) < sizeof(vmid))
		memcpy(vmid, id, (size_t)(dash - id));
	if (dash && !parse_u32(vmid, PVE_VMID_MAX, &p->vmid) && p->vmid >= PVE_VMID_MIN &&
	    !parse_u32(dash + 1, PVE_HOSTPCI_MAX - 1, &slot)) {
		p->slot = slot;
		/* No second way to write the same. */
		if (id[0] != '0' && (dash[1] != '0' || !dash[2]))
			return 0;
	}
	return fail(err, EINVAL, "'%s' is no port: it wants <vmid>-<hostpci number>, like 100-0",
		    text_clean(id, clean, sizeof(clean)));
}

int port_check(const struct port *p, bool has_tag_options, struct error *err)
{
	if (!p->pool[0])
		return fail(err, EINVAL, "the port has no 'pool'");
	if (p->mtu && !p->netname[0])
		return fail(err, EINVAL,
			    "'mtu' is for a container's port, which has a 'name'; a VM's guest "
			    "sets its own");
	if (p->live_migration && p->netname[0])
		return fail(err, EINVAL,
			    "'live-migration' is for a VM's port: no container is migrated while "
			    "it runs");
	if (!(p->want.has & HAS_VLAN) && has_tag_options)
		return fail(err, EINVAL, "'vlan-qos' and 'vlan-proto' want a 'vlan' with them");
	if ((p->want.has & HAS_VLAN) && !p->want.vlan &&
	    (p->want.qos || p->want.proto != VLAN_PROTO_8021Q))
		return fail(err, EINVAL, "'vlan 0' is no VLAN: it has no priority or protocol");
	if ((p->want.has & HAS_MIN_RATE) && (p->want.has & HAS_MAX_RATE) && p->want.max_rate &&
	    p->want.min_rate > p->want.max_rate)
		return fail(err, EINVAL, "'min-rate' is above 'max-rate'");
	return 0;
}

int port_check_network(const struct port *p, const struct pool *pool, struct error *err)
{
	const char *key = p->live_migration ? "live-migration" : NULL;

	if (!pool->no_net)
		return 0;
	if (p->netname[0])
		return fail(err, EINVAL,
			    "a port with a 'name' is a container's network interface, and pool "
			    "'%s' is none of network cards (`network off`)",
			    pool->name);
	for (const struct vf_key *k = vf_keys; k < vf_keys + VF_KEY_COUNT; k++) {
		if (!key && (p->want.has & k->bit))
			key = k->name;
	}
	if (!key && p->mac_auto)
		key = vf_keys[VF_KEY_MAC].name;
	return key ? port_refuse_network(pool, key, err) : 0;
}

int port_refuse_network(const struct pool *pool, const char *key, struct error *err)
{
	return fail(err, EINVAL,
		    "'%s' is not for a port of pool '%s', which is none of network cards "
		    "(`network off`)",
		    key, pool->name);
}

const char *port_called(const struct port *p, char buf[PORT_CALLED_LEN])
{
	if (p->netname[0])
		snprintf(buf, PORT_CALLED_LEN, "CT %u %s", p->vmid, p->netname);
	else
		snprintf(buf, PORT_CALLED_LEN, "VM %u hostpci%u", p->vmid, p->slot);
	return buf;
}

const char *port_describe(const struct port *p, char buf[PORT_WORDS_LEN])
{
	char mtu[24] = "";
	char set[256];

	vf_settings_describe(&p->want, set, sizeof(set));
	if (p->mtu)
		snprintf(mtu, sizeof(mtu), ", MTU %u", p->mtu);
	snprintf(buf, PORT_WORDS_LEN, "pool %s%s%s%s%s%s%s", p->pool,
		 p->netname[0] ? ", interface " : "", p->netname, mtu, p->want.has ? ", " : "",
		 p->want.has ? set : "", p->live_migration ? ", live migration" : "");
	return buf;
}

static void port_section_text(const struct port *p, struct str *out)
{
	str_printf(out, "port: %u-%u\n\tpool %s\n", p->vmid, p->slot, p->pool);
	if (p->netname[0])
		str_printf(out, "\tname %s\n", p->netname);
	if (p->mtu)
		str_printf(out, "\tmtu %u\n", p->mtu);
	if (p->mac_auto && !(p->want.has & HAS_MAC))
		str_printf(out, "\t%s auto\n", vf_keys[VF_KEY_MAC].name);
	for (const struct vf_key *k = vf_keys; k < vf_keys + VF_KEY_COUNT; k++) {
		if (!vf_key_is_written(k, &p->want))
			continue;
		str_printf(out, "\t%s ", k->name);
		vf_key_print(k, &p->want, true, out);
		str_append(out, "\n");
	}
	if (p->live_migration)
		str_append(out, "\tlive-migration 1\n");
}

int config_port_section(const struct port *p, char **out, struct error *err)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	port_section_text(p, &s);
	*out = str_take(&s);
	return *out ? 0 : fail(err, ENOMEM, "out of memory");
}
