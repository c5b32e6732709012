/* simd.c: picks the kernels that run on this processor, fills gaps from the plain ones. Holds none.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/simd.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static struct simd level[SIMD_LEVELS];
static int have[SIMD_LEVELS];
static const struct simd *best;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
/* Not every compiler's __builtin_cpu_supports knows this one. */
static int has_f16c(void)
{
	unsigned a, b, c, d;
	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

static int processor_has(int l)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (l == 2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
	if (l == 3)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") && has_f16c();
#endif
	return l < 2;
}

static void complete(struct simd *s)
{
	for (int i = 0; i < SIMD_NBIN; i++)
		for (int f = 0; f < SIMD_NFORM; f++)
			if (!s->bin[i][f])
				s->bin[i][f] = simd_plain.bin[i][f];
	for (int i = 0; i < EW_NOP; i++)
		if (!s->un[i])
			s->un[i] = simd_plain.un[i];
}

static void look(void)
{
	const struct simd *table[SIMD_LEVELS] = {&simd_plain, simd_v128(), simd_avx2(), simd_avx512()};
	static const char *const names[SIMD_LEVELS] = {"plain", "128", "avx2", "avx512"};
	const char *wish = getenv("ANETUI_SIMD");
	int most = SIMD_LEVELS - 1;
	for (int l = 0; wish && l < SIMD_LEVELS; l++)
		if (!strcmp(wish, names[l]))
			most = l;
	for (int l = 0; l < SIMD_LEVELS; l++) {
		if (!table[l] || !processor_has(l))
			continue;
		level[l] = *table[l];
		complete(&level[l]);
		have[l] = 1;
		if (l <= most)
			best = &level[l];
	}
}

const struct simd *simd_level(int l)
{
	pthread_once(&once, look);
	return l >= 0 && l < SIMD_LEVELS && have[l] ? &level[l] : NULL;
}

const struct simd *simd_best(void)
{
	pthread_once(&once, look);
	return best;
}
