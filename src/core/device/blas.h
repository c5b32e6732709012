/* blas.h: what blas.c found, for gemm.c: one function pointer. Not an interface for other rooms (gemm.h is).
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_BLAS_H
#define ANETUI_DEVICE_BLAS_H

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

struct blas *blas_get(void);

/* The built-in product (gemm_builtin.c): same contract as gemm_here. */
void gemm_builtin(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
		  const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

#endif
