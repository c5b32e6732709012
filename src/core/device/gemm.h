/* gemm.h: single-precision matrix products on the pool, through whichever BLAS was found. Not a BLAS.
 *
 * The library is opened at run time, after its environment was set so that it picks the right kernels and stays single-threaded.
 * A product is cut into blocks fixed by its shape alone, each one single-threaded call, so the bytes do not depend on the
 * number of threads. SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_GEMM_H
#define ANETUI_DEVICE_GEMM_H

#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

/* What was found, for the screen, the start event and checkpoints. */
struct blas_info {
	char library[64]; /* "OpenBLAS 0.3.21", "Accelerate", "built-in" */
	char kernels[32]; /* "SkylakeX", "Haswell", ... as the library reports it; the instruction set for the built-in one */
	char note[160];   /* what we had to do, or why the built-in one is used; may be empty */
	double gflops;    /* measured by blas_measure, 0 before */
};

/* Sets the environment that the library will read. To be called before other threads begin: who reads a variable while another is set may crash. */
void blas_prepare(void);
/* Opens the BLAS once a process (later calls return the same). Never fails: without a library the built-in
 * kernel is used and info->note says so. $ANETUI_BLAS names a library to take, or "built-in";
 * $ANETUI_BLAS_KERNELS names OpenBLAS's kernels. */
const struct blas_info *blas_open(void);
/* sgemm(1024) on this pool for at most ~100 ms, GFLOP/s; remembered in blas_info. */
double blas_measure(struct pool *p);
/* What an earlier process has measured. */
void blas_measured(double gflops);

/* C[m,n] = alpha * op(A)[m,k] * op(B)[k,n] + beta * C, row-major. lda is the row stride of A as it is stored
 * (A[m,k], or A[k,m] when ta). beta == 0 does not read C. */
void gemm(struct pool *p, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
	  const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* Independent products run together: their blocks are larger (less packing) and no thread waits between them. The
 * cut follows from the shapes of all of them. mb, nb, ncol and first are filled in. */
struct gemm_call {
	int ta, tb;
	int64_t m, n, k;
	float alpha, beta;
	const float *a, *b;
	float *c;
	int64_t lda, ldb, ldc;
	unsigned half; /* enum half_how: C becomes binary16, block by block; the cut is then the product's own. 0: fp32 */
	int64_t mb, nb, ncol, first;
};
void gemm_many(struct pool *p, struct gemm_call *call, int n);

/* The same inside a pool task: one single-threaded call. */
void gemm_here(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b,
	       int64_t ldb, float beta, float *c, int64_t ldc);

/* y[m] = A[m,n] x[n], row-major, on the pool: one token of decoding, bound by memory. */
void gemv(struct pool *p, int64_t m, int64_t n, const float *a, int64_t lda, const float *x, float *y);

#endif
