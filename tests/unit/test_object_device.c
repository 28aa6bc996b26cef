/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VF plugged into a QEMU whose monitor a child plays: what QEMU says of it, and what QEMU has.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "src/port/context.h"
#include "src/port/objects.h"
#include "tests/unit/tree.h"

#define NAME  "100 0 4321 777 0000:06:10.0"
#define WORDS "vfio-pci,host=0000:06:10.0,id=hostpci0,bus=pci.0,addr=0x10"

/* What it is like: device_add is answered with said, and hostpci0 is there afterwards, or not. */
struct monitor {
	const char *said;   /* as JSON has it */
	const char *host;   /* of the device that is there then; NULL: there is none */
	bool there;	    /* from the beginning, and for ever */
	const char *refuse; /* device_del, so */
	bool rubbish;	    /* all answers after device_del */
};

static int listen_in(const struct tree *t)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(dir_make(t->root, "run/qemu-server", 0755, NULL), 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/qemu-server/100.qmp", t->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static bool hear(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	return n > 0;
}

static void answer(int fd, const struct monitor *m, const char *asked, bool *added)
{
	static bool deleted;

	if (deleted && m->rubbish) {
		dprintf(fd, "rubbish\r\n");
	} else if (strstr(asked, "device_del")) {
		deleted = !m->refuse;
		if (m->refuse)
			dprintf(fd,
				"{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}\r\n",
				m->refuse);
		else
			dprintf(fd, "{\"return\": {}}\r\n");
	} else if (strstr(asked, "device_add")) {
		*added = true;
		dprintf(fd, "{\"return\": \"%s\"}\r\n", m->said);
	} else if (strstr(asked, "qom-list")) {
		dprintf(fd, "{\"return\": [{\"name\": \"%s\"}]}\r\n",
			*added && m->host ? "hostpci0" : "net0");
	} else if (strstr(asked, "qom-get")) {
		dprintf(fd, "{\"return\": \"%s\"}\r\n", m->host);
	} else {
		dprintf(fd, "{\"return\": {}}\r\n");
	}
}

static void serve(int at, const struct monitor *m)
{
	bool added = m->there;
	char line[1024];

	for (;;) {
		int fd = accept(at, NULL, NULL);

		dprintf(fd, "{\"QMP\": {\"capabilities\": []}}\r\n");
		while (hear(fd, line, sizeof(line)))
			answer(fd, m, line, &added);
		close(fd);
	}
}

static int with_monitor(const struct tree *t, const struct monitor *m, struct hook *h,
			const char *from, const char *to, struct error *err)
{
	int at = listen_in(t);
	pid_t pid = fork();
	int r;

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		signal(SIGPIPE, SIG_IGN);
		serve(at, m);
		_exit(0);
	}
	close(at);
	tree_write(t->root, "proc/4321/stat",
		   "4321 (kvm) S 1 4711 4711 0 -1 4194624 1 2 3 4 5 6 7 8 20 0 3 0 777 123 45 0 0 "
		   "0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n");
	r = object_device.set(h, NAME, OBJECT_DO, from, to, err);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return r;
}

static int plug(const struct tree *t, struct monitor m, struct error *err)
{
	struct hook h = {.root = t->root};

	return with_monitor(t, &m, &h, NULL, WORDS, err);
}

static void test_plugged(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(plug(*state, (struct monitor){.said = "", .host = "0000:06:10.0"}, &err),
			 0);
}

/* QEMU's warnings come by the same way as its refusals; this is one of hw/vfio/pci.c. */
static void test_plugged_with_a_warning(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(
		plug(*state,
		     (struct monitor){.said = "warning: vfio 0000:06:10.0: Could not enable error "
					      "recovery for the device\\r\\n",
				      .host = "0000:06:10.0"},
		     &err),
		0);
	assert_int_equal(err.code, 0);
}

static void test_refused(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(
		plug(*state,
		     (struct monitor){
			     .said = "Error: vfio 0000:06:10.0: group 7 is not "
				     "viable\\r\\nPlease ensure all devices are bound\\r\\n",
			     .host = NULL},
		     &err),
		-EREMOTEIO);
	/* QEMU's words, as a person would write them. */
	assert_has(err.text, "group 7 is not viable");
	assert_null(strchr(err.text, '?'));
}

/* Said nothing, did nothing. */
static void test_not_there_all_the_same(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(plug(*state, (struct monitor){.said = "", .host = NULL}, &err), -EIO);
}

/* What is there by that id is another VF: that is no success, whatever was said. */
static void test_another_device(void **state)
{
	struct error err = ERROR_INIT;

	assert_true(plug(*state,
			 (struct monitor){.said = "Error: Duplicate device ID 'hostpci0'\\r\\n",
					  .host = "0000:06:10.2"},
			 &err) < 0);
	assert_has(err.text, "hostpci0");
}

/* How QEMU goes on once it has, or has not, taken device_del. */
static int unplug(const struct tree *t, struct monitor m, struct error *err)
{
	struct hook h = {.root = t->root, .unplug_ms = 300};

	return with_monitor(t, &m, &h, WORDS, NULL, err);
}

/* What was asked may yet be done: that is told from all that was not asked. */
static void test_unplug_asked(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(unplug(*state,
				(struct monitor){.said = "", .host = "0000:06:10.0", .there = true},
				&err),
			 -ETIMEDOUT);
	assert_has(err.text, "has not let go");
}

static void test_unplug_asked_and_then_no_answer(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(
		unplug(*state,
		       (struct monitor){
			       .said = "", .host = "0000:06:10.0", .there = true, .rubbish = true},
		       &err),
		-ETIMEDOUT);
	assert_has(err.text, "was asked");
}

static void test_unplug_refused(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(unplug(*state,
				(struct monitor){.said = "",
						 .host = "0000:06:10.0",
						 .there = true,
						 .refuse = "Device is not hotpluggable"},
				&err),
			 -EREMOTEIO);
	assert_has(err.text, "hotpluggable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ram_test(test_plugged),
		ram_test(test_plugged_with_a_warning),
		ram_test(test_refused),
		ram_test(test_another_device),
		ram_test(test_not_there_all_the_same),
		ram_test(test_unplug_asked),
		ram_test(test_unplug_asked_and_then_no_answer),
		ram_test(test_unplug_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
