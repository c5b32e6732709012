/* host_base.c: the host loops for every processor of this architecture. SPDX-License-Identifier: MIT */
#include "model/host_loops.h"

extern const struct host_loops host_loops_base;
#define HOST_LOOPS host_loops_base
#define HOST_LOOPS_NAME "base"
#include "model/host_loops.h"
