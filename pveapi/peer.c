/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One command on another node, by ssh, in a child that can be given up. */
#include "pveapi/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "pveapi/node.h"
#include "src/base/bounded.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/base/say.h"

#define MEMBERS	    "etc/pve/.members"
#define MEMBERS_MAX 1048576
#define WORDS_MAX   48
#define WORD_LEN    256

static bool is_address(const char *text)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, buf) == 1 || inet_pton(AF_INET6, text, buf) == 1;
}

/* A new reference; NULL with err. */
static json_t *members_read(int root, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t n = file_read(root, MEMBERS, MEMBERS_MAX, &text, err);
	json_t *j = n < 0 ? NULL : json_loadb(text, (size_t)n, 0, NULL);

	if (n >= 0 && !j)
		fail(err, EBADMSG, "/" MEMBERS " is no JSON");
	return j;
}

int peer_address(int root, const char *node, char ip[PEER_IP_LEN], struct error *err)
{
	AUTO_JSON json_t *j = NULL;
	const char *found;

	if (pve_node_check(node, err) < 0)
		return error_code(err);
	j = members_read(root, err);
	if (!j)
		return error_code(err);
	found = json_string_value(
		json_object_get(json_object_get(json_object_get(j, "nodelist"), node), "ip"));
	if (!found || strlen(found) >= PEER_IP_LEN || !is_address(found))
		return fail(err, ENOENT, "/" MEMBERS " has no address of node %s", node);
	snprintf(ip, PEER_IP_LEN, "%s", found);
	return 0;
}

enum answer peer_online(int root, const char *node, bool *member)
{
	AUTO_JSON json_t *j = members_read(root, NULL);
	const json_t *all = json_object_get(j, "nodelist");
	const json_t *one = json_object_get(all, node);

	*member = one != NULL;
	if (!json_is_object(all))
		return ANSWER_UNKNOWN;
	return json_integer_value(json_object_get(one, "online")) == 1 ? ANSWER_YES : ANSWER_NO;
}

/* A command line under construction: its words are its own. */
struct words {
	char text[WORDS_MAX][WORD_LEN];
	char *argv[WORDS_MAX + 1];
	size_t n;
	bool full; /* a word did not fit */
};

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *fmt, ...)
{
	va_list ap;
	int len;

	if (w->n == WORDS_MAX) {
		w->full = true;
		return;
	}
	va_start(ap, fmt);
	len = vsnprintf(w->text[w->n], WORD_LEN, fmt, ap);
	va_end(ap);
	w->full = w->full || len < 0 || len >= WORD_LEN;
	w->argv[w->n] = w->text[w->n];
	w->argv[++w->n] = NULL;
}

static bool is_harmless(const char *word)
{
	return word[0] && word[strspn(word, "abcdefghijklmnopqrstuvwxyz"
					    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=-")] == '\0';
}

static void add_option(struct words *w, const char *text)
{
	add(w, "-o");
	add(w, "%s", text);
}

/*
 * As PVE's own has it, and in addition: nobody is there to press a key, so it gives up. A
 * connection that others share would stay, with our standard error, and would not end with us.
 */
static void add_ssh(int root, const char *node, const char *ip, struct words *w)
{
	char hosts[WORD_LEN - 32];

	snprintf(hosts, sizeof(hosts), "etc/pve/nodes/%s/ssh_known_hosts", node);
	add(w, "ssh");
	add(w, "-e");
	add(w, "none");
	add_option(w, "BatchMode=yes");
	add(w, "-o");
	add(w, "HostKeyAlias=%s", node);
	if (path_exists(root, hosts)) {
		add(w, "-o");
		add(w, "UserKnownHostsFile=/%s", hosts);
		add_option(w, "GlobalKnownHostsFile=none");
	}
	add_option(w, "ControlPath=none");
	add_option(w, "ConnectTimeout=10");
	add_option(w, "ServerAliveInterval=5");
	add_option(w, "ServerAliveCountMax=3");
	add(w, "root@%s", ip);
	add(w, "--");
}

struct call {
	const char *ssh;
	char **argv;
	pid_t caller;
	bool no_child; /* nothing was run */
};

/* The child's side: nothing of ours stays open but where its words go. */
static int exec_ssh(void *arg)
{
	struct call *c = arg;
	int null;

	/*
	 * Where no child can be made run_bounded() calls this in our own process. That one
	 * has locks and a plan, and PVE would take ssh's exit status for the phase's.
	 */
	c->no_child = getpid() == c->caller;
	if (c->no_child)
		return 255;
	null = open("/dev/null", O_RDWR | O_NOCTTY);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return 255;
	close_range(3, UINT_MAX, 0);
	say_child();
	execv(c->ssh, c->argv);
	complain("%s: %s", c->ssh, strerror(errno));
	return 255;
}

int peer_run(int root, const char *ssh, const char *node, const char *const argv[], int timeout_ms,
	     struct error *err)
{
	struct words w = {.n = 0};
	char ip[PEER_IP_LEN];
	struct call c;
	int r;

	if (peer_address(root, node, ip, err) < 0)
		return error_code(err);
	add_ssh(root, node, ip, &w);
	for (size_t i = 0; argv[i]; i++) {
		if (!is_harmless(argv[i]))
			return fail(err, EINVAL, "a word that a shell would change");
		add(&w, "%s", argv[i]);
	}
	if (w.full)
		return fail(err, E2BIG, "the command for node %s is too long", node);
	c = (struct call){.ssh = ssh, .argv = w.argv, .caller = getpid()};
	r = run_bounded(exec_ssh, &c, timeout_ms, err);
	return c.no_child ? fail(err, EAGAIN, "no process can be made to reach node %s", node) : r;
}
