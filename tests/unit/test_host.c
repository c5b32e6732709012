/* test_host.c: host loops against plain loops in double, odd sizes, poisoned outputs, any number of threads.
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
#include "model/host.h"
#include "model/host_loops.h"

static const struct { int T, D; } sizes[] = {{1, 1}, {7, 5}, {16, 16}, {21, 33}, {64, 24}, {65, 12}, {131, 48}, {200, 7}};

static float *random_floats(size_t n, double std, uint64_t seed)
{
	struct rng r;
	rng_seed(&r, seed);
	float *v = malloc(n * sizeof *v);
	assert_non_null(v);
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(std * rng_normal(&r));
	return v;
}

static float *poison(size_t n)
{
	float *v = malloc(n * sizeof *v);
	assert_non_null(v);
	for (size_t i = 0; i < n; i++)
		v[i] = NAN;
	return v;
}

static void near(const float *got, const double *want, size_t n, double tol, const char *what)
{
	double diff = 0, norm = 0;
	for (size_t i = 0; i < n; i++) {
		diff += (got[i] - want[i]) * (got[i] - want[i]);
		norm += want[i] * want[i];
	}
	if (!(sqrt(diff) <= tol * sqrt(norm) + 1e-12))
		fail_msg("%s: relative distance %g", what, sqrt(diff / norm));
}

static double inverse_root(const float *x, int t, int T, int D, double eps)
{
	double ss = 0;
	for (int c = 0; c < D; c++)
		ss += (double)x[c * T + t] * x[c * T + t];
	return 1 / sqrt(ss / D + eps);
}

static void norms(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		int T = sizes[k].T, D = sizes[k].D;
		size_t n = (size_t)T * (size_t)D;
		float *x = random_floats(n, 2, 1), *w = random_floats((size_t)D, 1, 2), *dn = random_floats(n, 1, 3);
		float *res = random_floats(n, 1, 4), *out = poison(n), *dw = random_floats((size_t)D, 1, 5);
		float *part = poison(host_norm_scratch(T, D));
		double *want = malloc(n * sizeof *want), *back = malloc(n * sizeof *back), *wdw = malloc((size_t)D * sizeof *wdw);
		for (int c = 0; c < D; c++)
			wdw[c] = dw[c];
		for (int t = 0; t < T; t++) {
			double r = inverse_root(x, t, T, D, 1e-5f), dot = 0;
			for (int c = 0; c < D; c++)
				dot += (double)dn[c * T + t] * w[c] * x[c * T + t];
			for (int c = 0; c < D; c++) {
				int i = c * T + t;
				want[t * D + c] = (double)w[c] * x[i] * r; /* token by token */
				back[i] = r * ((double)dn[i] * w[c] - x[i] * dot * r * r / D) + res[i];
				wdw[c] += (double)dn[i] * x[i] * r;
			}
		}
		host_norm(NULL, out, x, w, T, D, 1e-5f);
		near(out, want, n, 2e-6, "norm");
		host_norm_back(NULL, x, dw, dn, x, w, res, part, T, D, 1e-5f); /* in place */
		near(x, back, n, 2e-6, "norm_back");
		near(dw, wdw, (size_t)D, 2e-6, "norm_back dw");
		free(x); free(w); free(dn); free(res); free(out); free(dw); free(part); free(want); free(back); free(wdw);
	}
}

/* The norm before a dynamic program, with and without the residual, which is written beside it. */
static void add_norms(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
		for (int with = 0; with < 2; with++) {
			int T = sizes[k].T, D = sizes[k].D;
			size_t n = (size_t)T * (size_t)D;
			float *x = random_floats(n, 2, 1), *w = random_floats((size_t)D, 1, 2), *o = random_floats(n, 1, 3);
			float *sum = poison(n), *out = poison(n);
			double *want = malloc(n * sizeof *want);
			host_add_norm(NULL, with ? sum : NULL, out, x, with ? o : NULL, 0.375f, w, T, D, 1e-5f);
			for (size_t i = 0; with && i < n; i++) {
				assert_true(sum[i] == x[i] + 0.375f * o[i]);
				x[i] = sum[i];
			}
			for (int t = 0; t < T; t++) {
				double r = inverse_root(x, t, T, D, 1e-5f);
				for (int c = 0; c < D; c++)
					want[c * T + t] = (double)w[c] * x[c * T + t] * r;
			}
			near(out, want, n, 2e-6, "add_norm");
			free(x); free(w); free(o); free(sum); free(out); free(want);
		}
}

/* In place; values where sigmoid is 0 or 1 to the last bit, infinities and NaN as the formula has them. */
static void swiglu(void **state)
{
	(void)state;
	static const size_t counts[] = {1, 15, 16, 17, 1000, (1 << 14) + 3};
	for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
		size_t n = counts[k];
		float *g = random_floats(n, 1, 4), *a = random_floats(n, k == 4 ? 60 : 2, 5), *b = random_floats(n, 1, 6), *sum = random_floats(n, 1, 7);
		double *da = malloc(n * sizeof *da), *db = malloc(n * sizeof *db), *more = malloc(n * sizeof *more);
		for (size_t i = 0; i < n; i++) {
			double s = 1 / (1 + exp(-(double)a[i])), rest = 1 / (1 + exp((double)a[i]));
			da[i] = (double)g[i] * b[i] * s * (1 + a[i] * rest);
			db[i] = (double)g[i] * a[i] * s;
			more[i] = (double)sum[i] + g[i];
		}
		host_swiglu_back(NULL, a, b, g, a, b, n);
		near(a, da, n, 1e-6, "dh1");
		near(b, db, n, 1e-6, "dh3");
		host_add(NULL, sum, g, n);
		near(sum, more, n, 1e-7, "add");
		free(g); free(a); free(b); free(sum); free(da); free(db); free(more);
	}
	float g = 1, h1 = NAN, h3 = 1;
	host_swiglu_back(NULL, &h1, &h3, &g, &h1, &h3, 1);
	assert_true(isnan(h1) && isnan(h3));
}

static void one_row(const float *row, int V, int target, double *loss, double *grad, double each)
{
	double max = row[0], sum = 0;
	for (int v = 0; v < V; v++)
		max = fmax(max, row[v]);
	for (int v = 0; v < V; v++)
		sum += exp(row[v] - max);
	*loss = target < 0 ? 0 : max + log(sum) - row[target];
	for (int v = 0; v < V; v++)
		grad[v] = target < 0 ? 0 : each * (exp(row[v] - max) / sum - (v == target));
}

static void losses(void **state)
{
	(void)state;
	static const int vocabs[] = {2, 16, 19, 257, 1000, 4099};
	for (size_t k = 0; k < sizeof vocabs / sizeof *vocabs; k++) {
		int V = vocabs[k], n = 7;
		size_t all = (size_t)n * (size_t)V;
		float *logits = random_floats(all, k == 4 ? 40 : 3, k);
		double *grad = malloc(all * sizeof *grad), want[7], loss[7];
		int target[7] = {0, V - 1, -1, V / 2, 1, 0, V - 2};
		for (int i = 0; i < n; i++)
			one_row(logits + i * V, V, target[i], &want[i], grad + i * V, 0.25);
		host_cross_entropy(NULL, loss, logits, target, n, V, 0.25f, 0);
		for (int i = 0; i < n; i++)
			assert_true(fabs(loss[i] - want[i]) <= 1e-6 * fabs(want[i]) + 1e-6);
		host_cross_entropy(NULL, loss, logits, target, n, V, 0.25f, 1);
		for (int i = 0; i < n; i++)
			assert_true(fabs(loss[i] - want[i]) <= 1e-6 * fabs(want[i]) + 1e-6);
		near(logits, grad, all, 1e-6, "cross entropy");
		free(logits);
		free(grad);
	}
}

/* A NaN anywhere in a row must come out, and never a wrong number. */
static void nan_comes_through(void **state)
{
	(void)state;
	int target[1] = {3};
	for (int at = 0; at < 40; at++) {
		float row[40] = {0};
		double loss[1];
		row[at] = NAN;
		host_cross_entropy(NULL, loss, row, target, 1, 40, 1, 0);
		assert_true(isnan(loss[0]));
		float x[40] = {1, 2, 3}, w[1] = {1}, out[40];
		x[at] = NAN;
		host_norm(NULL, out, x, w, 40, 1, 1e-5f);
		assert_true(isnan(out[at]));
	}
}

/* Sums of rows are added, whatever their length. */
static void row_sums(void **state)
{
	(void)state;
	enum { D = 5, T = 75 };
	for (int t = 1; t <= T; t += t < 20 ? 1 : 11) {
		float x[D * T], out[D + 1];
		double want[D];
		struct rng r;
		rng_seed(&r, 3);
		for (int i = 0; i < D * T; i++)
			x[i] = i < D * t ? (float)rng_normal(&r) : NAN;
		for (int c = 0; c <= D; c++)
			out[c] = 0.5f * (float)c;
		for (int c = 0; c < D; c++) {
			want[c] = 0.5 * c;
			for (int i = 0; i < t; i++)
				want[c] += x[c * t + i];
		}
		host_add_rows(NULL, out, x, t, D);
		near(out, want, D, 1e-6, "row sums");
		assert_true(out[D] == 0.5f * D);
	}
}

static void embedding(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		int T = sizes[k].T, D = sizes[k].D, V = 9, id[200];
		size_t n = (size_t)T * (size_t)D;
		float *table = random_floats((size_t)(V * D), 1, 1), *x = poison(n), *g = random_floats((size_t)(V * D), 1, 2);
		double *want = malloc((size_t)(V * D) * sizeof *want);
		for (int i = 0; i < V * D; i++)
			want[i] = g[i];
		for (int t = 0; t < T; t++)
			id[t] = t * 7 % V;
		host_embed(NULL, x, table, id, T, D);
		for (int t = 0; t < T; t++)
			for (int c = 0; c < D; c++) {
				assert_true(x[c * T + t] == table[id[t] * D + c]);
				want[id[t] * D + c] += x[c * T + t];
			}
		host_embed_back(NULL, g, x, id, T, D);
		near(g, want, (size_t)(V * D), 1e-6, "embed_back");
		free(table); free(x); free(g); free(want);
	}
}

/* Every compiled set of loops that this processor can run gives the same bits. */
static void same_bits(void **state)
{
	(void)state;
#if defined(__x86_64__)
	extern const struct host_loops host_loops_base, host_loops_avx2, host_loops_avx512;
	const struct host_loops *a = &host_loops_base, *others[2] = {0};
	if (__builtin_cpu_supports("avx2"))
		others[0] = &host_loops_avx2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
		others[1] = &host_loops_avx512;
	for (int k = 0; k < 2; k++) {
		const struct host_loops *b = others[k];
		if (!b)
			continue;
		enum { T = 61, D = 37, V = 1003 };
		float *x = random_floats(T * D, 1, 1), *dn = random_floats(T * D, 1, 2), *w = random_floats(D, 1, 3);
		float o1[T * D], o2[T * D], p1[D], p2[D], r1[V], r2[V];
		a->norm(o1, x, w, T, D, 0, T, 1e-5f);
		b->norm(o2, x, w, T, D, 0, T, 1e-5f);
		assert_memory_equal(o1, o2, sizeof o1);
		a->norm_back(o1, p1, dn, x, w, NULL, T, D, 0, T, 1e-5f);
		b->norm_back(o2, p2, dn, x, w, NULL, T, D, 0, T, 1e-5f);
		assert_memory_equal(o1, o2, sizeof o1);
		assert_memory_equal(p1, p2, sizeof p1);
		a->add_norm(o1, r1, x, dn, 0.3f, w, V, 1, 0, 64, 1e-5f);
		b->add_norm(o2, r2, x, dn, 0.3f, w, V, 1, 0, 64, 1e-5f);
		assert_memory_equal(r1, r2, 64 * sizeof *r1);
		a->swiglu_back(r1, o1, x, dn, x + 7, V);
		b->swiglu_back(r2, o2, x, dn, x + 7, V);
		assert_memory_equal(r1, r2, sizeof r1);
		assert_memory_equal(o1, o2, V * sizeof *o1);
		for (int i = 0; i < V; i++)
			r1[i] = r2[i] = x[i];
		assert_true(a->cross_entropy(r1, 5, V, 1, 1) == b->cross_entropy(r2, 5, V, 1, 1));
		assert_memory_equal(r1, r2, sizeof r1);
		free(x); free(dn); free(w);
	}
#endif
}

static void threads_do_not_matter(void **state)
{
	(void)state;
	enum { T = 300, D = 40, V = 50 };
	struct err e = {0};
	struct pool *pool = pool_new(3, &e);
	assert_non_null(pool);
	float *x = random_floats(T * D, 1, 1), *dn = random_floats(T * D, 1, 2), *w = random_floats(D, 1, 3);
	float *part = poison(host_norm_scratch(T, D)), *out[2], dw[2][D] = {{0}}, *g[2];
	int id[T];
	for (int t = 0; t < T; t++)
		id[t] = t * t % V;
	for (int k = 0; k < 2; k++) {
		out[k] = poison(T * D);
		g[k] = calloc(V * D, sizeof(float));
		host_norm_back(k ? pool : NULL, out[k], dw[k], dn, x, w, NULL, part, T, D, 1e-5f);
		host_embed_back(k ? pool : NULL, g[k], dn, id, T, D);
	}
	assert_memory_equal(out[0], out[1], T * D * sizeof(float));
	assert_memory_equal(g[0], g[1], V * D * sizeof(float));
	assert_memory_equal(dw[0], dw[1], sizeof dw[0]);
	for (int k = 0; k < 2; k++) {
		free(out[k]);
		free(g[k]);
	}
	free(x); free(dn); free(w); free(part);
	pool_free(pool);
}

/* The largest magnitude, infinities and NaN above all numbers, and the zeros of both signs; nothing beyond the end. */
static void scanning(void **state)
{
	static const size_t lengths[] = {1, 15, 16, 17, 100, 65536, 65537, 200001};
	(void)state;
	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
		size_t n = lengths[k], zeros = 0;
		float *x = random_floats(n + 1, 1, k), top = 0, inf = INFINITY;
		uint32_t bits, inf_bits;
		x[n] = 1e30f;
		for (size_t i = 0; i < n; i++) {
			x[i] = i % 7 == 3 ? 0 : i % 11 == 5 ? -0.0f : x[i];
			zeros += x[i] == 0;
			top = fmaxf(top, fabsf(x[i]));
		}
		struct host_scan s = host_scan(NULL, x, n);
		memcpy(&bits, &top, sizeof bits);
		memcpy(&inf_bits, &inf, sizeof inf_bits);
		assert_true(s.top == bits && s.zeros == zeros);
		x[n / 2] = -INFINITY;
		assert_int_equal(host_scan(NULL, x, n).top, inf_bits);
		x[n - 1] = NAN;
		assert_true(host_scan(NULL, x, n).top > inf_bits);
		memset(x, 0, n * sizeof *x);
		assert_int_equal(host_scan(NULL, x, n).zeros, n);
		free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(norms), cmocka_unit_test(add_norms), cmocka_unit_test(swiglu), cmocka_unit_test(losses), cmocka_unit_test(nan_comes_through), cmocka_unit_test(embedding), cmocka_unit_test(row_sums),
		cmocka_unit_test(same_bits), cmocka_unit_test(threads_do_not_matter), cmocka_unit_test(scanning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
