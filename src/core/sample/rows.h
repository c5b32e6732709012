/* rows.h: the two inner loops of decoding one token: rows times a vector, and a weighted sum of rows. No threads.
 *
 * The same text is compiled for each processor class. Every row is summed in 16 lanes and one fixed tree, without fused
 * multiply-add, so all of them give the same bytes. SPDX-License-Identifier: MIT */
#ifndef ANETUI_SAMPLE_ROWS_H
#define ANETUI_SAMPLE_ROWS_H

#include <stdint.h>

struct rows {
	const char *name;
	/* y[m] = A[m, n] x[n]; lda: floats from row to row. */
	void (*times)(float *y, const float *a, int64_t lda, const float *x, int64_t m, int64_t n);
	/* y[n] = sum over i < m of w[i] * A[i, n]. */
	void (*weigh)(float *y, const float *w, const float *a, int64_t lda, int64_t m, int64_t n);
};

/* The best for this processor. */
const struct rows *rows_best(void);
/* The i-th that this processor can run, NULL behind the last: for tests. */
const struct rows *rows_nth(int i);

extern const struct rows rows_plain;
#if defined(__x86_64__)
extern const struct rows rows_avx2, rows_avx512;
#endif

#endif
