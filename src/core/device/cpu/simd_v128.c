/* simd_v128.c: the kernels with what every x86-64 (SSE2) and arm64 (NEON) processor has.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "device/cpu/simd.h"

#if defined(__x86_64__) || defined(__aarch64__)
#define VN 4
#if defined(__x86_64__)
#include <emmintrin.h>
#define NAME "SSE2"
#define FMA(a, b, c) ((a) * (b) + (c))
#define SQRT(x) ((vf)_mm_sqrt_ps((__m128)(x)))
#else
#include <arm_neon.h>
#define NAME "NEON"
#define FMA(a, b, c) ((vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define HALF(x) ((vf)vcvt_f32_f16(vcvt_f16_f32((float32x4_t)(x))))
#define SQRT(x) ((vf)vsqrtq_f32((float32x4_t)(x)))
#endif
#include "device/cpu/simd_body.h"

const struct simd *simd_v128(void)
{
	return &table;
}
#else
const struct simd *simd_v128(void)
{
	return NULL;
}
#endif
