/* test_meter.c: the timing table and the process meter. Sums and bounds, no wall-clock verdicts.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "meter/proc.h"
#include "meter/timing.h"

static void close_to(double got, double want)
{
	if (!(fabs(got - want) <= 1e-6 * fabs(want) + 1e-9))
		fail_msg("%.9g is not %.9g", got, want);
}

/* One micro-step whose measured total is replaced by a known one. */
static void micro(struct timing *t, uint64_t total_ns, int nrow, const int *row, const uint64_t *ns)
{
	timing_micro_begin(t);
	for (int i = 0; i < nrow; i++)
		timing_add(t, row[i], ns[i], 1e6);
	timing_micro_end(t);
	t->hist_total[(t->micro - 1) % TIMING_HIST] = (float)total_ns;
}

static struct timing *fresh(void)
{
	struct timing *t = malloc(sizeof *t);
	assert_non_null(t);
	timing_reset(t);
	return t;
}

static void test_rows(void **state)
{
	(void)state;
	struct timing *t = fresh();
	int a = timing_row(t, "fwdAttn", TIMING_PROGRAM), b = timing_row(t, "update", TIMING_HOST);
	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	assert_int_equal(timing_row(t, "fwdAttn", TIMING_PROGRAM), a);
	assert_int_equal(timing_row(t, "fwdAttn", TIMING_OVERLAP), 2); /* the same name in another column */
	const char *long_name = "a name that is longer than a row's";
	int l = timing_row(t, long_name, TIMING_HOST);
	assert_int_equal(timing_row(t, long_name, TIMING_HOST), l);
	assert_int_equal(strlen(t->row[l].name), TIMING_NAME - 1);
	assert_int_equal(timing_row(NULL, "x", TIMING_HOST), -1);
	timing_add(NULL, 0, 1, 1);
	timing_add(t, -1, 1, 1);
	timing_micro_begin(NULL);
	timing_micro_end(NULL);
	char name[16];
	for (int i = 0; t->n < TIMING_ROWS; i++) {
		snprintf(name, sizeof name, "r%d", i);
		assert_true(timing_row(t, name, TIMING_HOST) >= 0);
	}
	assert_int_equal(timing_row(t, "one more", TIMING_HOST), -1);
	free(t);
}

static void test_sums(void **state)
{
	(void)state;
	struct timing *t = fresh();
	int row[4] = {timing_row(t, "p", TIMING_PROGRAM), timing_row(t, "h", TIMING_HOST), timing_row(t, "w", TIMING_WAIT),
		      timing_row(t, "o", TIMING_OVERLAP)};
	double p50, p95;
	timing_percentiles(t, -1, &p50, &p95);
	assert_true(p50 == 0 && p95 == 0);
	assert_true(timing_mean_ms(t, -1, 10) == 0);
	timing_add(t, row[1], 77000000, 5); /* between micro-steps: in the whole, in no micro-step */
	for (int i = 1; i <= 20; i++)
		micro(t, 10000000, 4, row, (uint64_t[]){6000000, 2000000, 1000000, 8000000});
	close_to(timing_mean_ms(t, row[0], 10), 6);
	close_to(timing_mean_ms(t, row[1], 100), 2);
	close_to(timing_mean_ms(t, -1, 5), 10);
	close_to(timing_mean_ms(t, -2, 5), 1); /* 10 - 6 - 2 - 1; the overlapped 8 are not taken off */
	assert_int_equal(t->row[row[1]].calls, 21);
	assert_int_equal(t->row[row[1]].ns, 77000000 + 20 * 2000000);
	assert_int_equal(t->row[row[0]].last_calls, 1);
	close_to(t->row[row[0]].last_flops, 1e6);
	assert_int_equal(t->micro, 20);
	free(t);
}

static void test_percentiles(void **state)
{
	(void)state;
	struct timing *t = fresh();
	int row = timing_row(t, "p", TIMING_PROGRAM);
	double p50, p95;
	for (uint64_t i = 1; i <= 3 * TIMING_HIST; i++) /* only the last TIMING_HIST count: 129..192 ms */
		micro(t, i * 1000000, 1, &row, &(uint64_t){i * 1000000});
	timing_percentiles(t, row, &p50, &p95);
	close_to(p50, 161);
	close_to(p95, 189);
	timing_percentiles(t, -1, &p50, &p95);
	close_to(p50, 161);
	close_to(timing_mean_ms(t, row, 2), 191.5);
	close_to(timing_mean_ms(t, row, 100000), 160.5);
	/* Longer than 32 bits of nanoseconds: cut, not wrapped. */
	micro(t, 1, 1, &row, &(uint64_t){UINT64_C(10000000000)});
	close_to(timing_mean_ms(t, row, 1), 10000); /* ten seconds, more than 32 bits of nanoseconds */
	free(t);
}

static void test_micro_is_measured(void **state)
{
	(void)state;
	struct timing *t = fresh();
	uint64_t before = clock_ns();
	timing_micro_begin(t);
	timing_micro_end(t);
	assert_true(t->total_ns <= clock_ns() - before);
	free(t);
}

static void burn(uint64_t ns)
{
	volatile double x = 1;
	for (uint64_t end = clock_ns() + ns; clock_ns() < end;)
		for (int i = 0; i < 1000; i++)
			x = x * 1.0000001;
}

static void test_proc(void **state)
{
	(void)state;
	struct proc p;
	proc_init(&p);
	assert_true(isnan(p.view.cpu));
	assert_true(p.view.cpus >= 1);
	uint64_t now = clock_ns();
	proc_poll(&p, now);
	assert_true(isnan(p.view.cpu) && p.view.n == 0);
	assert_true(p.view.rss > 100000 && p.view.peak >= p.view.rss);
	size_t n = 64u << 20;
	char *big = malloc(n);
	assert_non_null(big);
	memset(big, 1, n);
	uint64_t rss = p.view.rss;
	burn(30000000);
	proc_poll(&p, now + 500000000); /* less than a second: not read */
	assert_int_equal(p.view.n, 0);
	proc_poll(&p, now + 1000000000);
	assert_int_equal(p.view.n, 1);
	assert_true(p.view.cpu > 0 && isfinite(p.view.cpu));
	assert_true(p.view.rss >= rss + n / 2);
	assert_true(fabs(p.view.rss_hist[0] * 1048576.0 - (double)p.view.rss) < 1048576);
	assert_true(big[n - 1] == 1);
	free(big);
	for (uint64_t i = 2; i < 400; i++)
		proc_poll(&p, now + i * 1000000000);
	assert_int_equal(p.view.n, PROC_HIST);
	assert_true(isfinite(p.view.cpu_hist[0]) && p.view.cpu_hist[PROC_HIST - 1] == (float)p.view.cpu);
	assert_true(p.view.peak >= n);
}

/* A micro-step in which the program was stopped leaves no trace: neither in the kept ones nor in the sums. */
static void test_stopped(void **state)
{
	(void)state;
	struct timing *t = fresh();
	int a = timing_row(t, "fwdAttn", TIMING_PROGRAM);
	const uint64_t ns = 1000000;
	micro(t, 1500000, 1, &a, &ns);
	clock_continued(); /* between two: no matter */
	micro(t, 1500000, 1, &a, &ns);
	struct timing before = *t;
	timing_micro_begin(t);
	timing_add(t, a, 3600000000000ull, 1e6);
	clock_continued();
	timing_micro_end(t);
	assert_int_equal(t->micro, 2);
	assert_int_equal(t->row[a].calls, 2);
	assert_int_equal(t->row[a].ns, 2 * ns);
	close_to(t->row[a].flops, 2e6);
	assert_int_equal(t->total_ns, before.total_ns);
	close_to(timing_mean_ms(t, a, 16), 1);
	free(t);
}

/* A signal that no handler has seen yet counts, and not again when it has. */
static void test_clock(void **state)
{
	(void)state;
	sigset_t cont, old, waiting;
	struct clock_seen seen = {0};
	double lost = -1;
	int sig;
	sigemptyset(&cont);
	sigaddset(&cont, SIGCONT);
	assert_int_equal(sigprocmask(SIG_BLOCK, &cont, &old), 0);
	assert_int_equal(clock_stopped_since(&seen, &lost), 0);
	assert_int_equal(clock_stopped_since(&seen, &lost), 0);
	assert_true(lost == 0);
	kill(getpid(), SIGCONT);
	assert_int_equal(clock_stopped_since(&seen, &lost), 1);
	assert_int_equal(clock_stopped_since(&seen, NULL), 0);
	assert_int_equal(sigpending(&waiting), 0);
	assert_int_equal(sigismember(&waiting, SIGCONT), 1);
	assert_int_equal(sigwait(&cont, &sig), 0);
	clock_continued(); /* its handler */
	assert_int_equal(clock_stopped_since(&seen, NULL), 0);
	clock_continued();
	assert_int_equal(clock_stopped_since(&seen, NULL), 1);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_micro_is_measured),
		cmocka_unit_test(test_proc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
