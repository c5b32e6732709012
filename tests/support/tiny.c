/* tiny.c: see tiny.h. SPDX-License-Identifier: MIT */
#include "support/tiny.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/rng.h"

void tiny_config(struct model_config *c, const struct tiny *t)
{
	*c = (struct model_config){
		.dim = t->dim, .hidden = t->hidden, .layers = t->layers, .heads = t->heads, .kv_heads = t->kv_heads,
		.head_dim = t->head_dim, .vocab = t->vocab, .context = t->seq, .tied = t->tied, .rope = (enum rope_layout)(t->rope % TINY_QK_NORM),
		.rope_theta = 10000, .norm_eps = 1e-5f, .alpha = t->alpha,
		.qk_norm = t->rope >= TINY_QK_NORM,
	};
	snprintf(c->name, sizeof c->name, "tiny");
}

struct params *tiny_params(const struct tiny *t, uint64_t seed, int train)
{
	struct model_config c;
	struct err e = {0};
	tiny_config(&c, t);
	struct params *p = params_new(&c, &e);
	if (!p || (train && params_train(p, &e)))
		fail_msg("%s: %s", t->what, e.msg);
	struct rng r;
	rng_seed(&r, seed);
	for (int i = 0; i < p->n; i++) {
		const struct param *q = &p->table[i];
		double std = q->rank == 1 ? 0.3 : q->kind == PARAM_EMBED ? 0.5 : 1 / sqrt((double)q->dim[1]);
		for (size_t j = 0; j < q->count; j++)
			p->w[q->offset + j] = (float)(std * rng_normal(&r) + (q->rank == 1));
	}
	return p;
}

void tiny_tokens(const struct tiny *t, uint64_t seed, int holes, int *x, int *y)
{
	struct rng r;
	rng_seed(&r, seed);
	for (int i = 0; i < t->batch * t->seq; i++) {
		x[i] = (int)rng_below(&r, (uint64_t)t->vocab);
		y[i] = holes && rng_below(&r, 4) == 0 ? -1 : (int)rng_below(&r, (uint64_t)t->vocab);
	}
}

double tiny_distance(const float *a, const double *b, size_t n)
{
	double diff = 0, norm = 0;
	for (size_t i = 0; i < n; i++) {
		diff += (a[i] - b[i]) * (a[i] - b[i]);
		norm += b[i] * b[i];
	}
	return sqrt(diff) / (norm > 0 ? sqrt(norm) : 1);
}
