/* simd_avx512.c: the kernels with AVX-512. Run only where the processor has it.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "device/cpu/simd.h"

#if defined(__AVX512F__)
#include <immintrin.h>

#define VN 16
#define NAME "AVX-512"
#define FMA(a, b, c) ((vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define HALF(x) ((vf)_mm512_cvtph_ps(_mm512_cvtps_ph((__m512)(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)))
#define SQRT(x) ((vf)_mm512_sqrt_ps((__m512)(x)))
#include "device/cpu/simd_body.h"

const struct simd *simd_avx512(void)
{
	return &table;
}
#else
const struct simd *simd_avx512(void)
{
	return NULL;
}
#endif
