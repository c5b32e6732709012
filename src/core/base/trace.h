/* trace.h: a timeline of the process: who did what from when to when, as a file that Perfetto and chrome://tracing open. No sums, no verdicts (see meter/timing.h).
 *
 * There is one timeline in a process, as there is one clock: spans of all threads stand in one table of bounded size. While nothing is recorded a span costs one
 * relaxed load. A full table takes no more spans and counts them; what is in it stays whole. SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_TRACE_H
#define ANETUI_BASE_TRACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum trace_kind { TRACE_PROGRAM, TRACE_HOST, TRACE_WAIT, TRACE_ASYNC, TRACE_LOOP, TRACE_STEP, TRACE_CKPT, TRACE_SAMPLE, TRACE_EVAL, TRACE_KINDS };

enum { TRACE_SPANS = 1 << 18, TRACE_NONE = -1 };

extern atomic_int trace_recording; /* for trace_on alone */

static inline int trace_on(void)
{
	return atomic_load_explicit(&trace_recording, memory_order_relaxed);
}

/* The calling thread's name in timelines, copied; once, when it begins. A thread without one is "thread". */
void trace_thread(const char *name);
/* [begin, end) of clock_ns, on the calling thread; `name` is copied (23 bytes). `number`: which one (a layer, a step), TRACE_NONE: none. Does nothing while nothing is
 * recorded; spans that began before the recording are left out, so that what is there is nested. */
void trace_span(enum trace_kind kind, const char *name, uint64_t begin, uint64_t end, int64_t number);

/* Begins: makes the table for at most `spans` (16 MiB for TRACE_SPANS). ERR_STATE: something is being recorded. Begin, end and write are called from one thread. */
int trace_begin(size_t spans, struct err *e);
/* Ends: afterwards no thread touches the table, which stays until trace_drop. */
void trace_end(void);
/* The recorded spans as Chrome's trace JSON, by the save protocol: whole or not at all. */
int trace_write(const char *path, struct err *e);
void trace_drop(void);
/* Spans kept so far, and spans that found the table full. */
size_t trace_count(void);
uint64_t trace_lost(void);

#endif
