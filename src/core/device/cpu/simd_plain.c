/* simd_plain.c: every kernel in plain loops on libm: the truth that the others are tested against. Not the fast path.
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/fp16.h"
#include "device/cpu/simd.h"

#define BIN_FORM(name, form, x, y, expr) \
	static void name##_##form(float *d, const float *a, const float *b, int64_t n) \
	{ \
		for (int64_t i = 0; i < n; i++) { \
			float u = x, v = y; \
			d[i] = expr; \
		} \
	}
#define BIN(name, expr) \
	BIN_FORM(name, vv, a[i], b[i], expr) BIN_FORM(name, vs, a[i], b[0], expr) BIN_FORM(name, sv, a[0], b[i], expr)

BIN(add, u + v)
BIN(sub, u - v)
BIN(mul, u * v)
BIN(div, u / v)
BIN(pow, powf(u, v))
BIN(max_, u <= v ? v : u > v ? u : u + v)

#define UN(name, expr) \
	static void name(float *d, const float *a, int64_t n, float p, float q) \
	{ \
		(void)p, (void)q; \
		for (int64_t i = 0; i < n; i++) { \
			float x = a[i]; \
			d[i] = expr; \
		} \
	}

static float logistic(float x)
{
	float e = expf(-fabsf(x));
	return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

UN(mov, x)
UN(sigmoid, logistic(x))
UN(silu, x * logistic(x))
UN(relu, x < 0 ? 0 : x)
UN(tanh_, tanhf(x))
UN(exp_, expf(x))
UN(log_, logf(x + p))
UN(sqrt_, sqrtf(x))
UN(rsqrt, 1 / sqrtf(x + p))
UN(square, x * x)
UN(recip, 1 / x)
UN(gelu, 0.5f * x * (1 + erff(x * 0.70710678118654752f)))
UN(gelu_tanh, 0.5f * x * (1 + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x))))
UN(gelu_sigmoid, x * logistic(1.702f * x))
UN(trunc_, truncf(x))
UN(round_, nearbyintf(x))
UN(clip, x < p ? p : x > q ? q : x)
UN(bool_, x != 0)

static float sum(const float *a, int64_t n)
{
	double s = 0;
	for (int64_t i = 0; i < n; i++)
		s += a[i];
	return (float)s;
}

static float max(const float *a, int64_t n)
{
	float m = -INFINITY;
	for (int64_t i = 0; i < n; i++)
		m = a[i] <= m ? m : a[i] > m ? a[i] : a[i] + m;
	return m;
}

static void softmax(float *d, const float *a, int64_t n)
{
	float m = max(a, n);
	double s = 0;
	for (int64_t i = 0; i < n; i++) {
		d[i] = expf(a[i] - m);
		s += d[i];
	}
	float r = (float)(1 / s);
	for (int64_t i = 0; i < n; i++)
		d[i] *= r;
}

static float dot(const float *a, const float *b, int64_t n)
{
	double s = 0;
	for (int64_t i = 0; i < n; i++)
		s += (double)a[i] * b[i];
	return (float)s;
}

static float half_of(float x, unsigned how)
{
	if (isnan(x) && (how & (HALF_NAN_ZERO | HALF_NAN_INF)))
		x = how & HALF_NAN_ZERO ? 0 : INFINITY;
	if ((how & HALF_MAC) && fabsf(x) >= 32768)
		x = copysignf(INFINITY, x);
	if ((how & HALF_GAIN) && fabsf(x) > 4094)
		x = copysignf(INFINITY, x);
	if ((how & HALF_LN) && x == -INFINITY)
		x = -45440;
	if ((how & HALF_FLUSH) && fabsf(x) < 0x1p-14f)
		x = copysignf(0, x);
	return fp16_round(x);
}

static void half(float *d, const float *a, int64_t n, unsigned how)
{
	for (int64_t i = 0; i < n; i++)
		d[i] = half_of(a[i], how);
}

static void gemm_tile(int64_t k, const float *ap, const float *bp, const struct simd_tile *to)
{
	for (int64_t i = 0; i < to->rows; i++)
		for (int64_t j = 0; j < to->cols; j++) {
			float *c = to->c + i * to->ldc + j, s = 0;
			for (int64_t p = 0; p < k; p++)
				s += ap[p * 6 + i] * bp[p * 16 + j];
			*c = to->alpha * s + (to->beta == 0 ? 0 : to->beta * *c);
		}
}

#define FORMS(name) {name##_vv, name##_vs, name##_sv}
const struct simd simd_plain = {
	.name = "plain",
	.bin = {[EW_ADD] = FORMS(add), [EW_SUB] = FORMS(sub), [EW_MUL] = FORMS(mul), [EW_DIV] = FORMS(div), [EW_POW] = FORMS(pow),
		[EW_MAX] = FORMS(max_)},
	.un = {
		[EW_MOV] = mov, [EW_SIGMOID] = sigmoid, [EW_SILU] = silu, [EW_RELU] = relu, [EW_TANH] = tanh_, [EW_EXP] = exp_,
		[EW_LOG] = log_, [EW_SQRT] = sqrt_, [EW_RSQRT] = rsqrt, [EW_SQUARE] = square, [EW_RECIP] = recip, [EW_GELU] = gelu,
		[EW_GELU_TANH] = gelu_tanh, [EW_GELU_SIGMOID] = gelu_sigmoid, [EW_TRUNC] = trunc_, [EW_ROUND] = round_,
		[EW_CLIP] = clip, [EW_BOOL] = bool_,
	},
	.sum = sum,
	.max = max,
	.dot = dot,
	.softmax = softmax,
	.half = half,
	.gemm_tile = gemm_tile,
	.gemm_mr = 6,
	.gemm_nr = 16,
};
