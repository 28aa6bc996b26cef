/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another node of the cluster, reached as PVE itself does it: ssh as root (PVE/SSHInfo.pm:
 * get_ssh_info, ssh_info_to_command).
 */
#ifndef VFHOOK_PVEAPI_PEER_H
#define VFHOOK_PVEAPI_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/answer.h"
#include "src/base/error.h"

#define PEER_IP_LEN 48

/*
 * The node's address, as /etc/pve/.members has it (pmxcfs: nodelist.<node>.ip). 0, or a negative
 * errno with err: -ENOENT if the cluster has no such node, or no address of it.
 */
int peer_address(int root, const char *node, char ip[PEER_IP_LEN], struct error *err);

/*
 * Does the cluster see that node (pmxcfs: nodelist.<node>.online)? NO as well for one that is none
 * of its members (any more). UNKNOWN: this is no cluster, or its file cannot be read.
 */
enum answer peer_online(int root, const char *node, bool *member);

/*
 * Run argv (ends in NULL; words of letters, digits and "_./:=-" only, for a shell reads them there)
 * on that node. ssh: the program to execute. What it prints goes to our standard output and error.
 * Returns its exit status, 255 if the node cannot be reached; or a negative errno with err:
 * -ETIMEDOUT: not over within timeout_ms, and the ssh here is ended (SIGTERM, then SIGKILL);
 * whatever runs there may go on; -EAGAIN: no process could be made for it here.
 */
int peer_run(int root, const char *ssh, const char *node, const char *const argv[], int timeout_ms,
	     struct error *err);

#endif
