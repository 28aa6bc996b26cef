/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A journal as JSON, and its undoing. max_len=2048 */
#include "src/vf/journal.c"
#include "src/vf/plan.h"
#include "tests/fuzz/fuzz.h"

static json_t *to_json(const struct plan *p)
{
	struct json_out o = JSON_OUT_INIT;

	plan_print(p, &o);
	return json_out_parse(&o);
}

static void check_again(const struct plan *p)
{
	CLEANUP(plan_free) struct plan again = {0};
	struct error err = ERROR_INIT;
	AUTO_JSON json_t *once = to_json(p);
	AUTO_JSON json_t *twice = NULL;

	NEED(once);
	NEED(!plan_from_json(once, journal_of(p), p->vmid, &again, &err));
	twice = to_json(&again);
	NEED(json_equal(once, twice));
}

static void check_undoing(struct plan *p)
{
	CLEANUP(plan_free) struct plan undo = {0};
	struct error err = ERROR_INIT;
	char line[1024];
	char clean[1024];
	int r;

	for (size_t i = 0; i < p->n_steps; i++) {
		step_describe(&p->steps[i], line, sizeof(line));
		NEED(line[0] || (p->steps[i].kind == STEP_CALL && p->steps[i].object.what));
		NEED(is_printable(text_clean(line, clean, sizeof(clean))));
	}
	plan_init(&undo, p->kind, p->vmid);
	r = plan_undoing(p, &undo, &err);
	if (r < 0)
		check_error(r, &err);
	else
		NEED(!plan_append(p, &undo, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);
	AUTO_JSON json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	CLEANUP(plan_free) struct plan p = {0};
	struct error err = ERROR_INIT;
	int r = plan_from_json(j, JOURNAL_VFS, 100, &p, &err);

	if (r < 0) {
		check_error(r, &err);
		error_clear(&err);
		plan_free(&p);
		r = plan_from_json(j, JOURNAL_CONFIG, 100, &p, &err);
	}
	if (r < 0) {
		check_error(r, &err);
		return 0;
	}
	check_again(&p);
	check_undoing(&p);
	return 0;
}
