/* host_avx512.c: the host loops for processors with AVX-512. SPDX-License-Identifier: MIT */
#if defined(__x86_64__)
#include "model/host_loops.h"

extern const struct host_loops host_loops_avx512;
#define HOST_LOOPS host_loops_avx512
#define HOST_LOOPS_NAME "AVX-512"
#include "model/host_loops.h"
#else
typedef int no_avx512; /* a file must hold something */
#endif
