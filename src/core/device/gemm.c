/* gemm.c: one product cut into blocks that the pool runs. Opens nothing: blas.c does.
 *
 * The cut is a function of the shape alone. Each block is packed by the library for itself, so small blocks cost packing and
 * large ones leave threads idle: at least 8 blocks where the work allows it. Measured on two AVX-512 cores (OpenBLAS 0.3.21):
 * 768x256x768 in 8 blocks of 96x256 gives 353 GFLOP/s, in 4 of 192x256 375, in 12 of 64x256 290.
 * SPDX-License-Identifier: MIT */
#include "device/gemm.h"

#include <limits.h>

#include "base/mem.h"
#include "device/blas.h"
#include "device/cpu/simd.h"

void gemm_here(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b,
	       int64_t ldb, float beta, float *c, int64_t ldc)
{
	if (m <= 0 || n <= 0)
		return;
	blas_sgemm_fn *f = blas_get()->sgemm;
	int64_t most = MAX(MAX(MAX(m, n), k), MAX(MAX(lda, ldb), ldc));
	if (!f || most > INT_MAX || k <= 0) {
		gemm_builtin(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
		return;
	}
	f(CBLAS_ROW_MAJOR, ta ? CBLAS_TRANS : CBLAS_NO_TRANS, tb ? CBLAS_TRANS : CBLAS_NO_TRANS, (int)m, (int)n, (int)k,
	  alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

static int64_t up(int64_t v, int64_t to)
{
	return (v + to - 1) / to * to;
}

static double flops(const struct gemm_call *g)
{
	return 2.0 * (double)g->m * (double)g->n * (double)MAX(g->k, 1);
}

/* Into about `want` blocks. Packing costs 1/mb for B and, more dearly, 2/nb for A of each flop. */
static void cut(struct gemm_call *g, int64_t want)
{
	enum { MB_MAX = 512, NB_MAX = 768, TRIES = 8 };
	int64_t least_rows = (g->m + MB_MAX - 1) / MB_MAX, least_cols = (g->n + NB_MAX - 1) / NB_MAX;
	double best = 0;
	for (int64_t cols = least_cols; cols < least_cols + TRIES; cols++) {
		int64_t rows = MAX(least_rows, (want + cols - 1) / cols);
		int64_t mb = MIN(up((g->m + rows - 1) / rows, 16), g->m), nb = MIN(up((g->n + cols - 1) / cols, 16), g->n);
		double cost = 1.0 / (double)mb + 2.0 / (double)nb;
		if (best > 0 && !(cost < best))
			continue;
		best = cost;
		g->mb = mb;
		g->nb = nb;
	}
	g->ncol = (g->n + g->nb - 1) / g->nb; /* NOLINT(clang-analyzer-core.DivideZero): one turn is always made */
}

struct many {
	struct gemm_call *call;
	int n;
};

/* While the block is in a cache. */
static void round_block(const struct gemm_call *g, float *c, int64_t m, int64_t n)
{
	const struct simd *s = simd_best();
	for (int64_t i = 0; i < m; i++)
		s->half(c + i * g->ldc, c + i * g->ldc, n, g->half);
}

static void block(void *arg, int task, int thread)
{
	const struct many *all = arg;
	int lo = 0, hi = all->n - 1;
	(void)thread;
	while (lo < hi) {
		int mid = (lo + hi + 1) / 2;
		if (all->call[mid].first <= task)
			lo = mid;
		else
			hi = mid - 1;
	}
	const struct gemm_call *g = &all->call[lo];
	int64_t t = task - g->first, i = t / g->ncol * g->mb, q = t % g->ncol * g->nb;
	int64_t m = MIN(g->mb, g->m - i), n = MIN(g->nb, g->n - q);
	gemm_here(g->ta, g->tb, m, n, g->k, g->alpha, g->a + (g->ta ? i : i * g->lda), g->lda, g->b + (g->tb ? q * g->ldb : q), g->ldb,
		  g->beta, g->c + i * g->ldc + q, g->ldc);
	if (g->half)
		round_block(g, g->c + i * g->ldc + q, m, n);
}

void gemm_many(struct pool *p, struct gemm_call *call, int n)
{
	enum { LEAST = 8 };
	const double block_flops = 8e6, alone = 1e5; /* less than `alone` is not worth waking anybody */
	double total = 0;
	int64_t tasks = 0;
	for (int i = 0; i < n; i++)
		total += flops(&call[i]);
	for (int i = 0; i < n; i++) {
		double f = flops(&call[i]), share = call[i].half ? LEAST : LEAST * f / total;
		call[i].first = tasks;
		if (call[i].m <= 0 || call[i].n <= 0)
			continue;
		cut(&call[i], (int64_t)MAX(1, MIN(f / block_flops, share + 0.99)));
		tasks += (call[i].m + call[i].mb - 1) / call[i].mb * call[i].ncol;
	}
	struct many all = {call, n};
	pool_run(total < alone ? NULL : p, (int)tasks, block, &all);
}

void gemm(struct pool *p, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
	  const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	struct gemm_call g = {.ta = ta, .tb = tb, .m = m, .n = n, .k = k, .alpha = alpha, .beta = beta, .a = a, .b = b, .c = c,
			      .lda = lda, .ldb = ldb, .ldc = ldc};
	gemm_many(p, &g, 1);
}

/* --- matrix times vector --- */

struct vjob {
	int64_t m, n, lda, rows;
	const struct simd *simd;
	const float *a, *x;
	float *y;
};

static void rows(void *arg, int task, int thread)
{
	(void)thread;
	const struct vjob *j = arg;
	int64_t end = MIN(j->m, (task + 1) * j->rows);
	for (int64_t i = task * j->rows; i < end; i++)
		j->y[i] = j->simd->dot(j->a + i * j->lda, j->x, j->n);
}

void gemv(struct pool *p, int64_t m, int64_t n, const float *a, int64_t lda, const float *x, float *y)
{
	if (m <= 0)
		return;
	struct vjob j = {m, n, lda, MAX(1, 65536 / MAX(n, 1)), simd_best(), a, x, y};
	pool_run(p, (int)((m + j.rows - 1) / j.rows), rows, &j);
}
