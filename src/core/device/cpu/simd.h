/* simd.h: rows of floats through one operation: the table of kernels of each instruction set. Plain C is the truth.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_CPU_SIMD_H
#define ANETUI_DEVICE_CPU_SIMD_H

#include <stdint.h>

/* What an element-wise instruction computes. p and q are its two parameters. */
enum ew_op {
	EW_ADD, EW_SUB, EW_MUL, EW_DIV, EW_POW, EW_MAX, /* two operands */
	EW_MOV,
	EW_SIGMOID, EW_SILU, EW_RELU, EW_TANH, EW_EXP,
	EW_LOG,             /* ln(x + p) */
	EW_SQRT,
	EW_RSQRT,           /* 1 / sqrt(x + p) */
	EW_SQUARE, EW_RECIP,
	EW_GELU,            /* x/2 (1 + erf(x / sqrt 2)) */
	EW_GELU_TANH,       /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
	EW_GELU_SIGMOID,    /* x sigmoid(1.702 x) */
	EW_TRUNC, EW_ROUND, /* to zero; to nearest, ties to even */
	EW_CLIP,            /* into [p, q] */
	EW_BOOL,            /* x != 0 */
	EW_SELECT,          /* three operands: cond ? a : b */
	EW_NOP
};

enum { SIMD_NBIN = EW_MAX + 1 };

/* Which operands of a two-operand kernel are rows (V) and which one number (S). */
enum simd_form { SIMD_VV, SIMD_VS, SIMD_SV, SIMD_NFORM };

/* How a row becomes binary16 (kept as fp32). Each flag is looked at before the rounding, which is to nearest even. */
enum half_how {
	HALF_ROUND = 1,     /* always set where anything is rounded: 65520 and more become infinite */
	HALF_MAC = 2,       /* |x| >= 32768 becomes infinite */
	HALF_NAN_ZERO = 4,  /* NaN becomes +0 */
	HALF_NAN_INF = 8,   /* NaN becomes +infinity */
	HALF_LN = 16,       /* -infinity becomes -45440 */
	HALF_FLUSH = 32,    /* below 2^-14 becomes a zero of its sign */
	HALF_GAIN = 64      /* |x| > 4094 becomes infinite */
};

/* What the kernels with a rounding of their own do. */
enum { SIMD_HALF = HALF_ROUND | HALF_NAN_ZERO };

typedef void simd_bin(float *d, const float *a, const float *b, int64_t n);
typedef void simd_un(float *d, const float *a, int64_t n, float p, float q);

/* Where a tile goes: rows <= gemm_mr, cols <= gemm_nr. beta == 0 does not read C. */
struct simd_tile {
	float *c;
	int64_t ldc, rows, cols;
	float alpha, beta;
};

/* d may be a or b itself; other overlaps are not allowed. Any n >= 0, no alignment needed. */
struct simd {
	const char *name; /* "plain", "SSE2", "NEON", "AVX2", "AVX-512" */
	simd_bin *bin[SIMD_NBIN][SIMD_NFORM];
	simd_un *un[EW_NOP]; /* NULL for the others */
	/* The same, the result rounded by SIMD_HALF: exactly op and then half. NULL where there is no such kernel. */
	simd_bin *bin_half[SIMD_NBIN][SIMD_NFORM];
	simd_un *un_half[EW_NOP];
	float (*sum)(const float *a, int64_t n);
	float (*max)(const float *a, int64_t n);  /* NaN if there is one; -inf for n == 0 */
	float (*dot)(const float *a, const float *b, int64_t n);
	/* d = exp(a - max a) / sum */
	void (*softmax)(float *d, const float *a, int64_t n);
	/* d = the nearest binary16 values of a, by enum half_how; without one of its flags NaN stays, in its plainest form. */
	void (*half)(float *d, const float *a, int64_t n, unsigned how);
	/* C = alpha ap[k][gemm_mr]^T bp[k][gemm_nr] + beta C, of which a tile is written: the inner loop of the built-in product. */
	void (*gemm_tile)(int64_t k, const float *ap, const float *bp, const struct simd_tile *to);
	int gemm_mr, gemm_nr;
};

enum { SIMD_GEMM_MR_MAX = 12, SIMD_GEMM_NR_MAX = 32 };

extern const struct simd simd_plain;
/* NULL where this build does not have them; whether the processor does is simd_level's business. */
const struct simd *simd_v128(void), *simd_avx2(void), *simd_avx512(void);

enum { SIMD_LEVELS = 4 };
/* 0 plain, 1 of 128 bits (SSE2, NEON), 2 AVX2, 3 AVX-512, complete; NULL where the processor or the system lacks it. */
const struct simd *simd_level(int level);
/* The fastest that this processor has; $ANETUI_SIMD=plain|128|avx2|avx512 takes a lower one. */
const struct simd *simd_best(void);

#endif
