/* test_simd.c: the kernels of each instruction set that this processor has against the plain ones: odd lengths, guard
 * numbers behind the end, infinities, NaN, denormals. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "device/cpu/simd.h"

enum { N = 1500 };

static uint32_t state = 99;

static float rnd(float lo, float hi)
{
	state = state * 1664525u + 1013904223u;
	return lo + (hi - lo) * (float)((double)(state >> 8) / 16777216.0);
}

static const float special[] = {
	0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 1.5f, 2.5f, -2.5f, INFINITY, -INFINITY, NAN, 1e-40f, -1e-40f, 1.17549435e-38f, 3.4e38f, -3.4e38f,
	88.72f, 88.73f, 89.5f, -87.3f, -87.4f, -90.0f, -103.0f, -103.9f, -104.5f, -65504.0f, 8388607.5f, 8388608.0f, 1e10f, 0.625f,
	-0.625f, 0.6249999f, 1e-8f, -1e-8f, 127.0f, 128.4f, -128.6f, 20.0f, -20.0f,
};

static void fill(float *a, float lo, float hi)
{
	for (int i = 0; i < N; i++)
		a[i] = i < (int)ARRAY_LEN(special) ? special[i] : i % 3 ? rnd(lo, hi) : rnd(lo / 50, hi / 50);
}

/* 4 units in the last place of the result; `slack` for functions that lose some of the argument's by cancelling. */
static int close_to(float got, float want, float x, float slack)
{
	if (isnan(want) || isinf(want))
		return isnan(want) ? isnan(got) : got == want;
	return fabsf(got - want) <= 5e-7f * fabsf(want) + (slack > 0 ? slack * fabsf(x) : 0) + 3e-45f;
}

static const int lengths[] = {N, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 0};

static void compare(const char *set, const char *what, const float *got, const float *want, const float *x, int n, float slack)
{
	for (int i = 0; i < n; i++)
		if (!close_to(got[i], want[i], x[i], slack))
			fail_msg("%s %s: of %.9g: %.9g, should be %.9g", set, what, x[i], got[i], want[i]);
	for (int i = n; i < n + 16; i++)
		if (got[i] != 1234)
			fail_msg("%s %s: wrote behind the end of %d", set, what, n);
}

static void guard(float *d, int n)
{
	for (int i = n; i < n + 16; i++)
		d[i] = 1234;
}

static void check_unary(const struct simd *s)
{
	static const struct { enum ew_op op; const char *name; float lo, hi, p, q, slack; } op[] = {
		{EW_MOV, "mov", -9, 9, 0, 0, 0}, {EW_SIGMOID, "sigmoid", -30, 30, 0, 0, 0}, {EW_SILU, "silu", -30, 30, 0, 0, 0},
		{EW_RELU, "relu", -9, 9, 0, 0, 0}, {EW_TANH, "tanh", -12, 12, 0, 0, 0}, {EW_EXP, "exp", -90, 89, 0, 0, 0},
		{EW_LOG, "log", 0, 100, 0, 0, 0}, {EW_LOG, "log(+eps)", 0, 1e6f, 1e-45f, 0, 0}, {EW_SQRT, "sqrt", 0, 1e6f, 0, 0, 0},
		{EW_RSQRT, "rsqrt", 0, 1e4f, 1e-12f, 0, 0}, {EW_SQUARE, "square", -99, 99, 0, 0, 0}, {EW_RECIP, "recip", -9, 9, 0, 0, 0},
		{EW_GELU, "gelu", -9, 9, 0, 0, 2e-7f}, {EW_GELU_TANH, "gelu tanh", -9, 9, 0, 0, 2e-7f},
		{EW_GELU_SIGMOID, "gelu sigmoid", -9, 9, 0, 0, 0}, {EW_TRUNC, "trunc", -300, 300, 0, 0, 0},
		{EW_ROUND, "round", -300, 300, 0, 0, 0}, {EW_CLIP, "clip", -300, 300, -128, 127, 0}, {EW_BOOL, "bool", -1, 1, 0, 0, 0},
	};
	static float x[N], want[N + 16], got[N + 16];
	for (size_t i = 0; i < ARRAY_LEN(op); i++)
		for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
			int n = lengths[l];
			fill(x, op[i].lo, op[i].hi);
			guard(got, n);
			simd_plain.un[op[i].op](want, x, n, op[i].p, op[i].q);
			s->un[op[i].op](got, x, n, op[i].p, op[i].q);
			compare(s->name, op[i].name, got, want, x, n, op[i].slack);
			s->un[op[i].op](x, x, n, op[i].p, op[i].q);
			if (memcmp(x, got, (size_t)n * sizeof *x))
				fail_msg("%s %s: in place gives something else", s->name, op[i].name);
		}
}

static void check_binary(const struct simd *s)
{
	static float a[N], b[N], want[N + 16], got[N + 16];
	for (int op = 0; op < SIMD_NBIN; op++)
		for (int form = 0; form < SIMD_NFORM; form++)
			for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
				int n = lengths[l];
				fill(a, op == EW_POW ? 0 : -9, 9);
				for (int i = 0; i < N; i++)
					b[i] = form == SIMD_VV && i < 60 ? special[i % 17] : rnd(-3, 3);
				guard(got, n);
				simd_plain.bin[op][form](want, a, b, n);
				s->bin[op][form](got, a, b, n);
				compare(s->name, "binary", got, want, a, n, 0);
			}
}

static void check_rows(const struct simd *s)
{
	static float x[N], want[N + 16], got[N + 16];
	for (size_t l = 0; l < ARRAY_LEN(lengths) - 1; l++) {
		int n = lengths[l];
		float sum = 0;
		for (int i = 0; i < N; i++)
			x[i] = i % 5 == 3 ? -65504.0f : rnd(-20, 20);
		guard(got, n);
		simd_plain.softmax(want, x, n);
		s->softmax(got, x, n);
		compare(s->name, "softmax", got, want, want, n, 5e-7f);
		for (int i = 0; i < n; i++)
			sum += got[i];
		assert_true(fabsf(sum - 1) < 1e-5f);
		assert_true(s->max(x, n) == simd_plain.max(x, n));
		for (int i = 0; i < N; i++)
			x[i] = rnd(-1, 2);
		assert_true(fabsf(s->sum(x, n) - simd_plain.sum(x, n)) <= 1e-6f * (float)n);
		assert_true(fabsf(s->dot(x, x, n) - simd_plain.dot(x, x, n)) <= 2e-6f * (float)n);
		x[n / 2] = NAN;
		assert_true(isnan(s->max(x, n)));
		assert_true(isnan(s->sum(x, n)));
		s->softmax(got, x, n);
		assert_true(isnan(got[0]));
	}
	assert_true(s->max(x, 0) == -INFINITY && s->sum(x, 0) == 0);
}

/* Every part of a tile, with a factor and what stood there; what lies outside keeps its NaN, and beta 0 reads none. */
static void check_tile(const struct simd *s)
{
	enum { K = 77, LD = SIMD_GEMM_NR_MAX + 3 };
	static float a[SIMD_GEMM_MR_MAX * K], b[SIMD_GEMM_NR_MAX * K], c[SIMD_GEMM_MR_MAX * LD], old[SIMD_GEMM_MR_MAX * LD];
	int mr = s->gemm_mr, nr = s->gemm_nr;
	assert_true(mr <= SIMD_GEMM_MR_MAX && nr <= SIMD_GEMM_NR_MAX);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		a[i] = rnd(-1, 1);
	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		b[i] = rnd(-1, 1);
	for (int rows = 1; rows <= mr; rows++)
		for (int cols = 1; cols <= nr; cols++) {
			float beta = (rows + cols) % 2 ? 0 : 0.5f;
			for (int i = 0; i < mr * LD; i++)
				c[i] = old[i] = beta == 0 || i % LD >= cols || i / LD >= rows ? NAN : rnd(-1, 1);
			s->gemm_tile(K, a, b, &(struct simd_tile){c, LD, rows, cols, -2, beta});
			for (int i = 0; i < mr; i++)
				for (int j = 0; j < LD; j++) {
					double want = 0;
					if (i >= rows || j >= cols) {
						assert_true(isnan(c[i * LD + j]));
						continue;
					}
					for (int k = 0; k < K; k++)
						want += (double)a[k * mr + i] * b[k * nr + j];
					want = -2 * want + (beta == 0 ? 0 : beta * (double)old[i * LD + j]);
					assert_true(fabs(want - c[i * LD + j]) < 3e-5);
				}
		}
}

/* Every binary16 value, its neighbours in fp32, and the middle between it and the next one, by every rule: bit for bit. */
static void check_half(const struct simd *s)
{
	enum { PER = 8 };
	static float x[PER * 64], got[PER * 64 + 16], want[PER * 64];
	static const unsigned how[] = {HALF_ROUND, HALF_ROUND | HALF_NAN_ZERO, HALF_ROUND | HALF_NAN_INF,
				       HALF_ROUND | HALF_MAC | HALF_NAN_ZERO, HALF_ROUND | HALF_LN | HALF_NAN_ZERO,
				       HALF_ROUND | HALF_FLUSH, HALF_ROUND | HALF_MAC | HALF_FLUSH | HALF_NAN_INF};
	for (unsigned h = 0; h < 65536; h += 64) {
		for (unsigned i = 0; i < 64; i++) {
			float v = fp16_to_f32((uint16_t)(h + i)), next = fp16_to_f32((uint16_t)(h + i + 1)), mid = (v + next) / 2;
			float *p = x + i * PER;
			p[0] = v;
			p[1] = nextafterf(v, INFINITY);
			p[2] = nextafterf(v, -INFINITY);
			p[3] = mid;
			p[4] = nextafterf(mid, INFINITY);
			p[5] = nextafterf(mid, -INFINITY);
			p[6] = v * 3;
			p[7] = special[(h + i) % ARRAY_LEN(special)];
		}
		for (size_t k = 0; k < ARRAY_LEN(how); k++) {
			int n = PER * 64 - (int)(h / 64 % 37);
			guard(got, n);
			simd_plain.half(want, x, n, how[k]);
			s->half(got, x, n, how[k]);
			for (int i = 0; i < n; i++)
				if (memcmp(&got[i], &want[i], 4))
					fail_msg("%s half, rule %u: of %.9g: %.9g, should be %.9g", s->name, how[k], x[i], got[i], want[i]);
			for (int i = n; i < n + 16; i++)
				assert_true(got[i] == 1234);
			for (int i = 0; k == 0 && i < n; i++) {
				float plain = fp16_round(x[i]);
				assert_memory_equal(&want[i], &plain, 4);
			}
		}
	}
}

/* A kernel that rounds by itself is the kernel, and then the rounding. */
static void check_rounded(const struct simd *s)
{
	static float a[N], b[N], want[N + 16], got[N + 16];
	for (size_t l = 0; l < ARRAY_LEN(lengths); l++)
		for (int k = 0; k < SIMD_NBIN * SIMD_NFORM + EW_NOP; k++) {
			int n = lengths[l], op = k % SIMD_NBIN, form = k / SIMD_NBIN, un = k - SIMD_NBIN * SIMD_NFORM;
			if (un < 0 ? !s->bin_half[op][form] : !s->un_half[un])
				continue;
			fill(a, -9, 9);
			fill(b, -3, 3);
			guard(got, n);
			if (un < 0) {
				s->bin[op][form](want, a, b, n);
				s->bin_half[op][form](got, a, b, n);
			} else {
				s->un[un](want, a, n, 0.5f, 2);
				s->un_half[un](got, a, n, 0.5f, 2);
			}
			s->half(want, want, n, SIMD_HALF);
			assert_memory_equal(got, want, (size_t)n * sizeof *got);
			for (int i = n; i < n + 16; i++)
				assert_true(got[i] == 1234);
		}
}

/* The rules themselves, in numbers. */
static void test_half_rules(void **st)
{
	(void)st;
	const struct { float x; unsigned how; float y; } c[] = {
		{32752, HALF_MAC, 32752}, {32767.9f, HALF_MAC, 32768}, {32768, HALF_MAC, INFINITY}, {-40000, HALF_MAC, -INFINITY},
		{40000, 0, 40000}, {65519, 0, 65504}, {65520, 0, INFINITY}, {NAN, HALF_NAN_INF, INFINITY}, {-NAN, HALF_NAN_ZERO, 0},
		{-INFINITY, HALF_LN, -45440}, {-INFINITY, 0, -INFINITY}, {6.0e-5f, HALF_FLUSH, 0}, {6.2e-5f, HALF_FLUSH, 6.198883e-5f},
		{2049, 0, 2048}, {2051, 0, 2052}, {3e-8f, 0, 5.9604645e-8f}, {2.9e-8f, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		float y;
		simd_plain.half(&y, &c[i].x, 1, HALF_ROUND | c[i].how);
		if (!(y == c[i].y))
			fail_msg("%.9g by rule %u is %.9g, should be %.9g", c[i].x, c[i].how, y, c[i].y);
	}
}

static void test_levels(void **st)
{
	(void)st;
	assert_ptr_not_equal(simd_best(), NULL);
	for (int l = 0; l < SIMD_LEVELS; l++) {
		const struct simd *s = simd_level(l);
		if (!s)
			continue;
		check_unary(s);
		check_binary(s);
		check_rows(s);
		check_tile(s);
		check_half(s);
		check_rounded(s);
		print_message("# %s agrees with the plain kernels\n", s->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels), cmocka_unit_test(test_half_rules)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
