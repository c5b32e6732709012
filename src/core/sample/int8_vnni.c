/* int8_vnni.c: int8.h with AVX-512's product of unsigned and signed bytes. The 128 that weights are shifted by is taken off with the vector's sum.
 * SPDX-License-Identifier: MIT */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "sample/int8.h"

struct lanes { __m512 v; };

/* Four elements of each of 16 rows. */
static inline __m512i four(__m512i sum, const struct int8_block *b, const struct int8_group *x, int i)
{
	int32_t v;
	memcpy(&v, x->q + 4 * i, sizeof v);
	return _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(b->q[i]), _mm512_set1_epi32(v));
}

/* Four sums that do not wait for one another. */
static inline struct lanes lanes_group(const struct int8_block *b, const struct int8_group *x)
{
	__m512i s0 = _mm512_set1_epi32(-INT8_ZERO * x->sum), s1 = _mm512_setzero_si512(), s2 = s1, s3 = s1;
	for (int i = 0; i < INT8_GROUP / 4; i += 4) {
		s0 = four(s0, b, x, i);
		s1 = four(s1, b, x, i + 1);
		s2 = four(s2, b, x, i + 2);
		s3 = four(s3, b, x, i + 3);
	}
	__m512i sum = _mm512_add_epi32(_mm512_add_epi32(s0, s1), _mm512_add_epi32(s2, s3));
	return (struct lanes){_mm512_cvtepi32_ps(sum)};
}

static inline struct lanes lanes_add(struct lanes t, struct lanes sums, const struct int8_block *b, const struct int8_group *x)
{
	__m512 scale = _mm512_mul_ps(_mm512_loadu_ps(b->scale), _mm512_set1_ps(x->scale)), part = _mm512_mul_ps(sums.v, scale);
	return (struct lanes){_mm512_add_ps(t.v, part)};
}

static inline void lanes_store(float *y, struct lanes t)
{
	_mm512_storeu_ps(y, t.v);
}

#define INT8_NAME int8_vnni
#define INT8_WORD "vnni"
#include "sample/int8_body.h"
#else
typedef int int8_vnni_is_empty;
#endif
