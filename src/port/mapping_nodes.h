/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entries of a port's mapping for the other nodes of its pool: without one PVE refuses to
 * migrate or to fail over to that node.
 */
#ifndef VFHOOK_PORT_MAPPING_NODES_H
#define VFHOOK_PORT_MAPPING_NODES_H

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"
#include "src/vf/plan.h"

/*
 * Steps that give the mapping of a port an entry for each other node that has its pool,
 * has published VFs of it, and has no entry yet. Any of them will do: pre-start
 * on that node chooses anew. A node whose file is missing or wrong is told and left out.
 */
int publish_entries(struct hook *h, const struct vm_ports *v, const struct port_wish *w,
		    struct plan *plan, struct error *err);

#endif
