/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a card without a network is known again by: config space and sysfs as they may be. */
#include <fcntl.h>

#include "src/base/cleanup.h"
#include "src/vf/card.h"
#include "tests/unit/tree.h"

#define GPU "0000:03:00.0"

static struct card_id read_card(const struct tree *t)
{
	struct error err = ERROR_INIT;
	struct pci_addr a = addr_of(GPU);
	struct card_id c;

	assert_int_equal(card_read(t->root, &a, &c, &err), 0);
	return c;
}

static int read_error(const struct tree *t)
{
	struct pci_addr a = addr_of(GPU);
	struct card_id c;

	return card_read(t->root, &a, &c, NULL);
}

static void make_gpu(const struct tree *t, const char *class)
{
	sys_write(t->root, DEV GPU "/vendor", "0x8086\n");
	sys_write(t->root, DEV GPU "/device", "0x56c0\n");
	sys_write(t->root, DEV GPU "/class", class);
}

static void put_word(unsigned char *space, unsigned at, uint32_t word)
{
	for (unsigned i = 0; i < 4; i++)
		space[at + i] = (unsigned char)(word >> 8 * i);
}

static void put_config(const struct tree *t, const unsigned char *space, size_t size)
{
	AUTO_CLOSE int fd = -1;

	sys_write(t->root, DEV GPU "/config", "");
	fd = openat(t->root, DEV GPU "/config", O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, space, size), size);
}

#define CAP(id, next) ((uint32_t)(id) | 1U << 16 | (uint32_t)(next) << 20)

static void test_serial(void **state)
{
	const struct tree *t = *state;
	unsigned char space[4096] = {0};
	struct card_id c;

	make_gpu(t, "0x030000\n");
	c = read_card(t);
	assert_string_equal(c.model, "8086:56c0");
	assert_string_equal(c.serial, ""); /* no config space: none */
	put_word(space, 0, 0x56c08086);
	put_word(space, 0x100, CAP(0x10, 0x340));
	put_word(space, 0x340, CAP(0x3, 0));
	put_word(space, 0x344, 0x44556677);
	put_word(space, 0x348, 0x00112233);
	put_config(t, space, sizeof(space));
	c = read_card(t);
	assert_string_equal(c.serial, "00-11-22-33-44-55-66-77");
	/* What a person may read, or a conventional device has. */
	put_config(t, space, 64);
	assert_string_equal(read_card(t).serial, "");
	put_config(t, space, 256);
	assert_string_equal(read_card(t).serial, "");
	/* Numbers that nobody has written. */
	put_word(space, 0x344, 0);
	put_word(space, 0x348, 0);
	put_config(t, space, sizeof(space));
	assert_string_equal(read_card(t).serial, "");
	put_word(space, 0x344, 0xffffffff);
	put_word(space, 0x348, 0xffffffff);
	put_config(t, space, sizeof(space));
	assert_string_equal(read_card(t).serial, "");
}

static void test_bad_config_space(void **state)
{
	const struct tree *t = *state;
	unsigned char space[4096] = {0};

	make_gpu(t, "0x030000\n");
	/* A list that leads back to itself, below its begin, and one whose end is cut off. */
	put_word(space, 0, 0x56c08086);
	put_word(space, 0x100, CAP(0x10, 0x200));
	put_word(space, 0x200, CAP(0x1, 0x100));
	put_config(t, space, sizeof(space));
	assert_string_equal(read_card(t).serial, "");
	put_word(space, 0x200, CAP(0x1, 0x40));
	put_config(t, space, sizeof(space));
	assert_string_equal(read_card(t).serial, "");
	put_word(space, 0x200, CAP(0x3, 0));
	put_config(t, space, 0x206);
	assert_string_equal(read_card(t).serial, "");
	/* A device that does not answer is unknown, not one without a number. */
	memset(space, 0xff, sizeof(space));
	put_config(t, space, sizeof(space));
	assert_int_equal(read_error(t), -EIO);
	sys_write(t->root, DEV GPU "/config", "");
	assert_int_equal(read_error(t), 0);
}

static void test_nvme(void **state)
{
	const struct tree *t = *state;

	make_gpu(t, "0x010802\n");
	sys_write(t->root, DEV GPU "/nvme/nvme3/serial", "S5GX,NN=0T 1        \n");
	assert_string_equal(read_card(t).serial, "S5GX_NN_0T_1");
	/* What another driver has there is none. */
	make_gpu(t, "0x030000\n");
	assert_string_equal(read_card(t).serial, "");
}

static void test_slot(void **state)
{
	const struct tree *t = *state;

	make_gpu(t, "0x030000\n");
	sys_write(t->root, "sys/bus/pci/slots/4/address", "0000:04:00\n");
	assert_string_equal(read_card(t).slot, "");
	sys_write(t->root, "sys/bus/pci/slots/3-1/address", "0000:03:00\n");
	assert_string_equal(read_card(t).slot, "3-1");
}

static void test_is(void **state)
{
	struct card_id known = {.model = "8086:56c0", .serial = "1", .slot = "3"};
	struct card_id now = known;

	(void)state;
	snprintf(now.slot, sizeof(now.slot), "4");
	assert_true(card_is(&known, &now)); /* by its number, wherever it is */
	snprintf(now.serial, sizeof(now.serial), "2");
	assert_false(card_is(&known, &now));
	now.serial[0] = '\0';
	assert_false(card_is(&known, &now));
	known.serial[0] = '\0';
	assert_false(card_is(&known, &now));
	snprintf(now.slot, sizeof(now.slot), "3");
	assert_true(card_is(&known, &now));
	snprintf(now.model, sizeof(now.model), "8086:56c1");
	assert_false(card_is(&known, &now));
	known = (struct card_id){0};
	assert_true(card_is(&known, &now)); /* written by hand, with its address alone */
	assert_false(card_is_known(&known));
}

static void test_class(void **state)
{
	const struct tree *t = *state;
	struct pci_addr a = addr_of(GPU);
	unsigned class = 0;
	char kind[40];

	assert_int_equal(card_class(t->root, &a, &class), -ENOENT);
	make_gpu(t, "0x038000\n");
	assert_int_equal(card_class(t->root, &a, &class), 0);
	assert_int_equal(class, 0x038000);
	assert_false(card_is_network(class));
	assert_true(card_is_network(0x020000));
	assert_string_equal(card_kind(class, kind), "a graphics card");
	assert_string_equal(card_kind(0x1b0000, kind), "a device of class 1b0000");
	sys_write(t->root, DEV GPU "/class", "?\n");
	assert_int_equal(card_class(t->root, &a, &class), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		nic_test(test_serial), nic_test(test_bad_config_space),
		nic_test(test_nvme),   nic_test(test_slot),
		nic_test(test_is),     nic_test(test_class),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
