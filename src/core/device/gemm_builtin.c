/* gemm_builtin.c: the product that runs when no BLAS library is there: packed panels, a small tile in registers. Not a BLAS.
 *
 * A is packed MR rows at a time and B NR columns at a time, so that the inner loop walks both in order whatever the
 * transposes are. Each element of C is summed along k in one order, block of k by block of k.
 * SPDX-License-Identifier: MIT */
#include "device/blas.h"

#include <string.h>

#include "base/mem.h"
#include "device/cpu/simd.h"

enum { MR = SIMD_GEMM_MR, NR_MAX = SIMD_GEMM_NR_MAX, KC = 256, NC = 128 };

/* Rows [i, i+mr) and columns [k, k+kc) of op(A); the missing rows are 0. */
static void pack_a(float *out, int ta, const float *a, int64_t lda, int64_t i, int64_t mr, int64_t k, int64_t kc)
{
	for (int64_t p = 0; p < kc; p++)
		for (int64_t r = 0; r < MR; r++)
			out[p * MR + r] = r >= mr ? 0 : ta ? a[(k + p) * lda + i + r] : a[(i + r) * lda + k + p];
}

static void pack_b(float *out, int width, int tb, const float *b, int64_t ldb, int64_t j, int64_t nr, int64_t k, int64_t kc)
{
	for (int64_t p = 0; p < kc; p++)
		for (int64_t c = 0; c < width; c++)
			out[p * width + c] = c >= nr ? 0 : tb ? b[(j + c) * ldb + k + p] : b[(k + p) * ldb + j + c];
}

static void scale(int64_t m, int64_t n, float beta, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
		if (beta == 0)
			memset(c + i * ldc, 0, (size_t)n * sizeof *c);
		else if (beta != 1)
			for (int64_t j = 0; j < n; j++)
				c[i * ldc + j] *= beta;
}

static void add_tile(const float *acc, int width, float alpha, int64_t mr, int64_t nr, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < mr; i++)
		for (int64_t j = 0; j < nr; j++)
			c[i * ldc + j] += alpha * acc[i * width + j];
}

void gemm_builtin(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
		  const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	const struct simd *s = simd_best();
	float ap[KC * MR], bp[KC * NC], acc[MR * NR_MAX];
	int nr = s->gemm_nr;
	scale(m, n, beta, c, ldc);
	for (int64_t j = 0; j < n; j += NC)
		for (int64_t p = 0; p < k; p += KC) {
			int64_t kc = MIN(KC, k - p), nc = MIN(NC, n - j);
			for (int64_t q = 0; q < nc; q += nr)
				pack_b(bp + q * KC, nr, tb, b, ldb, j + q, MIN(nr, nc - q), p, kc);
			for (int64_t i = 0; i < m; i += MR) {
				pack_a(ap, ta, a, lda, i, MIN(MR, m - i), p, kc);
				for (int64_t q = 0; q < nc; q += nr) {
					s->gemm_tile(kc, ap, bp + q * KC, acc);
					add_tile(acc, nr, alpha, MIN(MR, m - i), MIN(nr, nc - q), c + i * ldc + j + q, ldc);
				}
			}
		}
}
