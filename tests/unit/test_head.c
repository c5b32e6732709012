/* test_head.c: the classifier and its loss in slices of tokens: whatever their size, losses and gradients are the reference's.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model_state.h"
#include "model/plain.h"
#include "support/tiny.h"

/* Fewer tokens than channels, and more: the hidden gradient is made in two ways. */
static const struct tiny shapes[] = {
	{"more channels", 40, 24, 1, 2, 2, 20, 61, 1, ROPE_HALF, 1, 1, 29},
	{"more tokens, untied", 13, 11, 2, 3, 3, 10, 101, 0, ROPE_INTERLEAVED, 0.37f, 3, 33},
	{"as many, tied", 16, 8, 1, 1, 1, 16, 37, 1, ROPE_HALF, 1, 2, 8},
	{"beyond one slice of the vocabulary", 6, 5, 1, 1, 1, 6, 2 * 2048 + 7, 1, ROPE_HALF, 1, 1, 21},
};
static const int slices[] = {1, 5, 16, 20, 64};

struct rig {
	const struct tiny *t;
	struct pool *pool;
	struct device *device;
	struct params *p;
	struct model *m;
	struct active_rows active;
	int *x, *y;
};

/* slice 0: as the model chooses it. */
static void rig_open(struct rig *r, const struct tiny *t, int slice, int compact, int threads)
{
	struct err e = {0};
	size_t n = (size_t)(t->batch * t->seq);
	*r = (struct rig){.t = t, .x = calloc(n, sizeof(int)), .y = calloc(n, sizeof(int)), .p = tiny_params(t, 3, 1)};
	unsigned char *seen = calloc((size_t)t->vocab, 1);
	assert_true(r->x && r->y && seen);
	tiny_tokens(t, 9, 1, r->x, r->y);
	r->y[0] = 3;
	for (int v = 0; v < t->vocab; v++)
		seen[v] = v % 3 != 1;
	for (size_t i = 0; compact && i < n; i++)
		r->y[i] -= r->y[i] % 3 == 1;
	assert_int_equal(active_init(&r->active, seen, t->vocab, &e), 0);
	free(seen);
	r->pool = pool_new(threads, &e);
	r->device = device_open("cpu", r->pool, &e);
	r->m = model_new(r->device, r->p, r->pool, t->batch, t->seq, &(struct model_options){.active = compact ? &r->active : NULL}, NULL, NULL, &e);
	if (!r->m)
		fail_msg("%s: %s", t->what, e.msg);
	if (slice)
		r->m->logit_rows = MIN(slice, r->m->logit_rows);
}

static void rig_close(struct rig *r)
{
	model_free(r->m);
	device_close(r->device);
	pool_free(r->pool);
	params_free(r->p);
	active_done(&r->active);
	free(r->x);
	free(r->y);
}

static double step(struct rig *r)
{
	struct err e = {0};
	double loss;
	if (model_micro_step(r->m, r->x, r->y, 1, &loss, &e))
		fail_msg("%s: %s", r->t->what, e.msg);
	return loss;
}

static void like_the_reference(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(shapes); k++)
		for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
			struct rig r;
			struct err e = {0};
			double want, only;
			rig_open(&r, &shapes[k], slices[i], 0, 2);
			double *w = calloc(r.p->total, sizeof *w), *g = calloc(r.p->total, sizeof *g);
			assert_true(w && g);
			for (size_t j = 0; j < r.p->total; j++)
				w[j] = r.p->w[j];
			assert_int_equal(plain_loss(r.p, w, g, r.x, r.y, r.t->batch, r.t->seq, &want, NULL, &e), 0);
			assert_int_equal(model_loss(r.m, r.x, r.y, &only, &e), 0);
			double loss = step(&r);
			assert_true(loss == only);
			if (!(fabs(loss - want) <= 1e-6 * want + 1e-7))
				fail_msg("%s, slices of %d: loss %.9g, not %.9g", r.t->what, slices[i], loss, want);
			for (int j = 0; j < r.p->n; j++) {
				const struct param *t = &r.p->table[j];
				double d = tiny_distance(r.p->g + t->offset, g + t->offset, t->count);
				if (!(d <= 1e-5))
					fail_msg("%s, slices of %d: %s: relative distance %g", r.t->what, slices[i], t->name, d);
			}
			free(w);
			free(g);
			rig_close(&r);
		}
}

/* With the rows that take part alone too: each token's loss in its place, and the same bytes for any number of threads. */
static void tokens_and_threads(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(shapes); k++)
		for (size_t i = 0; i < 2 * ARRAY_LEN(slices); i++) {
			struct rig whole, a, b;
			rig_open(&whole, &shapes[k], 0, i % 2, 2);
			rig_open(&a, &shapes[k], slices[i / 2], i % 2, 1);
			rig_open(&b, &shapes[k], slices[i / 2], i % 2, 3);
			step(&whole);
			double la = step(&a), lb = step(&b);
			assert_true(la == lb);
			assert_memory_equal(a.p->g, b.p->g, a.p->total * sizeof(float));
			for (int t = 0; t < a.m->T; t++) {
				assert_true(a.y[t] >= 0 || a.m->loss[t] == 0);
				if (!(fabs(a.m->loss[t] - whole.m->loss[t]) <= 1e-5 * fabs(whole.m->loss[t]) + 1e-6))
					fail_msg("%s, slices of %d: token %d: loss %.9g, not %.9g", a.t->what, slices[i / 2], t, a.m->loss[t], whole.m->loss[t]);
			}
			rig_close(&whole);
			rig_close(&a);
			rig_close(&b);
		}
}

/* Bounded, even, and never fewer than 16 tokens unless there are no more. */
static void sizes(void **state)
{
	(void)state;
	static const int vocab[] = {7, 512, 2048, 32000, 151936, 1 << 20, 1 << 24};
	for (size_t i = 0; i < ARRAY_LEN(vocab); i++)
		for (int T = 1; T < 100000; T = T * 3 / 2 + 1) {
			int n = head_block(vocab[i], T);
			assert_true(n >= 1 && n <= T && (n == T || n % 16 == 0));
			if (!(n <= 16 || (double)n * vocab[i] * 4 <= 80 << 20))
				fail_msg("vocabulary %d, %d tokens: slices of %d", vocab[i], T, n);
			int slices_of = (T + n - 1) / n, last = T - (slices_of - 1) * n;
			assert_true(n - last < 16 * slices_of);
		}
	assert_int_equal(head_block(32000, 2048), 512);
	assert_int_equal(head_block(151936, 8192), 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(like_the_reference), cmocka_unit_test(tokens_and_threads), cmocka_unit_test(sizes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
