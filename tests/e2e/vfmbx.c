/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfmbx - ask the PF of an Intel 82576 (QEMU's igb) what MAC a VF has, the way
 * the VF's driver in a guest does: reset the VF, send the reset message through
 * its mailbox and read the answer.  A second instead of a nested guest's minute.
 *
 *   vfmbx ADDRESS     e.g. 0000:01:10.0; prints the MAC, or "none" if the PF
 *                     has none for it (a driver then makes one up)
 *
 * The VF must have no driver in action: not igbvf, not vfio in a running guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Registers of the VF, from the 82576 data sheet. */
#define VTCTRL	   0x0000
#define VTCTRL_RST 0x04000000u
#define VMBMEM	   0x0800 /* 16 words of mailbox */
#define V2PMAILBOX 0x0c40
#define MB_REQ	   0x00000001u /* a message for the PF is there */
#define MB_ACK	   0x00000002u /* we have read the PF's */
#define MB_VFU	   0x00000004u /* the buffer is ours */

#define MSG_VF_RESET 0x00000001u
#define MSG_ACK	     0x80000000u
#define MSG_NACK     0x40000000u

#define PCI_COMMAND	   0x04
#define PCI_COMMAND_MEMORY 0x0002

#define TIMEOUT_MS 3000
#define BAR_SIZE   0x4000

static volatile uint32_t *bar;

static uint32_t rd(unsigned int reg)
{
	return bar[reg / 4];
}

static void wr(unsigned int reg, uint32_t val)
{
	bar[reg / 4] = val;
}

static void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&ts, NULL);
}

/*
 * Turn memory decoding on, or back to what it was. Real VFs have no such bit,
 * QEMU's igb answers zeros without it. Drivers do the same on their own.
 */
static int swap_command(const char *addr, uint16_t *cmd)
{
	char path[256];
	uint16_t old;
	int fd, rc = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", addr);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && pread(fd, &old, 2, PCI_COMMAND) == 2 && pwrite(fd, cmd, 2, PCI_COMMAND) == 2)
		rc = 0;
	if (rc)
		fprintf(stderr, "vfmbx: %s: %s\n", path, strerror(errno));
	else
		*cmd = old;
	if (fd >= 0)
		close(fd);
	return rc;
}

/*
 * Play the reset; the answer's MAC goes to mac. 1: the PF has none, -1: error,
 * a message has been printed.
 */
static int ask_mac(const char *addr, uint8_t mac[6])
{
	uint32_t msg = 0, lo, hi;
	int ms;

	if (rd(V2PMAILBOX) == 0xffffffffu) {
		fprintf(stderr, "vfmbx: %s: reads all ones (in D3?)\n", addr);
		return -1;
	}

	wr(VTCTRL, VTCTRL_RST);
	sleep_ms(10);
	wr(V2PMAILBOX, MB_VFU);
	wr(VMBMEM, MSG_VF_RESET);
	wr(V2PMAILBOX, MB_REQ);

	/* The answer carries ACK or NACK; until then our own message is there. */
	for (ms = 0; ms < TIMEOUT_MS; ms += 10) {
		msg = rd(VMBMEM);
		if (msg & (MSG_ACK | MSG_NACK))
			break;
		sleep_ms(10);
	}
	if (ms >= TIMEOUT_MS) {
		fprintf(stderr, "vfmbx: %s: the PF does not answer (is it up?)\n", addr);
		return -1;
	}
	lo = rd(VMBMEM + 4);
	hi = rd(VMBMEM + 8);
	wr(V2PMAILBOX, MB_ACK);

	memcpy(mac, &lo, 4);
	memcpy(mac + 4, &hi, 2);
	return msg & MSG_NACK ? 1 : 0;
}

int main(int argc, char **argv)
{
	char path[256];
	const char *addr;
	uint16_t cmd = PCI_COMMAND_MEMORY;
	uint8_t mac[6];
	void *map;
	int fd, rc;

	if (argc != 2 || argv[1][0] == '-' || strchr(argv[1], '/')) {
		fprintf(stderr, "usage: vfmbx PCI-ADDRESS\n");
		return 2;
	}
	addr = argv[1];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", addr);
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "vfmbx: open %s: %s\n", path, strerror(errno));
		return 1;
	}
	map = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		/* The kernel says EINVAL when a driver holds the region. */
		fprintf(stderr, "vfmbx: map %s: %s%s\n", path, strerror(errno),
			errno == EINVAL ? " (is the VF in use?)" : "");
		return 1;
	}
	bar = map;

	if (swap_command(addr, &cmd))
		return 1;
	rc = ask_mac(addr, mac);
	if (swap_command(addr, &cmd) || rc < 0)
		return 1;
	if (rc)
		puts("none");
	else
		printf("%02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4],
		       mac[5]);
	return 0;
}
