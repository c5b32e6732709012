/* standin.c: a BLAS for the tests of choosing one: it counts its calls, writes a mark and is as fast as it is told. Multiplies nothing.
 * SPDX-License-Identifier: MIT */
#include "blas/standin.h"

int standin_calls;
double standin_gflops[STANDIN_THREADS + 1];

void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
	(void)order, (void)ta, (void)tb, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda, (void)b, (void)ldb, (void)beta, (void)ldc;
	__atomic_fetch_add(&standin_calls, 1, __ATOMIC_RELAXED);
	*c = STANDIN_MARK;
}
