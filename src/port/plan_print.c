/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps and notes, one line each. */
#include "src/port/plan_print.h"

#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/objects.h"
#include "src/vf/plan_words.h"

void notes_print(const struct plan *p)
{
	char addr[PCI_ADDR_LEN];

	for (size_t i = 0; i < p->n_notes; i++) {
		const struct plan_note *n = &p->notes[i];

		if (!n->aloud)
			say("  %s %s: %s", pci_addr_format(&n->vf, addr),
			    n->taken ? "would be taken" : "not taken", n->text);
	}
}

static void step_print(struct hook *h, const struct step *s)
{
	char text[1200];

	say("  %s", step_describe(s, text, sizeof(text)));
	if (s->kind == STEP_CALL)
		object_tell(h, &s->object);
}

void plan_print(struct hook *h, const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		step_print(h, &p->steps[i]);
}
