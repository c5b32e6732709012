/* test_plain.c: the plain reference against finite differences, and against itself.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/plain.h"
#include "support/tiny.h"

static const struct tiny shapes[] = {
	{"plain heads", 16, 24, 2, 4, 4, 4, 19, 1, ROPE_INTERLEAVED, 1, 1, 7},
	{"half-split", 16, 24, 2, 4, 4, 4, 19, 1, ROPE_HALF, 1, 2, 5},
	{"grouped by 2, untied", 12, 20, 2, 4, 2, 6, 23, 0, ROPE_INTERLEAVED, 1, 1, 9},
	{"grouped by 4, one kv head", 10, 14, 3, 4, 1, 2, 17, 1, ROPE_HALF, 0.5f, 2, 6},
	{"head size of its own, alpha", 13, 11, 2, 3, 3, 10, 29, 0, ROPE_INTERLEAVED, 0.37f, 1, 7},
	{"one token", 6, 5, 1, 2, 1, 4, 7, 1, ROPE_INTERLEAVED, 1, 3, 1},
	{"norms of q and k, grouped by 2", 10, 14, 2, 4, 2, 6, 17, 1, ROPE_HALF + TINY_QK_NORM, 1, 2, 5},
	{"norms of q and k, untied, alpha", 7, 9, 3, 3, 3, 4, 13, 0, ROPE_INTERLEAVED + TINY_QK_NORM, 0.5f, 1, 7},
};

static double *doubles(size_t n)
{
	double *v = calloc(n, sizeof *v);
	assert_non_null(v);
	return v;
}

/* (f(w + h u) - f(w - h u)) / 2h against g.u along random directions, and along each tensor's own. */
static void differences(const struct tiny *t, int holes)
{
	struct params *p = tiny_params(t, 11, 0);
	size_t n = p->total;
	double *w = doubles(n), *g = doubles(n), *u = doubles(n), *v = doubles(n);
	int x[64], y[64];
	double loss, up, down;
	struct err e = {0};
	struct rng r;
	rng_seed(&r, 5);
	tiny_tokens(t, 3, holes, x, y);
	for (size_t i = 0; i < n; i++)
		w[i] = p->w[i];
	assert_int_equal(plain_loss(p, w, g, x, y, t->batch, t->seq, &loss, NULL, &e), 0);
	for (int round = -3; round < p->n; round++) {
		memset(u, 0, n * sizeof *u);
		double want = 0, h = 1e-5, size = 0;
		for (int i = 0; i < p->n; i++)
			for (size_t j = 0; j < p->table[i].count && (round < 0 || round == i); j++) {
				double z = rng_normal(&r);
				u[p->table[i].offset + j] = z;
				size += z * z;
			}
		/* Of length 1, and leaning on the gradient so that the derivative is no small difference of large terms. */
		double gg = 0;
		for (size_t j = 0; j < n; j++)
			gg += u[j] != 0 ? g[j] * g[j] : 0;
		for (size_t j = 0; j < n; j++) {
			u[j] = u[j] / sqrt(size) + (u[j] != 0 && gg > 0 ? g[j] / sqrt(gg) : 0);
			want += g[j] * u[j];
		}
		double d[2];
		for (int k = 0; k < 2; k++) {
			double step = k ? h / 2 : h;
			for (size_t j = 0; j < n; j++)
				v[j] = w[j] + step * u[j];
			assert_int_equal(plain_loss(p, v, NULL, x, y, t->batch, t->seq, &up, NULL, &e), 0);
			for (size_t j = 0; j < n; j++)
				v[j] = w[j] - step * u[j];
			assert_int_equal(plain_loss(p, v, NULL, x, y, t->batch, t->seq, &down, NULL, &e), 0);
			d[k] = (up - down) / (2 * step);
		}
		double got = (4 * d[1] - d[0]) / 3; /* Richardson: the h^2 term is gone */
		if (!(fabs(got - want) <= 1e-6 * fabs(want) + 1e-11))
			fail_msg("%s: %s: %.12g by differences, %.12g by formula", t->what, round < 0 ? "all" : p->table[round].name, got,
				 want);
	}
	free(w);
	free(g);
	free(u);
	free(v);
	params_free(p);
}

static void finite_differences(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (int holes = 0; holes < 2; holes++)
			differences(&shapes[i], holes);
}

/* A sequence does not see another one, nor its own future. */
static void causal(void **state)
{
	(void)state;
	struct tiny t = shapes[2];
	t.batch = 2;
	struct params *p = tiny_params(&t, 4, 0);
	double *w = doubles(p->total), *a = doubles(2 * 9 * 23), *b = doubles(2 * 9 * 23), loss;
	int x[18], y[18];
	struct err e = {0};
	for (size_t i = 0; i < p->total; i++)
		w[i] = p->w[i];
	tiny_tokens(&t, 8, 0, x, y);
	assert_int_equal(plain_loss(p, w, NULL, x, y, 2, 9, &loss, a, &e), 0);
	x[5] = (x[5] + 1) % 23;
	assert_int_equal(plain_loss(p, w, NULL, x, y, 2, 9, &loss, b, &e), 0);
	assert_memory_equal(a, b, 5 * 23 * sizeof *a);
	assert_true(memcmp(a + 5 * 23, b + 5 * 23, 23 * sizeof *a) != 0);
	assert_memory_equal(a + 9 * 23, b + 9 * 23, 9 * 23 * sizeof *a);
	free(w);
	free(a);
	free(b);
	params_free(p);
}

/* Zero weights: every token has the same chance. Without a target there is no loss and no gradient. */
static void known_values(void **state)
{
	(void)state;
	const struct tiny *t = &shapes[0];
	struct params *p = tiny_params(t, 4, 0);
	double *w = doubles(p->total), *g = doubles(p->total), loss;
	int x[7], y[7];
	struct err e = {0};
	tiny_tokens(t, 8, 0, x, y);
	assert_int_equal(plain_loss(p, w, NULL, x, y, 1, 7, &loss, NULL, &e), 0);
	assert_true(fabs(loss - log(19)) < 1e-12);
	for (size_t i = 0; i < p->total; i++)
		w[i] = p->w[i];
	for (int i = 0; i < 7; i++)
		y[i] = -1;
	assert_int_equal(plain_loss(p, w, g, x, y, 1, 7, &loss, NULL, &e), 0);
	assert_true(loss == 0);
	for (size_t i = 0; i < p->total; i++)
		assert_true(g[i] == 0);
	free(w);
	free(g);
	params_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finite_differences), cmocka_unit_test(causal), cmocka_unit_test(known_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
