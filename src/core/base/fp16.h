/* fp16.h: IEEE binary16 to and from fp32, round to nearest even, in plain integer code; rows of them as the processor does it best.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_FP16_H
#define ANETUI_BASE_FP16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline float fp16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, man = h & 0x3ff, bits;
	float f;
	if (exp == 31) {
		bits = sign | 0x7f800000 | man << 13;
	} else if (exp) {
		bits = sign | (exp + 112) << 23 | man << 13;
	} else {
		f = (float)man * 0x1p-24f;
		return sign ? -f : f;
	}
	memcpy(&f, &bits, 4);
	return f;
}

static inline uint16_t fp16_from_f32(float f)
{
	uint32_t x;
	memcpy(&x, &f, 4);
	uint32_t sign = x >> 16 & 0x8000, a = x & 0x7fffffff;
	if (a > 0x7f800000)
		return (uint16_t)(sign | 0x7e00);
	if (a >= 0x477ff000) /* 65520 and above round to infinity */
		return (uint16_t)(sign | 0x7c00);
	if (a < 0x38800000) { /* below 2^-14: subnormal, in units of 2^-24 */
		float v;
		memcpy(&v, &a, 4);
		v = v + 0.5f; /* 0.5 has an ulp of 2^-24: the addition rounds to nearest even */
		uint32_t r;
		memcpy(&r, &v, 4);
		return (uint16_t)(sign | (r - 0x3f000000));
	}
	a += 0xfff + (a >> 13 & 1);
	return (uint16_t)(sign | (a - 0x38000000) >> 13);
}

/* The nearest binary16 value, as fp32. */
static inline float fp16_round(float f)
{
	return fp16_to_f32(fp16_from_f32(f));
}

/* n numbers; where the compiler has the type (arm64) these become the processor's instructions. A NaN stays one, its bits may differ. */
static inline void fp16_widen(float *d, const uint16_t *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
#ifdef __ARM_FP16_FORMAT_IEEE
		__fp16 h;
		memcpy(&h, &s[i], 2);
		d[i] = h;
#else
		d[i] = fp16_to_f32(s[i]);
#endif
	}
}

static inline void fp16_narrow(uint16_t *d, const float *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
#ifdef __ARM_FP16_FORMAT_IEEE
		__fp16 h = (__fp16)s[i];
		memcpy(&d[i], &h, 2);
#else
		d[i] = fp16_from_f32(s[i]);
#endif
	}
}

static inline float bf16_to_f32(uint16_t b)
{
	uint32_t bits = (uint32_t)b << 16;
	float f;
	memcpy(&f, &bits, 4);
	return f;
}

/* Round to nearest even; of finite numbers only (a NaN might become infinity). */
static inline uint16_t bf16_from_f32(float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

#endif
