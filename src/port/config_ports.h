/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sections of ports in vfhook.cfg are changed. What would become wrong by it is refused
 * (-EINVAL), and the file stays as it was.
 */
#ifndef VFHOOK_PORT_CONFIG_PORTS_H
#define VFHOOK_PORT_CONFIG_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/config_edit.h"

/* Replace the MAC of a port (`mac auto` becomes an address for ever). -ENOENT: no such port. */
int config_set_mac(int root, uint32_t vmid, unsigned slot, const uint8_t mac[6], struct error *err);

/*
 * What a port's section becomes with other keys: its text as it is and as it would be (both the
 * caller's to free()), and the port as it would be. Nothing is written, and all is judged.
 */
int config_change_keys(int root, uint32_t vmid, unsigned slot, const struct key_change *changes,
		       size_t n, char **from, char **to, struct port *after, struct error *err);

/* Is the port "<vmid>-<N>" a mistake in what would be written (e->out), or makes it one of another
 * port? -EINVAL with err. */
int port_check_swapped(const struct edit *e, const char *id, struct error *err);

#endif
