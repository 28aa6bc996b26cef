/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for QEMU: takes PVE's command line (run it with argv[0] = /usr/bin/kvm),
 * detaches itself, writes the pid file, holds the VFIO groups and waits to be ended.
 *
 *   SIGTERM, SIGINT  "quit" from the host      SIGUSR1  the guest powers itself off
 *
 * Environment: PVESIM_ROOT is put before the paths of the command line and of sysfs;
 * PVESIM_EVENTS names a folder for the note that qmeventd gets after a clean exit;
 * PVESIM_DELAY is how many seconds the start takes.
 *
 *   cc -O2 -Wall -Wextra -o build/tests/pvesim-standin tests/sim/standin.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root = "";

static void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "kvm: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* A relative or absolute path below the root, in a buffer that stays ours. */
static char *below(const char *fmt, ...)
{
	char tail[PATH_MAX], *path;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tail, sizeof(tail), fmt, ap);
	va_end(ap);
	if (asprintf(&path, "%s%s", root, tail) < 0)
		die("out of memory");
	return path;
}

/* Open a group and put it into the one container; QEMU opens each group only once. */
static int hold_group(const char *device, const char *host, const char *path)
{
	static struct {
		char *path;
		int fd;
	} held[64];
	static int container = -1, count;
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int fd, i, first = container < 0;

	for (i = 0; i < count; i++)
		if (strcmp(held[i].path, path) == 0)
			return held[i].fd;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("-device %s: vfio %s: failed to open %s: %s", device, host, path,
		    strerror(errno));
	if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0 ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		die("-device %s: vfio %s: group is not viable", device, host);
	if (first && (container = open(below("/dev/vfio/vfio"), O_RDWR | O_CLOEXEC)) < 0)
		die("-device %s: vfio: failed to open container: %s", device, strerror(errno));
	if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container) < 0 ||
	    (first && ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0))
		die("-device %s: vfio: failed to set container: %s", device, strerror(errno));
	if (count < 64 && (held[count].path = strdup(path)))
		held[count++].fd = fd;
	return fd;
}

/*
 * Attach the device as QEMU does. In a made-up tree /dev/vfio/N is a plain file and
 * there is nothing to hold; the descriptors stay open until we exit.
 */
static void hold_device(const char *device, const char *host)
{
	char link[PATH_MAX], *path = below("/sys/bus/pci/devices/%s/iommu_group", host);
	ssize_t len = readlink(path, link, sizeof(link) - 1);
	struct stat st;
	char *group;

	if (len < 0)
		die("-device %s: vfio %s: no iommu_group found: %s", device, host, strerror(errno));
	link[len] = 0;
	group = strrchr(link, '/');
	group = below("/dev/vfio/%s", group ? group + 1 : link);
	if (stat(group, &st) < 0 || !S_ISCHR(st.st_mode)) {
		if (!*root)
			die("-device %s: vfio %s: failed to open %s: %s", device, host, group,
			    strerror(errno));
		return;
	}
	if (ioctl(hold_group(device, host, group), VFIO_GROUP_GET_DEVICE_FD, host) < 0)
		die("-device %s: vfio %s: error getting device from group: %s", device, host,
		    strerror(errno));
}

static void hold_devices(char **argv)
{
	for (; *argv; argv++) {
		char host[64];
		const char *at;

		if (strncmp(*argv, "vfio-pci,", 9) != 0)
			continue;
		at = strstr(*argv, "host=");
		if (at && sscanf(at, "host=%63[^,]", host) == 1)
			hold_device(*argv, host);
	}
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

int main(int argc, char **argv)
{
	const char *events = getenv("PVESIM_EVENTS"), *delay = getenv("PVESIM_DELAY");
	const char *pidfile = option(argv, "-pidfile");
	char text[32], *pidpath;
	int ready[2], sig, null;
	sigset_t set;
	pid_t child;

	if (getenv("PVESIM_ROOT") && strcmp(getenv("PVESIM_ROOT"), "/") != 0)
		root = getenv("PVESIM_ROOT");
	if (argc < 2 || !pidfile)
		die("needs PVE's command line with -pidfile");
	pidpath = below("%s", pidfile);

	/* -daemonize: the caller waits until the child has everything it needs */
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
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	if (chdir("/") < 0)
		die("chdir: %s", strerror(errno));
	if (delay)
		usleep((useconds_t)(atof(delay) * 1e6));
	hold_devices(argv);
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	write_file(pidpath, text);

	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	if (null > 2)
		close(null);
	if (write(ready[1], "k", 1) != 1)
		return 1;
	close(ready[1]);

	while (sigwait(&set, &sig) != 0)
		;
	if (events) {
		snprintf(text, sizeof(text), "1 %d\n", sig == SIGUSR1);
		char *note;

		if (asprintf(&note, "%s/%d", events, (int)getpid()) > 0)
			write_file(note, text);
	}
	unlink(pidpath);
	return 0;
}
