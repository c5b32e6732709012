/* clock.h: monotonic time, and whether all of it was ours. Wall time is for logs only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_CLOCK_H
#define ANETUI_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed moment; never goes back. */
uint64_t clock_ns(void);

/* Time in which nothing ran: the process was stopped (^Z, SIGSTOP) or the machine asleep. What was measured across it is no speed.
 * Each who measures keeps one of these, all zero at first. */
struct clock_seen { uint64_t begun, continued; int64_t asleep_ns; };
/* 1: that has happened since the last call with this `seen` (0 the first time). *lost_s (may be NULL): seconds of it that clock_ns did not count.
 * On a thread that has SIGCONT blocked it is right even before the main thread has come to its handler. */
int clock_stopped_since(struct clock_seen *seen, double *lost_s);
/* For the handler of SIGCONT. */
void clock_continued(void);

#endif
