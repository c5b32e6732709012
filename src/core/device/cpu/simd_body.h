/* simd_body.h: the kernels for one vector width; included once by each simd_<set>.c. Not a header for anybody else.
 *
 * The including file defines VN (floats in a vector), FMA(a, b, c), SQRT(x) and NAME, and HALF(x) where the set converts to binary16
 * and back; it gives `table` away.
 * Arithmetic is written on compiler vectors; the files' flags make it the instructions of their set.
 * exp, log and tanh follow Cephes (S. Moshier): argument reduction and its single-precision polynomials; errors are below
 * 2 ulp where the set has fused multiply-add. Infinities, NaN and denormals come out as from libm.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "device/cpu/simd.h"

typedef float vf __attribute__((vector_size(VN * 4)));
typedef int32_t vi __attribute__((vector_size(VN * 4)));
typedef float vfu __attribute__((vector_size(VN * 4), aligned(4), may_alias));

/* Small arrays of vectors stay in registers only when the loops over them are unrolled. */
#define UNROLL(n) _Pragma(#n)
#define INL static inline __attribute__((always_inline))

INL vf load(const float *p) { return *(const vfu *)p; }
INL void store(float *p, vf v) { *(vfu *)p = v; }
INL vf all(float x) { return x - (vf){0}; }

INL vf load_part(const float *p, int64_t n)
{
	vf v = {0};
	memcpy(&v, p, (size_t)n * 4);
	return v;
}

INL void store_part(float *p, vf v, int64_t n)
{
	memcpy(p, &v, (size_t)n * 4);
}

INL vf pick(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INL vf absolute(vf x) { return (vf)((vi)x & 0x7fffffff); }
INL vf sign_of(vf x) { return (vf)((vi)x & (int32_t)0x80000000); }
INL vf with_sign(vf x, vf sign) { return (vf)((vi)x | (vi)sign); }

/* --- functions of a vector --- */

/* 2^n by its exponent bits, -126 <= n <= 127. */
INL vf power_of_two(vi n) { return (vf)((n + 127) << 23); }

INL vf exp_v(vf x)
{
	const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
	/* Below -104 the result is 0. Those are computed as exp(0) and put to 0 at the end: a product that underflows costs a
	 * hundred cycles, and half of a causal softmax is there. */
	vi none = x < -104.0f;
	x = pick(none, all(0), x);
	x = pick(x > 89.0f, all(89.0f), x);
	vf t = FMA(x, all(1.44269504088896341f), all(magic));
	vi n = (vi)t - (vi)all(magic);
	vf f = t - magic;
	vf r = FMA(f, all(-0.693359375f), x);
	r = FMA(f, all(2.12194440e-4f), r);
	vf p = FMA(all(1.9875691500e-4f), r, all(1.3981999507e-3f));
	p = FMA(p, r, all(8.3334519073e-3f));
	p = FMA(p, r, all(4.1665795894e-2f));
	p = FMA(p, r, all(1.6666665459e-1f));
	p = FMA(p, r, all(5.0000001201e-1f));
	p = FMA(p, r * r, r) + 1.0f;
	/* In two steps: 2^n alone may be out of range where the result is not. */
	vi half = n >> 1;
	vf y = p * power_of_two(half) * power_of_two(n - half);
	return pick(none, all(0), y);
}

INL vf log_v(vf x)
{
	vi tiny = x < 1.17549435e-38f;
	vf v = pick(tiny, x * 16777216.0f, x);
	vi e = (((vi)v >> 23) & 255) - 126 - (tiny & 24);
	vf m = (vf)(((vi)v & 0x7fffff) | 0x3f000000);
	vi low = m < 0.707106781186547524f;
	e += low;
	m = m + pick(low, m, all(0)) - 1.0f;
	vf f = __builtin_convertvector(e, vf), z = m * m;
	vf p = FMA(all(7.0376836292e-2f), m, all(-1.1514610310e-1f));
	p = FMA(p, m, all(1.1676998740e-1f));
	p = FMA(p, m, all(-1.2420140846e-1f));
	p = FMA(p, m, all(1.4249322787e-1f));
	p = FMA(p, m, all(-1.6668057665e-1f));
	p = FMA(p, m, all(2.0000714765e-1f));
	p = FMA(p, m, all(-2.4999993993e-1f));
	p = FMA(p, m, all(3.3333331174e-1f));
	p = p * m * z;
	p = FMA(f, all(-2.12194440e-4f), p);
	p = FMA(z, all(-0.5f), p);
	vf y = FMA(f, all(0.693359375f), m + p);
	y = pick(x == 0.0f, all(-INFINITY), y);
	y = pick(x < 0.0f, all(NAN), y);
	return pick((x == INFINITY) | (x != x), x, y);
}

INL vf sigmoid_v(vf x)
{
	vf e = exp_v(-absolute(x));
	return pick(x >= 0.0f, all(1), e) / (1.0f + e);
}

INL vf tanh_v(vf x)
{
	vf a = absolute(x), z = x * x;
	vf far = 1.0f - 2.0f / (exp_v(a + a) + 1.0f);
	vf p = FMA(all(-5.70498872745e-3f), z, all(2.06390887954e-2f));
	p = FMA(p, z, all(-5.37397155531e-2f));
	p = FMA(p, z, all(1.33314422036e-1f));
	p = FMA(p, z, all(-3.33332819422e-1f));
	return pick(a < 0.625f, FMA(p * z, x, x), with_sign(far, sign_of(x)));
}

INL vf gelu_tanh_v(vf x)
{
	return 0.5f * x * (1.0f + tanh_v(0.79788456080286536f * (x + 0.044715f * x * x * x)));
}

INL vf max_v(vf a, vf b)
{
	return pick(a <= b, b, pick(a > b, a, a + b)); /* NaN stays */
}

/* From 2^23 on every float is whole; NaN fails the comparison and stays. */
INL vf trunc_v(vf x)
{
	vi small = absolute(x) < 8388608.0f;
	vf whole = __builtin_convertvector(__builtin_convertvector(pick(small, x, all(0)), vi), vf);
	return pick(small, with_sign(whole, sign_of(x)), x);
}

INL vf round_v(vf x)
{
	vf a = absolute(x), r = (a + 8388608.0f) - 8388608.0f;
	return pick(a < 8388608.0f, with_sign(r, sign_of(x)), x);
}

#ifndef HALF
/* Adding 0.5, whose last bit is worth 2^-24, rounds what is subnormal; the others by their own bits. */
INL vf half_bits(vf x)
{
	vi a = (vi)absolute(x), r = (a + 0xfff + ((a >> 13) & 1)) & ~0x1fff;
	vf low = ((vf)a + 0.5f) - 0.5f, y = pick(a < 0x38800000, low, (vf)r);
	return with_sign(pick(a >= 0x477ff000, all(INFINITY), y), sign_of(x));
}
#define HALF(x) half_bits(x)
#endif

/* --- kernels over rows --- */

#define BIN_BODY(name, form, prepare, full, part, expr) \
	static void name##_##form(float *d, const float *a, const float *b, int64_t n) \
	{ \
		int64_t i = 0; \
		vf u, v; \
		prepare; \
		for (; i + VN <= n; i += VN) { \
			full; \
			store(d + i, expr); \
		} \
		if (i < n) { \
			part; \
			store_part(d + i, expr, n - i); \
		} \
	}
#define BIN_FORMS(name, expr) \
	BIN_BODY(name, vv, , u = load(a + i); v = load(b + i), u = load_part(a + i, n - i); v = load_part(b + i, n - i), expr) \
	BIN_BODY(name, vs, v = all(*b), u = load(a + i), u = load_part(a + i, n - i), expr) \
	BIN_BODY(name, sv, u = all(*a), v = load(b + i), v = load_part(b + i, n - i), expr)
/* Each one also with the rounding of SIMD_HALF in its store. */
#define BIN(name, expr) BIN_FORMS(name, expr) BIN_FORMS(name##_half, rounded(expr))

INL vf rounded(vf x) { return HALF(pick(x != x, all(0), x)); }

BIN(add, u + v)
BIN(sub, u - v)
BIN(mul, u * v)
BIN(div, u / v)
BIN(max, max_v(u, v))

#define UN(name, expr) UN_BODY(name, expr) UN_BODY(name##_half, rounded(expr))
#define UN_BODY(name, expr) \
	static void name(float *d, const float *a, int64_t n, float p, float q) \
	{ \
		int64_t i = 0; \
		(void)p, (void)q; \
		for (; i + VN <= n; i += VN) { \
			vf x = load(a + i); \
			store(d + i, expr); \
		} \
		if (i < n) { \
			vf x = load_part(a + i, n - i); \
			store_part(d + i, expr, n - i); \
		} \
	}

UN(mov, x)
UN(sigmoid, sigmoid_v(x))
UN(silu, x * sigmoid_v(x))
UN(relu, pick(x < 0.0f, all(0), x))
UN(tanh_, tanh_v(x))
UN(exp_, exp_v(x))
UN(log_, log_v(x + p))
UN(sqrt_, SQRT(x))
UN(rsqrt, 1.0f / SQRT(x + p))
UN(square, x * x)
UN(recip, 1.0f / x)
UN(gelu_tanh, gelu_tanh_v(x))
UN(gelu_sigmoid, x * sigmoid_v(1.702f * x))
UN(trunc_, trunc_v(x))
UN(round_, round_v(x))
UN(clip, pick(x < p, all(p), pick(x > q, all(q), x)))
UN(bool_, pick(x != 0.0f, all(1), all(0)))

INL float add_lanes(vf s)
{
	float l[VN];
	memcpy(l, &s, sizeof l);
	for (int w = VN / 2; w; w /= 2)
		for (int i = 0; i < w; i++)
			l[i] += l[i + w];
	return l[0];
}

static float sum(const float *a, int64_t n)
{
	vf s[4] = {{0}, {0}, {0}, {0}};
	int64_t i = 0;
	for (; i + 4 * VN <= n; i += 4 * VN)
		UNROLL(GCC unroll 4)
		for (int k = 0; k < 4; k++)
			s[k] += load(a + i + k * VN);
	for (; i + VN <= n; i += VN)
		s[0] += load(a + i);
	if (i < n)
		s[1] += load_part(a + i, n - i);
	return add_lanes((s[0] + s[1]) + (s[2] + s[3]));
}

static float dot(const float *a, const float *b, int64_t n)
{
	vf s[4] = {{0}, {0}, {0}, {0}};
	int64_t i = 0;
	for (; i + 4 * VN <= n; i += 4 * VN)
		UNROLL(GCC unroll 4)
		for (int k = 0; k < 4; k++)
			s[k] = FMA(load(a + i + k * VN), load(b + i + k * VN), s[k]);
	for (; i + VN <= n; i += VN)
		s[0] = FMA(load(a + i), load(b + i), s[0]);
	if (i < n)
		s[1] = FMA(load_part(a + i, n - i), load_part(b + i, n - i), s[1]);
	return add_lanes((s[0] + s[1]) + (s[2] + s[3]));
}

static float largest(const float *a, int64_t n)
{
	vf m = all(-INFINITY), m2 = m;
	int64_t i = 0;
	for (; i + 2 * VN <= n; i += 2 * VN) {
		m = max_v(load(a + i), m);
		m2 = max_v(load(a + i + VN), m2);
	}
	float l[VN], r = -INFINITY;
	m = max_v(m, m2);
	memcpy(l, &m, sizeof l);
	for (int k = 0; k < VN; k++)
		r = l[k] <= r ? r : l[k] > r ? l[k] : l[k] + r;
	for (; i < n; i++)
		r = a[i] <= r ? r : a[i] > r ? a[i] : a[i] + r;
	return r;
}

static void softmax(float *d, const float *a, int64_t n)
{
	float m = largest(a, n);
	vf s = {0}, s2 = {0};
	int64_t i = 0;
	for (; i + 2 * VN <= n; i += 2 * VN) {
		vf e = exp_v(load(a + i) - m), e2 = exp_v(load(a + i + VN) - m);
		store(d + i, e);
		store(d + i + VN, e2);
		s += e;
		s2 += e2;
	}
	for (; i < n; i += VN) {
		int64_t left = n - i < VN ? n - i : VN;
		vf e = exp_v(load_part(a + i, left) - m), kept = {0};
		store_part(d + i, e, left);
		memcpy(&kept, &e, (size_t)left * 4);
		s += kept;
	}
	float total = add_lanes(s + s2), over = 1 / total;
	mul_vs(d, d, &over, n);
}

/* `how` is the same for a whole row: its branches cost nothing beside the rest. */
INL vf half_by(vf x, unsigned how)
{
	vf a = absolute(x);
	vi nan = x != x;
	if (how & (HALF_NAN_ZERO | HALF_NAN_INF))
		x = pick(nan, all(how & HALF_NAN_ZERO ? 0 : INFINITY), x);
	if (how & HALF_MAC)
		x = pick(a >= 32768.0f, with_sign(all(INFINITY), sign_of(x)), x);
	if (how & HALF_GAIN)
		x = pick(a > 4094.0f, with_sign(all(INFINITY), sign_of(x)), x);
	if (how & HALF_LN)
		x = pick(x == -INFINITY, all(-45440), x);
	if (how & HALF_FLUSH)
		x = pick(a < 0x1p-14f, sign_of(x), x);
	vf y = HALF(x);
	if (!(how & (HALF_NAN_ZERO | HALF_NAN_INF)))
		y = pick(nan, with_sign((vf)((vi){0} + 0x7fc00000), sign_of(x)), y);
	return y;
}

INL void half_row(float *d, const float *a, int64_t n, unsigned how)
{
	int64_t i = 0;
	for (; i + VN <= n; i += VN)
		store(d + i, half_by(load(a + i), how));
	if (i < n)
		store_part(d + i, half_by(load_part(a + i, n - i), how), n - i);
}

static void half(float *d, const float *a, int64_t n, unsigned how)
{
	/* What nearly every call is, as loops of their own. */
	if (how == (HALF_ROUND | HALF_NAN_ZERO))
		half_row(d, a, n, HALF_ROUND | HALF_NAN_ZERO);
	else if (how == (HALF_ROUND | HALF_NAN_ZERO | HALF_MAC))
		half_row(d, a, n, HALF_ROUND | HALF_NAN_ZERO | HALF_MAC);
	else
		half_row(d, a, n, how);
}

/* As many sums as the set has registers for: 24 of 32 with AVX-512, else 12 of 16. */
#if VN == 16
#define MR 12
#else
#define MR 6
#endif

/* The tile's edge: what the sums are goes through memory. */
static void tile_edge(const float *sums, const struct simd_tile *to)
{
	for (int64_t i = 0; i < to->rows; i++)
		for (int64_t j = 0; j < to->cols; j++) {
			float *c = to->c + i * to->ldc + j, v = to->alpha * sums[i * 2 * VN + j];
			*c = to->beta == 0 ? v : v + to->beta * *c;
		}
}

INL void tile_row(float *c, vf v, const struct simd_tile *to)
{
	v = v * to->alpha;
	store(c, to->beta == 0 ? v : v + to->beta * load(c));
}

/* The first `rows` of a panel's MR and `wide` of its two vectors, both known when this is compiled. */
INL void tile_of(const int rows, const int wide, int64_t k, const float *ap, const float *bp, const struct simd_tile *to)
{
	vf c[MR][2] = {0};
	UNROLL(GCC unroll 12)
	for (int i = 0; i < rows; i++)
		__builtin_prefetch(to->c + (i < to->rows ? i : 0) * to->ldc);
	for (int64_t p = 0; p < k; p++, ap += MR, bp += 2 * VN) {
		vf b0 = load(bp), b1 = wide > 1 ? load(bp + VN) : b0;
		UNROLL(GCC unroll 12)
		for (int i = 0; i < rows; i++) {
			vf a = all(ap[i]);
			c[i][0] = FMA(a, b0, c[i][0]);
			if (wide > 1)
				c[i][1] = FMA(a, b1, c[i][1]);
		}
	}
	if (to->rows == rows && to->cols == wide * VN) {
		UNROLL(GCC unroll 12)
		for (int i = 0; i < rows; i++) {
			tile_row(to->c + i * to->ldc, c[i][0], to);
			if (wide > 1)
				tile_row(to->c + i * to->ldc + VN, c[i][1], to);
		}
		return;
	}
	float sums[MR * 2 * VN];
	UNROLL(GCC unroll 12)
	for (int i = 0; i < rows; i++) {
		store(sums + i * 2 * VN, c[i][0]);
		store(sums + i * 2 * VN + VN, c[i][1]);
	}
	tile_edge(sums, to);
}

static void tile_whole(int64_t k, const float *ap, const float *bp, const struct simd_tile *to) { tile_of(MR, 2, k, ap, bp, to); }
static void tile_narrow(int64_t k, const float *ap, const float *bp, const struct simd_tile *to) { tile_of(MR, 1, k, ap, bp, to); }
static void tile_two_thirds(int64_t k, const float *ap, const float *bp, const struct simd_tile *to) { tile_of(MR / 3 * 2, 2, k, ap, bp, to); }
static void tile_third(int64_t k, const float *ap, const float *bp, const struct simd_tile *to) { tile_of(MR / 3, 2, k, ap, bp, to); }

static void gemm_tile(int64_t k, const float *ap, const float *bp, const struct simd_tile *to)
{
	if (to->cols <= VN)
		tile_narrow(k, ap, bp, to);
	else if (to->rows <= MR / 3)
		tile_third(k, ap, bp, to);
	else if (to->rows <= MR / 3 * 2)
		tile_two_thirds(k, ap, bp, to);
	else
		tile_whole(k, ap, bp, to);
}

/* What is left out here is taken from the plain table: simd.c. */
#define FORMS(name) {name##_vv, name##_vs, name##_sv}
static const struct simd table = {
	.name = NAME,
	.bin = {[EW_ADD] = FORMS(add), [EW_SUB] = FORMS(sub), [EW_MUL] = FORMS(mul), [EW_DIV] = FORMS(div), [EW_MAX] = FORMS(max)},
	.un = {
		[EW_MOV] = mov, [EW_SIGMOID] = sigmoid, [EW_SILU] = silu, [EW_RELU] = relu, [EW_TANH] = tanh_, [EW_EXP] = exp_,
		[EW_LOG] = log_, [EW_SQRT] = sqrt_, [EW_RSQRT] = rsqrt, [EW_SQUARE] = square, [EW_RECIP] = recip,
		[EW_GELU_TANH] = gelu_tanh, [EW_GELU_SIGMOID] = gelu_sigmoid, [EW_TRUNC] = trunc_, [EW_ROUND] = round_,
		[EW_CLIP] = clip, [EW_BOOL] = bool_,
	},
	.bin_half = {[EW_ADD] = FORMS(add_half), [EW_SUB] = FORMS(sub_half), [EW_MUL] = FORMS(mul_half), [EW_DIV] = FORMS(div_half), [EW_MAX] = FORMS(max_half)},
	.un_half = {
		[EW_MOV] = mov_half, [EW_SIGMOID] = sigmoid_half, [EW_SILU] = silu_half, [EW_RELU] = relu_half, [EW_TANH] = tanh__half, [EW_EXP] = exp__half,
		[EW_LOG] = log__half, [EW_SQRT] = sqrt__half, [EW_RSQRT] = rsqrt_half, [EW_SQUARE] = square_half, [EW_RECIP] = recip_half,
		[EW_GELU_TANH] = gelu_tanh_half, [EW_GELU_SIGMOID] = gelu_sigmoid_half, [EW_TRUNC] = trunc__half, [EW_ROUND] = round__half,
		[EW_CLIP] = clip_half, [EW_BOOL] = bool__half,
	},
	.sum = sum,
	.max = largest,
	.dot = dot,
	.softmax = softmax,
	.half = half,
	.gemm_tile = gemm_tile,
	.gemm_mr = MR,
	.gemm_nr = 2 * VN,
};
