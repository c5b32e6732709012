/* simd.c: picks the kernels that run on this processor. Holds none.
 * SPDX-License-Identifier: MIT */
#include "device/cpu/simd.h"

#include <stdlib.h>
#include <string.h>

const struct simd *simd_best(void)
{
	const char *wish = getenv("ANETUI_SIMD");
	int level = !wish ? 3 : !strcmp(wish, "plain") ? 0 : !strcmp(wish, "128") ? 1 : !strcmp(wish, "avx2") ? 2 : 3;
	const struct simd *s = NULL;
	if (level >= 3)
		s = simd_avx512_table();
	if (!s && level >= 2)
		s = simd_avx2_table();
	if (!s && level >= 1)
		s = simd_v128_table();
	return s ? s : &simd_plain;
}
