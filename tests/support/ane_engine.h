/* ane_engine.h: what runs programs behind the stand-in for macOS' libraries: another device of ours. Also opens the ane device on it.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_ANE_ENGINE_H
#define TESTS_SUPPORT_ANE_ENGINE_H

#include "ane/standin.h"
#include "base/pool.h"
#include "device/device.h"

/* The stand-in, all knobs as on an "Apple M4" with a budget of compiles that does not end; opened once, beside the test program. Programs run on a
 * device of this spec ("sim"), with this pool. The temporary folder is a new one in the current one. */
struct standin *ane_engine_begin(const char *spec, struct pool *pool, int budget);
/* What must be true when all is freed: no objects, pools, programs, folders; no rule broken. Fails the test. */
void ane_engine_end(struct standin *s);

#endif
