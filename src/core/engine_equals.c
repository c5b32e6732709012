/* engine_equals.c: `equals`: is the model, as it stands, the one of another checkpoint? The end of `rerun`. SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

static size_t first_difference(const float *a, const float *b, size_t n)
{
	size_t i = 0;
	while (i < n && !memcmp(a + i, b + i, sizeof *a))
		i++;
	return i;
}

/* Bytes, not numbers: 0 and -0 are two. */
static int compare(const struct worker *w, const struct params *p, const char *path, struct err *e)
{
	const struct params *mine = w->params;
	const struct { const char *what; const float *a, *b; } blocks[] = {{"weights", mine->w, p->w}, {"first moment", mine->m, p->m}, {"second moment", mine->v, p->v}};
	for (int i = 0; mine->n == p->n && i < mine->n; i++)
		for (size_t k = 0; k < ARRAY_LEN(blocks); k++) {
			const struct param *t = &mine->table[i], *o = &p->table[i];
			if (strcmp(t->name, o->name) || t->count != o->count)
				return err_set(e, ERR_STATE, "equals: %s: %s has another shape there", path, t->name);
			if (!blocks[k].a || !blocks[k].b)
				continue;
			size_t at = first_difference(blocks[k].a + t->offset, blocks[k].b + o->offset, t->count);
			if (at < t->count)
				return err_set(e, ERR_STATE, "equals: %s: %s of %s differ from element %zu on: %.9g here, %.9g there", path, blocks[k].what, t->name, at,
					       (double)blocks[k].a[t->offset + at], (double)blocks[k].b[o->offset + at]);
		}
	return mine->n == p->n ? 0 : err_set(e, ERR_STATE, "equals: %s: %d tensors there, %d here", path, p->n, mine->n);
}

int cmd_equals(struct worker *w, const char *run, struct err *e)
{
	char path[2048];
	struct params *p = NULL;
	struct train_state s;
	struct tokenizer *tok = NULL;
	if (!w->params)
		return err_set(e, ERR_STATE, "equals: no model (new, load)");
	worker_saves_finish(w); /* it may be one of them */
	if (file_is_dir(run))
		snprintf(path, sizeof path, "%.1900s/step-%08llu.ckpt", run, (unsigned long long)w->state.step);
	else
		snprintf(path, sizeof path, "%.2000s", run);
	if (ckpt_load_on(w->pool, path, &p, &s, &tok, e))
		return e->code;
	int rc = compare(w, p, path, e);
	if (!rc && s.step != w->state.step)
		rc = err_set(e, ERR_STATE, "equals: %s: step %llu there, %llu here", path, (unsigned long long)s.step, (unsigned long long)w->state.step);
	if (!rc)
		worker_say(w, "equals: %s: weights and moments are equal to the byte at step %llu\n", path, (unsigned long long)s.step);
	params_free(p);
	tokenizer_free(tok);
	return rc;
}
