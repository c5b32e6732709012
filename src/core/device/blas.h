/* blas.h: the libraries that blas.c opens, for gemm.c and blas_choice.c: one function pointer each. Not an interface for other rooms (gemm.h is).
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_BLAS_H
#define ANETUI_DEVICE_BLAS_H

#include <stddef.h>
#include <stdint.h>

#include "device/gemm.h"

enum { CBLAS_ROW_MAJOR = 101, CBLAS_NO_TRANS = 111, CBLAS_TRANS = 112 };

/* cblas_sgemm with 32-bit integers, as every library that we open exports it. */
typedef void blas_sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
			   const float *b, int ldb, float beta, float *c, int ldc);

struct blas {
	struct blas_info info;
	blas_sgemm_fn *sgemm; /* NULL: the built-in kernel */
};

/* The one in use: what blas_take gave, else the first of the libraries that opens. */
struct blas *blas_get(void);
/* Makes `b` the one in use. 0; -1: one is in use already, and stays. */
int blas_take(const struct blas *b);

/* The libraries that are looked for, in order; the built-in product comes after them under this name. NULL ends the list. */
const char *const *blas_names(void);
#define BLAS_BUILTIN "built-in"
#define BLAS_NONE_FOUND "no BLAS library found: slower (install libopenblas0, openblas or blis)"
#define BLAS_LIMITED "memory is limited (ulimit -v, -d): a BLAS library that gets none waits forever or aborts"
#define BLAS_WISH_FAILS "ANETUI_BLAS=%.60s does not open or has no cblas_sgemm"
/* Opens one of them (or any library) into *b, after the environment was set. -1: there is none that opens and has cblas_sgemm. */
int blas_open_library(struct blas *b, const char *name);
/* The file that it was read from; "" where that is not known. */
void blas_file(const struct blas *b, char *path, size_t n);
/* What $ANETUI_BLAS asks for, "" for nothing; and what OpenBLAS was told to take, by us or by the environment. */
const char *blas_wish(void);
const char *blas_named_kernels(void);

/* sgemm of one library on that many threads in GFLOP/s, the best of what fits into about `ns`; 0: no memory. For comparing; see blas_measure. */
double blas_rate(const struct blas *b, int threads, uint64_t ns);

/* The built-in product (gemm_builtin.c): same contract as gemm_here. */
void gemm_builtin(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
		  const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

#endif
