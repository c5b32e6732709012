/* rows_avx2.c: rows.h in 32-byte vectors. SPDX-License-Identifier: MIT */
#if defined(__x86_64__)
#define ROWS_NAME rows_avx2
#define ROWS_WORD "avx2"
#define ROWS_BYTES 32
#define ROWS_TOGETHER 4
#include "sample/rows_body.h"
#else
typedef int rows_avx2_is_empty;
#endif
