/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook fdb from the kernel's words to what is put into a PF's filter, and what it says of that.
 * Linked without src/fdb/bridge_socket.c: the kernel's side of bridges is the test's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/fdb/bridge_socket.h"
#include "src/fdb/fdb_note.h"
#include "src/fdb/fdb_service.h"
#include "src/port/context.h"
#include "tests/unit/tree.h"

enum { BRIDGE = 900, TAP = 901, TAP2 = 902, REP = 903 };

#define NOTE "run/vfhook/fdb/" PF0

/* The node's kernel: what it lists, what it refuses, and what happens on it, step by step. */
struct bridge_socket {
	int fd;
};

static struct {
	int root;
	int pf;
	struct link_info links[8];
	size_t n_links;
	struct fdb_entry entries[64];
	size_t n_entries;
	bool vepa;
	int refuse;	    /* an errno: what it answers to an addition */
	int refuse_out;	    /* ... and to a deletion */
	size_t most;	    /* entries that the filter takes, 0: any number */
	unsigned adds;	    /* additions that it was asked for */
	unsigned looks;	    /* looks that it was asked for */
	unsigned look_ends; /* so many of them, from the first on, are interrupted */
	unsigned unnoted;   /* additions of what was in no note of the disk */
	unsigned steps;
	int (*step)(unsigned n, const struct bridge_sink *to);
} node;

int bridge_socket_open(struct bridge_socket **out, struct error *err)
{
	(void)err;
	*out = calloc(1, sizeof(**out));
	/* Always readable: no test waits. */
	(*out)->fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	return 0;
}

void bridge_socket_close(struct bridge_socket *s)
{
	if (s)
		close(s->fd);
	free(s);
}

int bridge_socket_fd(const struct bridge_socket *s)
{
	return s->fd;
}

int bridge_socket_look(struct bridge_socket *s, const struct bridge_sink *to, struct error *err)
{
	(void)s;
	for (size_t i = 0; i < node.n_links; i++)
		assert_int_equal(to->link(to->arg, &node.links[i], false), 0);
	if (node.looks++ < node.look_ends)
		return fail_errno(err, EINTR, "rtnetlink: the list of interfaces");
	assert_int_equal(to->mode(to->arg, node.pf, node.vepa), 0);
	for (size_t i = 0; i < node.n_entries; i++)
		assert_int_equal(to->entry(to->arg, &node.entries[i], false), 0);
	return 0;
}

int bridge_socket_events(struct bridge_socket *s, const struct bridge_sink *to, struct error *err)
{
	int r;

	(void)s;
	if (!node.step)
		return (fail)(err, ECANCELED, "the end");
	r = node.step(node.steps++, to);
	if (r == -ECANCELED)
		(fail)(err, ECANCELED, "the end");
	return r;
}

static struct fdb_entry *entry_of(int ifindex, const uint8_t mac[6], bool self)
{
	for (size_t i = 0; i < node.n_entries; i++) {
		struct fdb_entry *e = &node.entries[i];

		if (e->ifindex == ifindex && e->self == self && !memcmp(e->mac, mac, 6))
			return e;
	}
	return NULL;
}

static size_t filter_has(void)
{
	size_t n = 0;

	for (size_t i = 0; i < node.n_entries; i++)
		n += node.entries[i].self;
	return n;
}

static bool is_noted(const uint8_t mac[6])
{
	AUTO_FREE char *note = tree_read(node.root, NOTE);
	char text[MAC_LEN];

	return note && strstr(note, mac_format(mac, text));
}

int bridge_fdb_set(struct bridge_socket *s, int ifindex, const uint8_t mac[6], bool add)
{
	struct fdb_entry *e = entry_of(ifindex, mac, true);

	(void)s;
	assert_int_equal(ifindex, node.pf);
	node.adds += add;
	node.unnoted += add && !is_noted(mac);
	if (add && e)
		return -EEXIST;
	if (!add && !e)
		return -ENOENT;
	if (add ? node.refuse : node.refuse_out)
		return add ? -node.refuse : -node.refuse_out;
	if (add && node.most && filter_has() >= node.most)
		return -ENOMEM;
	if (!add) {
		*e = node.entries[--node.n_entries];
		return 0;
	}
	e = &node.entries[node.n_entries++];
	*e = (struct fdb_entry){.ifindex = ifindex, .self = true, .state = FDB_LOCAL};
	memcpy(e->mac, mac, 6);
	return 0;
}

/* --- A node: a PF and two taps in a bridge --- */

static const uint8_t *mac_of(unsigned n)
{
	static uint8_t mac[6] = {2, 0xaa};

	mac[4] = (uint8_t)(n >> 8);
	mac[5] = (uint8_t)n;
	return mac;
}

static struct link_info link_of(int ifindex, const char *name, enum link_kind kind, int master)
{
	struct link_info l = {
		.ifindex = ifindex, .kind = kind, .master = master, .up = true, .mac = {2, 0xbb}};

	snprintf(l.name, sizeof(l.name), "%s", name);
	l.mac[5] = (uint8_t)ifindex;
	return l;
}

static struct fdb_entry heard(unsigned n, int port)
{
	struct fdb_entry e = {.ifindex = port};

	memcpy(e.mac, mac_of(n), 6);
	return e;
}

static void put_entry(struct fdb_entry e)
{
	node.entries[node.n_entries++] = e;
}

static void node_make(const struct tree *t)
{
	unsigned long long index;

	memset(&node, 0, sizeof(node));
	node.root = t->root;
	assert_true(attr_read_u64(t->root, "sys/class/net/enp6s0f0/ifindex", 800, &index) >= 0);
	node.pf = (int)index;
	node.links[node.n_links++] = link_of(node.pf, "enp6s0f0", LINK_OTHER, BRIDGE);
	node.links[node.n_links++] = link_of(BRIDGE, "vmbr0", LINK_BRIDGE, 0);
	node.links[node.n_links++] = link_of(TAP, "tap100i0", LINK_OTHER, BRIDGE);
	node.links[node.n_links++] = link_of(TAP2, "tap101i0", LINK_OTHER, BRIDGE);
	/* The bridge has the PF's address, as it has on a node. */
	memcpy(node.links[1].mac, node.links[0].mac, 6);
	sys_write(t->root, "etc/pve/vfhook.cfg",
		  "pool: wan\n\tfdb 1\n\tpf node=pve1,path=" PF0 "\n");
}

/* What a run said, and how it ended. */
static char said[8192];

static int run(const struct tree *t, bool once, bool dry_run, struct error *err)
{
	CLEANUP(hook_free) struct hook h = HOOK_INIT;
	int out = dup(STDOUT_FILENO);
	int errors = dup(STDERR_FILENO);
	int fd = openat(t->root, "said", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;
	int r;

	assert_int_equal(hook_init(&h, t->path, err), 0);
	snprintf(h.node, sizeof(h.node), "pve1");
	h.dry_run = dry_run;
	fflush(NULL);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	r = fdb_service_run(&h, once, err);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	assert_int_equal(node.unnoted, 0);
	close(out);
	close(errors);
	close(fd);
	return r;
}

static void run_once(const struct tree *t)
{
	struct error err = ERROR_INIT;

	assert_int_equal(run(t, true, false, &err), 0);
}

/* For as long as the node's steps go. */
static void run_steps(const struct tree *t, int (*step)(unsigned, const struct bridge_sink *))
{
	struct error err = ERROR_INIT;

	node.step = step;
	node.steps = 0;
	assert_int_equal(run(t, false, false, &err), -ECANCELED);
}

static unsigned times_said(const char *text)
{
	unsigned n = 0;

	for (const char *at = said; (at = strstr(at, text)); at += strlen(text))
		n++;
	return n;
}

static bool is_in(unsigned n)
{
	return entry_of(node.pf, mac_of(n), true);
}

static void test_once(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	node_make(t);
	put_entry(heard(1, TAP));
	put_entry(heard(2, node.pf));
	assert_int_equal(run(t, false, true, &err), 0);
	assert_has(said, "02:aa:00:00:00:01 would be let in, at tap100i0");
	assert_int_equal(filter_has(), 0);
	assert_int_equal(tree_count(t->root, "run/vfhook/fdb"), 0);
	run_once(t);
	assert_true(is_in(1) && filter_has() == 1);
	assert_int_equal(tree_count(t->root, "run/vfhook/fdb"), 1);
}

/* --- Cards that do it themselves --- */

static int some_events(unsigned n, const struct bridge_sink *to)
{
	struct fdb_entry e = heard(10 + n, TAP);

	return n < 5 ? to->entry(to->arg, &e, false) : -ECANCELED;
}

static void test_switchdev(void **state)
{
	const struct tree *t = *state;
	struct link_info rep = link_of(REP, "enp6s0f0npf0vf0", LINK_OTHER, 0);

	node_make(t);
	put_entry(heard(1, TAP));
	rep.represents_vf = true;
	rep.device = addr_of(PF1);
	node.links[node.n_links++] = rep;
	run_once(t);
	assert_true(is_in(1));
	assert_int_equal(times_said("switchdev"), 0);
	/* Its own: what was put there before is taken out, and nothing is put there. */
	node.links[4].device = addr_of(PF0);
	run_steps(t, some_events);
	assert_int_equal(filter_has(), 0);
	assert_int_equal(times_said("switchdev mode"), 1);
	assert_int_equal(node.adds, 1);
}

static void test_vepa(void **state)
{
	const struct tree *t = *state;

	node_make(t);
	put_entry(heard(1, TAP));
	node.vepa = true;
	run_steps(t, some_events);
	assert_int_equal(filter_has(), 0);
	assert_int_equal(times_said("hwmode"), 1);
	node.vepa = false;
	run_once(t);
	assert_true(is_in(1));
}

/* --- What cannot be read --- */

static int goes_to_the_wire(unsigned n, const struct bridge_sink *to)
{
	struct fdb_entry e = heard(n ? 20 + n : 1, n ? TAP : node.pf);

	return n < 6 ? to->entry(to->arg, &e, false) : -ECANCELED;
}

/* More VFs than the kernel lists: nobody knows theirs, so nothing is let in, but ours go. */
static void test_vfs_unknown(void **state)
{
	const struct tree *t = *state;

	node_make(t);
	put_entry(heard(1, TAP));
	run_once(t);
	assert_true(is_in(1));
	sys_write(t->root, DEV PF0 "/sriov_numvfs", "400\n");
	node.adds = 0;
	run_steps(t, goes_to_the_wire);
	assert_false(is_in(1));
	assert_int_equal(node.adds, 0);
	assert_int_equal(times_said("list of them is not whole"), 1);
	assert_has(said, "nothing new is let in");
}

static int nothing(unsigned n, const struct bridge_sink *to)
{
	(void)to;
	return n < 5 ? 0 : -ECANCELED;
}

/* Interfaces come and go all the while: a look is had later, and nothing is done without. */
static void test_look_interrupted(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	node_make(t);
	put_entry(heard(1, TAP));
	run_once(t);
	node.looks = 0;
	node.look_ends = 1000;
	run_steps(t, nothing);
	assert_int_equal(node.looks, 1);
	assert_true(is_in(1));
	assert_int_equal(times_said("list of interfaces"), 1);
	assert_int_equal(run(t, true, false, &err), -EINTR);
}

/* --- What the card refuses --- */

static void test_refused(void **state)
{
	const struct tree *t = *state;

	node_make(t);
	put_entry(heard(1, TAP));
	node.refuse = EIO;
	run_steps(t, nothing);
	assert_int_equal(times_said("02:aa:00:00:00:01 cannot be let in"), 1);
	assert_has(said, "bridge fdb add 02:aa:00:00:00:01 dev enp6s0f0 self");
	node.refuse = 0;
	run_once(t);
	assert_true(is_in(1));
	node.refuse_out = EIO;
	entry_of(TAP, mac_of(1), false)->ifindex = node.pf;
	run_steps(t, nothing);
	assert_int_equal(times_said("02:aa:00:00:00:01 cannot be taken out"), 1);
	assert_has(said, "bridge fdb del 02:aa:00:00:00:01 dev enp6s0f0 self");
	node.refuse_out = 0;
	run_once(t);
	assert_false(is_in(1));
}

static unsigned adds_before;

static int pf_speaks(unsigned n, const struct bridge_sink *to)
{
	struct link_info l = node.links[0];

	switch (n) {
	case 0: /* it is as it was */
	case 1:
	case 2:
		return to->link(to->arg, &l, false);
	case 3:
		adds_before = node.adds;
		l.up = false;
		return to->link(to->arg, &l, false);
	case 4: /* down and up again: its driver has filled the card's table anew */
		return to->link(to->arg, &l, false);
	default:
		return -ECANCELED;
	}
}

static void test_full(void **state)
{
	const struct tree *t = *state;

	node_make(t);
	node.most = 2;
	for (unsigned i = 1; i <= 3; i++)
		put_entry(heard(i, TAP));
	run_steps(t, pf_speaks);
	assert_int_equal(filter_has(), 2);
	assert_int_equal(adds_before, 3);
	assert_int_equal(node.adds, 4);
	assert_int_equal(times_said("its filter is full"), 1);
	/* No more wanted: nothing is left of it. */
	sys_write(t->root, "etc/pve/vfhook.cfg", "pool: wan\n\tpf node=pve1,path=" PF0 "\n");
	run_once(t);
	assert_int_equal(filter_has(), 0);
	assert_int_equal(tree_count(t->root, "run/vfhook/fdb"), 0);
}

/* --- What it had let in before it was started anew --- */

static void test_static_removed(void **state)
{
	const struct tree *t = *state;
	struct fdb_entry fixed = heard(1, TAP);

	node_make(t);
	fixed.state = FDB_STATIC;
	put_entry(fixed);
	put_entry(heard(2, TAP));
	run_once(t);
	assert_true(is_in(1) && is_in(2));
	/* Neither is known to the bridge any more; who was only heard may be silent. */
	*entry_of(TAP, mac_of(1), false) = heard(7, TAP2);
	*entry_of(TAP, mac_of(2), false) = heard(8, TAP2);
	run_once(t);
	assert_false(is_in(1));
	assert_true(is_in(2));
}

/* --- The note --- */

/* A folder where the note is to be. */
static int note_in_the_way(unsigned n, const struct bridge_sink *to)
{
	struct fdb_entry e = heard(1, node.pf);

	if (!n) {
		assert_int_equal(unlinkat(node.root, NOTE, 0), 0);
		assert_int_equal(mkdirat(node.root, NOTE, 0755), 0);
	} else if (n == 1) {
		e = heard(2, TAP);
	} else if (n == 2) {
		assert_int_equal(unlinkat(node.root, NOTE, AT_REMOVEDIR), 0);
		e = heard(3, TAP);
	}
	return n < 4 ? to->entry(to->arg, &e, false) : -ECANCELED;
}

/* What cannot be noted is not let in; what is to go goes; and it is noted once it can be. */
static void test_note_later(void **state)
{
	const struct tree *t = *state;

	node_make(t);
	put_entry(heard(1, TAP));
	put_entry(heard(4, TAP));
	run_steps(t, note_in_the_way);
	assert_false(is_in(1));
	assert_true(is_in(2) && is_in(3) && is_in(4));
	assert_false(is_noted(mac_of(1)));
	assert_true(is_noted(mac_of(2)) && is_noted(mac_of(3)) && is_noted(mac_of(4)));
	assert_int_equal(times_said("nothing new is let in"), 1);
}

static int goes_unnoted(unsigned n, const struct bridge_sink *to)
{
	if (!n)
		return note_in_the_way(0, to);
	if (n > 1)
		return -ECANCELED;
	assert_int_equal(unlinkat(node.root, NOTE, AT_REMOVEDIR), 0);
	return to->link(to->arg, &node.links[0], false);
}

/* Taken out, and the note could not be written: it is, with the next event that touches the PF. */
static void test_note_after(void **state)
{
	const struct tree *t = *state;

	node_make(t);
	put_entry(heard(1, TAP));
	put_entry(heard(4, TAP));
	run_steps(t, goes_unnoted);
	assert_false(is_in(1));
	assert_int_equal(times_said("02:aa:00:00:00:01 taken out"), 1);
	assert_true(is_noted(mac_of(4)) && !is_noted(mac_of(1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		nic_test(test_once),	   nic_test(test_switchdev),
		nic_test(test_vepa),	   nic_test(test_vfs_unknown),
		nic_test(test_refused),	   nic_test(test_look_interrupted),
		nic_test(test_full),	   nic_test(test_static_removed),
		nic_test(test_note_later), nic_test(test_note_after),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
