/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What attach, detach, set and the detached job share: a VM's ports as PVE has
 * them (mapping, hostpciN, hookscript), and wishes as a person types them.
 */
#ifndef VFHOOK_PORT_PORT_CHANGES_H
#define VFHOOK_PORT_PORT_CHANGES_H

#include "src/base/options.h"
#include "src/port/vm_ports.h"
#include "pveapi/api.h"

#define OUR_HOOKSCRIPT "local:snippets/vfhook"

/*
 * Our own program as PVE's hookscript: among the snippets of "local", or of the
 * first other storage of this node that has it. "local" if none has.
 */
void our_hookscript(const struct hook *h, char volid[VOLID_LEN]);

/*
 * Change or delete entries of the config that was read into g, in one step: by REST, or, where only
 * root@pam may (a raw address, a romfile), by `qm set`. Sends g's digest: -EAGAIN if the config was
 * changed since.
 */
int ports_change_hostpci(struct hook *h, const struct guest_config *g,
			 const struct hostpci_change *changes, size_t n, struct error *err);
/* What that would send, for a person. */
void ports_tell_hostpci(struct hook *h, const struct guest_config *g,
			const struct hostpci_change *changes, size_t n);

/* `qm set <vmid> --<option> <value>`, as root@pam on this node. Takes the VM's lock. */
int qm_set(struct hook *h, uint32_t vmid, const char *option, const char *value, struct error *err);

/* The config of a VM that is on this node, or an error that says where it is instead. */
int guest_here(struct hook *h, uint32_t vmid, struct guest_config *g, struct error *err);

/* Where in the cluster the guest is. 1: a VM, on that node; 0: nowhere; -EINVAL: a container. */
int guest_elsewhere(struct hook *h, uint32_t vmid, char node[NAME_LEN]);

/* The port that is meant: --slot's (slot_text), or the only one. Complains; 0 or an exit status. */
int port_choose(const struct config *c, uint32_t vmid, const char *slot_text, unsigned *slot);
/* A hostpci number. Complains and returns EXIT_USAGE if it is none. */
int slot_parse(const char *text, unsigned *slot);

/* The wishes of a command line, in the order of the keys of a port. */
enum {
	WISH_MAC,
	WISH_VLAN,
	WISH_VLAN_QOS,
	WISH_VLAN_PROTO,
	WISH_SPOOFCHK,
	WISH_TRUST,
	WISH_MIN_RATE,
	WISH_MAX_RATE,
	WISH_LINK_STATE,
	WISH_QUERY_RSS,
	WISH_COUNT
};

/* All of them but the MAC, for a command's help. */
/* clang-format off */
#define WISH_HELP \
	"  --vlan ID            0 to 4094; 0: no VLAN\n" \
	"  --vlan-qos N         0 to 7\n" \
	"  --vlan-proto P       802.1Q or 802.1ad\n" \
	"  --spoofchk on|off    let the NIC drop frames with a forged MAC\n" \
	"  --trust on|off       let the guest change its MAC, be promiscuous\n" \
	"  --min-rate MBIT      guaranteed, 0: none\n" \
	"  --max-rate MBIT      limit, 0: none\n" \
	"  --link-state STATE   auto, enable or disable\n" \
	"  --query-rss on|off   let the guest read its RSS configuration\n"
/* clang-format on */

extern const char *const wish_keys[WISH_COUNT];

/* NULL where nothing was given. */
struct wish_args {
	const char *value[WISH_COUNT];
};

/* Append an option for each wish; room for WISH_COUNT in opts. */
void wish_opts(struct wish_args *w, struct opt *opts, size_t *n);

/*
 * Put what was given into the port. "unset" is allowed with can_unset: it is
 * left out here. A MAC that another port or a guest has is refused.
 */
int wish_apply(struct hook *h, const struct config *c, const struct wish_args *w, bool can_unset,
	       struct port *p, struct error *err);

#endif
