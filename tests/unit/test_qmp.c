/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's monitor, played by a child on a real socket: what it may say, and what it must not. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "pveapi/qmp.h"
#include "src/base/clock.h"
#include "tests/unit/tree.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define DONE	 "{\"return\": {}}\r\n"
#define EVENT	 "{\"event\": \"RESUME\", \"data\": {}}\r\n"
#define PATIENCE 5000
#define SHORT	 200
/* What a busy machine may add; far below PATIENCE times two. */
#define IN_TIME 8000

struct monitor {
	const char *greeting;
	const char *replies[2]; /* one a connection */
	bool endless;		/* the reply again and again */
	bool hold;		/* keep the connection open */
};

static int listen_in(const struct tree *t, int backlog)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(dir_make(t->root, "run/qemu-server", 0755, NULL), 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/qemu-server/100.qmp", t->path);
	unlink(at.sun_path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static bool put(int fd, const char *text)
{
	for (size_t len = strlen(text); len;) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static void hear(int fd, int said)
{
	char c = '\0';

	while (c != '\n' && read(fd, &c, 1) == 1) {
		if (write(said, &c, 1) != 1)
			break;
	}
}

static void serve(int at, int said, const struct monitor *m)
{
	for (int i = 0; i < 2 && m->replies[i]; i++) {
		int fd = accept(at, NULL, NULL);

		put(fd, m->greeting ? m->greeting : GREETING);
		hear(fd, said);
		put(fd, DONE);
		hear(fd, said);
		while (put(fd, m->replies[i]) && m->endless)
			;
		if (m->hold)
			pause();
		close(fd);
	}
}

static pid_t begin(const struct tree *t, struct monitor m)
{
	int said = openat(t->root, "said", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int at = listen_in(t, 5);
	pid_t pid = fork();

	assert_true(pid >= 0 && said >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		serve(at, said, &m);
		_exit(0);
	}
	close(at);
	close(said);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int run(const struct tree *t, struct monitor m, int ms, struct error *err)
{
	long long start = clock_ms();
	pid_t pid = begin(t, m);
	int r;

	error_clear(err);
	r = qmp_run(t->root, 100, "stop", ms, err);
	end(pid);
	assert_true(clock_ms() - start < IN_TIME);
	assert_true(r <= 0);
	assert_int_equal(r, -err->code);
	return r;
}

static int add(const struct tree *t, const char *reply, struct error *err)
{
	pid_t pid = begin(t, (struct monitor){.replies = {reply}});
	int r;

	error_clear(err);
	r = qmp_device_add(t->root, 100, "vfio-pci,host=0000:06:10.0,id=hostpci0", PATIENCE, err);
	end(pid);
	return r;
}

static int del(const struct tree *t, const char *reply, struct error *err)
{
	pid_t pid = begin(t, (struct monitor){.replies = {reply}});
	int r;

	r = qmp_device_del(t->root, 100, "hostpci0", PATIENCE, err);
	end(pid);
	return r;
}

static enum answer has(const struct tree *t, const char *reply, struct error *err)
{
	pid_t pid = begin(t, (struct monitor){.replies = {reply}});
	enum answer a;

	error_clear(err);
	a = qmp_has_device(t->root, 100, "hostpci0", PATIENCE, err);
	end(pid);
	return a;
}

static int host(const struct tree *t, const char *second, struct pci_addr *out, struct error *err)
{
	pid_t pid = begin(
		t, (struct monitor){
			   .replies = {"{\"return\": [{\"name\": \"hostpci0\"}]}\r\n", second}});
	int r;

	error_clear(err);
	r = qmp_device_host(t->root, 100, "hostpci0", PATIENCE, out, err);
	end(pid);
	return r;
}

static int migration(const struct tree *t, const char *reply, char status[QMP_STATUS_LEN],
		     struct error *err)
{
	pid_t pid = begin(t, (struct monitor){.replies = {reply}});
	int r;

	error_clear(err);
	r = qmp_migration(t->root, 100, PATIENCE, status, err);
	end(pid);
	return r;
}

static void test_good(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char status[QMP_STATUS_LEN];
	struct pci_addr a;
	char *said;

	assert_int_equal(run(t, (struct monitor){.replies = {EVENT EVENT DONE}}, PATIENCE, &err),
			 0);
	assert_int_equal(has(t, "{\"return\": [{\"name\": \"hostpci0\"}]}\r\n", &err), ANSWER_YES);
	assert_int_equal(has(t, "{\"return\": [{\"name\": \"hostpci01\"}]}\r\n", &err), ANSWER_NO);
	assert_int_equal(host(t, "{\"return\": \"0000:06:10.0\"}\r\n", &a, &err), 1);
	assert_int_equal(a.bus, 6);
	assert_int_equal(migration(t, DONE, status, &err), 0);
	assert_string_equal(status, "none");
	assert_int_equal(migration(t, "{\"return\": {\"status\": \"active\"}}\n", status, &err), 0);
	assert_string_equal(status, "active");
	assert_int_equal(add(t, "{\"return\": \"\"}\r\n", &err), 0);
	said = tree_read(t->root, "said");
	assert_has(said, "device_add vfio-pci,host=0000:06:10.0,id=hostpci0");
	free(said);
}

static void test_refusals(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	assert_int_equal(del(t, DONE, &err), 0);
	assert_int_equal(del(t,
			     "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Device "
			     "hostpci0 is already in the process of unplug\"}}\r\n",
			     &err),
			 0);
	assert_int_equal(del(t,
			     "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Hot-unplug "
			     "failed: guest is busy (power indicator blinking)\"}}\r\n",
			     &err),
			 0);
	assert_int_equal(err.code, 0);
	assert_int_equal(del(t, "{\"error\": {\"class\": \"DeviceNotFound\"}}\r\n", &err), -ENODEV);
	assert_int_equal(del(t, "{\"error\": {\"desc\": \"no\\nway\"}}\r\n", &err), -EREMOTEIO);
	assert_null(strchr(err.text, '\n'));
	assert_int_equal(del(t, "{\"error\": {\"desc\": 5, \"class\": []}}\r\n", NULL), -EREMOTEIO);
	assert_int_equal(add(t, "{\"return\": \"Error: vfio: busy\\r\\n\"}\r\n", &err), -EREMOTEIO);
	assert_has(err.text, "vfio: busy");
}

/* It was there when the list was asked for. */
static void test_device_goes_between(void **state)
{
	struct error err = ERROR_INIT;
	struct pci_addr a;

	assert_int_equal(host(*state, "{\"error\": {\"class\": \"DeviceNotFound\"}}\r\n", &a, &err),
			 0);
	assert_int_equal(err.code, 0);
}

static void test_wrong_types(void **state)
{
	static const char *const replies[] = {
		"{\"return\": 5}\r\n", "{\"return\": null}\r\n", "{\"return\": {\"name\": []}}\r\n",
		"{\"return\": {\"status\": 7}}\r\n", "{\"return\": true}\r\n"};
	struct error err = ERROR_INIT;
	char status[QMP_STATUS_LEN];
	struct pci_addr a;

	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		assert_int_equal(has(*state, replies[i], &err), ANSWER_UNKNOWN);
		assert_int_equal(err.code, EBADMSG);
		assert_int_equal(host(*state, replies[i], &a, &err), -EBADMSG);
		assert_int_equal(add(*state, replies[i], &err), -EBADMSG);
	}
	assert_int_equal(migration(*state, replies[3], status, &err), -EBADMSG);
	assert_int_equal(migration(*state, "{\"return\": []}\n", status, &err), -EBADMSG);
	assert_int_equal(has(*state, "{\"return\": [1, [], {\"name\": 2}]}\n", &err), ANSWER_NO);
}

static void test_hostile(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char *deep = calloc(1, 60002);

	assert_non_null(deep);
	memset(deep, '[', 60000);
	deep[60000] = '\n';
	assert_int_equal(run(t, (struct monitor){.replies = {deep}}, PATIENCE, &err), -EBADMSG);
	assert_int_equal(
		run(t, (struct monitor){.replies = {"x"}, .endless = true}, PATIENCE, &err),
		-EBADMSG);
	assert_int_equal(
		run(t, (struct monitor){.replies = {EVENT}, .endless = true}, PATIENCE, &err),
		-EBADMSG);
	assert_int_equal(run(t, (struct monitor){.replies = {"[1, 2]\n"}}, PATIENCE, &err),
			 -ECONNRESET);
	assert_int_equal(
		run(t, (struct monitor){.replies = {"\x01\xff rubbish\n"}}, PATIENCE, &err),
		-EBADMSG);
	assert_int_equal(run(t, (struct monitor){.replies = {"{\"ret"}}, PATIENCE, &err),
			 -ECONNRESET);
	assert_int_equal(run(t, (struct monitor){.replies = {"{\"return\": {}}"}, .hold = true},
			     SHORT, &err),
			 -ETIMEDOUT);
	assert_int_equal(run(t, (struct monitor){.greeting = "", .replies = {""}}, SHORT, &err),
			 -ETIMEDOUT);
	free(deep);
}

/* Lines that never stop coming are not waited for, so nothing else looks at the time. */
static void test_flood_ends_in_time(void **state)
{
	char *line = malloc(60003);
	struct error err = ERROR_INIT;

	assert_non_null(line);
	line[0] = '[';
	for (size_t i = 1; i < 59999; i++)
		line[i] = i % 2 ? '1' : ',';
	snprintf(line + 59999, 4, "1]\n");
	assert_int_equal(
		run(*state, (struct monitor){.replies = {line}, .endless = true}, SHORT, &err),
		-ETIMEDOUT);
	free(line);
}

/* Nobody takes the call: others are waiting already. */
static void test_full_queue(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	int at = listen_in(t, 0);
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/run/qemu-server/100.qmp", t->path);
	assert_int_equal(connect(first, (const struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(qmp_run(t->root, 100, "stop", SHORT, &err), -ETIMEDOUT);
	close(first);
	close(at);
}

static void test_words_not_sent(void **state)
{
	static const char *const words[] = {"",	    "a b",  "a\"b", "a'b",
					    "a\nb", "a\\b", "a\tb", "a\xff"};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	int at = listen_in(t, 5);

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		assert_int_equal(qmp_device_add(t->root, 100, words[i], SHORT, &err), -EINVAL);
	assert_int_equal(fcntl(at, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(accept(at, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	close(at);
	assert_int_equal(qmp_run(t->root, 100, "stop", SHORT, &err), -ECONNREFUSED);
	assert_int_equal(qmp_run(t->root, 101, "stop", SHORT, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ram_test(test_good),	    ram_test(test_refusals),
		ram_test(test_hostile),	    ram_test(test_device_goes_between),
		ram_test(test_wrong_types), ram_test(test_flood_ends_in_time),
		ram_test(test_full_queue),  ram_test(test_words_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
