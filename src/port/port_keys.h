/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a port, as its section in vfhook.cfg has them: read, judged together, and written
 * (each setting of a VF: src/vf/vf_keys.h). */
#ifndef VFHOOK_PORT_PORT_KEYS_H
#define VFHOOK_PORT_PORT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/port/config.h"

/*
 * One key of a port as it stands in the file. -EINVAL with err for a bad key or value; what *p has
 * of the key is of no use then.
 */
int port_set_key(const char *key, const char *v, struct port *p, struct error *err);

/* The names of all keys, one after the other; NULL behind the last one. */
const char *port_key_name(size_t i);

/* Do its keys go together? has_tag_options: vlan-qos or vlan-proto was given. -EINVAL with err. */
int port_check(const struct port *p, bool has_tag_options, struct error *err);

/*
 * Does it wish for nothing that the pool's VFs cannot have, which are of no network cards? -EINVAL
 * with err, which names the key. And the words for that.
 */
int port_check_network(const struct port *p, const struct pool *pool, struct error *err);
int port_refuse_network(const struct pool *pool, const char *key, struct error *err);

/*
 * "100-0" into vmid and slot of *p, and no other spelling of it: two would be two ports for one
 * hostpci. -EINVAL with err.
 */
int port_id_parse(const char *id, struct port *p, struct error *err);

/* "VM 100 hostpci0", "CT 110 eth1". Returns buf. */
#define PORT_CALLED_LEN 48
const char *port_called(const struct port *p, char buf[PORT_CALLED_LEN]);

#define PORT_WORDS_LEN 440

/* "pool wan, MAC bc:24:11:00:00:01, VLAN 20, live migration": all that it says. Returns buf. */
const char *port_describe(const struct port *p, char buf[PORT_WORDS_LEN]);

/* The text of a port's section, head and all; the caller's to free(). -ENOMEM with err. */
int config_port_section(const struct port *p, char **out, struct error *err);

#endif
