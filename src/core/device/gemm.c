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

struct job {
	int ta, tb;
	int64_t m, n, k, lda, ldb, ldc, mb, nb, ncol;
	float alpha, beta;
	const float *a, *b;
	float *c;
};

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

/* Picks the number of row and column blocks. Packing costs 1/mb for B and, more dearly, 2/nb for A of each flop. */
static void cut(struct job *j)
{
	enum { LEAST = 8, MB_MAX = 512, NB_MAX = 768 };
	const double block_flops = 8e6;
	double flops = 2.0 * (double)j->m * (double)j->n * (double)MAX(j->k, 1);
	int64_t want = (int64_t)MIN(MAX(flops / block_flops, 1.0), (double)LEAST);
	int64_t least_rows = (j->m + MB_MAX - 1) / MB_MAX, least_cols = (j->n + NB_MAX - 1) / NB_MAX;
	double best = 0;
	j->mb = j->m;
	j->nb = j->n;
	for (int64_t cols = least_cols; cols < least_cols + LEAST; cols++) {
		int64_t rows = MAX(least_rows, (want + cols - 1) / cols);
		int64_t mb = MIN(up((j->m + rows - 1) / rows, 16), j->m), nb = MIN(up((j->n + cols - 1) / cols, 16), j->n);
		double cost = 1.0 / (double)mb + 2.0 / (double)nb;
		if (best > 0 && !(cost < best))
			continue;
		best = cost;
		j->mb = mb;
		j->nb = nb;
	}
}

static void block(void *arg, int task, int thread)
{
	(void)thread;
	const struct job *j = arg;
	int64_t i = task / j->ncol * j->mb, q = task % j->ncol * j->nb;
	gemm_here(j->ta, j->tb, MIN(j->mb, j->m - i), MIN(j->nb, j->n - q), j->k, j->alpha,
		  j->a + (j->ta ? i : i * j->lda), j->lda, j->b + (j->tb ? q * j->ldb : q), j->ldb, j->beta,
		  j->c + i * j->ldc + q, j->ldc);
}

void gemm(struct pool *p, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
	  const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	if (m <= 0 || n <= 0)
		return;
	struct job j = {ta, tb, m, n, k, lda, ldb, ldc, m, n, 1, alpha, beta, a, b, c};
	cut(&j);
	j.ncol = (n + j.nb - 1) / j.nb;
	pool_run(p, (int)((m + j.mb - 1) / j.mb * j.ncol), block, &j);
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
