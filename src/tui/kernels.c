/* kernels.c: making the table, and telling about one row of it.
 * SPDX-License-Identifier: MIT */
#include "tui/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "tui/aim.h"
#include "tui/fmt.h"

const char *kernel_sort_name(enum kernel_sort s)
{
	static const char *const names[SORT_N] = {"time", "name", "calls", "p95", "GFLOP/s", "change"};
	return names[s];
}

/* --- order --- */

static double sort_value(const struct kernel_line *l, enum kernel_sort s)
{
	double v = s == SORT_CALLS ? l->calls : s == SORT_P95 ? l->p95 : s == SORT_GFLOPS ? l->gflops : s == SORT_CHANGE ? l->change : l->ms;
	return isfinite(v) ? v : -INFINITY;
}

static int goes_before(const struct kernel_line *a, const struct kernel_line *b, enum kernel_sort s, int turned)
{
	if (a->kind != b->kind)
		return a->kind < b->kind;
	if (s == SORT_NAME)
		return turned ? strcasecmp(a->name, b->name) > 0 : strcasecmp(a->name, b->name) < 0;
	return turned ? sort_value(a, s) < sort_value(b, s) : sort_value(a, s) > sort_value(b, s);
}

/* By insertion: the rows are few, and equal ones must stay as they are. */
static void sort(struct kernel_table *t, enum kernel_sort s, int turned)
{
	for (int i = 1; i < t->n; i++) {
		struct kernel_line l = t->line[i];
		int k = i;
		for (; k > 0 && goes_before(&l, &t->line[k - 1], s, turned); k--)
			t->line[k] = t->line[k - 1];
		t->line[k] = l;
	}
}

/* --- rows --- */

/* Work that never falls into a micro-step (the update, checkpoints) has no history there: it is listed per step. */
static int outside(const struct timing *t, int i)
{
	for (int k = 0; k < TIMING_HIST; k++)
		if (t->row[i].hist_ns[k])
			return 0;
	return t->row[i].ns > 0;
}

static int is_wanted(const char *name, const char *filter)
{
	return !*filter || strcasestr(name, filter) != NULL;
}

static double change(double now, double then)
{
	return then > 0 && now > 0 ? now / then - 1 : NAN;
}

static void fill(struct kernel_line *l, const struct kernel_table *tab, const struct view *v, const struct split *at, int i)
{
	const struct data *d = view_data(v);
	const struct timing *t = &d->snap.timing;
	const struct timing_row *r = &t->row[i];
	const struct bucket *b = aim_bucket(v);
	double watts = at ? b ? (double)b->watts : NAN : d->snap.power.watts;
	l->kind = r->kind == TIMING_OVERLAP ? KERNEL_OVERLAP : KERNEL_ROW;
	l->ms = at ? (double)at->ms[i] : timing_mean_ms(t, i, (int)MIN(t->micro, (uint64_t)TIMING_HIST));
	l->calls = r->last_calls;
	l->share = tab->total > 0 ? l->ms / tab->total : 0;
	l->gflops = l->ms > 0 ? r->last_flops / l->ms / 1e6 : 0;
	l->of_floor = d->snap.blas_gflops > 0 && l->gflops > 0 ? l->gflops / d->snap.blas_gflops : NAN;
	l->mj = l->kind == KERNEL_ROW ? watts * l->ms : NAN;
	l->change = v->have_base ? change(l->ms, (double)v->base.ms[i]) : NAN;
	l->chip = r->kind != TIMING_PROGRAM ? 0 : r->last_chip_ns > 0 ? r->last_chip_ns / 1e6 : NAN;
	if (!at)
		timing_percentiles(t, i, &l->p50, &l->p95);
}

static void add_row(struct kernel_table *tab, const struct view *v, const struct split *at, double steps, int i)
{
	const struct timing_row *r = &view_data(v)->snap.timing.row[i];
	struct kernel_line *l = &tab->line[tab->n];
	*l = (struct kernel_line){.row = i, .name = r->name, .share = NAN, .p50 = NAN, .p95 = NAN, .mj = NAN, .of_floor = NAN, .change = NAN};
	if (outside(&view_data(v)->snap.timing, i)) {
		l->kind = KERNEL_STEP;
		l->ms = (double)r->ns / steps / 1e6;
		l->gflops = r->ns ? r->flops / (double)r->ns : 0;
		l->calls = (double)r->calls / steps;
	} else {
		fill(l, tab, v, at, i);
		tab->overlap += l->kind == KERNEL_OVERLAP;
		if (!r->ns)
			return;
	}
	tab->n++;
}

static void add_rest(struct kernel_table *tab, const struct view *v)
{
	struct kernel_line *l = &tab->line[tab->n++];
	*l = (struct kernel_line){.kind = KERNEL_REST, .row = -1, .name = "unaccounted", .ms = tab->rest, .share = tab->total > 0 ? tab->rest / tab->total : 0, .p50 = NAN, .p95 = NAN, .mj = NAN,
		.of_floor = NAN, .change = v->have_base ? change(tab->rest, (double)v->base.rest) : NAN};
}

static void add_heading(struct kernel_table *tab)
{
	for (int i = 0; i < tab->n; i++)
		if (tab->line[i].kind == KERNEL_STEP) {
			memmove(&tab->line[i + 1], &tab->line[i], (size_t)(tab->n - i) * sizeof *tab->line);
			tab->line[i] = (struct kernel_line){.kind = KERNEL_HEAD, .row = -1, .name = "once a step"};
			tab->n++;
			return;
		}
}

void kernels_make(struct kernel_table *tab, const struct view *v)
{
	const struct data *d = view_data(v);
	const struct timing *t = &d->snap.timing;
	const struct split *at = v->cursor_on ? splits_at(&d->splits, v->cursor) : NULL;
	int last = (int)MIN(t->micro, (uint64_t)TIMING_HIST);
	double steps = fmax(1, (double)t->micro / fmax(1, d->snap.settings.num[SET_ACCUM]));
	*tab = (struct kernel_table){.chip = d->snap.chip.name[0] ? d->snap.chip.name : NULL};
	tab->at = at ? at->step : 0;
	tab->total = at ? (double)at->total : timing_mean_ms(t, -1, last);
	tab->rest = at ? (double)at->rest : timing_mean_ms(t, -2, last);
	for (int i = 0; i < t->n; i++) {
		if (is_wanted(t->row[i].name, v->kernel_filter))
			add_row(tab, v, at, steps, i);
		else
			tab->hidden++;
	}
	add_rest(tab, v);
	sort(tab, v->kernel_sort, v->kernel_turned);
	add_heading(tab);
}

/* --- one row --- */

/* A history as text, `w` columns of eight heights. */
static void tell_spark(struct str *out, const double *v, int n, int w, enum glyphs gl)
{
	static const char ascii[] = "_.-~=*#@";
	double hi = 0;
	for (int i = 0; i < n; i++)
		hi = fmax(hi, v[i]);
	for (int c = 0; c < w && n && hi > 0; c++) {
		double sum = 0;
		int from = c * n / w, to = MAX((c + 1) * n / w, from + 1);
		for (int i = from; i < to && i < n; i++)
			sum += v[i];
		int k = (int)fmin(fmax(sum / (to - from) / hi * 7.99, 0), 7);
		char b[4];
		if (gl == GLYPHS_ASCII)
			str_putc(out, ascii[k]);
		else
			str_add(out, b, (size_t)utf8_encode(0x2581u + (uint32_t)k, b));
	}
}

static void tell_history(struct str *out, const struct view *v, const struct kernel_line *l, int w)
{
	const struct data *d = view_data(v);
	const struct timing *t = &d->snap.timing;
	double now[TIMING_HIST], run[SPLIT_CAP];
	int n = (int)MIN(t->micro, (uint64_t)TIMING_HIST);
	char a[FMT], b[FMT], c[FMT];
	for (int i = 0; i < n; i++)
		now[i] = (double)t->row[l->row].hist_ns[(t->micro - (uint64_t)n + (uint64_t)i) % TIMING_HIST] / 1e6;
	double lo = INFINITY, hi = 0;
	for (int i = 0; i < d->splits.n; i++) {
		run[i] = (double)d->splits.at[i].ms[l->row];
		lo = fmin(lo, run[i]);
		hi = fmax(hi, run[i]);
	}
	str_printf(out, "last %d    ", n);
	tell_spark(out, now, n, MIN(MAX(w - 14, 8), n), v->glyphs);
	str_putc(out, '\n');
	if (d->splits.n < 2)
		return;
	str_puts(out, "the run    ");
	tell_spark(out, run, d->splits.n, MIN(MAX(w - 14, 8), d->splits.n), v->glyphs);
	str_printf(out, "\n           steps %s to %s: %s to %s ms\n", fmt_group(a, d->splits.at[0].step), fmt_group((char[FMT]){0}, d->splits.at[d->splits.n - 1].step), fmt_short(b, lo), fmt_short(c, hi));
}

void kernels_tell(struct str *out, const struct view *v, const struct kernel_line *l, int w)
{
	const struct data *d = view_data(v);
	const struct timing_row *r = &d->snap.timing.row[l->row];
	static const char *const kinds[] = {"a program: the device runs it", "host work, between programs", "waiting for work that overlaps", "beside a device: not a part of the sum"};
	char a[FMT], b[FMT], c[FMT];
	str_printf(out, "%-10s %s\n", l->name, kinds[r->kind]);
	if (l->kind == KERNEL_STEP)
		str_printf(out, "once a step: %s ms, %s calls a step\n", fmt_short(a, l->ms), fmt_short(b, l->calls));
	else
		str_printf(out, "micro-step %s ms, %.0f %%   p50 %s   p95 %s   %.0f calls\n", fmt_short(a, l->ms), 100 * l->share, fmt_short(b, l->p50), fmt_short(c, l->p95), l->calls);
	if (l->gflops > 0 && isfinite(l->of_floor))
		str_printf(out, "speed      %s GFLOP/s, %.0f %% of the floor (a large matrix product: %.0f)\n", fmt_short(a, l->gflops), 100 * l->of_floor, d->snap.blas_gflops);
	if (isfinite(l->mj))
		str_printf(out, "energy     ~%s mJ a micro-step, by its share of the time\n", fmt_short(a, l->mj));
	if (isfinite(l->change))
		str_printf(out, "baseline   %+.1f %% since step %s\n", 100 * l->change, fmt_group(a, v->base.step));
	if (l->kind != KERNEL_STEP)
		tell_history(out, v, l, w);
	if (r->kind != TIMING_PROGRAM)
		str_puts(out, "No program: written in C, there is no text of it.\n");
	str_putc(out, '\n');
}
