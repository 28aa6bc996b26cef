/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Until each file names what it uses. */
#ifndef VFHOOK_PORT_HOOK_H
#define VFHOOK_PORT_HOOK_H

#include "src/port/context.h"
#include "src/port/hook_lock.h"
#include "src/port/mapping_id.h"
#include "src/port/vm_locks.h"
#include "hook/phases.h"
#include "src/port/seen.h"
#include "src/port/plan_print.h"
#include "src/port/cluster_macs.h"
#include "src/port/mac.h"
#include "src/port/hostpci_planned.h"
#include "src/port/mapping_vf.h"
#include "src/port/mapping_plan.h"
#include "src/port/mapping_nodes.h"
#include "pveapi/guest.h"
#include "pveapi/guest_list.h"
#include "pveapi/guest_macs.h"
#include "pveapi/guest_names.h"
#include "pveapi/datacenter.h"
#include "pveapi/hostpci.h"
#include "pveapi/limits.h"
#include "pveapi/node.h"
#include "pveapi/mapping.h"
#include "pveapi/rest.h"
#include "pveapi/rest_token.h"
#include "src/vf/execute.h"
#include "src/vf/kernel.h"
#include "src/vf/plan.h"

#endif
