/* rows.c: rows.h in 16-byte vectors (SSE2, NEON, or what the compiler makes of them), and which one this processor runs.
 * SPDX-License-Identifier: MIT */
#define ROWS_NAME rows_plain
#define ROWS_WORD "plain"
#define ROWS_BYTES 16
#if defined(__aarch64__)
#define ROWS_TOGETHER 4
#else
#define ROWS_TOGETHER 2
#endif
#include "sample/rows_body.h"

#include <stddef.h>

const struct rows *rows_nth(int i)
{
	const struct rows *can[3];
	int n = 0;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq"))
		can[n++] = &rows_avx512;
	if (__builtin_cpu_supports("avx2"))
		can[n++] = &rows_avx2;
#endif
	can[n++] = &rows_plain;
	return i < n ? can[i] : NULL;
}

const struct rows *rows_best(void)
{
	return rows_nth(0);
}
