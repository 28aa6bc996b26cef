/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small JSON file. */
#include "src/port/watch_note.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "src/base/file.h"
#include "src/base/json.h"
#include "src/base/run_dir.h"

#define NOTE_PATH RUN_DIR "/watch.json"
#define NOTE_MAX  4096

int watch_note_write(struct hook *h, const struct watch_note *n, struct error *err)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"version\":1,\"time\":%lld,\"findings\":%u}\n",
		 (long long)n->time, n->findings);
	if (dir_make(h->root, RUN_DIR, 0755, err) < 0)
		return error_code(err);
	return file_replace(h->root, NOTE_PATH, 0644, text, strlen(text), err);
}

bool watch_note_read(struct hook *h, struct watch_note *n)
{
	AUTO_JSON json_t *j = NULL;
	json_int_t time;
	json_int_t findings;

	if (json_file_read(h->root, NOTE_PATH, NOTE_MAX, &j, NULL) < 0 ||
	    json_need_int(j, "time", 0, INT64_MAX, &time, NULL) < 0 ||
	    json_need_int(j, "findings", 0, UINT_MAX, &findings, NULL) < 0)
		return false;
	*n = (struct watch_note){.time = time, .findings = (unsigned)findings};
	return true;
}
