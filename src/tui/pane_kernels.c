/* pane_kernels.c: where the milliseconds of a micro-step go. Reads the timing table, measures nothing.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/fmt.h"
#include "tui/panes.h"

enum line_kind { LINE_ROW, LINE_OVERLAP, LINE_REST, LINE_HEAD, LINE_STEP };

struct line {
	enum line_kind kind;
	const char *name;
	double ms, share, gflops, calls;
	double chip; /* ms that the chip would take; NAN: not predicted; 0: no program */
};

struct table { struct line line[TIMING_ROWS + 4]; int n; double total, rest; int overlap; const char *chip; };

static int by_ms(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->ms > y->ms ? -1 : x->ms < y->ms;
}

/* Work that never falls into a micro-step (the update, checkpoints) has no history there: it is listed per step. */
static int outside(const struct timing *t, int i)
{
	for (int k = 0; k < TIMING_HIST; k++)
		if (t->row[i].hist_ns[k])
			return 0;
	return t->row[i].ns > 0;
}

static void make_table(struct table *tab, const struct engine_snapshot *s)
{
	const struct timing *t = &s->timing;
	int last = (int)MIN(t->micro, (uint64_t)TIMING_HIST);
	double steps = fmax(1, (double)t->micro / fmax(1, s->settings.num[SET_ACCUM]));
	*tab = (struct table){.chip = s->chip.name[0] ? s->chip.name : NULL, .total = timing_mean_ms(t, -1, last), .rest = timing_mean_ms(t, -2, last)};
	for (int i = 0; i < t->n; i++) {
		const struct timing_row *r = &t->row[i];
		struct line *l = &tab->line[tab->n];
		*l = (struct line){.name = r->name};
		if (outside(t, i)) {
			*l = (struct line){LINE_STEP, r->name, (double)r->ns / steps / 1e6, NAN, r->ns ? r->flops / (double)r->ns : 0, (double)r->calls / steps, 0};
		} else {
			l->kind = r->kind == TIMING_OVERLAP ? LINE_OVERLAP : LINE_ROW;
			l->ms = timing_mean_ms(t, i, last);
			l->calls = r->last_calls;
			l->share = tab->total > 0 ? l->ms / tab->total : 0;
			l->gflops = l->ms > 0 ? r->last_flops / l->ms / 1e6 : 0;
			l->chip = r->kind != TIMING_PROGRAM ? 0 : r->last_chip_ns > 0 ? r->last_chip_ns / 1e6 : NAN;
			tab->overlap += l->kind == LINE_OVERLAP;
			if (!r->ns)
				continue;
		}
		tab->n++;
	}
	tab->line[tab->n++] = (struct line){LINE_REST, "unaccounted", tab->rest, tab->total > 0 ? tab->rest / tab->total : 0, 0, 0, 0};
	qsort(tab->line, (size_t)tab->n, sizeof *tab->line, by_ms);
	for (int i = 0; i < tab->n; i++)
		if (tab->line[i].kind == LINE_STEP) {
			memmove(&tab->line[i + 1], &tab->line[i], (size_t)(tab->n - i) * sizeof *tab->line);
			tab->line[i] = (struct line){LINE_HEAD, "once a step", 0, 0, 0, 0, 0};
			tab->n++;
			break;
		}
}

/* Columns; 0: not shown. */
struct columns { int name, calls, ms, share, chip, gflops, overlap, bar, bar_w; };

static struct columns columns(int w, int overlap, int chip)
{
	struct columns c = {0};
	c.name = w >= 44 ? 15 : MAX(MIN(w - 13, 15), 6);
	int x = c.name;
	if (w >= 44)
		c.calls = x += 6;
	c.ms = x += w >= 44 ? 9 : 7;
	c.share = x += 5;
	if (chip && w >= 44)
		c.chip = x += 9;
	if (w >= (c.chip ? 63 : 54))
		c.gflops = x += 9;
	if (overlap && w >= (c.chip ? 69 : 60))
		c.overlap = x += 9;
	c.bar = x + 2;
	c.bar_w = MIN(w - c.bar, 40);
	return c;
}

static void right(struct grid *g, struct rect r, int end, int y, enum attr a, const char *s)
{
	if (end)
		grid_text(g, r, end - text_width(s), y, a, s);
}

static void draw_line(struct grid *g, const struct view *v, struct rect r, int y, const struct columns *c, const struct line *l)
{
	char a[FMT], b[FMT + 2];
	enum attr name = l->kind == LINE_ROW ? ATTR_TEXT : l->kind == LINE_REST && l->share > 0.02 ? ATTR_WARN : ATTR_DIM;
	grid_text(g, (struct rect){r.x, r.y, MIN(c->name, r.w), r.h}, 0, y, name, l->name);
	if (l->kind == LINE_HEAD)
		return;
	if (l->calls > 0)
		right(g, r, c->calls, y, ATTR_DIM, l->calls >= 1 || l->kind != LINE_STEP ? fmt_fixed(a, l->calls, 0) : fmt_short(a, l->calls));
	fmt_short(a, l->ms);
	if (l->kind == LINE_OVERLAP) {
		/* Where there is no column of its own, parentheses say that it is no part of the sum. */
		snprintf(b, sizeof b, "(%s)", a);
		right(g, r, c->overlap ? c->overlap : c->ms, y, ATTR_DIM, c->overlap ? a : b);
	} else {
		right(g, r, c->ms, y, ATTR_VALUE, a);
	}
	if (l->kind == LINE_ROW || l->kind == LINE_REST) {
		snprintf(b, sizeof b, "%.0f%%", l->share * 100);
		right(g, r, c->share, y, ATTR_DIM, b);
		draw_bar(g, r, c->bar, y, c->bar_w, l->share, l->kind == LINE_ROW ? ATTR_BAR : ATTR_WARN, v->glyphs);
	}
	if (l->kind == LINE_ROW || l->kind == LINE_OVERLAP)
		right(g, r, c->chip, y, l->chip > 0 ? ATTR_VALUE : ATTR_DIM, l->chip == 0 ? "host" : fmt_short(a, l->chip));
	if (l->gflops > 0)
		right(g, r, c->gflops, y, ATTR_TEXT, fmt_short(a, l->gflops));
}

static void head(struct grid *g, struct rect r, const struct columns *c, const char *chip)
{
	char name[FMT];
	grid_text(g, r, 0, 0, ATTR_DIM, "kernel");
	right(g, r, c->calls, 0, ATTR_DIM, "calls");
	right(g, r, c->ms, 0, ATTR_DIM, c->calls ? "ms/micro" : "ms");
	right(g, r, c->share, 0, ATTR_DIM, "%");
	snprintf(name, sizeof name, "%s", chip ? chip : "");
	right(g, r, c->chip, 0, ATTR_DIM, name);
	right(g, r, c->gflops, 0, ATTR_DIM, "GFLOP/s");
	right(g, r, c->overlap, 0, ATTR_DIM, "beside");
}

void pane_kernels(struct grid *g, struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	struct table tab;
	char a[FMT];
	if (!d->have_snap || r.h < 1)
		return;
	if (!d->snap.timing.micro) {
		grid_text(g, r, 0, 0, ATTR_NOTE, r.w >= 34 ? "fills with the first micro-step" : "no micro-step yet");
		return;
	}
	make_table(&tab, &d->snap);
	struct columns c = columns(r.w, tab.overlap, tab.chip != NULL);
	int top = r.h >= 6, sum = r.h >= 3, rows = r.h - top - sum;
	if (top)
		head(g, r, &c, tab.chip);
	v->page[PANE_KERNELS] = rows;
	v->most[PANE_KERNELS] = MAX(tab.n - rows, 0);
	int from = MIN(v->scroll[PANE_KERNELS], v->most[PANE_KERNELS]);
	for (int i = 0; i < rows && from + i < tab.n; i++)
		draw_line(g, v, r, top + i, &c, &tab.line[from + i]);
	if (!sum)
		return;
	int end = grid_printf(g, r, 0, r.h - 1, ATTR_TITLE, "sum %s ms", fmt_short(a, tab.total));
	double told = tab.total > 0 ? 100 * (1 - tab.rest / tab.total) : 100;
	if (tab.chip && isfinite(d->snap.chip.ms) && r.w >= 28)
		end = grid_printf(g, r, end + 2, r.h - 1, ATTR_TITLE, "%s %s%s", tab.chip, fmt_short(a, d->snap.chip.ms), r.w >= 40 ? " ms" : "");
	if (r.w >= 44)
		end = grid_printf(g, r, end + 2, r.h - 1, ATTR_NOTE, "accounted %.1f %%", told);
	if (d->snap.micro_ms > 0 && end + 24 <= r.w)
		grid_printf(g, r, end + 2, r.h - 1, ATTR_NOTE, "%s GFLOP/s", fmt_short(a, d->snap.flops_per_micro / d->snap.micro_ms / 1e6));
	if (v->most[PANE_KERNELS] > from)
		grid_printf(g, r, r.w - 8, r.h - 1, ATTR_NOTE, "%3d more", v->most[PANE_KERNELS] - from);
}
