/* int8.c: int8.h in plain C, and which one this processor runs. SPDX-License-Identifier: MIT */
#include "sample/int8.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "sample/int8_pack.h"

/* --- the plain product --- */

static float group_times(const struct int8_block *b, int row, const struct int8_group *x)
{
	int32_t sum = 0;
	for (int i = 0; i < INT8_GROUP; i++)
		sum += (b->q[i / 4][row][i % 4] - INT8_ZERO) * x->q[i];
	float scale = b->scale[row] * x->scale;
	return (float)sum * scale;
}

static void times(float *y, const struct int8_block *a, const struct int8_group *x, int64_t m, int64_t groups)
{
	for (int64_t r = 0; r < m; r++) {
		const struct int8_block *b = a + r / INT8_TILE * groups;
		float sum = 0;
		for (int64_t g = 0; g < groups; g++)
			sum += group_times(b + g, (int)(r % INT8_TILE), x + g);
		y[r] = sum;
	}
}

const struct int8_rows int8_plain = {"plain", times, pack, vector};

/* --- which --- */

const struct int8_rows *int8_nth(int i)
{
	const struct int8_rows *can[3];
	int n = 0;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"))
		can[n++] = &int8_vnni;
	if (__builtin_cpu_supports("avx2"))
		can[n++] = &int8_avx2;
#elif defined(__aarch64__) && defined(__APPLE__)
	can[n++] = &int8_dot; /* every one of theirs has it */
#elif defined(__aarch64__) && defined(__linux__)
	if (getauxval(AT_HWCAP) & (1 << 20)) /* HWCAP_ASIMDDP */
		can[n++] = &int8_dot;
#endif
	can[n++] = &int8_plain;
	return i >= 0 && i < n ? can[i] : NULL;
}

const struct int8_rows *int8_best(void)
{
	return int8_nth(0);
}
