/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "tests/unit/tree.h"

static void test_read(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char *data = NULL;

	tree_write_len(t->root, "a/nul", "x\0y\n", 4);
	assert_int_equal(file_read(t->root, "a/nul", 100, &data, &err), 4);
	assert_memory_equal(data, "x\0y\n", 5); /* with a NUL behind it */
	free(data);
	tree_write(t->root, "a/empty", "");
	assert_int_equal(file_read(t->root, "a/empty", 100, &data, &err), 0);
	assert_string_equal(data, "");
	free(data);
}

static void test_read_refuses(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char *data = NULL;

	assert_int_equal(file_read(t->root, "etc/none", 10, &data, &err), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_has(err.text, "/etc/none");
	tree_write(t->root, "a/f", "0123456789");
	assert_int_equal(file_read(t->root, "a/f", 9, &data, &err), -EFBIG);
	assert_has(err.text, "/a/f");
	assert_int_equal(file_read(t->root, "a/f", 10, &data, &err), 10);
	free(data);
	data = NULL;
	assert_int_equal(file_read(t->root, "a", 10, &data, &err), -EINVAL);
	assert_int_equal(mkfifoat(t->root, "a/fifo", 0600), 0);
	assert_int_equal(file_read(t->root, "a/fifo", 10, &data, &err), -EINVAL);
	assert_int_equal(symlinkat("/dev/zero", t->root, "a/zero"), 0);
	assert_int_equal(file_read(t->root, "a/zero", 10, &data, &err), -EINVAL);
	assert_null(data);
}

/* procfs says a size of 0 whatever there is. */
static void test_read_sizeless(void **state)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;
	char *data = NULL;
	ssize_t n;

	(void)state;
	n = file_read(root, "proc/self/status", 65536, &data, &err);
	assert_true(n > 100);
	assert_int_equal(strlen(data), n);
	free(data);
	data = NULL;
	assert_int_equal(file_read(root, "proc/self/status", 20, &data, &err), -EFBIG);
	assert_null(data);
	close(root);
}

/* /proc/cpuinfo of a server with 50 CPUs is larger than one guesses. */
static void test_read_sizeless_and_large(void **state)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *data = NULL;
	void *at[4096];
	ssize_t n;

	(void)state;
	/* A line of /proc/self/maps for each: mappings whose neighbours differ stay apart. */
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		at[i] = mmap(NULL, page, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		assert_true(at[i] != MAP_FAILED);
	}
	n = file_read(root, "proc/self/maps", 16 << 20, &data, &err);
	if (n < 0)
		print_error("%s\n", err.text);
	assert_true(n > 2 * 65536);
	assert_int_equal(strlen(data), n);
	assert_int_equal(data[n - 1], '\n');
	free(data);
	data = NULL;
	assert_int_equal(file_read(root, "proc/self/maps", 65600, &data, &err), -EFBIG);
	assert_has(err.text, "larger than 65600 bytes");
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		munmap(at[i], page);
	close(root);
}

struct appender {
	int fd;
	volatile bool stop;
};

static void *append(void *arg)
{
	struct appender *a = arg;
	char block[4096];

	memset(block, 'x', sizeof(block));
	while (!a->stop) {
		if (write(a->fd, block, sizeof(block)) < 0 || lseek(a->fd, 0, SEEK_CUR) > 8 << 20)
			if (ftruncate(a->fd, 0) < 0 || lseek(a->fd, 0, SEEK_SET) < 0)
				break;
	}
	return NULL;
}

/* A file that grows while it is read: never more than asked for, never a write past the end. */
static void test_read_growing(void **state)
{
	const struct tree *t = *state;
	struct appender a = {.stop = false};
	pthread_t thread;

	a.fd = openat(t->root, "grow", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pthread_create(&thread, NULL, append, &a), 0);
	for (int i = 0; i < 2000; i++) {
		char *data = NULL;
		ssize_t n = file_read(t->root, "grow", 1 << 20, &data, NULL);

		assert_true(n <= 1 << 20);
		assert_true(n >= 0 || n == -EFBIG);
		if (n >= 0)
			assert_int_equal(data[n], '\0');
		free(data);
	}
	a.stop = true;
	pthread_join(thread, NULL);
	close(a.fd);
}

static void test_attributes(void **state)
{
	const struct tree *t = *state;
	unsigned long long n = 5;
	char buf[8];

	tree_write(t->root, "x", "igb\n");
	assert_int_equal(attr_read(t->root, "x", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "igb");
	tree_write(t->root, "x", "1234567\n");
	assert_int_equal(attr_read(t->root, "x", buf, sizeof(buf)), -EFBIG);
	tree_write(t->root, "x", "");
	assert_int_equal(attr_read(t->root, "x", buf, sizeof(buf)), 0);
	assert_int_equal(attr_read(t->root, "nothing", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(attr_read_u64(t->root, "nothing", 10, &n), -ENOENT);
	tree_write(t->root, "x", "0x1003\n");
	assert_int_equal(attr_read_u64(t->root, "x", 0xffff, &n), 0);
	assert_int_equal(n, 0x1003);
	tree_write(t->root, "x", "010\n");
	assert_int_equal(attr_read_u64(t->root, "x", 100, &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(attr_read_u64(t->root, "x", 9, &n), -ERANGE);
	for (size_t i = 0; i < 6; i++) {
		static const char *const bad[] = {"-1\n", "", "x\n", "1 2\n", "0x\n", " 1\n"};

		tree_write(t->root, "x", bad[i]);
		assert_true(attr_read_u64(t->root, "x", 100, &n) < 0);
	}
	assert_int_equal(attr_write(t->root, "x", "vfio-pci"), 0);
	assert_int_equal(attr_read(t->root, "x", buf, sizeof(buf)), -EFBIG);
	assert_int_equal(attr_write(t->root, "new", "1"), -ENOENT); /* sysfs: nothing is made */
}

static void test_links(void **state)
{
	const struct tree *t = *state;
	char buf[16];

	tree_link(t->root, "l", "../../0000:06:00.0");
	assert_int_equal(link_basename(t->root, "l", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "0000:06:00.0");
	tree_link(t->root, "l", "plain");
	assert_int_equal(link_basename(t->root, "l", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "plain");
	tree_link(t->root, "l", "a/0123456789abcdef");
	assert_int_equal(link_basename(t->root, "l", buf, sizeof(buf)), -EFBIG);
	tree_link(t->root, "l", "a/");
	assert_true(link_basename(t->root, "l", buf, sizeof(buf)) < 0);
	assert_int_equal(link_basename(t->root, "none", buf, sizeof(buf)), -ENOENT);
	assert_true(path_exists(t->root, "l")); /* dangling, but there */
	assert_false(path_exists(t->root, "none"));
}

static void test_replace(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct stat st;
	char *text;

	assert_int_equal(file_replace(t->root, "f", 0640, "one", 3, &err), 0);
	assert_int_equal(fstatat(t->root, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(file_replace(t->root, "f", 0640, "two", 3, &err), 0);
	text = tree_read(t->root, "f");
	assert_string_equal(text, "two");
	free(text);
	assert_int_equal(tree_count(t->root, "."), 1);
	assert_int_equal(file_replace(t->root, "no/f", 0640, "x", 1, &err), -ENOENT);
	assert_has(err.text, "/no/f");
	/* A directory in the place of the file: refused, and nothing left beside it. */
	assert_int_equal(mkdirat(t->root, "d", 0755), 0);
	tree_write(t->root, "d/in", "x");
	assert_true(file_replace(t->root, "d", 0640, "x", 1, &err) < 0);
	assert_int_equal(tree_count(t->root, "."), 2);
}

/* What dead writers left of this file goes, also of a version before; what lives or is another's
 * stays. */
static void test_replace_sweeps(void **state)
{
	const struct tree *t = *state;
	char live[64];
	pid_t dead = fork();

	if (!dead)
		_exit(0);
	waitpid(dead, NULL, 0);
	for (int i = 0; i < 3; i++) {
		char left[64];

		snprintf(left, sizeof(left), ".tmp-f.%d.%d", (int)dead, i);
		tree_write(t->root, left, "half");
	}
	snprintf(live, sizeof(live), ".tmp-f.%d.0", (int)getppid());
	tree_write(t->root, live, "half");
	tree_write(t->root, ".tmp-f", "left by an older version");
	tree_write(t->root, ".tmp-fg.999999999.0", "another's");
	tree_write(t->root, ".tmp-f.g", "another's");
	tree_write(t->root, ".tmp-f.9.x", "another's");
	assert_int_equal(file_replace(t->root, "f", 0640, "new", 3, NULL), 0);
	assert_true(path_exists(t->root, live));
	assert_int_equal(tree_count(t->root, "."), 5);
	/* A number used again: the file of then is in nobody's way. */
	snprintf(live, sizeof(live), ".tmp-f.%d.0", (int)getpid());
	tree_write(t->root, live, "half");
	assert_int_equal(file_replace_only(t->root, "f", 0640, "newer", 5, NULL), 0);
	assert_true(path_exists(t->root, live));
}

static void test_replace_follows_no_link(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char tmp[64];
	char *text;

	tree_write(t->root, "victim", "untouched");
	tree_link(t->root, "f", "victim");
	snprintf(tmp, sizeof(tmp), ".tmp-f.%d.0", (int)getpid());
	tree_link(t->root, tmp, "victim");
	assert_int_equal(file_replace(t->root, "f", 0640, "new", 3, &err), 0);
	text = tree_read(t->root, "victim");
	assert_string_equal(text, "untouched");
	free(text);
	assert_int_equal(mkdirat(t->root, "real", 0755), 0);
	tree_link(t->root, "dir", "real");
	assert_true(file_replace(t->root, "dir/f", 0640, "new", 3, &err) < 0);
	assert_true(file_create(t->root, "dir/f", 0640, "new", 3, &err) < 0);
	assert_int_equal(tree_count(t->root, "real"), 0);
}

#define REPLACED 20000

struct replacer {
	int root;
};

static void __attribute__((noreturn)) replace_for_ever(const struct replacer *r)
{
	char block[REPLACED];

	for (unsigned i = 0;; i++) {
		memset(block, 'a' + i % 26, sizeof(block));
		if (file_replace(r->root, "f", 0644, block, sizeof(block), NULL) < 0)
			_exit(1); /* another writer took this one's file away */
	}
}

/* A reader sees the old or the new content, also when two write, and are killed in the middle. */
static void test_replace_is_atomic(void **state)
{
	const struct tree *t = *state;
	struct replacer r = {t->root};
	pid_t pids[2];

	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i])
			replace_for_ever(&r);
	}
	for (int i = 0; i < 2000; i++) {
		char *text = tree_read(t->root, "f");

		if (!text)
			continue; /* not yet there */
		assert_int_equal(strlen(text), REPLACED);
		for (size_t k = 1; k < REPLACED; k++)
			assert_true(text[k] == text[0]);
		free(text);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pids[i], NULL, WNOHANG), 0);
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	assert_int_equal(file_replace(t->root, "f", 0644, "end", 3, NULL), 0);
	assert_int_equal(tree_count(t->root, "."), 1);
}

static void test_create(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char *text;

	assert_int_equal(file_create(t->root, "f", 0600, "one", 3, &err), 0);
	assert_int_equal(file_create(t->root, "f", 0600, "two", 3, &err), -EEXIST);
	assert_int_equal(err.code, EEXIST);
	text = tree_read(t->root, "f");
	assert_string_equal(text, "one");
	free(text);
	tree_link(t->root, "dangling", "nowhere");
	assert_int_equal(file_create(t->root, "dangling", 0600, "two", 3, &err), -EEXIST);
	assert_false(path_exists(t->root, "nowhere"));
	assert_int_equal(file_create(t->root, "no/f", 0600, "x", 1, &err), -ENOENT);
	assert_int_equal(tree_count(t->root, "."), 2);
}

static int create_once(void *arg)
{
	const struct tree *t = arg;
	char me[16];

	snprintf(me, sizeof(me), "%d", (int)getpid());
	return file_create(t->root, "f", 0600, me, strlen(me), NULL) == -EEXIST;
}

static void test_create_is_exclusive(void **state)
{
	struct tree *t = *state;

	for (int round = 0; round < 20; round++) {
		pid_t pids[16];
		pid_t winner = 0;
		char *text;

		unlinkat(t->root, "f", 0);
		for (int i = 0; i < 16; i++) {
			pids[i] = fork();
			if (!pids[i])
				_exit(create_once(t));
		}
		for (int i = 0; i < 16; i++) {
			int status;

			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			if (!status) {
				assert_int_equal(winner, 0);
				winner = pids[i];
			}
		}
		text = tree_read(t->root, "f");
		assert_int_equal(atoi(text), winner);
		free(text);
	}
}

static void test_directories(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char deep[1024] = "";
	char name[300];

	assert_int_equal(dir_make(t->root, "run/vfhook/leases", 0755, &err), 0);
	assert_int_equal(dir_make(t->root, "run/vfhook/leases", 0755, &err), 0);
	assert_int_equal(dir_make(t->root, "/a//b/", 0755, &err), 0);
	assert_true(path_exists(t->root, "a/b"));
	tree_link(t->root, "run/evil", "../a");
	assert_true(dir_make(t->root, "run/evil/x", 0755, &err) < 0);
	assert_false(path_exists(t->root, "a/x"));
	tree_write(t->root, "run/file", "x");
	assert_int_equal(dir_make(t->root, "run/file/x", 0755, &err), -ENOTDIR);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(dir_make(t->root, name, 0755, &err), -ENAMETOOLONG);
	for (int i = 0; i < 100; i++)
		strcat(deep, "d/");
	assert_int_equal(dir_make(t->root, deep, 0755, &err), 0);
}

static long ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

static void test_lock(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	struct timespec start;
	int a = lock_take(t->root, "lock", 0, &err);
	long took;

	assert_true(a >= 0);
	assert_int_equal(lock_take(t->root, "lock", 0, &err), -EWOULDBLOCK);
	assert_int_equal(err.code, EWOULDBLOCK);
	assert_has(err.text, "/lock");
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(lock_take(t->root, "lock", 300, &err), -EWOULDBLOCK);
	took = ms_since(&start);
	assert_in_range(took, 290, 2000);
	close(a);
	a = lock_take(t->root, "lock", 0, &err);
	assert_true(a >= 0);
	close(a);
	tree_link(t->root, "link", "lock");
	assert_int_equal(lock_take(t->root, "link", 0, &err), -ELOOP);
	assert_int_equal(lock_take(t->root, "no/lock", 0, &err), -ENOENT);
}

/* Whoever holds it may die: the next one gets it. */
static void test_lock_of_the_dead(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	int ready[2];
	pid_t pid;
	char c;
	int fd;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (lock_take(t->root, "lock", 0, NULL) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(lock_take(t->root, "lock", 0, &err), -EWOULDBLOCK);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fd = lock_take(t->root, "lock", 1000, &err);
	assert_true(fd >= 0);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(test_read),
		tree_test(test_read_refuses),
		tree_test(test_read_sizeless),
		tree_test(test_read_sizeless_and_large),
		tree_test(test_read_growing),
		tree_test(test_attributes),
		tree_test(test_links),
		tree_test(test_replace),
		tree_test(test_replace_sweeps),
		tree_test(test_replace_follows_no_link),
		tree_test(test_replace_is_atomic),
		tree_test(test_create),
		tree_test(test_create_is_exclusive),
		tree_test(test_directories),
		tree_test(test_lock),
		tree_test(test_lock_of_the_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
