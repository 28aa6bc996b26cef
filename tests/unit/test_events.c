/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/port/context.h"
#include "src/port/events.h"
#include "tests/unit/tree.h"

#define DIR_PATH "var/lib/vfhook"
#define NOW	 DIR_PATH "/events"
#define OLD	 DIR_PATH "/events.1"

static size_t count(struct hook *h, uint32_t vmid)
{
	struct event *list;
	size_t n;

	assert_int_equal(events_read(h, vmid, &list, &n, NULL), 0);
	events_free(list, n);
	return n;
}

static void test_nothing_yet(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};

	assert_int_equal(count(&h, 0), 0);
	assert_false(path_exists(t->root, "var"));
}

static void test_there_and_back(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	struct event *list;
	struct stat st;
	size_t n;

	event_add(&h, 100, EVENT_START, "hostpci%u: VF %s", 0, "0000:06:10.0");
	event_add(&h, 101, EVENT_RELEASE, "other");
	event_add(&h, 100, EVENT_REFUSED, "a \"quoted\" line\nand\x1b[31m a second one \xc3\xa4");
	assert_int_equal(events_read(&h, 100, &list, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].kind, EVENT_START);
	assert_int_equal(list[0].vmid, 100);
	assert_in_range(list[0].time, time(NULL) - 60, time(NULL));
	assert_string_equal(list[0].text, "hostpci0: VF 0000:06:10.0");
	assert_int_equal(list[1].kind, EVENT_REFUSED);
	assert_string_equal(list[1].text, "a \"quoted\" line?and?[31m a second one \xc3\xa4");
	events_free(list, n);
	assert_int_equal(count(&h, 0), 3);
	assert_int_equal(fstatat(t->root, NOW, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(fstatat(t->root, DIR_PATH, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(event_kind_name(EVENT_CUT_OFF), "cut-off");
	assert_string_equal(event_kind_name(EVENT_KINDS), "?");
}

static void test_dry_run(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root, .dry_run = true};

	event_add(&h, 100, EVENT_START, "nothing");
	assert_false(path_exists(t->root, "var"));
}

static void test_rotation(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	char text[1001];
	struct event *list;
	struct stat st;
	size_t n;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 800; i++) {
		event_add(&h, 100, EVENT_START, "%d %s", i, text);
		assert_int_equal(fstatat(t->root, NOW, &st, 0), 0);
		assert_true(st.st_size <= EVENTS_MAX);
	}
	assert_int_equal(fstatat(t->root, OLD, &st, 0), 0);
	assert_true(st.st_size <= EVENTS_MAX);
	assert_int_equal(tree_count(t->root, DIR_PATH), 3);
	assert_int_equal(events_read(&h, 0, &list, &n, NULL), 0);
	assert_true(n > 250 && n < 800);
	/* The newest ones, in order, none missing. */
	for (size_t i = 0; i < n; i++)
		assert_int_equal(atoi(list[i].text), 800 - (int)n + (int)i);
	events_free(list, n);
}

/* What came after the mark, and the first of it. */
static size_t came(struct hook *h, struct events_mark *mark, int *first, bool *lost)
{
	struct event *list;
	size_t n;

	assert_int_equal(events_since(h, 0, mark, &list, &n, lost, NULL), 0);
	*first = n ? atoi(list[0].text) : -1;
	events_free(list, n);
	return n;
}

/* Each once, also where the file became the old one in between. */
static void test_since(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	struct events_mark mark = {0};
	char text[1001];
	int next = 0;
	bool lost;
	int first;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(came(&h, &mark, &first, &lost), 0);
	for (int i = 0; i < 800; i++) {
		event_add(&h, 100, EVENT_START, "%d %s", i, text);
		if (i % 90)
			continue;
		assert_int_equal(came(&h, &mark, &first, &lost), i - next + 1);
		assert_int_equal(first, next);
		assert_false(lost);
		next = i + 1;
	}
	assert_int_equal(came(&h, &mark, &first, &lost), 800 - next);
	assert_int_equal(came(&h, &mark, &first, &lost), 0);
	assert_false(lost);
}

static void test_since_too_late(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	struct events_mark mark = {0};
	char text[1001];
	bool lost;
	int first;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	event_add(&h, 100, EVENT_START, "0");
	assert_int_equal(came(&h, &mark, &first, &lost), 1);
	for (int i = 1; i < 800; i++)
		event_add(&h, 100, EVENT_START, "%d %s", i, text);
	assert_true(came(&h, &mark, &first, &lost) > 250);
	assert_true(lost);
	/* Removed by somebody: what is written then is read from its beginning. */
	assert_int_equal(unlinkat(t->root, NOW, 0), 0);
	assert_int_equal(unlinkat(t->root, OLD, 0), 0);
	assert_int_equal(came(&h, &mark, &first, &lost), 0);
	event_add(&h, 100, EVENT_START, "900");
	assert_int_equal(came(&h, &mark, &first, &lost), 1);
	assert_int_equal(first, 900);
}

/* Half a line is one that is being written. */
static void test_since_half_a_line(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	struct events_mark mark = {0};
	bool lost;
	int first;

	tree_write(t->root, NOW, "{\"time\": 1, \"vmid\": 100, \"kind\": \"start\", \"text\": \"7");
	assert_int_equal(came(&h, &mark, &first, &lost), 0);
	tree_write(t->root, NOW,
		   "{\"time\": 1, \"vmid\": 100, \"kind\": \"start\", \"text\": \"7\"}\n");
	assert_int_equal(came(&h, &mark, &first, &lost), 1);
	assert_int_equal(first, 7);
	assert_false(lost);
}

static uint64_t total(struct hook *h, enum event_kind kind)
{
	uint64_t totals[EVENT_KINDS];

	assert_int_equal(events_totals(h, totals, NULL), 0);
	return totals[kind];
}

static uint64_t lines_with(const char *text, const char *part)
{
	uint64_t n = 0;

	for (const char *p = text; (p = strstr(p, part)); p++)
		n++;
	return n;
}

static uint64_t number_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

/* What a rotation leaves that is killed before the old file's end. */
static void count_old_as_killed(const struct tree *t)
{
	AUTO_FREE char *totals = tree_read(t->root, DIR_PATH "/events.totals");
	AUTO_FREE char *old = tree_read(t->root, OLD);
	char text[400];
	struct stat st;

	assert_int_equal(fstatat(t->root, OLD, &st, 0), 0);
	snprintf(text, sizeof(text),
		 "{\"start\":%llu,\"release\":%llu,\"of\":\"%llu:%lld:%lld.%09ld\"}\n",
		 (unsigned long long)(number_behind(totals, "\"start\":") +
				      lines_with(old, "\"kind\":\"start\"")),
		 (unsigned long long)(number_behind(totals, "\"release\":") +
				      lines_with(old, "\"kind\":\"release\"")),
		 (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
		 st.st_mtim.tv_nsec);
	tree_write(t->root, DIR_PATH "/events.totals", text);
}

/* However often the files change, none is forgotten, and none counted twice. */
static void test_totals(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	uint64_t before;
	char text[1001];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(total(&h, EVENT_START), 0);
	for (uint64_t i = 1; i <= 1200; i++) {
		event_add(&h, 100, i % 3 ? EVENT_START : EVENT_RELEASE, "%s", text);
		if (i % 50 && i > 10)
			continue;
		assert_int_equal(total(&h, EVENT_START), i - i / 3);
		assert_int_equal(total(&h, EVENT_RELEASE), i / 3);
	}
	assert_true(count(&h, 0) < 1200);
	/* Killed between the counting and the end of the old file: what it has is counted once. */
	before = total(&h, EVENT_START);
	count_old_as_killed(t);
	assert_int_equal(total(&h, EVENT_START), before);
	for (int i = 0; i < 600; i++)
		event_add(&h, 100, EVENT_REPAIR, "%s", text);
	assert_int_equal(total(&h, EVENT_START), before);
	assert_int_equal(total(&h, EVENT_REPAIR), 600);
	/* A file of somebody else's counts from nothing. */
	tree_write(t->root, DIR_PATH "/events.totals", "{\"start\":-5,\"repair\":\"x\"");
	assert_true(total(&h, EVENT_REPAIR) <= 600);
}

static int write_many(void *arg)
{
	struct hook *h = arg;

	for (int i = 0; i < 100; i++)
		event_add(h, 100 + (uint32_t)i % 2, EVENT_RELEASE, "%d-%d %0500d", (int)getpid(), i,
			  0);
	return 0;
}

static void test_eight_writers(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	AUTO_FREE char *now = NULL;
	AUTO_FREE char *old = NULL;
	struct stat st;
	size_t lines = 0;
	pid_t pids[8];

	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(write_many(&h));
		assert_true(pids[i] > 0);
	}
	for (int i = 0; i < 8; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	now = tree_read(t->root, NOW);
	old = tree_read(t->root, OLD);
	for (const char *p = now; (p = strchr(p, '\n')); p++)
		lines++;
	for (const char *p = old; (p = strchr(p, '\n')); p++)
		lines++;
	/* 800 lines of 570 bytes: one rotation, nothing lost, every line whole. */
	assert_int_equal(lines, 800);
	assert_int_equal(count(&h, 0), 800);
	assert_int_equal(count(&h, 100), 400);
	assert_int_equal(fstatat(t->root, NOW, &st, 0), 0);
	assert_true(st.st_size <= EVENTS_MAX);
}

static void test_hostile_lines(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	struct event *list;
	size_t n;

	tree_write(t->root, OLD, "\n\n[]\n{}\nnull\n\"x\"\n");
	tree_write(t->root, NOW,
		   "not json\n"
		   "{\"time\":1,\"vmid\":100,\"kind\":\"start\",\"text\":\"good 1\"}\n"
		   "{\"time\":-1,\"vmid\":100,\"kind\":\"start\",\"text\":\"bad\"}\n"
		   "{\"time\":1,\"vmid\":99999999999,\"kind\":\"start\",\"text\":\"bad\"}\n"
		   "{\"time\":1,\"vmid\":100,\"kind\":\"party\",\"text\":\"bad\"}\n"
		   "{\"time\":1,\"vmid\":100,\"kind\":\"start\",\"text\":5}\n"
		   "{\"time\":1,\"vmid\":100,\"kind\":\"start\"}\n"
		   "{\"time\":1,\"vmid\":100,\"vmid\":101,\"kind\":\"start\",\"text\":\"bad\"}\n"
		   "{\"time\":2,\"vmid\":100,\"kind\":\"mended\",\"text\":\"good\\u001b[2J 2\"}\n"
		   "{\"time\":3,\"vmid\":100,\"kind\":\"start\",\"text\":\"half a li");
	assert_int_equal(events_read(&h, 100, &list, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].text, "good 1");
	assert_string_equal(list[1].text, "good?[2J 2");
	events_free(list, n);
}

/* Another's file, much too long: its end is read, and nothing more. */
static void test_huge_file(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	int fd;

	tree_write(t->root, NOW, "");
	fd = openat(t->root, NOW, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1LL << 33), 0);
	close(fd);
	assert_int_equal(count(&h, 0), 0);
	event_add(&h, 100, EVENT_START, "first of a new file");
	assert_int_equal(count(&h, 0), 1);
}

static void test_links_are_refused(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	AUTO_FREE char *victim = NULL;
	struct event *list;
	size_t n;

	tree_write(t->root, "victim", "keep me");
	tree_link(t->root, NOW, "../../../victim");
	event_add(&h, 100, EVENT_START, "x");
	victim = tree_read(t->root, "victim");
	assert_string_equal(victim, "keep me");
	assert_true(events_read(&h, 0, &list, &n, NULL) < 0);
}

static void test_linked_dir_is_refused(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};

	tree_write(t->root, "elsewhere/file", "x");
	tree_link(t->root, DIR_PATH, "../../elsewhere");
	event_add(&h, 100, EVENT_START, "x");
	assert_int_equal(tree_count(t->root, "elsewhere"), 1);
}

/* A writer that is stopped keeps nobody from starting. */
static void test_held_lock(void **state)
{
	const struct tree *t = *state;
	struct hook h = {.root = t->root};
	int fd;

	event_add(&h, 100, EVENT_START, "x");
	fd = openat(t->root, NOW, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	event_add(&h, 100, EVENT_START, "y");
	close(fd);
	assert_int_equal(count(&h, 0), 1);
	event_add(&h, 100, EVENT_START, "z");
	assert_int_equal(count(&h, 0), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ram_test(test_nothing_yet),
		ram_test(test_there_and_back),
		cmocka_unit_test(test_names),
		ram_test(test_dry_run),
		ram_test(test_totals),
		ram_test(test_rotation),
		ram_test(test_since),
		ram_test(test_since_too_late),
		ram_test(test_since_half_a_line),
		ram_test(test_eight_writers),
		ram_test(test_hostile_lines),
		ram_test(test_huge_file),
		ram_test(test_links_are_refused),
		ram_test(test_linked_dir_is_refused),
		ram_test(test_held_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
