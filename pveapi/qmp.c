/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's monitor protocol: a greeting, capabilities, one command, its answer. */
#include "pveapi/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/text.h"

/* The longest line that is read; a greeting has some hundred bytes. */
#define LINE_MAX_LEN 65536
/* Events that may come before the answer. */
#define MAX_LINES 1000

struct qmp {
	int fd;
	struct deadline end; /* of our patience */
	char buf[LINE_MAX_LEN];
	size_t len;
};

static int wait_for(const struct qmp *q, short events, struct error *err)
{
	struct pollfd p = {.fd = q->fd, .events = events};
	int left = deadline_left(&q->end);
	int n = left > 0 ? poll(&p, 1, left) : 0;

	if (n < 0 && errno != EINTR)
		return fail_errno(err, errno, "wait for QEMU");
	return n ? 0 : fail(err, ETIMEDOUT, "QEMU does not answer");
}

/* The path of a socket has room for 108 bytes: by way of its folder. */
static int connect_to(int root, uint32_t vmid, struct error *err)
{
	AUTO_CLOSE int dir =
		openat(root, "run/qemu-server", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (dir < 0 || fd < 0)
		return fail_errno(err, errno, "open /run/qemu-server/%u.qmp", vmid);
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d/%u.qmp", dir, vmid);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return fail_errno(err, errno, "connect to /run/qemu-server/%u.qmp", vmid);
	return STEAL_FD(fd);
}

static int send_line(struct qmp *q, const char *command, struct error *err)
{
	char line[128];
	size_t len = (size_t)snprintf(line, sizeof(line), "{\"execute\":\"%s\"}\r\n", command);

	for (size_t done = 0; done < len;) {
		ssize_t n = send(q->fd, line + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail_errno(err, errno, "ask QEMU");
		if (n < 0 && wait_for(q, POLLOUT, err) < 0)
			return error_code(err);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The next line as JSON; *out is a new reference. */
static int read_line(struct qmp *q, json_t **out, struct error *err)
{
	char *end;

	while (!(end = memchr(q->buf, '\n', q->len))) {
		ssize_t n;

		if (q->len == sizeof(q->buf))
			return fail(err, EBADMSG, "QEMU's answer is too long");
		n = recv(q->fd, q->buf + q->len, sizeof(q->buf) - q->len, 0);
		if (!n)
			return fail(err, ECONNRESET, "QEMU has closed the connection");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail_errno(err, errno, "read QEMU's answer");
		if (n < 0 && wait_for(q, POLLIN, err) < 0)
			return error_code(err);
		q->len += n > 0 ? (size_t)n : 0;
	}
	*out = json_loadb(q->buf, (size_t)(end - q->buf), 0, NULL);
	q->len -= (size_t)(end + 1 - q->buf);
	memmove(q->buf, end + 1, q->len);
	return *out ? 0 : fail(err, EBADMSG, "QEMU's answer is no JSON");
}

/* 1: this is the answer, and a good one; 0: something else; negative: a refusal. */
static int judge(const json_t *j, struct error *err)
{
	const json_t *refused = json_object_get(j, "error");
	const char *why = json_string_value(json_object_get(refused, "desc"));
	char clean[200];

	if (json_object_get(j, "return"))
		return 1;
	if (!refused)
		return 0;
	return fail(err, EREMOTEIO, "QEMU refuses: %s",
		    text_clean(why ? why : "no reason given", clean, sizeof(clean)));
}

/* command NULL: only the greeting. *reply, if not NULL, becomes the answer: a new reference. */
static int talk(struct qmp *q, const char *command, json_t **reply, struct error *err)
{
	if (command && send_line(q, command, err) < 0)
		return error_code(err);
	for (int i = 0; i < MAX_LINES; i++) {
		json_t *j = NULL;
		int r = read_line(q, &j, err);
		bool greeting = json_object_get(j, "QMP") != NULL;

		if (!r)
			r = judge(j, err);
		if (r < 0 || !(command ? r : greeting) || !reply)
			json_decref(j);
		else
			*reply = j;
		if (r < 0)
			return r;
		if (command ? r : greeting)
			return 0;
	}
	return fail(err, EBADMSG, "QEMU tells much, and no answer");
}

static int run_command(int root, uint32_t vmid, const char *command, int timeout_ms, json_t **reply,
		       struct error *err)
{
	AUTO_CLOSE int fd = connect_to(root, vmid, err);
	struct qmp state = {.fd = fd, .end = deadline_in(timeout_ms)};
	struct qmp *q = &state;
	int r;

	if (fd < 0)
		return fd;
	r = talk(q, NULL, NULL, err);
	if (!r)
		r = talk(q, "qmp_capabilities", NULL, err);
	if (!r)
		r = talk(q, command, reply, err);
	return r < 0 ? fail_context(err, "VM %u: QMP %s", vmid, command) : 0;
}

int qmp_run(int root, uint32_t vmid, const char *command, int timeout_ms, struct error *err)
{
	return run_command(root, vmid, command, timeout_ms, NULL, err);
}

int qmp_status(int root, uint32_t vmid, int timeout_ms, char status[QMP_STATUS_LEN],
	       struct error *err)
{
	json_t *reply = NULL;
	int r = run_command(root, vmid, "query-status", timeout_ms, &reply, err);
	const char *text =
		json_string_value(json_object_get(json_object_get(reply, "return"), "status"));

	if (!r && !text)
		r = fail(err, EBADMSG, "VM %u: QMP query-status: no status in the answer", vmid);
	if (!r)
		text_clean(text, status, QMP_STATUS_LEN);
	json_decref(reply);
	return r;
}
