/* simd_avx2.c: the kernels with AVX2, FMA and F16C. Run only where the processor has all.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "device/cpu/simd.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#define VN 8
#define NAME "AVX2"
#define FMA(a, b, c) ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define HALF(x) ((vf)_mm256_cvtph_ps(_mm256_cvtps_ph((__m256)(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)))
#define SQRT(x) ((vf)_mm256_sqrt_ps((__m256)(x)))
#include "device/cpu/simd_body.h"

const struct simd *simd_avx2(void)
{
	return &table;
}
#else
const struct simd *simd_avx2(void)
{
	return NULL;
}
#endif
