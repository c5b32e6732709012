/* tiny.h: small odd-shaped models with random weights and tokens, for tests. SPDX-License-Identifier: MIT */
#ifndef ANETUI_TESTS_TINY_H
#define ANETUI_TESTS_TINY_H

#include "model/params.h"

enum { TINY_QK_NORM = 2 };

/* One shape of a test. `rope` is an enum rope_layout, + TINY_QK_NORM where q and k go through norms. */
struct tiny {
	const char *what;
	int dim, hidden, layers, heads, kv_heads, head_dim, vocab, tied, rope;
	float alpha;
	int batch, seq;
};

void tiny_config(struct model_config *c, const struct tiny *t);
/* Parameters with every tensor random, norms too, large enough that every nonlinearity matters. Fails the test when out of memory. */
struct params *tiny_params(const struct tiny *t, uint64_t seed, int train);
/* batch*seq random ids into x, targets into y: next ids, and with `holes` some -1. */
void tiny_tokens(const struct tiny *t, uint64_t seed, int holes, int *x, int *y);
/* |a - b| / |b| over n values; NaN when any is NaN. */
double tiny_distance(const float *a, const double *b, size_t n);

#endif
