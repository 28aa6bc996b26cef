/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of check_pve(): what each gathers, and the judges, which look at
 * nothing but these facts. Nobody outside of hook/check_*.c and the tests needs it.
 */
#ifndef VFHOOK_CHECK_CHECK_PVE_H
#define VFHOOK_CHECK_CHECK_PVE_H

#include "src/check/check.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/hostpci_judge.h"
#include "pveapi/guest_list.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "pveapi/storage.h"

/* A PASS, unless something worse was added since the report had n_before findings. */
void pass_unless_worse(struct report *r, size_t n_before, const char *id, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* "VM 100". Returns buf. */
const char *vm_subject(uint32_t vmid, char buf[32]);

/* --- [pve], [quorum] --- */

struct node_facts {
	char node[NAME_LEN];
	bool is_pve;		/* /etc/pve/nodes/<node> is there */
	char trouble[300];	/* why /etc/pve is not the cluster's, or "" */
	char version[64];	/* of the package pve-manager, "" if not known */
	bool members_known;	/* /etc/pve/.members could be read */
	bool clustered;		/* it tells of a cluster */
	bool quorate;		/* and of a quorum */
	unsigned nodes;		/* in that cluster */
	char cluster[NAME_LEN]; /* its name */
};

void judge_node(const struct node_facts *f, struct report *r);
void judge_quorum(const struct node_facts *f, struct report *r);

/* The version of an installed package in the text of dpkg's status file. False: not installed. */
bool dpkg_version(const char *status, const char *package, char *buf, size_t size);
/* Fill in what /etc/pve/.members says; text is its content. */
void members_parse(const char *text, size_t len, struct node_facts *f);

/* --- [config] --- */

void judge_config(const struct config *c, struct report *r);

/* --- [snippet], [boot-service] --- */

enum snippet_state { SNIPPET_NONE, SNIPPET_NO_EXEC, SNIPPET_OTHER, SNIPPET_OURS };

/* What is at <path>/snippets/vfhook of one storage. */
struct snippet_facts {
	const struct storage *storage;
	enum snippet_state state;
	bool listed; /* the storage has content type snippets */
};

void judge_snippets(const struct snippet_facts *s, size_t n, struct report *r);
void check_snippet(struct hook *h, struct report *r);
void check_boot_service(struct hook *h, struct report *r);

/* --- [hookscript], [port], [mac] --- */

/* A VM with ports. */
struct vm_facts {
	uint32_t vmid;
	bool exists;
	bool container;
	bool here; /* its config is in this node's folder */
	bool is_template;
	char broken[320];	    /* why its config cannot be used, or "" */
	char hookscript[VOLID_LEN]; /* "" if it has none */
	char unusable[320];	    /* why our hookscript would not be run by PVE, or "" */
	char chain_unusable[320];   /* the same of the one that is run after it, or "" */
	unsigned slots;		    /* bit N: there is a port for hostpciN */
	unsigned named;		    /* bit N: hostpciN is mapping=vf-<vmid>-<N> */
	/* What a start would say of hostpciN, where that is not simply right, by slot. */
	struct {
		enum entry_verdict verdict;
		bool raw;
		char why[320];
		char mend[64];
	} slot[PVE_HOSTPCI_MAX];
};

void judge_vm(const struct vm_facts *v, struct report *r);

struct mac_owner {
	uint8_t mac[6];
	uint32_t vmid;
	int slot; /* of a port; -1: in the guest's config */
};

/* Sorts the list. */
void judge_macs(struct mac_owner *list, size_t n, struct report *r);

void check_vms(struct hook *h, const struct config *c, const struct guest_ref *guests,
	       size_t n_guests, struct report *r);
void check_macs(struct hook *h, const struct config *c, struct report *r);

/* --- [mappings], [nodes] --- */

/* The mapping of a port, as far as this node goes. */
struct mapping_facts {
	uint32_t vmid;
	unsigned slot;
	bool there;
	bool wanted_here; /* this node has the port's pool */
	bool has_here;	  /* and the mapping an entry for it */
	unsigned n_here;  /* how many */
	bool unknown_key; /* that entry has a key that PVE does not know */
	bool mdev;	  /* which no VF has */
	char path[PCI_ADDR_LEN * 2];
	/* As sysfs has it, and as the entry: PVE wants them equal ("" is "not there"). */
	bool is_vf;
	char id[2][16];
	char subsystem_id[2][16];
	char iommugroup[2][16];
	char missing[200]; /* other nodes with the pool and without an entry, ", " between */
};

/* What there is about the mapping of one port. */
void gather_mapping(struct hook *h, const struct config *c, const struct mapping_file *f,
		    const struct port *port, struct mapping_facts *m);
void judge_mapping(const struct mapping_facts *m, struct report *r);
void check_mappings(struct hook *h, const struct config *c, const struct guest_ref *guests,
		    size_t n_guests, struct report *r);
void check_nodes(struct hook *h, const struct config *c, struct report *r);

/* --- [token], [tls], [token-rights] --- */

enum right { RIGHT_HWTYPE, RIGHT_POWER, RIGHT_USE, RIGHT_MODIFY, RIGHT_COUNT };

/* PVE's names of them. */
extern const char *const right_names[RIGHT_COUNT];

/* What the token may do on one path of PVE's ACLs; bit 1 << enum right. */
struct path_rights {
	char path[NAME_LEN + 16];
	uint32_t vmid;		/* /vms/<vmid>, or 0 */
	char mapping[NAME_LEN]; /* /mapping/pci/<id>, or "" */
	bool asked;		/* GET /access/permissions gave an answer for it */
	unsigned has;
	unsigned propagates; /* to what is below the path */
	unsigned tried;	     /* a call that needs the right was not refused */
	unsigned refused;    /* or it was; why has the server's words */
	char why[RIGHT_COUNT][200];
};

struct token_facts {
	char name[160];		     /* user@realm!id */
	struct path_rights vms;	     /* /vms */
	struct path_rights mappings; /* /mapping/pci */
	struct path_rights *objects; /* this node's VMs with ports, and their mappings */
	size_t n_objects;
	bool incomplete;   /* not every path was answered for */
	char surplus[320]; /* "Sys.Modify on /, ...": far more than needed, or "" */
};

void judge_rights(const struct token_facts *f, struct report *r);
/* Does a privilege go beyond what vfhook needs, so far that it should be told? */
bool is_surplus(const char *privilege);
void check_token(struct hook *h, const struct config *c, const struct guest_ref *guests,
		 size_t n_guests, struct report *r);

#endif
