/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for QEMU: takes PVE's command line (run it with argv[0] = /usr/bin/kvm),
 * detaches itself, writes the pid file, holds the VFIO groups, answers on the monitor that
 * -chardev socket,id=qmp names, and waits to be ended.
 *
 *   SIGTERM, SIGINT  "quit" from the host      SIGUSR1  the guest powers itself off
 *
 * Environment: PVESIM_ROOT is put before the paths of the command line and of sysfs;
 * PVESIM_EVENTS names a folder for the note that qmeventd gets after a clean exit;
 * PVESIM_CONTROL one with what a test wants of the guest and the monitor (see README.md);
 * PVESIM_DELAY is how many seconds the start takes; PVESIM_MONITOR=0: no monitor.
 *
 *   cc -O2 -Wall -Wextra -I. -o build/tests/pvesim-standin tests/sim/standin*.c -ljansson
 */
#define _GNU_SOURCE
#include "tests/sim/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "kvm: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* A path below the root, in a buffer that is never given back. */
char *below(const struct vm *vm, const char *fmt, ...)
{
	char tail[PATH_MAX], *path;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tail, sizeof(tail), fmt, ap);
	va_end(ap);
	if (asprintf(&path, "%s%s", vm->root, tail) < 0)
		die("out of memory");
	return path;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double seconds(const char *text)
{
	return strtod(text, NULL);
}

bool knob(const struct vm *vm, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	if (!vm->control)
		return false;
	snprintf(path, sizeof(path), "%s/%s", vm->control, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return false;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	return true;
}

/* By a descriptor of the folder: the whole path may be too long for a socket's name. */
int unix_socket(const char *path, bool listens)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), folder, r, code;
	char *dir = strdup(path), *base = strdup(path);

	folder = open(dirname(dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", folder,
		     basename(base));
	if (listens)
		unlink(at.sun_path);
	if (fd < 0 || folder < 0 || r >= (int)sizeof(at.sun_path))
		r = -1;
	else if (listens)
		r = bind(fd, (void *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0 ? -1 : 0;
	else
		r = connect(fd, (void *)&at, sizeof(at));
	code = errno;
	free(dir);
	free(base);
	close(folder);
	if (r < 0) {
		close(fd);
		errno = code;
		return -1;
	}
	return fd;
}

void tell(const struct vm *vm)
{
	char path[PATH_MAX], new[PATH_MAX + 8];
	json_t *state;

	if (!vm->control)
		return;
	state = guest_state(vm);
	snprintf(path, sizeof(path), "%s/guest.json", vm->control);
	snprintf(new, sizeof(new), "%s.new", path);
	if (json_dump_file(state, new, JSON_INDENT(1)) == 0)
		rename(new, path);
	json_decref(state);
}

static const char *option(char **argv, const char *name)
{
	for (; *argv; argv++)
		if (strcmp(*argv, name) == 0)
			return argv[1];
	return NULL;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("cannot create %s: %s", path, strerror(errno));
	close(fd);
}

/* The path of "-chardev socket,id=qmp,path=...", or NULL. */
static const char *monitor_path(char **argv)
{
	static char path[PATH_MAX];

	for (; *argv; argv++)
		if (strncmp(*argv, "socket,id=qmp,", 14) == 0 &&
		    sscanf(*argv + 14, "path=%4095[^,]", path) == 1)
			return path;
	return NULL;
}

static void plug_all(struct vm *vm, char **argv, bool seen)
{
	char err[ERR_LEN];

	for (; *argv; argv++)
		if (strncmp(*argv, "vfio-pci,", 9) == 0 && !device_plug(vm, *argv, seen, err))
			die("-device %s: %s", *argv, err);
}

static void begin(struct vm *vm, char **argv)
{
	const char *incoming = option(argv, "-incoming"), *off = getenv("PVESIM_MONITOR");
	const char *path = off && strcmp(off, "0") == 0 ? NULL : monitor_path(argv);
	bool halted = false;

	for (char **word = argv; *word; word++)
		halted = halted || strcmp(*word, "-S") == 0;
	snprintf(vm->status, sizeof(vm->status), "%s",
		 incoming ? "inmigrate"
		 : halted ? "prelaunch"
			  : "running");
	vm->autostart = !halted;
	plug_all(vm, argv, !incoming);
	if (incoming)
		incoming_listen(vm, incoming);
	if (path)
		qmp_listen(vm, path);
	tell(vm);
}

/* Until it is to end; true if the guest wanted it. */
static bool run(struct vm *vm, int signals)
{
	while (!vm->quit) {
		struct pollfd p[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = vm->client < 0 ? vm->listener : -1, .events = POLLIN},
			{.fd = vm->client, .events = POLLIN},
			{.fd = vm->incoming, .events = POLLIN},
			{.fd = vm->stream, .events = POLLIN},
			{.fd = vm->out.fd, .events = POLLIN},
		};
		bool busy = device_waits(vm) || outgoing_is_active(vm);
		struct signalfd_siginfo info;

		if (poll(p, sizeof(p) / sizeof(*p), busy ? 10 : -1) < 0 && errno != EINTR)
			return false;
		if (p[0].revents && read(signals, &info, sizeof(info)) == sizeof(info))
			return info.ssi_signo == SIGUSR1;
		if (p[1].revents)
			qmp_accept(vm);
		if (p[2].revents)
			qmp_read(vm);
		if (p[3].revents)
			incoming_accept(vm);
		if (p[4].revents)
			incoming_read(vm);
		if (p[5].revents && vm->out.fd == p[5].fd)
			outgoing_read(vm);
		device_tick(vm);
		outgoing_tick(vm);
	}
	return vm->poweroff;
}

/* -daemonize: who called waits until the child has everything it needs. */
static int detach(void)
{
	int ready[2];
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0 || (child = fork()) < 0)
		die("cannot start: %s", strerror(errno));
	if (child > 0) {
		char ok = 0;

		close(ready[1]);
		_exit(read(ready[0], &ok, 1) == 1 ? 0 : 1);
	}
	close(ready[0]);
	setsid();
	prctl(PR_SET_NAME, "kvm");
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (chdir("/") < 0)
		die("chdir: %s", strerror(errno));
	return ready[1];
}

static void is_ready(int ready)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	if (null > 2)
		close(null);
	if (write(ready, "k", 1) != 1)
		exit(1);
	close(ready);
}

int main(int argc, char **argv)
{
	const char *events = getenv("PVESIM_EVENTS"), *delay = getenv("PVESIM_DELAY");
	const char *pidfile = option(argv, "-pidfile"), *root = getenv("PVESIM_ROOT");
	struct vm vm = {.root = root && strcmp(root, "/") != 0 ? root : "",
			.control = getenv("PVESIM_CONTROL"),
			.incoming = -1,
			.stream = -1,
			.out.fd = -1,
			.listener = -1,
			.client = -1};
	char text[32], *pidpath;
	int ready, signals;
	bool guest;
	sigset_t set;

	if (argc < 2 || !pidfile)
		die("needs PVE's command line with -pidfile");
	pidpath = below(&vm, "%s", pidfile);
	ready = detach();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (delay)
		usleep((useconds_t)(seconds(delay) * 1e6));
	begin(&vm, argv);
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	write_file(pidpath, text);
	is_ready(ready);
	guest = run(&vm, signals);
	if (events) {
		char *note;

		snprintf(text, sizeof(text), "1 %d\n", guest);
		if (asprintf(&note, "%s/%d", events, (int)getpid()) > 0)
			write_file(note, text);
	}
	unlink(pidpath);
	return 0;
}
