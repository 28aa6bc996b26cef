/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines: words with a NUL between them. Nothing is carried out. max_len=256 */
#include <stdarg.h>
#include <string.h>

#include "hook/globals.h"
#include "hook/run_phase.h"
#include "src/base/process.h"
#include "src/base/say.h"
#include "src/base/exit_status.h"
#include "src/command/command.h"
#include "src/port/guest_note.h"
#include "src/port/pool_keys.h"
#include "src/port/port_keys.h"
#include "src/port/vmid.h"
#include "tests/fuzz/fuzz.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "src/port/config.h"
#include "src/port/mapping_id.h"

#define WORDS 16

static unsigned complaints;

/* In place of src/base/say.c: what a person would read must be one line that can be shown. */
static void look_at(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static void look_at(const char *fmt, va_list ap)
{
	char raw[2048];
	char clean[2048];

	vsnprintf(raw, sizeof(raw), fmt, ap);
	text_clean(raw, clean, sizeof(clean));
	NEED(clean[0] && is_printable(clean));
	complaints++;
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	look_at(fmt, ap);
	va_end(ap);
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	look_at(fmt, ap);
	va_end(ap);
}

void say_line(void *arg, const char *line)
{
	(void)arg;
	say("%s", line);
}

void say_to_nobody_too(void)
{
}

void say_child(void)
{
}

void say_to_syslog(int root)
{
	(void)root;
}

void say_into_migration(void)
{
}

struct words {
	int n;
	char *list[WORDS + 1];
};

static void words_free(struct words *w)
{
	for (int i = 0; i < w->n; i++)
		free(w->list[i]);
}

static void options(const struct words *w)
{
	const char *values[3] = {NULL};
	bool flags[2] = {false};
	const struct opt opts[] = {{"vlan", &values[0], NULL},
				   {"slot", &values[1], NULL},
				   {"mac", &values[2], NULL},
				   {"no-hookscript", NULL, &flags[0]},
				   {"start", NULL, &flags[1]}};
	const char *args[2];
	size_t n = 0;
	int r;

	complaints = 0;
	r = opts_parse(w->n, (char **)w->list, opts, ARRAY_SIZE(opts), args, 2, &n);
	NEED(n <= 2 && (r == 0 || r == EXIT_USAGE));
	NEED((r == EXIT_USAGE) == (complaints == 1));
}

static void globals(const struct words *w)
{
	struct globals g = {0};
	int i = 0;

	complaints = 0;
	NEED(!globals_parse(w->n, (char **)w->list, &i, &g) == !complaints);
	NEED(complaints || (i >= 1 && i <= w->n));
	if (!complaints && i < w->n)
		is_phase_call(w->n - i, (char **)w->list + i);
}

static void one_port(const struct words *w)
{
	struct port p = {.want = {.proto = VLAN_PROTO_8021Q}};

	for (int i = 0; i + 1 < w->n; i += 2) {
		struct error err = ERROR_INIT;
		int r = port_set_key(w->list[i], w->list[i + 1], &p, &err);

		if (r < 0) {
			check_error(r, &err);
			return;
		}
	}
	port_check(&p, false, NULL);
	NEED(p.want.vlan <= VLAN_ID_MAX && p.want.qos <= VLAN_QOS_MAX);
}

static void single(const char *word)
{
	struct error err = ERROR_INIT;
	enum output_format format;
	uint32_t vmid = 0;
	unsigned slot = 0;
	char again[NAME_LEN];
	int r = pool_name_check(word, &err);

	if (r < 0)
		check_error(r, &err);
	else
		NEED(is_plain_name(word, NAME_LEN - 1) && mapping_id_valid(word));
	NEED(vmid_parse(word, &vmid) || (vmid >= PVE_VMID_MIN && vmid <= PVE_VMID_MAX));
	output_format_parse(word, &format);
	if (port_mapping_parse(word, &vmid, &slot))
		NEED(!strcmp(port_mapping_id(vmid, slot, again), word));
	if (hookscript_valid(word))
		NEED(strlen(word) < VOLID_LEN && !strstr(word, "/../"));
	hookscript_is_ours(word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(words_free) struct words w = {0};

	while (size && w.n < WORDS)
		w.list[w.n++] = next_text(&data, &size);
	if (!w.n)
		return 0;
	options(&w);
	globals(&w);
	one_port(&w);
	for (int i = 0; i < w.n; i++)
		single(w.list[i]);
	return 0;
}
