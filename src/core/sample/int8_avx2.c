/* int8_avx2.c: int8.h with AVX2. Its product of unsigned and signed bytes adds pairs in 16 bits with saturation: |x| times w with the sign of x stays within
 * them (2 * 127^2 is 32,258), q + 128 times x would not. SPDX-License-Identifier: MIT */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "sample/int8.h"

struct lanes { __m256 lo, hi; };

static inline __m256i eight_rows(__m256i sum, const uint8_t *q, __m256i x, __m256i magnitude)
{
	__m256i w = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)q), _mm256_set1_epi8((char)INT8_ZERO));
	__m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(w, x));
	return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline struct lanes lanes_group(const struct int8_block *b, const struct int8_group *x)
{
	__m256i lo = _mm256_setzero_si256(), hi = lo;
	for (int i = 0; i < INT8_GROUP / 4; i++) {
		int32_t v;
		memcpy(&v, x->q + 4 * i, sizeof v);
		__m256i four = _mm256_set1_epi32(v), magnitude = _mm256_abs_epi8(four);
		lo = eight_rows(lo, b->q[i][0], four, magnitude);
		hi = eight_rows(hi, b->q[i][INT8_TILE / 2], four, magnitude);
	}
	return (struct lanes){_mm256_cvtepi32_ps(lo), _mm256_cvtepi32_ps(hi)};
}

static inline __m256 half_add(__m256 t, __m256 sums, const float *scale, __m256 x)
{
	__m256 each = _mm256_mul_ps(_mm256_loadu_ps(scale), x), part = _mm256_mul_ps(sums, each);
	return _mm256_add_ps(t, part);
}

static inline struct lanes lanes_add(struct lanes t, struct lanes sums, const struct int8_block *b, const struct int8_group *x)
{
	__m256 each = _mm256_set1_ps(x->scale);
	return (struct lanes){half_add(t.lo, sums.lo, b->scale, each), half_add(t.hi, sums.hi, b->scale + INT8_TILE / 2, each)};
}

static inline void lanes_store(float *y, struct lanes t)
{
	_mm256_storeu_ps(y, t.lo);
	_mm256_storeu_ps(y + INT8_TILE / 2, t.hi);
}

#define INT8_NAME int8_avx2
#define INT8_WORD "avx2"
#include "sample/int8_body.h"
#else
typedef int int8_avx2_is_empty;
#endif
