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
#include "src/base/json.h"
#include "src/base/text.h"

/* The longest line that is read; a greeting has some hundred bytes. */
#define LINE_MAX_LEN 65536
/* Events that may come before the answer. */
#define MAX_LINES 1000
#define NAP_MS	  10

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
static int connect_to(int root, uint32_t vmid, const struct deadline *end, struct error *err)
{
	AUTO_CLOSE int dir =
		openat(root, "run/qemu-server", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (dir < 0 || fd < 0)
		return fail_errno(err, errno, "open /run/qemu-server/%u.qmp", vmid);
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d/%u.qmp", dir, vmid);
	while (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		/* Its queue is full: PVE's own calls are in it (unix(7); poll() knows nothing). */
		if ((errno == EAGAIN || errno == EINTR) && deadline_left(end) > 0)
			nap_ms(deadline_share(end, NAP_MS));
		else if (errno == EAGAIN || errno == EINTR)
			return fail(err, ETIMEDOUT, "VM %u: QEMU's monitor is busy with others",
				    vmid);
		else
			return fail_errno(err, errno, "connect to /run/qemu-server/%u.qmp", vmid);
	}
	return STEAL_FD(fd);
}

/* "execute" and what belongs to it, as one line; arguments may be NULL. */
static int send_line(struct qmp *q, const char *command, json_t *arguments, struct error *err)
{
	AUTO_JSON json_t *j =
		arguments ? json_pack("{s:s, s:O}", "execute", command, "arguments", arguments)
			  : json_pack("{s:s}", "execute", command);
	AUTO_FREE char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	CLEANUP(str_free) struct str whole = STR_INIT;
	const char *line;
	size_t len;

	str_printf(&whole, "%s\r\n", text ? text : "");
	if (!text || !str_ok(&whole))
		return fail(err, ENOMEM, "out of memory");
	line = str_get(&whole);
	len = whole.len;
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
	const char *class = json_string_value(json_object_get(refused, "class"));
	char clean[200];

	if (json_object_get(j, "return"))
		return 1;
	if (!refused)
		return 0;
	if (class && !strcmp(class, "DeviceNotFound"))
		return fail(err, ENODEV, "QEMU has no such device");
	return fail(err, EREMOTEIO, "QEMU refuses: %s",
		    text_clean(why ? why : "no reason given", clean, sizeof(clean)));
}

/* command NULL: only the greeting. *reply, if not NULL, becomes the answer: a new reference. */
static int talk(struct qmp *q, const char *command, json_t *arguments, json_t **reply,
		struct error *err)
{
	if (command && send_line(q, command, arguments, err) < 0)
		return error_code(err);
	for (int i = 0; i < MAX_LINES; i++) {
		json_t *j = NULL;
		int r = read_line(q, &j, err);
		bool greeting = json_object_get(j, "QMP") != NULL;

		if (!r)
			r = judge(j, err);
		/* While lines keep coming nothing waits, and nothing else sees the end. */
		if (!r && !greeting && !deadline_left(&q->end))
			r = fail(err, ETIMEDOUT, "QEMU tells much, and no answer");
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

/* arguments: NULL, or a reference that is taken. */
static int run_command(int root, uint32_t vmid, const char *command, json_t *arguments,
		       int timeout_ms, json_t **reply, struct error *err)
{
	AUTO_JSON json_t *owned = arguments;
	struct deadline end = deadline_in(timeout_ms);
	AUTO_CLOSE int fd = connect_to(root, vmid, &end, err);
	struct qmp state = {.fd = fd, .end = end};
	struct qmp *q = &state;
	int r;

	if (fd < 0)
		return fd;
	r = talk(q, NULL, NULL, NULL, err);
	if (!r)
		r = talk(q, "qmp_capabilities", NULL, NULL, err);
	if (!r)
		r = talk(q, command, owned, reply, err);
	return r < 0 ? fail_context(err, "VM %u: QMP %s", vmid, command) : 0;
}

int qmp_run(int root, uint32_t vmid, const char *command, int timeout_ms, struct error *err)
{
	return run_command(root, vmid, command, NULL, timeout_ms, NULL, err);
}

/* A command that answers with a status; none: what it is if the answer has none, or NULL. */
static int query_status(int root, uint32_t vmid, const char *command, const char *none,
			int timeout_ms, char status[QMP_STATUS_LEN], struct error *err)
{
	AUTO_JSON json_t *reply = NULL;
	const json_t *answer;
	const char *text;

	if (run_command(root, vmid, command, NULL, timeout_ms, &reply, err) < 0)
		return error_code(err);
	answer = json_object_get(reply, "return");
	text = json_string_value(json_object_get(answer, "status"));
	if (!text && json_is_object(answer) && !json_object_get(answer, "status"))
		text = none;
	if (!text)
		return fail(err, EBADMSG, "VM %u: QMP %s: no status in the answer", vmid, command);
	text_clean(text, status, QMP_STATUS_LEN);
	return 0;
}

int qmp_status(int root, uint32_t vmid, int timeout_ms, char status[QMP_STATUS_LEN],
	       struct error *err)
{
	return query_status(root, vmid, "query-status", NULL, timeout_ms, status, err);
}

int qmp_migration(int root, uint32_t vmid, int timeout_ms, char status[QMP_STATUS_LEN],
		  struct error *err)
{
	/* Without a migration ever the answer is an empty object. */
	return query_status(root, vmid, "query-migrate", "none", timeout_ms, status, err);
}

/* --- Devices --- */

#define PERIPHERAL "/machine/peripheral"

enum answer qmp_has_device(int root, uint32_t vmid, const char *id, int timeout_ms,
			   struct error *err)
{
	AUTO_JSON json_t *reply = NULL;
	const json_t *list;
	const json_t *entry;
	size_t i;

	if (run_command(root, vmid, "qom-list", json_pack("{s:s}", "path", PERIPHERAL), timeout_ms,
			&reply, err) < 0)
		return ANSWER_UNKNOWN;
	list = json_object_get(reply, "return");
	if (!json_is_array(list)) {
		fail(err, EBADMSG, "VM %u: QMP qom-list: no list in the answer", vmid);
		return ANSWER_UNKNOWN;
	}
	json_array_foreach(list, i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (name && !strcmp(name, id))
			return ANSWER_YES;
	}
	return ANSWER_NO;
}

int qmp_device_del(int root, uint32_t vmid, const char *id, int timeout_ms, struct error *err)
{
	struct error why = ERROR_INIT;
	int r = run_command(root, vmid, "device_del", json_pack("{s:s}", "id", id), timeout_ms,
			    NULL, &why);

	/* Or its attention button is being blinked at (hw/pci/pcie.c). */
	if (r == -EREMOTEIO && (strstr(why.text, "already in the process of unplug") ||
				strstr(why.text, "guest is busy")))
		return 0;
	if (r < 0 && err)
		*err = why;
	return r;
}

/* What a command line may have that PVE makes; no quote, no blank, no line break. */
static bool are_words(const char *words)
{
	for (const char *c = words; *c; c++) {
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\'' || *c == '\\')
			return false;
	}
	return words[0];
}

/* What the monitor for people says has lines; a message of ours is one. */
static const char *one_line(const char *text, char *buf, size_t size)
{
	char line[200];
	size_t len = 0;

	for (; *text && len + 1 < sizeof(line); text++) {
		if (*text != '\r' && *text != '\n')
			line[len++] = *text;
		else if (len && line[len - 1] != ' ')
			line[len++] = ' ';
	}
	while (len && line[len - 1] == ' ')
		len--;
	line[len] = '\0';
	return text_clean(line, buf, size);
}

int qmp_device_add(int root, uint32_t vmid, const char *words, int timeout_ms, struct error *err)
{
	CLEANUP(str_free) struct str line = STR_INIT;
	AUTO_JSON json_t *reply = NULL;
	const char *answer;
	char clean[200];
	int r;

	if (!are_words(words))
		return fail(err, EINVAL, "VM %u: this is no device: '%s'", vmid,
			    text_clean(words, clean, sizeof(clean)));
	str_printf(&line, "device_add %s", words);
	r = run_command(root, vmid, "human-monitor-command",
			json_pack("{s:s}", "command-line", str_get(&line)), timeout_ms, &reply,
			err);
	if (r < 0)
		return r;
	answer = json_string_value(json_object_get(reply, "return"));
	if (!answer)
		return fail(err, EBADMSG, "VM %u: QMP device_add: no text in the answer", vmid);
	/* It has nothing to say of what it has done; a warning is told like an error. */
	return answer[0] ? fail(err, EREMOTEIO, "VM %u: QMP device_add: QEMU refuses: %s", vmid,
				one_line(answer, clean, sizeof(clean)))
			 : 0;
}

int qmp_device_host(int root, uint32_t vmid, const char *id, int timeout_ms, struct pci_addr *out,
		    struct error *err)
{
	enum answer has = qmp_has_device(root, vmid, id, timeout_ms, err);
	AUTO_JSON json_t *reply = NULL;
	const char *text;
	char path[64];
	char clean[64];
	int r;

	if (has != ANSWER_YES)
		return has == ANSWER_NO ? 0 : error_code(err);
	snprintf(path, sizeof(path), PERIPHERAL "/%.32s", id);
	r = run_command(root, vmid, "qom-get",
			json_pack("{s:s, s:s}", "path", path, "property", "host"), timeout_ms,
			&reply, err);
	/* Between the two questions the guest may have let go of it. */
	if (r == -ENODEV && err)
		error_clear(err);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	text = json_string_value(json_object_get(reply, "return"));
	if (!text || pci_addr_parse(text, out) < 0)
		return fail(err, EBADMSG, "VM %u: QMP qom-get: '%s' is no PCI address", vmid,
			    text_clean(text ? text : "", clean, sizeof(clean)));
	return 1;
}
