/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for src/vf/netlink.c: the kernel's side of VFs kept in files below
 * the root, fake-kernel/<ifindex>.json, one process at a time (flock). It is not
 * there to agree with the program but to disagree as drivers do that no rig
 * has. A PF's file may set "quirks":
 *
 *   "refuse-zero-mac"            zero MAC: EINVAL always
 *   "refuse-zero-mac-spoofchk"   zero MAC while spoofchk is on: EINVAL
 *   "spoofchk-needs-mac"         spoofchk on with a zero MAC: EINVAL
 *   "ignore-link-state"          accepted, but nothing changes (ixgbe)
 *   "no-link-state", "no-trust", "no-spoofchk", "no-rate", "no-8021ad", "no-query-rss"
 *   "busy:N"                     the next N sets answer EBUSY (a VF in reset: i40e)
 *   "fail:<attr>"                EIO with an extack text for that attribute (MAC, VLAN, ...)
 *   "fail-keeps:<attr>"          the same, but the attribute is set: drivers that change their own
 *                                copy before the firmware refuses (bnxt MAC, i40e spoofchk, ice and
 *                                mlx5 rates)
 *   "enotsupp:<attr>"            524, the kernel's own ENOTSUPP, for that attribute (bnxt_en)
 *   "gone"                       ENODEV for everything (driver unbound)
 *   "gone-after:N"               the same, once N more sets were made
 *   "fail-after:N"               the set after the next N answers EIO, once
 *   "busy-after:N"               all sets after the next N answer EBUSY (a VF that stays in reset)
 *   "again-after:N"              the same with EAGAIN
 *   "die-after:N"                the process is killed before its Nth set from now
 *   "slow:MS"                    each set takes that long
 *   "stuck"                      a set comes back after STUCK_S, done, and the process is held
 *                                meanwhile, as inside sendmsg() under rtnl_lock, but for a signal;
 *                                "inside" is true from then on
 *   "hole:N"                     VF N is left out of the list (ndo_get_vf_config fails)
 *   "hole:N:K"                   from the next K lists
 *   "no-list"                    there is no list (a driver without ndo_get_vf_config)
 *   "cap-list"                   Linux 7.3: the list ends after 256 VFs, with statistics after 128
 *
 * Of names with an <attr> or N several may stand side by side. "perm-mac" is the PF's permanent
 * address; without it the one its sysfs shows. "stats": [{"rx-packets": 1, "rx-bytes": 64, ...},
 * ...] is what its VFs have counted. Without "cap-list" more than 334 VFs are too many for a list,
 * and 221 for one with statistics, as up to Linux 7.2. "sets-refused" is how many sets were refused
 * so far, each try counted. A run's patience is PATIENCE_MS, not ten seconds; a
 * release is given up after thirty, or with a file fake-kernel/hurry after HURRY_MS.
 *
 * A file fake-kernel/address-<ifindex> gives an interface an address; with text in it, an errno, it
 * cannot be told. fake-kernel/vfio-<group> holds the errno that opening /dev/vfio/<group> answers
 * (vfio.c).
 *
 * Without a file a PF is up, has carrier, and as many VFs as sysfs says, in
 * the state a driver creates them in.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/vf/kernel.h"
#include "src/vf/kernel_impl.h"
#include "src/vf/vf_keys.h"

#define PATIENCE_MS	 1000
#define RELEASE_LIMIT_MS 30000
#define HURRY_MS	 6000
#define STUCK_S		 60

/* What fits into a list up to Linux 7.2. */
#define LIST_MAX  334
#define STATS_MAX 221

struct kernel {
	int root;
	struct patience patience;
	int ifindex; /* of the interface looked up last, or 0 */
	char ifname[16];
	unsigned long long num_vfs;
};

/* One PF's file, locked. */
struct page {
	int fd;
	json_t *j;
};

static void page_close(struct page *p)
{
	json_decref(p->j);
	cleanup_close(&p->fd);
}

int kernel_open(int root, struct kernel **out, struct error *err)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return fail(err, ENOMEM, "out of memory");
	k->root = root;
	k->patience.left_ms = PATIENCE_MS;
	*out = k;
	return dir_make(root, "fake-kernel", 0755, err);
}

void kernel_close(struct kernel *k)
{
	free(k);
}

int kernel_release_limit_ms(int root)
{
	return path_exists(root, "fake-kernel/hurry") ? HURRY_MS : RELEASE_LIMIT_MS;
}

struct patience *kernel_patience(struct kernel *k)
{
	return &k->patience;
}

/* The interface of that index, and how many VFs it has, from the tree's sysfs: looked up once. */
static bool find_pf(struct kernel *k, int ifindex)
{
	AUTO_CLOSEDIR DIR *d = NULL;
	int fd = openat(k->root, "sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;
	char path[320];

	d = fd < 0 ? NULL : fdopendir(fd);
	while (k->ifindex != ifindex && d && (e = readdir(d))) {
		unsigned long long n;

		snprintf(path, sizeof(path), "sys/class/net/%s/ifindex", e->d_name);
		if (attr_read_u64(k->root, path, INT_MAX, &n) < 0 || (int)n != ifindex)
			continue;
		k->ifindex = ifindex;
		snprintf(k->ifname, sizeof(k->ifname), "%.15s", e->d_name);
	}
	snprintf(path, sizeof(path), "sys/class/net/%s/device/sriov_numvfs", k->ifname);
	/* Empty for the moment that the simulator writes it. */
	if (attr_read_u64(k->root, path, 65535, &k->num_vfs) < 0)
		k->num_vfs = 0;
	return k->ifindex == ifindex;
}

static json_t *fresh_vf(void)
{
	struct vf_settings s = {.has = 0xff, .proto = VLAN_PROTO_8021Q, .spoofchk = true};

	return vf_settings_to_json(&s);
}

/* Not json_loadfd(): that takes a system call for each byte. */
static json_t *page_load(int fd)
{
	AUTO_FREE char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return NULL;
	text = malloc((size_t)st.st_size + 1);
	n = text ? pread(fd, text, (size_t)st.st_size, 0) : -1;
	return n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
}

static int page_open(struct kernel *k, int ifindex, struct page *p, struct error *err)
{
	char path[64];
	json_t *vfs;

	*p = (struct page){.fd = -1};
	if (!find_pf(k, ifindex))
		return fail(err, ENODEV, "read interface %d: No such device", ifindex);
	snprintf(path, sizeof(path), "fake-kernel/%s.json", k->ifname);
	p->fd = openat(k->root, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (p->fd < 0 || flock(p->fd, LOCK_EX) < 0)
		return fail_errno(err, errno, "fake kernel");
	p->j = page_load(p->fd);
	if (!p->j)
		p->j = json_pack("{s:b s:b s:[] s:[]}", "up", 1, "carrier", 1, "vfs", "quirks");
	vfs = json_object_get(p->j, "vfs");
	while (json_array_size(vfs) < k->num_vfs)
		json_array_append_new(vfs, fresh_vf());
	return 0;
}

/* In one call, blanks over what was longer: a kernel is not killed half way. */
static void page_store(struct page *p)
{
	AUTO_FREE char *text = json_dumps(p->j, JSON_INDENT(1));
	CLEANUP(str_free) struct str all = STR_INIT;
	struct stat st;

	if (fstat(p->fd, &st) < 0)
		abort();
	str_append(&all, text);
	while (str_ok(&all) && all.len < (size_t)st.st_size)
		str_append(&all, "\n");
	if (!str_ok(&all) || pwrite(p->fd, all.data, all.len, 0) < 0)
		abort();
}

/* The text behind "name" in the quirk of that name ("" for none behind it), or NULL. */
static const char *quirk(const struct page *p, const char *name)
{
	const json_t *list = json_object_get(p->j, "quirks");
	size_t len = strlen(name);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *q = json_string_value(json_array_get(list, i));

		if (q && !strncmp(q, name, len) && (!q[len] || q[len] == ':'))
			return q[len] ? q + len + 1 : q + len;
	}
	return NULL;
}

/* Counts a "name:N" quirk down; true while N was above zero. */
static bool count_down(struct page *p, const char *name)
{
	json_t *list = json_object_get(p->j, "quirks");
	const char *n = quirk(p, name);
	char text[64];

	if (!n || atoi(n) <= 0)
		return false;
	snprintf(text, sizeof(text), "%s:%d", name, atoi(n) - 1);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *q = json_string_value(json_array_get(list, i));

		if (q && !strncmp(q, name, strlen(name)) && q[strlen(name)] == ':') {
			json_array_set_new(list, i, json_string(text));
			break;
		}
	}
	page_store(p);
	return true;
}

/* "name:N" has been counted down to nothing. */
static bool is_over(const struct page *p, const char *name)
{
	const char *n = quirk(p, name);

	return n && atoi(n) <= 0;
}

static bool is_gone(const struct page *p)
{
	return quirk(p, "gone") || is_over(p, "gone-after");
}

/* Once, and never again. */
static bool fails_now(struct page *p)
{
	json_t *list = json_object_get(p->j, "quirks");

	if (!is_over(p, "fail-after")) {
		count_down(p, "fail-after");
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (!strncmp(json_string_value(json_array_get(list, i)), "fail-after", 10))
			json_array_remove(list, i);
	}
	page_store(p);
	return true;
}

/* Is there a quirk "name:what"? */
static bool quirk_is(const struct page *p, const char *name, const char *what)
{
	const json_t *list = json_object_get(p->j, "quirks");
	char want[64];

	snprintf(want, sizeof(want), "%s:%s", name, what);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *q = json_string_value(json_array_get(list, i));

		if (q && !strcmp(q, want))
			return true;
	}
	return false;
}

/* Leave out of the list what the quirks say; *page_changed: one of them was counted down. */
static void make_holes(struct page *p, struct pf_link *l, bool *page_changed)
{
	json_t *list = json_object_get(p->j, "quirks");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *q = json_string_value(json_array_get(list, i));
		char text[64];
		unsigned times;
		unsigned vf;
		int n = q ? sscanf(q, "hole:%u:%u", &vf, &times) : 0;

		if (n < 1 || vf >= l->n_vfs || (n == 2 && !times))
			continue;
		l->vfs[vf] = (struct vf_settings){0};
		if (n < 2)
			continue;
		snprintf(text, sizeof(text), "hole:%u:%u", vf, times - 1);
		json_array_set_new(list, i, json_string(text));
		*page_changed = true;
	}
}

static void read_perm_mac(struct kernel *k, const struct page *p, int ifindex, struct pf_link *out)
{
	const char *text = json_string_value(json_object_get(p->j, "perm-mac"));
	char path[128];
	char mac[64];

	if (find_pf(k, ifindex)) {
		snprintf(path, sizeof(path), "sys/class/net/%s/address", k->ifname);
		out->has_mac =
			attr_read(k->root, path, mac, sizeof(mac)) > 0 && !mac_parse(mac, out->mac);
		if (!text && out->has_mac)
			text = mac;
	}
	out->has_perm_mac = text && !mac_parse(text, out->perm_mac);
}

static void read_port_name(const struct kernel *k, struct pf_link *out)
{
	char path[128];
	char name[32];

	snprintf(path, sizeof(path), "sys/class/net/%s/phys_port_name", k->ifname);
	out->representor =
		attr_read(k->root, path, name, sizeof(name)) > 0 && vf_is_representor(name);
}

int kernel_link_up(struct kernel *k, int ifindex, struct error *err)
{
	CLEANUP(page_close) struct page p;
	int r = page_open(k, ifindex, &p, err);

	if (r < 0)
		return r;
	json_object_set_new(p.j, "up", json_true());
	page_store(&p);
	return 0;
}

/* As the kernel does it: the folder below the device, and the link to it. */
int kernel_link_rename(struct kernel *k, int ifindex, const char *name, struct error *err)
{
	char from[320];
	char to[320];
	char target[512];
	char old[16];
	ssize_t n;

	k->ifindex = 0;
	find_pf(k, ifindex);
	snprintf(old, sizeof(old), "%s", k->ifname);
	k->ifindex = 0;
	snprintf(to, sizeof(to), "sys/class/net/%s", name);
	if (path_exists(k->root, to))
		return fail_errno(err, EEXIST, "call interface %d %s", ifindex, name);
	snprintf(from, sizeof(from), "sys/class/net/%s", old);
	n = readlinkat(k->root, from, target, sizeof(target) - 32);
	if (n < 0)
		return fail_errno(err, ENODEV, "call interface %d %s", ifindex, name);
	target[n] = '\0';
	snprintf(strrchr(target, '/') + 1, 32, "%s", name);
	snprintf(from, sizeof(from), "sys/class/net/%s/device/net/%s", old, old);
	snprintf(to, sizeof(to), "sys/class/net/%s/device/net/%s", old, name);
	if (renameat(k->root, from, k->root, to) < 0)
		return fail_errno(err, errno, "call interface %d %s", ifindex, name);
	snprintf(from, sizeof(from), "sys/class/net/%s", old);
	snprintf(to, sizeof(to), "sys/class/net/%s", name);
	unlinkat(k->root, from, 0);
	if (symlinkat(target, k->root, to) < 0)
		return fail_errno(err, errno, "call interface %d %s", ifindex, name);
	return 0;
}

int kernel_pf_read(struct kernel *k, int ifindex, struct pf_link *out, struct error *err)
{
	CLEANUP(page_close) struct page p;
	bool changed = false;
	const json_t *vfs;
	int r = page_open(k, ifindex, &p, err);

	*out = (struct pf_link){.ifindex = ifindex};
	if (r < 0)
		return r;
	if (is_gone(&p))
		return fail(err, ENODEV, "read interface %d with its VFs: No such device", ifindex);
	out->up = json_is_true(json_object_get(p.j, "up"));
	out->carrier = json_is_true(json_object_get(p.j, "carrier"));
	out->mtu = 1500;
	vfs = json_object_get(p.j, "vfs");
	out->n_vfs = json_array_size(vfs);
	out->n_listed =
		quirk(&p, "cap-list") && out->n_vfs > PF_VFS_LISTED ? PF_VFS_LISTED : out->n_vfs;
	if (out->n_listed > LIST_MAX) {
		fail(err, EMSGSIZE,
		     "PF %s has %zu VFs, and the kernel's list of them is not whole (it holds %d "
		     "at most): lower sriov_numvfs, best to %d or fewer",
		     k->ifname, out->n_vfs, LIST_MAX, PF_VFS_LISTED);
		out->n_vfs = 0;
		return -EMSGSIZE;
	}
	read_perm_mac(k, &p, ifindex, out);
	read_port_name(k, out);
	out->has_list = !quirk(&p, "no-list");
	out->vfs = calloc(out->n_vfs + 1, sizeof(*out->vfs));
	for (size_t i = 0; out->has_list && i < out->n_listed; i++) {
		struct vf_settings *s = &out->vfs[i];

		if (vf_settings_from_json(json_array_get(vfs, i), s, err) < 0)
			abort();
		if (quirk(&p, "no-trust"))
			s->has &= ~(uint32_t)HAS_TRUST;
		if (quirk(&p, "no-spoofchk"))
			s->has &= ~(uint32_t)HAS_SPOOFCHK;
		if (quirk(&p, "no-query-rss"))
			s->has &= ~(uint32_t)HAS_QUERY_RSS;
	}
	make_holes(&p, out, &changed);
	if (changed)
		page_store(&p);
	return 0;
}

static uint64_t counter(const json_t *j, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(j, key));
}

int kernel_pf_stats(struct kernel *k, int ifindex, struct vf_stats **list, size_t *n,
		    struct error *err)
{
	CLEANUP(page_close) struct page p;
	const json_t *stats;
	size_t listed;
	size_t have;
	int r = page_open(k, ifindex, &p, err);

	*list = NULL;
	*n = 0;
	if (r < 0)
		return r;
	if (is_gone(&p))
		return fail(err, ENODEV, "read the VF statistics of interface %d: No such device",
			    ifindex);
	have = json_array_size(json_object_get(p.j, "vfs"));
	listed = quirk(&p, "cap-list") && have > PF_VFS_COUNTED ? PF_VFS_COUNTED : have;
	if (listed > STATS_MAX)
		return fail(err, EMSGSIZE,
			    "the kernel's list of %zu VFs with statistics is not whole (it wraps "
			    "from 222 VFs on)",
			    have);
	*list = calloc(have + 1, sizeof(**list));
	*n = have;
	stats = json_object_get(p.j, "stats");
	for (size_t i = 0; i < listed && !quirk(&p, "no-list"); i++) {
		const json_t *j = json_array_get(stats, i);

		(*list)[i] = (struct vf_stats){
			.known = true,
			.rx_packets = counter(j, "rx-packets"),
			.tx_packets = counter(j, "tx-packets"),
			.rx_bytes = counter(j, "rx-bytes"),
			.tx_bytes = counter(j, "tx-bytes"),
			.broadcast = counter(j, "broadcast"),
			.multicast = counter(j, "multicast"),
			.rx_dropped = counter(j, "rx-dropped"),
			.tx_dropped = counter(j, "tx-dropped"),
		};
	}
	return 0;
}

static int refusal(struct page *p, enum vf_attr attr, const struct vf_settings *now,
		   const struct vf_settings *to)
{
	static const char *const missing[VF_ATTR_COUNT] = {
		[VF_SPOOFCHK] = "no-spoofchk",	 [VF_TRUST] = "no-trust",
		[VF_RATE] = "no-rate",		 [VF_LINK_STATE] = "no-link-state",
		[VF_QUERY_RSS] = "no-query-rss",
	};

	if (missing[attr] && quirk(p, missing[attr]))
		return -EOPNOTSUPP;
	if (attr == VF_VLAN && to->proto == VLAN_PROTO_8021AD && quirk(p, "no-8021ad"))
		return -EPROTONOSUPPORT;
	if (attr == VF_MAC && mac_is_zero(to->mac) &&
	    (quirk(p, "refuse-zero-mac") ||
	     (quirk(p, "refuse-zero-mac-spoofchk") && now->spoofchk)))
		return -EINVAL;
	if (attr == VF_SPOOFCHK && to->spoofchk && mac_is_zero(now->mac) &&
	    quirk(p, "spoofchk-needs-mac"))
		return -EINVAL;
	return 0;
}

static void apply(enum vf_attr attr, const struct vf_settings *to, struct vf_settings *now)
{
	switch (attr) {
	case VF_VLAN:
		now->vlan = to->vlan;
		now->qos = to->qos;
		now->proto = to->proto;
		break;
	case VF_MAC:
		memcpy(now->mac, to->mac, 6);
		break;
	case VF_SPOOFCHK:
		now->spoofchk = to->spoofchk;
		break;
	case VF_TRUST:
		now->trust = to->trust;
		break;
	case VF_RATE:
		now->min_rate = to->min_rate;
		now->max_rate = to->max_rate;
		break;
	case VF_LINK_STATE:
		now->link_state = to->link_state;
		break;
	case VF_QUERY_RSS:
		now->query_rss = to->query_rss;
		break;
	case VF_ATTR_COUNT:
		break;
	}
}

/* What the PF itself answers, before it comes to the VF. */
static int page_refuses(struct page *p, bool gone, unsigned vf)
{
	if (count_down(p, "busy") || (quirk(p, "busy-after") && !count_down(p, "busy-after")))
		return -EBUSY;
	if (quirk(p, "again-after") && !count_down(p, "again-after"))
		return -EAGAIN;
	if (fails_now(p))
		return -EIO;
	if (quirk(p, "gone-after"))
		count_down(p, "gone-after");
	return gone || vf >= json_array_size(json_object_get(p->j, "vfs")) ? -ENODEV : 0;
}

/* What that attribute's function answers. *keeps: it was set all the same. */
static int attr_refuses(struct page *p, enum vf_attr attr, const struct vf_settings *now,
			const struct vf_settings *to, bool *keeps, const char **said)
{
	const char *name = vf_attr_name(attr);

	*keeps = quirk_is(p, "fail-keeps", name);
	if (*keeps || quirk_is(p, "fail", name)) {
		*said = "firmware said no";
		return -EIO;
	}
	return quirk_is(p, "enotsupp", name) ? -KERNEL_ENOTSUPP : refusal(p, attr, now, to);
}

static int set_vf(struct page *p, unsigned vf, enum vf_attr attr, const struct vf_settings *to,
		  const char **said)
{
	json_t *vfs = json_object_get(p->j, "vfs");
	struct vf_settings now;
	bool keeps;
	int r;

	if (vf_settings_from_json(json_array_get(vfs, vf), &now, NULL) < 0)
		abort();
	r = attr_refuses(p, attr, &now, to, &keeps, said);
	if ((r < 0 && !keeps) || (attr == VF_LINK_STATE && quirk(p, "ignore-link-state")))
		return r;
	apply(attr, to, &now);
	json_array_set_new(vfs, vf, vf_settings_to_json(&now));
	page_store(p);
	return r;
}

/* The page is nobody's meanwhile, so that others go on, and the test may change it. */
static void stay_inside(struct kernel *k, int ifindex, struct page *p)
{
	json_object_set_new(p->j, "inside", json_true());
	page_store(p);
	page_close(p);
	for (unsigned left = STUCK_S; left;)
		left = sleep(left);
	if (page_open(k, ifindex, p, NULL) < 0)
		abort();
}

static void count_refusal(struct page *p)
{
	json_int_t n = json_integer_value(json_object_get(p->j, "sets-refused"));

	json_object_set_new(p->j, "sets-refused", json_integer(n + 1));
	page_store(p);
}

int kernel_vf_set_once(struct kernel *k, int ifindex, unsigned vf, enum vf_attr attr,
		       const struct vf_settings *to, const char **said)
{
	CLEANUP(page_close) struct page p;
	const char *text;
	bool gone;
	int r = page_open(k, ifindex, &p, NULL);

	*said = "";
	if (r < 0)
		return r;
	gone = is_gone(&p);
	if (quirk(&p, "die-after") && !count_down(&p, "die-after"))
		kill(getpid(), SIGKILL);
	text = quirk(&p, "slow");
	if (text)
		usleep((useconds_t)atoi(text) * 1000);
	if (quirk(&p, "stuck"))
		stay_inside(k, ifindex, &p);
	r = page_refuses(&p, gone, vf);
	if (!r)
		r = set_vf(&p, vf, attr, to, said);
	if (r < 0)
		count_refusal(&p);
	return r;
}

int kernel_has_address(struct kernel *k, int ifindex, struct error *err)
{
	unsigned long long code = 0;
	char path[64];

	snprintf(path, sizeof(path), "fake-kernel/address-%d", ifindex);
	if (attr_read_u64(k->root, path, 4095, &code) == 0 && code)
		return fail_errno(err, (int)code, "read the addresses of interface %d", ifindex);
	return path_exists(k->root, path);
}

/* fake-kernel/altname-<name> has the interface's. */
int kernel_link_find(struct kernel *k, const char *name, char ifname[16], struct error *err)
{
	char path[200];

	snprintf(path, sizeof(path), "fake-kernel/altname-%.150s", name);
	if (attr_read(k->root, path, ifname, 16) > 0)
		return 0;
	ifname[0] = '\0';
	return fail(err, ENODEV, "look for an interface with that name: No such device");
}

/* "priv-flags" of the page: {"vf-true-promisc-support": false}. */
enum answer kernel_priv_flag(struct kernel *k, int ifindex, const char *flag)
{
	CLEANUP(page_close) struct page p;
	const json_t *j;

	if (page_open(k, ifindex, &p, NULL) < 0)
		return ANSWER_UNKNOWN;
	j = json_object_get(json_object_get(p.j, "priv-flags"), flag);
	if (!j)
		return ANSWER_UNKNOWN;
	return json_is_true(j) ? ANSWER_YES : ANSWER_NO;
}
