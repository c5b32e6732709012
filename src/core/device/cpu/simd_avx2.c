/* simd_avx2.c: the kernels with AVX2 and FMA. Run only where the processor has both.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "device/cpu/simd.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

#define VN 8
#define NAME "AVX2"
#define FMA(a, b, c) ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
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
