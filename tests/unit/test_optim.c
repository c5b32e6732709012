/* test_optim.c: AdamW against a table in double, the norm, the schedules, and that threads change no byte.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support/tiny.h"
#include "train/optim.h"

static const struct tiny shape = {.what = "optim", .dim = 20, .hidden = 28, .layers = 2, .heads = 2, .kv_heads = 1, .head_dim = 10,
				  .vocab = 1999, .tied = 0, .rope = 0, .alpha = 1, .batch = 1, .seq = 4};

static void expect_near(double got, double want, double rel, const char *what)
{
	double d = fabs(got - want);
	if (!(d <= rel * fabs(want) || d <= 1e-300))
		fail_msg("%s: %.17g, expected %.17g", what, got, want);
}

static double grad_at(size_t i, int t)
{
	return (float)(((double)((i * 2654435761u + (unsigned)t * 40503u) % 2001) - 1000) * 1e-4);
}

static void set_grads(struct params *p, int t)
{
	for (int r = 0; r < p->n; r++)
		for (size_t i = 0; i < p->table[r].count; i++)
			p->g[p->table[r].offset + i] = (float)grad_at(p->table[r].offset + i, t);
}

/* Three updates with clipping to half, by the formulas of the paper in double. */
static void adam_table(void **state)
{
	(void)state;
	struct params *p = tiny_params(&shape, 3, 1);
	struct settings s;
	settings_init(&s);
	double *w = mem_zalloc(p->total, sizeof *w), *m = mem_zalloc(p->total, sizeof *m), *v = mem_zalloc(p->total, sizeof *v);
	assert_true(w && m && v);
	for (size_t i = 0; i < p->total; i++)
		w[i] = p->w[i];
	double b1 = s.num[SET_ADAM_BETA1], b2 = s.num[SET_ADAM_BETA2], eps = s.num[SET_ADAM_EPS], wd = s.num[SET_ADAM_DECAY];
	for (int t = 1; t <= 3; t++) {
		double lr = 0.01 / t;
		set_grads(p, t);
		optim_adamw(p, NULL, &s, lr, 0.5, (uint64_t)t);
		for (int r = 0; r < p->n; r++)
			for (size_t i = p->table[r].offset; i < p->table[r].offset + p->table[r].count; i++) {
				double g = 0.5 * grad_at(i, t);
				m[i] = b1 * m[i] + (1 - b1) * g;
				v[i] = b2 * v[i] + (1 - b2) * g * g;
				w[i] -= lr * (m[i] / (1 - pow(b1, t)) / (sqrt(v[i] / (1 - pow(b2, t))) + eps) + (p->table[r].rank == 2 ? wd : 0) * w[i]);
			}
	}
	for (int r = 0; r < p->n; r++)
		for (size_t i = p->table[r].offset; i < p->table[r].offset + p->table[r].count; i++) {
			/* Three roundings of w, half a last place (6e-8) each; a weight near zero is as exact as the steps (lr) are. */
			if (!(fabs(p->w[i] - w[i]) <= 2e-7 * (fabs(w[i]) + 0.05)) || !(fabs(p->m[i] - m[i]) <= 1e-8) ||
			    !(fabs(p->v[i] - v[i]) <= 4e-7 * v[i]))
				fail_msg("%s[%zu]: w %.9g %.9g m %.9g %.9g v %.9g %.9g", p->table[r].name, i, p->w[i], w[i], p->m[i], m[i], p->v[i], v[i]);
			assert_true(p->g[i] == 0);
		}
	free(w);
	free(m);
	free(v);
	params_free(p);
}

/* The first step is lr * sign(g) whatever the size of g; norms do not decay, matrices do. */
static void adam_first_step(void **state)
{
	(void)state;
	struct params *p = tiny_params(&shape, 4, 1);
	struct settings s;
	settings_init(&s);
	const struct param *norm = params_find(p, PARAM_NORM_OUT, -1), *wq = params_find(p, PARAM_WQ, 0);
	p->g[norm->offset] = 3e-3f;
	p->g[wq->offset + 1] = -8.0f;
	float n0 = p->w[norm->offset], n1 = p->w[norm->offset + 1], q0 = p->w[wq->offset], q1 = p->w[wq->offset + 1];
	optim_adamw(p, NULL, &s, 0.01, 1, 1);
	expect_near(p->w[norm->offset], n0 - 0.01, 1e-5, "norm with gradient");
	assert_true(p->w[norm->offset + 1] == n1);
	expect_near(p->w[wq->offset], q0 * (1 - 0.01 * 0.1), 1e-6, "matrix without gradient");
	expect_near(p->w[wq->offset + 1], q1 * (1 - 0.01 * 0.1) + 0.01, 1e-5, "matrix with gradient");
	params_free(p);
}

static void adam_edges(void **state)
{
	(void)state;
	struct params *p = tiny_params(&shape, 5, 1);
	struct settings s;
	settings_init(&s);
	float *w = mem_zalloc(p->total, sizeof *w);
	memcpy(w, p->w, p->total * sizeof *w);
	set_grads(p, 1);
	optim_adamw(p, NULL, &s, 0, 1, 1); /* lr 0: moments move, weights do not */
	assert_memory_equal(w, p->w, p->total * sizeof *w);
	assert_true(p->m[0] != 0 || p->m[1] != 0);
	/* epsilon 0 and weights that never had a gradient: no 0/0 */
	memset(p->m, 0, p->total * sizeof *p->m);
	memset(p->v, 0, p->total * sizeof *p->v);
	s.num[SET_ADAM_EPS] = 0;
	optim_adamw(p, NULL, &s, 0.1, 1, 1);
	for (size_t i = 0; i < p->total; i++)
		assert_true(isfinite(p->w[i]));
	/* padding between tensors stays 0 */
	for (int r = 0; r + 1 < p->n; r++)
		for (size_t i = p->table[r].offset + p->table[r].count; i < p->table[r + 1].offset; i++)
			assert_true(p->w[i] == 0 && p->m[i] == 0 && p->v[i] == 0);
	free(w);
	params_free(p);
}

static void norm(void **state)
{
	(void)state;
	struct params *p = tiny_params(&shape, 6, 1);
	set_grads(p, 1);
	long double sum = 0;
	for (size_t i = 0; i < p->total; i++)
		sum += (long double)p->g[i] * p->g[i];
	expect_near(optim_grad_norm(p, NULL), (double)sqrtl(sum), 1e-14, "norm");
	p->g[p->total / 2] = NAN;
	assert_true(isnan(optim_grad_norm(p, NULL)));
	p->g[p->total / 2] = -INFINITY;
	assert_true(isinf(optim_grad_norm(p, NULL)));
	p->g[p->total / 2] = 3e38f; /* its square is beyond a float, not beyond the sum */
	assert_true(isfinite(optim_grad_norm(p, NULL)));
	params_free(p);
}

static void threads(void **state)
{
	(void)state;
	struct params *first = NULL;
	double norms[3];
	for (int n = 1; n <= 3; n++) {
		struct err e;
		struct settings s;
		settings_init(&s);
		struct pool *pool = pool_new(n, &e);
		struct params *p = tiny_params(&shape, 7, 1);
		assert_non_null(pool);
		for (int t = 1; t <= 3; t++) {
			set_grads(p, t);
			norms[n - 1] = optim_grad_norm(p, pool);
			optim_adamw(p, pool, &s, 1e-3, 0.3, (uint64_t)t);
		}
		pool_free(pool);
		if (!first) {
			first = p;
			continue;
		}
		assert_memory_equal(first->w, p->w, p->total * sizeof *p->w);
		assert_memory_equal(first->m, p->m, p->total * sizeof *p->m);
		assert_memory_equal(first->v, p->v, p->total * sizeof *p->v);
		assert_true(norms[n - 1] == norms[0]);
		params_free(p);
	}
	params_free(first);
}

static void schedules(void **state)
{
	(void)state;
	enum { CONSTANT, COSINE, LINEAR, WSD };
	static const struct { int shape; uint64_t step; double want; } row[] = {
		/* lr.max 1e-3, lr.min 0.1, warm-up 10, 100 steps */
		{COSINE, 0, 1e-4}, {COSINE, 1, 2e-4}, {COSINE, 8, 9e-4}, {COSINE, 9, 1e-3}, {COSINE, 10, 1e-3},
		{COSINE, 11, 9.9972586819993e-4}, {COSINE, 55, 5.5e-4}, {COSINE, 99, 1.0027413180007e-4}, {COSINE, 100, 1e-4}, {COSINE, 5000000, 1e-4},
		{CONSTANT, 0, 1e-4}, {CONSTANT, 9, 1e-3}, {CONSTANT, 10, 1e-3}, {CONSTANT, 100, 1e-3}, {CONSTANT, 100000, 1e-3},
		{LINEAR, 0, 1e-4}, {LINEAR, 10, 1e-3}, {LINEAR, 11, 9.9e-4}, {LINEAR, 55, 5.5e-4}, {LINEAR, 99, 1.1e-4}, {LINEAR, 100, 1e-4}, {LINEAR, 101, 1e-4},
		{WSD, 0, 1e-4}, {WSD, 9, 1e-3}, {WSD, 80, 1e-3}, {WSD, 79, 1e-3}, {WSD, 85, 5.5e-4}, {WSD, 99, 1.2278850897e-4}, {WSD, 100, 1e-4}, {WSD, 400, 1e-4},
	};
	struct settings s;
	settings_init(&s);
	s.num[SET_LR_MAX] = 1e-3;
	s.num[SET_LR_MIN] = 0.1;
	s.num[SET_LR_WARMUP] = 10;
	s.num[SET_LR_STEPS] = 100;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		char what[60];
		snprintf(what, sizeof what, "shape %d, step %d", row[i].shape, (int)row[i].step);
		s.num[SET_LR_SHAPE] = row[i].shape;
		expect_near(optim_lr(&s, row[i].step), row[i].want, 1e-7, what);
	}
	/* No warm-up; a warm-up that is longer than the schedule; lr 0. */
	s.num[SET_LR_SHAPE] = COSINE;
	s.num[SET_LR_WARMUP] = 0;
	expect_near(optim_lr(&s, 0), 1e-3, 1e-12, "no warm-up");
	s.num[SET_LR_WARMUP] = 200;
	expect_near(optim_lr(&s, 150), 1e-3 * 151 / 200, 1e-12, "long warm-up");
	expect_near(optim_lr(&s, 200), 1e-4, 1e-12, "after a long warm-up");
	s.num[SET_LR_STEPS] = 1;
	s.num[SET_LR_WARMUP] = 1;
	for (int k = 0; k < 4; k++) {
		s.num[SET_LR_SHAPE] = k;
		for (uint64_t step = 0; step < 4; step++)
			assert_true(isfinite(optim_lr(&s, step)));
	}
	s.num[SET_LR_MAX] = 0;
	assert_true(optim_lr(&s, 5) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adam_table), cmocka_unit_test(adam_first_step), cmocka_unit_test(adam_edges), cmocka_unit_test(norm),
		cmocka_unit_test(threads), cmocka_unit_test(schedules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
