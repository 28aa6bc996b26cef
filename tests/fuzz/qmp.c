/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU's monitor says: one conversation up to each NUL. max_len=4096 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static const uint8_t *rest;
static size_t left;
static int other = -1; /* stays open, so that commands go somewhere */

/* The socket becomes one end of a pair in which everything is said already. */
static int fuzz_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	AUTO_FREE char *text = next_text(&rest, &left);
	int pair[2];

	(void)to;
	(void)len;
	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
	(void)!send(pair[1], text, strlen(text), MSG_NOSIGNAL);
	NEED(!shutdown(pair[1], SHUT_WR));
	NEED(dup2(pair[0], fd) == fd);
	close(pair[0]);
	if (other >= 0)
		close(other);
	other = pair[1];
	return 0;
}

static int fuzz_openat(int root, const char *path, int flags)
{
	(void)root;
	(void)path;
	return open("/", flags);
}

#define connect fuzz_connect
#define openat	fuzz_openat
#include "pveapi/qmp.c"

static int ask(unsigned what, struct error *err)
{
	char status[QMP_STATUS_LEN] = "";
	struct pci_addr addr;
	int r;

	switch (what % 6) {
	case 0:
		r = qmp_status(0, 100, 1000, status, err);
		break;
	case 1:
		r = qmp_migration(0, 100, 1000, status, err);
		break;
	case 2:
		return qmp_has_device(0, 100, "hostpci0", 1000, err) == ANSWER_UNKNOWN
			       ? error_code(err)
			       : 0;
	case 3:
		return qmp_device_del(0, 100, "hostpci0", 1000, err);
	case 4:
		return qmp_device_add(0, 100, "vfio-pci,id=hostpci0", 1000, err);
	default:
		return qmp_device_host(0, 100, "hostpci0", 1000, &addr, err);
	}
	NEED(r < 0 || is_printable(status));
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned what = last_byte(data, &size);
	struct error err = ERROR_INIT;
	int r;

	rest = data;
	left = size;
	r = ask(what, &err);
	if (r < 0)
		check_error(r, &err);
	else
		NEED(!err.code);
	return 0;
}
