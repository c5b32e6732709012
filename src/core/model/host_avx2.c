/* host_avx2.c: the host loops for processors with AVX2. SPDX-License-Identifier: MIT */
#if defined(__x86_64__)
#include "model/host_loops.h"

extern const struct host_loops host_loops_avx2;
#define HOST_LOOPS host_loops_avx2
#define HOST_LOOPS_NAME "AVX2"
#include "model/host_loops.h"
#else
typedef int no_avx2; /* a file must hold something */
#endif
