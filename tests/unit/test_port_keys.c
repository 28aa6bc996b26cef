/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of keys, and that everything which cannot read it names exactly its keys. */
#include "src/base/cleanup.h"
#include "src/command/port_args.h"
#include "src/port/guest_note.h"
#include "src/port/pool_keys.h"
#include "src/port/port_keys.h"
#include "src/vf/vf_keys.h"
#include "tests/unit/tree.h"
#include "src/base/options.h"

#define MAX_WORDS 64

/* A set of words. */
struct words {
	size_t n;
	char list[MAX_WORDS][32];
};

static void add(struct words *w, const char *text, size_t len)
{
	assert_true(w->n < MAX_WORDS && len < sizeof(w->list[0]));
	for (size_t i = 0; i < w->n; i++) {
		if (strlen(w->list[i]) == len && !strncmp(w->list[i], text, len))
			return;
	}
	snprintf(w->list[w->n++], sizeof(w->list[0]), "%.*s", (int)len, text);
}

static bool has(const struct words *w, const char *text)
{
	for (size_t i = 0; i < w->n; i++) {
		if (!strcmp(w->list[i], text))
			return true;
	}
	return false;
}

static void assert_same_words(const char *what, const struct words *want, const struct words *found)
{
	bool same = true;

	for (size_t i = 0; i < want->n; i++) {
		if (has(found, want->list[i]))
			continue;
		print_error("%s lacks '%s'\n", what, want->list[i]);
		same = false;
	}
	for (size_t i = 0; i < found->n; i++) {
		if (has(want, found->list[i]))
			continue;
		print_error("%s has '%s', which there is not\n", what, found->list[i]);
		same = false;
	}
	assert_true(same);
}

/* A file of the source, or NULL; free() it. */
static char *read_source(const char *name)
{
	char path[PATH_MAX + 64];
	FILE *f;
	char *text;

	snprintf(path, sizeof(path), "%s/%s", tree_top(), name);
	f = fopen(path, "re");
	text = f ? calloc(1, 262144) : NULL;
	if (text)
		assert_true(fread(text, 1, 262143, f) < 262143);
	if (f)
		fclose(f);
	return text;
}

static bool begins(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

static const char *after_line(const char *at)
{
	const char *nl = strchr(at, '\n');

	return nl ? nl + 1 : at + strlen(at);
}

/* The one key of a port that is an option and no setting of its VF. */
#define LIVE "live-migration"

/* --- The table --- */

static void test_table(void **state)
{
	uint32_t all = 0;

	(void)state;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		uint32_t bits = 0;

		for (size_t i = 0; i < VF_KEY_COUNT; i++) {
			if (vf_keys[i].attr == (enum vf_attr)a)
				bits |= vf_keys[i].bit;
		}
		assert_int_equal(bits, vf_attr_bits((enum vf_attr)a));
		assert_non_null(vf_attr_key((enum vf_attr)a));
		all |= bits;
	}
	assert_int_equal(all, 0xff);
	assert_string_equal(vf_attr_key(VF_RATE), "rate");
	assert_string_equal(vf_attr_key(VF_VLAN), "vlan");
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		const struct vf_key *k = &vf_keys[i];

		assert_ptr_equal(vf_key_find(k->name), k);
		assert_true(k->size && k->offset + k->size <= sizeof(struct vf_settings));
	}
	assert_null(vf_key_find("vlam"));
	assert_true(vf_key_is_detail("vlan-qos") && vf_key_is_detail("vlan-proto"));
	assert_false(vf_key_is_detail("vlan") || vf_key_is_detail("vlam"));
}

/* What is printed of a key is read back as it was, and nothing else is touched. */
static void test_round_trip(void **state)
{
	const struct vf_settings full = {.has = 0xff,
					 .vlan = 20,
					 .qos = 3,
					 .proto = VLAN_PROTO_8021AD,
					 .mac = {0xbc, 0x24, 0x11, 0, 0, 1},
					 .spoofchk = true,
					 .trust = true,
					 .query_rss = true,
					 .min_rate = 100,
					 .max_rate = VF_RATE_MAX,
					 .link_state = VF_LINK_DISABLE};

	(void)state;
	for (int digits = 0; digits < 2; digits++) {
		struct vf_settings back;

		memset(&back, 0, sizeof(back));
		for (size_t i = 0; i < VF_KEY_COUNT; i++) {
			CLEANUP(str_free) struct str text = STR_INIT;

			assert_true(vf_key_is_written(&vf_keys[i], &full));
			vf_key_print(&vf_keys[i], &full, digits, &text);
			assert_int_equal(vf_key_parse(&vf_keys[i], str_get(&text), &back, NULL), 0);
		}
		assert_int_equal(back.has, full.has);
		for (int a = 0; a < VF_ATTR_COUNT; a++)
			assert_true(vf_attr_equal((enum vf_attr)a, &full, &back));
	}
}

/* A detail makes no VLAN, and is not written where it is what a VLAN has without it. */
static void test_details(void **state)
{
	struct vf_settings s = {.proto = VLAN_PROTO_8021Q};
	const struct vf_key *qos = &vf_keys[VF_KEY_VLAN_QOS];
	const struct vf_key *proto = &vf_keys[VF_KEY_VLAN_PROTO];

	(void)state;
	assert_int_equal(vf_key_parse(qos, "3", &s, NULL), 0);
	assert_int_equal(s.has, 0);
	assert_false(vf_key_is_written(qos, &s));
	s.has = HAS_VLAN;
	assert_true(vf_key_is_written(qos, &s));
	assert_false(vf_key_is_written(proto, &s));
	s.qos = 0;
	s.proto = 0;
	assert_false(vf_key_is_written(qos, &s) || vf_key_is_written(proto, &s));
}

/* What is refused leaves nothing behind that would count. */
static void test_refused(void **state)
{
	static const struct {
		enum vf_key_id key;
		const char *text;
		const char *why;
	} bad[] = {
		{VF_KEY_MAC, "bc:24", "'mac' cannot be 'bc:24': an address like"},
		{VF_KEY_MAC, "01:00:5e:00:00:01", "multicast"},
		{VF_KEY_VLAN, "4095", "'vlan' cannot be '4095': a number from 0 to 4094"},
		{VF_KEY_VLAN_QOS, "8", "a number from 0 to 7"},
		{VF_KEY_VLAN_PROTO, "802.1x", "802.1Q or 802.1ad"},
		{VF_KEY_SPOOFCHK, "maybe", "1 or 0, on or off"},
		{VF_KEY_MIN_RATE, "10000001", "a number from 0 to 10000000"},
		{VF_KEY_LINK_STATE, "up", "auto, enable or disable"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;
		struct vf_settings s = {0};

		assert_int_equal(vf_key_parse(&vf_keys[bad[i].key], bad[i].text, &s, &err),
				 -EINVAL);
		assert_has(err.text, bad[i].why);
		assert_int_equal(s.has, 0);
	}
}

/* --- What cannot read it --- */

/* The keys that a man page has below a heading: ".SS port: vmid-N", then ".TP" and ".BI vlan ...".
 */
static void page_keys(const char *page, const char *heading, struct words *out)
{
	bool inside = false;
	bool tag = false;

	for (const char *at = page; *at; at = after_line(at)) {
		if (begins(at, ".SS ") || begins(at, ".SH "))
			inside = begins(at + 4, heading);
		if (inside && tag && begins(at, ".B")) {
			at += strcspn(at, " \n");
			at += *at == ' ';
			add(out, at, strcspn(at, " \n"));
		}
		tag = begins(at, ".TP") || begins(at, ".TQ");
	}
}

static void test_man_page(void **state)
{
	static const struct {
		const char *heading;
		const char *(*name)(size_t i);
	} sections[] = {{"pool: ", pool_key_name},
			{"port: ", port_key_name},
			{"guest: ", guest_note_key_name}};
	AUTO_FREE char *page = read_source("vfhook.cfg.5");

	(void)state;
	assert_non_null(page);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		struct words want = {0};
		struct words found = {0};

		for (size_t k = 0; sections[i].name(k); k++)
			add(&want, sections[i].name(k), strlen(sections[i].name(k)));
		page_keys(page, sections[i].heading, &found);
		assert_same_words(sections[i].heading, &want, &found);
	}
}

/* The words that follow `mark` up to `end`: "--vlan --vlan-qos". */
static void marked_words(const char *text, const char *end, const char *mark, struct words *out)
{
	for (const char *at = text; (at = strstr(at, mark)) && at < end; at++) {
		const char *word = at + strlen(mark);

		add(out, word, strspn(word, "abcdefghijklmnopqrstuvwxyz-"));
	}
}

static void assert_completes(const char *path, const char *from, const char *to, const char *mark)
{
	AUTO_FREE char *text = read_source(path);
	struct words want = {0};
	struct words found = {0};
	const char *at;

	assert_non_null(text);
	at = strstr(text, from);
	assert_non_null(at);
	at += strlen(from);
	for (size_t i = 0; i < VF_KEY_COUNT; i++)
		add(&want, vf_keys[i].name, strlen(vf_keys[i].name));
	add(&want, "mtu", 3);
	add(&want, LIVE, strlen(LIVE));
	assert_non_null(strstr(at, to));
	marked_words(at, strstr(at, to), mark, &found);
	assert_same_words(path, &want, &found);
}

static void test_completion(void **state)
{
	(void)state;
	assert_completes("completion/vfhook", "wishes='", "'\n", "--");
	assert_completes("completion/_vfhook", "wishes=(\n", "\n\t)", "'--");
	/* Each in a line of its own, with one condition for all of them. */
	assert_completes("completion/vfhook.fish", "set -l wishes ", "\ncomplete -c vfhook -n '",
			 "-n $wishes -l ");
}

/* --- What reads it --- */

static void test_help(void **state)
{
	AUTO_FREE char *text = NULL;
	struct words want = {0};
	struct words found = {0};
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	port_args_help(f);
	fclose(f);
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		if (i != VF_KEY_MAC)
			add(&want, vf_keys[i].name, strlen(vf_keys[i].name));
	}
	add(&want, "mtu", 3);
	add(&want, LIVE, strlen(LIVE));
	marked_words(text, text + size, "\n  --", &found);
	add(&found, text + 4, strcspn(text + 4, " "));
	assert_same_words("--help", &want, &found);
	assert_has(text, "  --vlan ID            0 to 4094; 0: no VLAN\n");
	assert_has(text, "  --query-rss on|off   let the guest read its RSS configuration\n");
}

/* Each key is an option, and a port that has one is written with it. */
static void test_options(void **state)
{
	struct opt opts[PORT_OPTS];
	struct port_args args;
	size_t n = 0;

	(void)state;
	port_args_opts(&args, opts, &n);
	assert_int_equal(n, PORT_OPTS);
	assert_string_equal(opts[VF_KEY_COUNT].name, "mtu");
	assert_ptr_equal(opts[VF_KEY_COUNT].value, &args.mtu);
	assert_string_equal(opts[VF_KEY_COUNT + 1].name, LIVE);
	assert_ptr_equal(opts[VF_KEY_COUNT + 1].value, &args.live_migration);
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		assert_string_equal(opts[i].name, port_key_name(i));
		assert_ptr_equal(opts[i].value, &args.value[i]);
	}
	assert_false(port_args_have_details(&args));
	args.value[VF_KEY_VLAN_PROTO] = "802.1ad";
	assert_true(port_args_have_details(&args));
}

/* What a person is told of a port has its other keys beside the settings. */
static void test_words(void **state)
{
	struct port p = {.pool = "wan"};
	char words[PORT_WORDS_LEN];

	(void)state;
	assert_string_equal(port_describe(&p, words), "pool wan");
	p.live_migration = true;
	assert_string_equal(port_describe(&p, words), "pool wan, live migration");
	p.want.has = HAS_VLAN;
	p.want.vlan = 20;
	p.want.proto = VLAN_PROTO_8021Q;
	assert_string_equal(port_describe(&p, words), "pool wan, VLAN 20, live migration");
	p.live_migration = false;
	assert_string_equal(port_describe(&p, words), "pool wan, VLAN 20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	 cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_details),	 cmocka_unit_test(test_refused),
		cmocka_unit_test(test_man_page), cmocka_unit_test(test_completion),
		cmocka_unit_test(test_help),	 cmocka_unit_test(test_options),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
