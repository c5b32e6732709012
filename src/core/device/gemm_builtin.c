/* gemm_builtin.c: our own product, for where no BLAS library is there or none is faster: packed panels, a tile of C in registers. Not a BLAS.
 *
 * K is cut into slices whose panel of B fits into the first-level cache, m into blocks whose panels of A fit into the second. A is packed gemm_mr rows
 * at a time and B gemm_nr columns at a time, so that the inner loop walks both in order whatever the transposes are; each panel of B is packed once a
 * block. Each element of C is summed along k in one order, slice by slice; the factors are applied as a tile is written, C is not gone through for them.
 * SPDX-License-Identifier: MIT */
#include "device/blas.h"

#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "base/mem.h"
#include "device/cpu/simd.h"

enum { KC = 256, MC = 384, NR_MAX = SIMD_GEMM_NR_MAX };

/* --- packing --- */

/* out[p][0..width) = from[p][0..width), rows ld apart. */
#define COPY_ROWS(width) \
	for (int64_t p = 0; p < k; p++) \
		memcpy(out + p * (width), from + p * ld, (width) * sizeof *out)

static void copy_rows(float *out, int64_t width, int64_t n, const float *from, int64_t ld, int64_t k)
{
	if (n == width && width == 32) {
		COPY_ROWS(32);
	} else if (n == width && width == 16) {
		COPY_ROWS(16);
	} else if (n == width && width == 12) {
		COPY_ROWS(12);
	} else {
		for (int64_t p = 0; p < k; p++)
			for (int64_t i = 0; i < width; i++)
				out[p * width + i] = i < n ? from[p * ld + i] : 0;
	}
}

/* out[p][i] = from[i][p] for four i. */
static void turn_four(float *out, int64_t width, const float *from, int64_t ld, int64_t k)
{
	int64_t p = 0;
#if defined(__SSE__)
	for (; p + 4 <= k; p += 4) {
		__m128 a = _mm_loadu_ps(from + p), b = _mm_loadu_ps(from + ld + p), c = _mm_loadu_ps(from + 2 * ld + p), d = _mm_loadu_ps(from + 3 * ld + p);
		_MM_TRANSPOSE4_PS(a, b, c, d);
		_mm_storeu_ps(out + p * width, a);
		_mm_storeu_ps(out + (p + 1) * width, b);
		_mm_storeu_ps(out + (p + 2) * width, c);
		_mm_storeu_ps(out + (p + 3) * width, d);
	}
#endif
	for (; p < k; p++)
		for (int64_t i = 0; i < 4; i++)
			out[p * width + i] = from[i * ld + p];
}

/* out[p][0..width) = from[0..width)[p]: rows become columns. */
static void turn_rows(float *out, int64_t width, int64_t n, const float *from, int64_t ld, int64_t k)
{
	int64_t i = 0;
	for (; i + 4 <= n; i += 4)
		turn_four(out + i, width, from + i * ld, ld, k);
	for (; i < width; i++)
		for (int64_t p = 0; p < k; p++)
			out[p * width + i] = i < n ? from[i * ld + p] : 0;
}

/* `across`: what becomes a row of the panel lies along rows already. The missing ones are 0. */
static void pack(float *out, int64_t width, int64_t n, int across, const float *from, int64_t ld, int64_t k)
{
	if (across)
		copy_rows(out, width, n, from, ld, k);
	else
		turn_rows(out, width, n, from, ld, k);
}

/* --- the product --- */

static void scale(int64_t m, int64_t n, float beta, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
		if (beta == 0)
			memset(c + i * ldc, 0, (size_t)n * sizeof *c);
		else if (beta != 1)
			for (int64_t j = 0; j < n; j++)
				c[i * ldc + j] *= beta;
}

/* One slice of k: a block of rows of A, packed, with all of B. a and b point at the slice. */
struct slice {
	const struct simd *simd;
	int64_t kc;
	int tb;
	const float *b;
	int64_t ldb;
	float alpha, beta;
};

static void block(const struct slice *s, const float *ap, int64_t m, int64_t n, float *c, int64_t ldc)
{
	_Alignas(64) float bp[KC * NR_MAX];
	int64_t mr = s->simd->gemm_mr, nr = s->simd->gemm_nr;
	for (int64_t j = 0; j < n; j += nr) {
		int64_t cols = MIN(nr, n - j);
		pack(bp, nr, cols, !s->tb, s->b + (s->tb ? j * s->ldb : j), s->ldb, s->kc);
		for (int64_t i = 0; i < m; i += mr)
			s->simd->gemm_tile(s->kc, ap + i * s->kc, bp,
					   &(struct simd_tile){c + i * ldc + j, ldc, MIN(mr, m - i), cols, s->alpha, s->beta});
	}
}

/* The size of the parts when n is cut into as few as `most` allows, all but the last equal and multiples of `step`. */
static int64_t even(int64_t n, int64_t most, int64_t step)
{
	int64_t parts = (n + most - 1) / most, size = (n + parts - 1) / parts;
	return MIN((size + step - 1) / step * step, most);
}

void gemm_builtin(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
		  const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	_Alignas(64) float ap[KC * MC];
	struct slice s = {.simd = simd_best(), .tb = tb, .ldb = ldb, .alpha = alpha, .beta = beta};
	if (m <= 0 || n <= 0)
		return;
	if (k <= 0) {
		scale(m, n, beta, c, ldc);
		return;
	}
	int64_t mr = s.simd->gemm_mr, slice = even(k, KC, 1), rows = even(m, MC, mr);
	for (int64_t p = 0; p < k; p += slice, s.beta = 1) {
		s.kc = MIN(slice, k - p);
		s.b = b + (tb ? p : p * ldb);
		for (int64_t i = 0; i < m; i += rows) {
			int64_t mc = MIN(rows, m - i);
			for (int64_t q = 0; q < mc; q += mr)
				pack(ap + q * s.kc, mr, MIN(mr, mc - q), ta, a + (ta ? p * lda + i + q : (i + q) * lda + p), lda, s.kc);
			block(&s, ap, mc, n, c + i * ldc, ldc);
		}
	}
}
