/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys by which a VF's settings are written: in vfhook.cfg, on a command line, in leases and
 * journals, in the output of status. One table says all there is to say of each, and everybody
 * reads it. What a port has beside them: src/port/port_keys.h.
 */
#ifndef VFHOOK_VF_VF_KEYS_H
#define VFHOOK_VF_VF_KEYS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/jsonout.h"
#include "src/base/text.h"
#include "src/vf/vf.h"

/* In the order in which they are written. */
enum vf_key_id {
	VF_KEY_MAC,
	VF_KEY_VLAN,
	VF_KEY_VLAN_QOS,
	VF_KEY_VLAN_PROTO,
	VF_KEY_SPOOFCHK,
	VF_KEY_TRUST,
	VF_KEY_MIN_RATE,
	VF_KEY_MAX_RATE,
	VF_KEY_LINK_STATE,
	VF_KEY_QUERY_RSS,
	VF_KEY_COUNT
};

struct vf_key {
	const char *name;
	enum vf_attr attr;	      /* what the kernel is told for it */
	uint32_t bit;		      /* the HAS_* that says whether it is there */
	const struct vf_value *value; /* how it is read and written (src/vf/vf_keys.c) */
	size_t offset;		      /* its member of struct vf_settings, */
	size_t size;		      /* and how long that is */
	uint32_t max;		      /* a number: the highest that may be asked for */
	uint32_t max_told;	      /* a number: the highest that a kernel may tell */
	const char *form;	      /* its value in a command's help: "ID", "on|off" */
	const char *help;	      /* what it may be, or does; NULL: each command has its own */
	/*
	 * NULL, or: it is a detail of its bit's main key (of vlan). It comes with that one and does
	 * not make it, and is left out where it is this: what a VF has without it.
	 */
	bool (*left_out)(const struct vf_settings *s);
};

/* By enum vf_key_id. */
extern const struct vf_key vf_keys[VF_KEY_COUNT];

/* The key of that name, or NULL. */
const struct vf_key *vf_key_find(const char *name);

/* Is it the name of a key that is nothing without another one: vlan-qos, vlan-proto? */
bool vf_key_is_detail(const char *name);

/*
 * Set it in *s from a person's text: a number in decimal, a switch as parse_bool() has it. -EINVAL
 * with err (which may be NULL): what it may be. An address that no VF may have is refused too.
 */
int vf_key_parse(const struct vf_key *k, const char *text, struct vf_settings *s,
		 struct error *err);

/* Is it among what is written of s: there, and not left out? */
bool vf_key_is_written(const struct vf_key *k, const struct vf_settings *s);

/* Append its value as vf_key_parse() reads it. digits: 1 and 0 for a switch, else on and off. */
void vf_key_print(const struct vf_key *k, const struct vf_settings *s, bool digits,
		  struct str *out);

/* What an attribute is called in JSON: its key, or "rate" where two keys travel in it. */
const char *vf_attr_key(enum vf_attr attr);

/* Take over from `to` the members that bits (HAS_*) name; `now` has to report them already. */
void vf_settings_merge(struct vf_settings *now, const struct vf_settings *to, uint32_t bits);

/*
 * To and from JSON (leases, journal). print: as a member of something larger. to_json: a new
 * reference, NULL when memory ran out. from_json: -EINVAL with err, and *out as it was; keys that
 * are not known are of another version and passed over.
 */
void vf_settings_print(const struct vf_settings *s, const char *key, struct json_out *o);
json_t *vf_settings_to_json(const struct vf_settings *s);
int vf_settings_from_json(const json_t *j, struct vf_settings *out, struct error *err);

#endif
