/* bad.c: see bad.h. Reads everything once, when training has broken down already. SPDX-License-Identifier: MIT */
#include "train/bad.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static int is_bad(const float *block, const struct param *t)
{
	for (size_t j = 0; block && j < t->count; j++)
		if (!isfinite(block[t->offset + j]))
			return 1;
	return 0;
}

static const struct param *first_bad(const struct params *p, const float *block)
{
	for (int i = 0; i < p->n; i++)
		if (is_bad(block, &p->table[i]))
			return &p->table[i];
	return NULL;
}

/* A bad gradient spreads downwards: the first is the last one of the table. The embedding, which stands first, is the last one made. */
static const struct param *first_bad_gradient(const struct params *p)
{
	for (int i = p->n; i-- > 0;)
		if (is_bad(p->g, &p->table[i]))
			return &p->table[i];
	return NULL;
}

/* Kept before any change: 1 when there is something to tell. */
static int tell_kept(char *out, size_t n, const struct params *p)
{
	const struct { const char *what; const float *block; } kept[] = {{"weights", p->w}, {"first moment", p->m}, {"second moment", p->v}};
	for (int i = 0; i < 3; i++) {
		const struct param *t = first_bad(p, kept[i].block);
		if (t) {
			snprintf(out, n, "%s of %s", kept[i].what, t->name);
			return 1;
		}
	}
	return 0;
}

static void tell_tensor(char *out, size_t n, const struct bad_look *l)
{
	const struct model_seen *s = l->model ? model_seen(l->model) : NULL;
	const struct param *g;
	out[0] = 0;
	if (tell_kept(out, n, l->params) || (l->trained != l->params && tell_kept(out, n, l->trained)))
		return;
	if (s && s->bad[0])
		snprintf(out, n, "%s, token %d of sequence %d", s->bad, s->bad_token % l->seq, s->bad_token / l->seq);
	else if ((g = first_bad_gradient(l->params)) || (g = first_bad_gradient(l->trained)))
		snprintf(out, n, "gradient of %s", g->name);
	else if (l->update >= 0)
		snprintf(out, n, "update of %s", l->trained->table[l->update].name);
}

void bad_text(char *out, size_t n, const struct bad_look *l)
{
	static const char *const orders[] = {"sequential", "random", "shuffled"};
	char tensor[120];
	const struct data_cursor *c = l->cursor;
	tell_tensor(tensor, sizeof tensor, l);
	uint64_t last = c->index, count = (uint64_t)l->batch;
	int k = *tensor ? snprintf(out, n, "; first bad tensor: %s", tensor) : 0;
	if (k < 0 || (size_t)k >= n)
		return;
	snprintf(out + k, n - (size_t)k, "; data: %s, sequences %" PRIu64 " to %" PRIu64 " of epoch %" PRIu64 " (micro-step %d of %d)", orders[c->order],
		 last >= count ? last - count : 0, last ? last - 1 : 0, c->epoch, l->micro, l->accum);
}
