/* standin.h: what the stand-in BLAS exports; the test looks the names up in each copy of it.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TESTS_BLAS_STANDIN_H
#define ANETUI_TESTS_BLAS_STANDIN_H

enum { STANDIN_THREADS = 64, STANDIN_MARK = 77 };

extern int standin_calls;
extern double standin_gflops[STANDIN_THREADS + 1]; /* by threads: what the test's clock would show */
void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

#endif
