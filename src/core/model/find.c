/* find.c: where the first number that is not finite stands in what a forward pass has left. For error messages: looked for only when the loss is not finite.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "model/host.h"
#include "model/model_state.h"

enum { INFINITE = 0x7f800000 };

/* What a layer makes, in the order in which it does. */
static const struct { const char *name; enum { D, Q, K, F } wide; } taps[] = {
	{"x", D}, {"xnorm", D}, {"q_raw", Q}, {"k_raw", K}, {"q", Q}, {"k", K}, {"v", K}, {"attn", Q}, {"x2", D}, {"x2norm", D}, {"h1", F}, {"h3", F}, {"gate", F}, {"y", D},
};

/* The token of the first one, or -1. Each row of a tap has a token in each column. */
static int bad_token(const struct model *m, const float *x, int64_t channels)
{
	size_t n = (size_t)channels * (size_t)m->T;
	if (host_scan(m->pool, x, n).top < INFINITE)
		return -1;
	for (int t = 0; t < m->T; t++)
		for (int64_t c = 0; c < channels; c++)
			if (!isfinite(x[(size_t)c * (size_t)m->T + (size_t)t]))
				return t;
	return -1;
}

static int look_at_layer(const struct model *m, int l, struct model_seen *s)
{
	const int64_t wide[] = {m->c->dim, model_q_dim(m->c), model_kv_dim(m->c), m->c->hidden};
	/* With recompute only what a layer begins with is its own; the last layer's y has become dy. */
	int n = m->recompute && l < m->c->layers - m->nset ? 1 : l == m->c->layers - 1 ? (int)ARRAY_LEN(taps) - 1 : (int)ARRAY_LEN(taps);
	for (int i = 0; i < n; i++) {
		const float *x = model_place(m, l, taps[i].name);
		int t = x ? bad_token(m, x, wide[taps[i].wide]) : -1;
		if (t < 0)
			continue;
		s->bad_token = t;
		if (i == 0)
			snprintf(s->bad, sizeof s->bad, l ? "output of layer %d" : "embedding", l - 1);
		else
			snprintf(s->bad, sizeof s->bad, "%s of layer %d", taps[i].name, l);
		return 1;
	}
	return 0;
}

void model_find_bad(const struct model *m, struct model_seen *s)
{
	for (int l = 0; l < m->c->layers; l++)
		if (look_at_layer(m, l, s))
			return;
	snprintf(s->bad, sizeof s->bad, "logits");
	for (int t = 0; t < m->T; t++)
		if (!isfinite(m->loss[t])) {
			s->bad_token = t;
			return;
		}
}
