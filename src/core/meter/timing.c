/* timing.c: adding up rows, closing micro-steps.
 * SPDX-License-Identifier: MIT */
#include "meter/timing.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/trace.h"

int timing_row(struct timing *t, const char *name, enum timing_kind kind)
{
	if (!t)
		return -1;
	for (int i = 0; i < t->n; i++)
		if (!strncmp(t->row[i].name, name, TIMING_NAME - 1) && t->row[i].kind == kind)
			return i;
	if (t->n == TIMING_ROWS)
		return -1;
	struct timing_row *r = &t->row[t->n];
	*r = (struct timing_row){.kind = kind};
	strncpy(r->name, name, TIMING_NAME - 1);
	return t->n++;
}

void timing_count(struct timing *t, int row, uint64_t ns, double flops)
{
	if (!t || row < 0)
		return;
	struct timing_row *r = &t->row[row];
	r->calls++;
	r->ns += ns;
	r->flops += flops;
	r->now_ns += ns;
	r->now_calls++;
	r->now_flops += flops;
}

static void trace_row(const struct timing *t, int row, uint64_t ns, int layer)
{
	static const enum trace_kind kinds[] = {[TIMING_PROGRAM] = TRACE_PROGRAM, [TIMING_HOST] = TRACE_HOST, [TIMING_WAIT] = TRACE_WAIT, [TIMING_OVERLAP] = TRACE_ASYNC};
	uint64_t now = clock_ns();
	trace_span(kinds[t->row[row].kind], t->row[row].name, now - ns, now, layer);
}

void timing_add_layer(struct timing *t, int row, uint64_t ns, double flops, int layer)
{
	timing_count(t, row, ns, flops);
	if (trace_on() && t && row >= 0)
		trace_row(t, row, ns, layer);
}

void timing_add(struct timing *t, int row, uint64_t ns, double flops)
{
	timing_add_layer(t, row, ns, flops, TRACE_NONE);
}

void timing_chip(struct timing *t, int row, double ns)
{
	if (!t)
		return;
	t->now_chip_ns[t->turned] += ns;
	if (row >= 0)
		t->row[row].now_chip_ns += ns;
}

void timing_micro_turn(struct timing *t)
{
	if (t)
		t->turned = 1;
}

void timing_micro_begin(struct timing *t)
{
	if (!t)
		return;
	t->turned = 0; /* each pass of a micro-step has its own way there and back */
	if (t->depth++)
		return;
	/* What was added since the last end (the update, a checkpoint) is no part of this micro-step. */
	for (int i = 0; i < t->n; i++) {
		t->row[i].now_ns = 0;
		t->row[i].now_calls = 0;
		t->row[i].now_flops = 0;
		t->row[i].now_chip_ns = 0;
	}
	t->now_chip_ns[0] = t->now_chip_ns[1] = 0;
	clock_stopped_since(&t->seen, NULL);
	t->start_ns = clock_ns();
}

/* As if it had not been. */
static void leave_out(struct timing *t)
{
	for (int i = 0; i < t->n; i++) {
		struct timing_row *r = &t->row[i];
		r->calls -= r->now_calls;
		r->ns -= r->now_ns;
		r->flops -= r->now_flops;
	}
}

void timing_micro_end(struct timing *t)
{
	if (!t || --t->depth)
		return;
	uint64_t ns = clock_ns() - t->start_ns;
	trace_span(TRACE_STEP, "micro-step", t->start_ns, t->start_ns + ns, TRACE_NONE);
	if (clock_stopped_since(&t->seen, NULL)) {
		leave_out(t);
		return;
	}
	size_t slot = t->micro % TIMING_HIST;
	for (int i = 0; i < t->n; i++) {
		struct timing_row *r = &t->row[i];
		r->hist_ns[slot] = (float)r->now_ns;
		r->last_calls = r->now_calls;
		r->last_flops = r->now_flops;
		r->last_chip_ns = r->now_chip_ns;
		r->now_ns = 0;
		r->now_calls = 0;
		r->now_flops = 0;
		r->now_chip_ns = 0;
	}
	memcpy(t->last_chip_ns, t->now_chip_ns, sizeof t->last_chip_ns);
	t->hist_total[slot] = (float)ns;
	t->total_ns += ns;
	t->micro++;
}

void timing_reset(struct timing *t)
{
	memset(t, 0, sizeof *t);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

void timing_percentiles(const struct timing *t, int row, double *p50, double *p95)
{
	float v[TIMING_HIST];
	size_t n = (size_t)MIN(t->micro, TIMING_HIST);
	*p50 = *p95 = 0;
	if (!n)
		return;
	memcpy(v, row < 0 ? t->hist_total : t->row[row].hist_ns, n * sizeof *v);
	qsort(v, n, sizeof *v, by_value);
	*p50 = v[n / 2] / 1e6;
	*p95 = v[(n * 95 + 99) / 100 - 1] / 1e6;
}

double timing_mean_ms(const struct timing *t, int row, int n)
{
	int have = (int)MIN(t->micro, (uint64_t)MIN(n, TIMING_HIST));
	if (have <= 0)
		return 0;
	double sum = 0;
	for (int k = 0; k < have; k++) {
		size_t slot = (t->micro - 1 - (uint64_t)k) % TIMING_HIST;
		if (row >= 0) {
			sum += t->row[row].hist_ns[slot];
			continue;
		}
		sum += t->hist_total[slot];
		if (row == -2)
			for (int i = 0; i < t->n; i++)
				if (t->row[i].kind != TIMING_OVERLAP)
					sum -= t->row[i].hist_ns[slot];
	}
	return sum / have / 1e6;
}
