/* rows_avx512.c: rows.h in 64-byte vectors. SPDX-License-Identifier: MIT */
#if defined(__x86_64__)
#define ROWS_NAME rows_avx512
#define ROWS_WORD "avx512"
#define ROWS_BYTES 64
#define ROWS_TOGETHER 8
#include "sample/rows_body.h"
#else
typedef int rows_avx512_is_empty;
#endif
