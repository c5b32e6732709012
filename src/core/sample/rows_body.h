/* rows_body.h: the text of rows.h's loops, included once for each processor class with ROWS_NAME, ROWS_BYTES (of a vector register)
 * and ROWS_TOGETHER (rows at a time: their sums stay in registers) defined. SPDX-License-Identifier: MIT */
#include <string.h>

#include "sample/rows.h"

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { LANES = 16, VEC = ROWS_BYTES / 4, PER_ROW = LANES / VEC, TOGETHER = ROWS_TOGETHER };

typedef float vec __attribute__((vector_size(ROWS_BYTES)));
typedef float vec4 __attribute__((vector_size(16)));

static inline vec load(const float *p)
{
	vec v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* Lanes i and i+8, then i+4, then i+2, then the last two. */
static inline float tree(const vec s[PER_ROW])
{
	vec4 q[4];
	memcpy(q, s, sizeof q);
	vec4 t = (q[0] + q[2]) + (q[1] + q[3]);
	return (t[0] + t[2]) + (t[1] + t[3]);
}

static inline float tail(const float *a, const float *x, int64_t from, int64_t n)
{
	float t = 0;
	for (int64_t i = from; i < n; i++)
		t += a[i] * x[i];
	return t;
}

/* `count` rows at once, a constant after inlining. */
static inline __attribute__((always_inline)) void some_rows(float *y, const float *a, int64_t lda, const float *x, int64_t n,
							    const int count)
{
	vec s[TOGETHER][PER_ROW] = {{{0}}};
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		UNROLL for (int q = 0; q < PER_ROW; q++) {
			vec v = load(x + i + q * VEC);
			UNROLL for (int r = 0; r < count; r++)
				s[r][q] += load(a + r * lda + i + q * VEC) * v;
		}
	}
	UNROLL for (int r = 0; r < count; r++)
		y[r] = tree(s[r]) + tail(a + r * lda, x, i, n);
}

static void times(float *y, const float *a, int64_t lda, const float *x, int64_t m, int64_t n)
{
	int64_t r = 0;
	for (; r + TOGETHER <= m; r += TOGETHER)
		some_rows(y + r, a + r * lda, lda, x, n, TOGETHER);
	for (; r < m; r++)
		some_rows(y + r, a + r * lda, lda, x, n, 1);
}

/* `count` vectors of columns at once. */
static inline __attribute__((always_inline)) void some_columns(float *y, const float *w, const float *a, int64_t lda, int64_t m,
							       const int count)
{
	vec s[4] = {{0}};
	for (int64_t i = 0; i < m; i++) {
		UNROLL for (int q = 0; q < count; q++)
			s[q] += load(a + i * lda + q * VEC) * w[i];
	}
	memcpy(y, s, (size_t)count * sizeof *s);
}

static void weigh(float *y, const float *w, const float *a, int64_t lda, int64_t m, int64_t n)
{
	int64_t j = 0;
	for (; j + 4 * VEC <= n; j += 4 * VEC)
		some_columns(y + j, w, a + j, lda, m, 4);
	for (; j + VEC <= n; j += VEC)
		some_columns(y + j, w, a + j, lda, m, 1);
	for (; j < n; j++) {
		float t = 0;
		for (int64_t i = 0; i < m; i++)
			t += w[i] * a[i * lda + j];
		y[j] = t;
	}
}

const struct rows ROWS_NAME = {ROWS_WORD, times, weigh};
