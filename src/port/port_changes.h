/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What attach, detach, set and the detached job change of a VM in PVE: hostpciN and the hookscript,
 * by REST or by `qm set`; and which node has the VM.
 */
#ifndef VFHOOK_PORT_PORT_CHANGES_H
#define VFHOOK_PORT_PORT_CHANGES_H

#include "pveapi/api_vm.h"
#include "pveapi/guest.h"
#include "src/base/options.h"
#include "src/port/config.h"
#include "src/port/context.h"

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

/*
 * `qm set <vmid> <option> <value>`, as root@pam on this node; qm takes PVE's lock on the VM, so it
 * must not be ours then. -EREMOTEIO: qm failed; what it says goes nowhere.
 */
int qm_set(struct hook *h, uint32_t vmid, const char *option, const char *value, struct error *err);
/* The same of a container, by `pct set`. */
int pct_set(struct hook *h, uint32_t vmid, const char *option, const char *value,
	    struct error *err);

/*
 * The config of a VM that is on this node, guest_config_free() it. -ENOENT with err: it is on the
 * node that err names, a container, or nowhere.
 */
int guest_here(struct hook *h, uint32_t vmid, struct guest_config *g, struct error *err);

/* Where in the cluster the guest is. 1: a VM, on that node; 0: nowhere; -EINVAL: a container. */
int guest_elsewhere(struct hook *h, uint32_t vmid, char node[NAME_LEN]);

#endif
