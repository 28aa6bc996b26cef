/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor WORD... - what a start of a VM must at least cost: the netlink requests for its VF, the
 * files to be read, the files to be written, and nothing else. No parsing, no planning, no
 * messages; libc only, dynamically linked like any program. `floorwords` makes the words from
 * a trace of vfhook, so that both ask for the same.
 *
 * The journal and the lease belong to it: a start that leaves no trace of itself cannot be
 * undone after a crash, and two starts at once would take the same VF. So they count as "the
 * same files", created in the same way (a file without a name, written, linked).
 *
 * What vfhook looks at twice is read once here; whether a file is there, and files that are
 * not there, is not asked at all.
 *
 *   read=FILE  list=DIR  link=SYMLINK             read the whole of it
 *   lock=FILE                                      create and flock it
 *   create=FILE:BYTES  append=FILE:BYTES           write so many bytes
 *   set=FILE:TEXT  unlink=FILE                     write a sysfs attribute, remove
 *   try-unlink=FILE                                the same; it need not be there
 *   dev=IFINDEX                                    for the requests that follow
 *   get                                            RTM_GETLINK with the list of VFs
 *   mac=VF:MAC  vlan=VF:ID:QOS  spoofchk=VF:0|1    RTM_SETLINK with this attribute
 *   trust=VF:0|1  rate=VF:MIN:MAX  state=VF:auto|enable|disable
 *   send                                           send the requests so far, read all answers
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MESSAGES_MAX 64

static char buffer[256 * 1024] __attribute__((aligned(8)));
static char request[16 * 1024] __attribute__((aligned(8)));
static size_t request_len;
static unsigned pending;
static int sock = -1;
static unsigned device;

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- Files --- */

static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		die(path);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		;
	if (n < 0)
		die(path);
	close(fd);
}

static void list_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (fd < 0)
		die(path);
	while ((n = syscall(SYS_getdents64, fd, buffer, 32768)) > 0)
		;
	if (n < 0)
		die(path);
	close(fd);
}

/* Kept open to the end, as a lock is. */
static void lock_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		die(path);
}

static void write_all(int fd, const char *path, const char *data, size_t len)
{
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		die(path);
}

static void create_file(char *path, size_t len)
{
	char *slash = strrchr(path, '/');
	char proc[64];
	int fd;

	*slash = '\0';
	fd = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	*slash = '/';
	write_all(fd, path, buffer, len);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)
		die(path);
	close(fd);
}

static void write_file(const char *path, int flags, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);

	write_all(fd, path, data, len);
	close(fd);
}

static void do_file(const char *verb, char *path)
{
	/* Paths have colons (PCI addresses); what comes after the last one is the rest. */
	char *colon = strrchr(path, ':');
	bool two = colon &&
		   (!strcmp(verb, "create") || !strcmp(verb, "append") || !strcmp(verb, "set"));

	if (two)
		*colon++ = '\0';
	if (!strcmp(verb, "read"))
		read_file(path);
	else if (!strcmp(verb, "list"))
		list_dir(path);
	else if (!strcmp(verb, "link") && readlink(path, buffer, sizeof(buffer)) < 0)
		die(path);
	else if (!strcmp(verb, "lock"))
		lock_file(path);
	else if (!strcmp(verb, "create") && two)
		create_file(path, strtoul(colon, NULL, 10));
	else if (!strcmp(verb, "append") && two)
		write_file(path, O_CREAT | O_APPEND, buffer, strtoul(colon, NULL, 10));
	else if (!strcmp(verb, "set") && two)
		write_file(path, 0, colon, strlen(colon));
	else if (!strcmp(verb, "unlink") && unlink(path) < 0)
		die(path);
	else if (!strcmp(verb, "try-unlink"))
		unlink(path);
}

/* --- Requests --- */

static void *put(const void *data, size_t len)
{
	char *at = request + request_len;

	if (request_len + NLMSG_ALIGN(len) > sizeof(request)) {
		errno = EMSGSIZE;
		die("request");
	}
	memcpy(at, data, len);
	request_len += NLMSG_ALIGN(len);
	return at;
}

static struct nlmsghdr *begin(int type, int flags)
{
	static uint32_t seq;
	struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags};
	struct ifinfomsg ifi = {.ifi_index = (int)device};
	struct nlmsghdr *at;

	h.nlmsg_seq = ++seq;
	at = put(&h, sizeof(h));
	put(&ifi, sizeof(ifi));
	pending++;
	return at;
}

static struct rtattr *put_attr(int type, const void *data, size_t len)
{
	struct rtattr a = {.rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type};
	struct rtattr *at = put(&a, sizeof(a));

	if (data)
		put(data, len);
	return at;
}

static void end(struct nlmsghdr *h)
{
	h->nlmsg_len = (uint32_t)(request + request_len - (char *)h);
}

static void get(void)
{
	uint32_t mask = RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS;
	struct nlmsghdr *h = begin(RTM_GETLINK, 0);

	put_attr(IFLA_EXT_MASK, &mask, sizeof(mask));
	end(h);
}

static void set_vf(int attr, const void *data, size_t len)
{
	struct nlmsghdr *h = begin(RTM_SETLINK, NLM_F_ACK);
	struct rtattr *list = put_attr(IFLA_VFINFO_LIST | NLA_F_NESTED, NULL, 0);
	struct rtattr *info = put_attr(IFLA_VF_INFO | NLA_F_NESTED, NULL, 0);

	put_attr(attr, data, len);
	info->rta_len = (unsigned short)(request + request_len - (char *)info);
	list->rta_len = (unsigned short)(request + request_len - (char *)list);
	end(h);
}

/* A dump is not asked for, so each request has one message for an answer. */
static unsigned see_answers(const char *data, size_t len)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)data;
	unsigned n = 0;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len), n++) {
		const struct nlmsgerr *e = NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_ERROR && e->error) {
			errno = -e->error;
			die("the kernel refused a request");
		}
	}
	return n;
}

static void send_all(void)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sock < 0)
		sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (sock < 0 ||
	    sendto(sock, request, request_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		die("send");
	while (pending) {
		ssize_t n = recv(sock, buffer, sizeof(buffer), MSG_TRUNC);
		unsigned seen;

		if (n < 0 || (size_t)n > sizeof(buffer))
			die("receive");
		seen = see_answers(buffer, (size_t)n);
		pending -= seen < pending ? seen : pending;
	}
	request_len = 0;
}

static void set_state(unsigned vf, const char *text)
{
	struct ifla_vf_link_state v = {.vf = vf};

	if (!strcmp(text, "enable"))
		v.link_state = IFLA_VF_LINK_STATE_ENABLE;
	else if (!strcmp(text, "disable"))
		v.link_state = IFLA_VF_LINK_STATE_DISABLE;
	set_vf(IFLA_VF_LINK_STATE, &v, sizeof(v));
}

static void set_mac(unsigned vf, const char *text)
{
	struct ifla_vf_mac v = {.vf = vf};

	for (int i = 0; i < 6; i++)
		v.mac[i] = (uint8_t)strtoul(text + i * 3, NULL, 16);
	set_vf(IFLA_VF_MAC, &v, sizeof(v));
}

/* VF:A or VF:A:B of an attribute; numbers of 32 bits but for MAC and state. */
static void do_set(const char *verb, const char *text)
{
	char *rest;
	struct ifla_vf_vlan v = {.vf = (uint32_t)strtoul(text, &rest, 10)};
	size_t pair = sizeof(struct ifla_vf_spoofchk);

	if (!strcmp(verb, "mac")) {
		set_mac(v.vf, rest + 1);
		return;
	}
	if (!strcmp(verb, "state")) {
		set_state(v.vf, rest + 1);
		return;
	}
	v.vlan = (uint32_t)strtoul(rest + 1, &rest, 10);
	v.qos = *rest ? (uint32_t)strtoul(rest + 1, NULL, 10) : 0;
	if (!strcmp(verb, "vlan"))
		set_vf(IFLA_VF_VLAN, &v, sizeof(v));
	else if (!strcmp(verb, "rate"))
		set_vf(IFLA_VF_RATE, &v, sizeof(v));
	else if (!strcmp(verb, "spoofchk"))
		set_vf(IFLA_VF_SPOOFCHK, &v, pair);
	else if (!strcmp(verb, "trust"))
		set_vf(IFLA_VF_TRUST, &v, pair);
}

static void do_word(char *word)
{
	char *value = strchr(word, '=');

	if (!strcmp(word, "get")) {
		get();
	} else if (!strcmp(word, "send")) {
		send_all();
	} else if (value) {
		*value++ = '\0';
		if (!strcmp(word, "dev")) {
			device = (unsigned)strtoul(value, NULL, 10);
		} else if (*value == '/') {
			do_file(word, value);
		} else {
			do_set(word, value);
		}
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		do_word(argv[i]);
	return 0;
}
