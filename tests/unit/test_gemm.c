/* test_gemm.c: products against plain double loops: transposes, odd sizes, wide leading dimensions, poisoned outputs, threads.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/blas.h"
#include "device/gemm.h"

struct mat {
	float *v;
	int64_t rows, cols, ld;
};

static uint32_t state = 12345;

static float rnd(void)
{
	state = state * 1664525u + 1013904223u;
	return (float)(state >> 8) / 8388608.0f - 1.0f;
}

/* The gap between the width and the leading dimension holds NaN: reading it shows, writing it too. */
static struct mat mat_new(int64_t rows, int64_t cols, int64_t gap)
{
	struct mat a = {mem_aligned((size_t)(rows * (cols + gap) + 1), sizeof(float)), rows, cols, cols + gap};
	assert_non_null(a.v);
	for (int64_t i = 0; i < rows * a.ld; i++)
		a.v[i] = i % a.ld < cols ? rnd() : NAN;
	return a;
}

static double at(const struct mat *a, int t, int64_t i, int64_t j)
{
	return t ? a->v[j * a->ld + i] : a->v[i * a->ld + j];
}

typedef void product(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
		     const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

static struct pool *pool;

static void on_pool(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
		    const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	gemm(pool, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static void compare(const struct mat *a, const struct mat *b, const struct mat *old, const struct mat *c, int ta, int tb,
		    int64_t k, float alpha, float beta)
{
	for (int64_t i = 0; i < c->rows; i++) {
		for (int64_t j = 0; j < c->cols; j++) {
			double s = 0, size = 1;
			for (int64_t p = 0; p < k; p++) {
				double v = at(a, ta, i, p) * at(b, tb, p, j);
				s += v;
				size += fabs(v);
			}
			s = alpha * s + (beta == 0 ? 0 : beta * at(old, 0, i, j));
			if (!(fabs(s - at(c, 0, i, j)) <= 2e-6 * size))
				fail_msg("[%ld,%ld]: %g, should be %g", (long)i, (long)j, at(c, 0, i, j), s);
		}
		for (int64_t j = c->cols; j < c->ld; j++)
			assert_true(isnan(c->v[i * c->ld + j]));
	}
}

static void one(product *f, int ta, int tb, int64_t m, int64_t n, int64_t k, int64_t gap, float alpha, float beta)
{
	struct mat a = ta ? mat_new(k, m, gap) : mat_new(m, k, gap), b = tb ? mat_new(n, k, gap) : mat_new(k, n, gap);
	struct mat c = mat_new(m, n, gap), old = mat_new(m, n, gap);
	memcpy(old.v, c.v, (size_t)(m * c.ld) * sizeof(float));
	if (beta == 0)
		for (int64_t i = 0; i < m * c.ld; i++)
			c.v[i] = NAN;
	f(ta, tb, m, n, k, alpha, a.v, MAX(a.ld, 1), b.v, MAX(b.ld, 1), beta, c.v, c.ld);
	compare(&a, &b, &old, &c, ta, tb, k, alpha, beta);
	free(a.v);
	free(b.v);
	free(c.v);
	free(old.v);
}

static void sweep(product *f)
{
	static const int64_t size[][3] = {
		{1, 1, 1}, {1, 7, 5}, {5, 1, 9}, {17, 33, 65}, {64, 64, 64}, {100, 3, 257}, {3, 130, 40}, {129, 67, 300},
	};
	for (size_t s = 0; s < ARRAY_LEN(size); s++)
		for (int t = 0; t < 4; t++) {
			int64_t m = size[s][0], n = size[s][1], k = size[s][2];
			one(f, t & 1, t >> 1, m, n, k, 0, 1, 0);
			one(f, t & 1, t >> 1, m, n, k, 5, 1, 0);
			one(f, t & 1, t >> 1, m, n, k, 3, -0.5f, 1);
			one(f, t & 1, t >> 1, m, n, k, 1, 2, 0.25f);
		}
	one(f, 0, 0, 4, 5, 0, 1, 1, 0);
	one(f, 0, 0, 4, 5, 0, 1, 1, 0.5f);
}

static void test_here(void **s)
{
	(void)s;
	sweep(gemm_here);
}

static void test_builtin(void **s)
{
	(void)s;
	sweep(gemm_builtin);
}

static void test_pool(void **s)
{
	(void)s;
	pool = pool_new(3, NULL);
	assert_non_null(pool);
	sweep(on_pool);
	one(on_pool, 0, 1, 700, 130, 90, 2, 1, 0);
	one(on_pool, 1, 0, 130, 1700, 50, 2, 1, 1);
	pool_free(pool);
	pool = NULL;
}

/* The cut depends on the shape alone: 1 to 4 threads give the same bytes. */
static void test_threads(void **s)
{
	(void)s;
	struct mat a = mat_new(517, 301, 0), b = mat_new(301, 783, 0), c = mat_new(517, 783, 0), first = mat_new(517, 783, 0);
	size_t bytes = (size_t)(c.rows * c.ld) * sizeof(float);
	for (int threads = 1; threads <= 4; threads++) {
		struct pool *p = pool_new(threads, NULL);
		assert_non_null(p);
		gemm(p, 0, 0, 517, 783, 301, 1, a.v, a.ld, b.v, b.ld, 0, c.v, c.ld);
		if (threads == 1)
			memcpy(first.v, c.v, bytes);
		assert_memory_equal(first.v, c.v, bytes);
		pool_free(p);
	}
	gemm(NULL, 0, 0, 517, 783, 301, 1, a.v, a.ld, b.v, b.ld, 0, c.v, c.ld);
	assert_memory_equal(first.v, c.v, bytes);
	free(a.v);
	free(b.v);
	free(c.v);
	free(first.v);
}

/* Threads of this process; 0: not told here. */
static int threads_here(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/task");
	for (struct dirent *f; d && (f = readdir(d));)
		n += f->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* The products of a layer and of the classifier at the size of stories110m and stories15m, with their long sums: the library starts no threads of its own, and the bytes are the same for any number of ours. */
static void test_large(void **s)
{
	(void)s;
	static const struct { int ta, tb; int64_t m, n, k; } row[] = {
		{0, 0, 768, 256, 768}, {0, 0, 2048, 256, 768}, {0, 0, 768, 256, 2048}, {1, 0, 768, 256, 2048}, {0, 1, 768, 768, 256}, {0, 1, 2048, 768, 257},
		{0, 0, 2000, 256, 768}, {1, 0, 768, 256, 8001}, {0, 1, 4000, 768, 256}, {1, 1, 301, 517, 999},
		{0, 0, 288, 2048, 288}, {0, 1, 768, 288, 2048}, {1, 0, 288, 2048, 768}, {0, 0, 256, 64, 256}, {0, 0, 64, 256, 256},
	};
	int before = threads_here();
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		int64_t m = row[i].m, n = row[i].n, k = row[i].k;
		struct mat a = row[i].ta ? mat_new(k, m, 0) : mat_new(m, k, 0), b = row[i].tb ? mat_new(n, k, 0) : mat_new(k, n, 0);
		struct mat c = mat_new(m, n, 0), first = mat_new(m, n, 0), start = mat_new(m, n, 0);
		size_t bytes = (size_t)(m * n) * sizeof(float);
		for (int threads = 0; threads <= 4; threads++) {
			struct pool *p = threads ? pool_new(threads, NULL) : NULL;
			memcpy(c.v, start.v, bytes);
			gemm(p, row[i].ta, row[i].tb, m, n, k, 1, a.v, a.ld, b.v, b.ld, 1, c.v, c.ld);
			assert_int_equal(threads_here(), before ? before + MAX(threads, 1) - 1 : 0);
			if (!threads)
				memcpy(first.v, c.v, bytes);
			if (memcmp(first.v, c.v, bytes))
				fail_msg("%d x %d x %d: %d threads give other bytes", (int)m, (int)n, (int)k, threads);
			pool_free(p);
		}
		free(a.v), free(b.v), free(c.v), free(first.v), free(start.v);
	}
}

static void test_gemv(void **s)
{
	(void)s;
	static const int64_t size[][2] = {{1, 1}, {7, 3}, {1000, 63}, {333, 64}, {50, 777}};
	struct pool *p = pool_new(3, NULL);
	for (size_t i = 0; i < ARRAY_LEN(size); i++) {
		int64_t m = size[i][0], n = size[i][1];
		struct mat a = mat_new(m, n, 3), x = mat_new(1, n, 0), y = mat_new(1, m, 0), y1 = mat_new(1, m, 0);
		gemv(p, m, n, a.v, a.ld, x.v, y.v);
		gemv(NULL, m, n, a.v, a.ld, x.v, y1.v);
		assert_memory_equal(y.v, y1.v, (size_t)m * sizeof(float));
		for (int64_t r = 0; r < m; r++) {
			double want = 0;
			for (int64_t c = 0; c < n; c++)
				want += at(&a, 0, r, c) * x.v[c];
			assert_true(fabs(want - y.v[r]) <= 1e-6 * (double)(n + 1));
		}
		free(a.v);
		free(x.v);
		free(y.v);
		free(y1.v);
	}
	pool_free(p);
}

static void test_info(void **s)
{
	(void)s;
	const struct blas_info *b = blas_open();
	assert_ptr_equal(b, blas_open());
	assert_true(b->library[0] && b->kernels[0]);
	assert_true(blas_measure(NULL) > 0);
	assert_true(b->gflops > 0);
	print_message("# %s, %s kernels, %.0f GFLOP/s on one thread; %s\n", b->library, b->kernels, b->gflops, b->note);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_here), cmocka_unit_test(test_builtin), cmocka_unit_test(test_pool),
		cmocka_unit_test(test_threads), cmocka_unit_test(test_large), cmocka_unit_test(test_gemv), cmocka_unit_test(test_info),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
