/* clock.c: monotonic time; stops are known by SIGCONT, sleep by a clock that goes on in it.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>

/* Less is no sleep but what lies between two readings. */
enum { SLEEP_NS = 1000000000, NEAR_NS = 1000000, TRIES = 5 };

static _Atomic uint64_t continued;

static int64_t read_clock(clockid_t id)
{
	struct timespec t = {0};
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint64_t clock_ns(void)
{
	return (uint64_t)read_clock(CLOCK_MONOTONIC);
}

#if defined CLOCK_BOOTTIME
#define CLOCK_ALWAYS CLOCK_BOOTTIME
#define CLOCK_AWAKE CLOCK_MONOTONIC
#elif defined CLOCK_UPTIME_RAW
#define CLOCK_ALWAYS CLOCK_MONOTONIC_RAW
#define CLOCK_AWAKE CLOCK_UPTIME_RAW
#else
#define CLOCK_ALWAYS CLOCK_MONOTONIC
#define CLOCK_AWAKE CLOCK_MONOTONIC
#endif

/* All of the machine's sleep so far. The two readings must lie side by side: this thread may have to wait, or be stopped, between them. */
static int64_t asleep_ns(void)
{
	int64_t best = 0, apart = INT64_MAX;
	for (int i = 0; i < TRIES && apart > NEAR_NS; i++) {
		int64_t before = read_clock(CLOCK_AWAKE), always = read_clock(CLOCK_ALWAYS), after = read_clock(CLOCK_AWAKE);
		if (after - before < apart) {
			apart = after - before;
			best = always - after;
		}
	}
	return best;
}

void clock_continued(void)
{
	atomic_fetch_add(&continued, 1);
}

/* A signal that waits for its handler counts already, and once: whichever of the two comes first, the sum is the same. */
static uint64_t continued_so_far(void)
{
	sigset_t waiting;
	uint64_t before = atomic_load(&continued);
	int pending = !sigpending(&waiting) && sigismember(&waiting, SIGCONT) == 1;
	uint64_t after = atomic_load(&continued);
	return after != before ? after : before + (uint64_t)pending;
}

int clock_stopped_since(struct clock_seen *seen, double *lost_s)
{
	struct clock_seen was = *seen;
	*seen = (struct clock_seen){1, continued_so_far(), asleep_ns()};
	int64_t slept = seen->asleep_ns - was.asleep_ns;
	int asleep = was.begun && slept >= SLEEP_NS;
	if (!asleep && was.begun)
		seen->asleep_ns = was.asleep_ns; /* small differences must not add up unseen */
	if (lost_s)
		*lost_s = asleep && CLOCK_AWAKE == CLOCK_MONOTONIC ? (double)slept / 1e9 : 0;
	return was.begun && (asleep || seen->continued != was.continued);
}
