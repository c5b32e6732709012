/* int8.h: matrices as 8-bit whole numbers with a scale for each group of 64 in a row, and rows of them times a vector that is held the same way. No threads.
 *
 * A group of values v is kept as q = round(127 v / max|v|), halves to even, and scale = max|v| / 127. Where max|v| is below 1e-36 all of it counts as zero; where
 * one value is not finite the scale is NaN, and with it every sum that the group takes part in. Rows end on a whole group, with zeros.
 *
 * y[r] = sum over groups g, in order, of (float)(sum over i of qa[r, g, i] qx[g, i]) * (scale_a[r, g] * scale_x[g]). The inner sums are whole numbers below
 * 2^24 (64 * 127^2 is 1,032,256), so all kernels give the same bytes, in whatever order they take them. SPDX-License-Identifier: MIT */
#ifndef ANETUI_SAMPLE_INT8_H
#define ANETUI_SAMPLE_INT8_H

#include <stddef.h>
#include <stdint.h>

enum {
	INT8_GROUP = 64,
	INT8_TILE = 16,  /* rows that lie together: a sum a lane */
	INT8_ZERO = 128, /* weights are kept as q + 128, what the processors' products of unsigned and signed bytes want */
};

/* 16 rows of one group: byte [i / 4][row][i % 4] is element i. */
struct int8_block {
	uint8_t q[INT8_GROUP / 4][INT8_TILE][4];
	float scale[INT8_TILE];
};

/* One vector group: `sum` is that of q. */
struct int8_group {
	int8_t q[INT8_GROUP];
	float scale;
	int32_t sum;
};

struct int8_rows {
	const char *name;
	/* y[m] = A x: block [ceil(m / 16)][groups], x [groups]. Nothing behind y[m - 1] is written. */
	void (*times)(float *y, const struct int8_block *a, const struct int8_group *x, int64_t m, int64_t groups);
	/* Rows r0 to r1 of a [m, n], row-major; r0 is a multiple of 16, r1 one or m. `out` is the whole matrix's [tiles][groups]. */
	void (*pack)(struct int8_block *out, const float *a, int64_t m, int64_t n, int64_t r0, int64_t r1);
	/* x [n] to out [int8_groups(n)]. */
	void (*vector)(struct int8_group *out, const float *x, int64_t n);
};

static inline int64_t int8_groups(int64_t n)
{
	return (n + INT8_GROUP - 1) / INT8_GROUP;
}

static inline int64_t int8_tiles(int64_t m)
{
	return (m + INT8_TILE - 1) / INT8_TILE;
}

/* The best for this processor; the i-th that it can run, NULL behind the last. */
const struct int8_rows *int8_best(void);
const struct int8_rows *int8_nth(int i);

extern const struct int8_rows int8_plain;
#if defined(__x86_64__)
extern const struct int8_rows int8_avx2, int8_vnni;
#elif defined(__aarch64__)
extern const struct int8_rows int8_dot;
#endif

#endif
