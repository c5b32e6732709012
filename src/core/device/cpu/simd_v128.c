#include <stddef.h>
#include "device/cpu/simd.h"
const struct simd *simd_v128_table(void) { return NULL; }
const struct simd *simd_avx2_table(void) { return NULL; }
const struct simd *simd_avx512_table(void) { return NULL; }
