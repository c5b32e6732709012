/* pane_kernels.c: where the milliseconds of a micro-step go. The table is made in kernels.c.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/fmt.h"
#include "tui/kernels.h"
#include "tui/panes.h"

/* Columns by their right end; 0: not shown. */
struct columns { int name, calls, ms, share, p50, p95, chip, gflops, floor, mj, change, overlap, bar, bar_w; };

static void take(int *x, int *column, int width, int want, int w)
{
	if (want && *x + width <= w)
		*column = *x += width;
}

/* What fits, the most telling first. */
static struct columns columns(int w, const struct kernel_table *t, const struct view *v)
{
	struct columns c = {0};
	int watts = 0;
	for (int i = 0; i < t->n; i++)
		watts |= t->line[i].kind == KERNEL_ROW && isfinite(t->line[i].mj);
	c.name = w >= 44 ? 15 : MAX(MIN(w - 13, 15), 6);
	int x = c.name;
	take(&x, &c.calls, 6, w >= 44, w);
	take(&x, &c.ms, w >= 44 ? 9 : 7, 1, 1 << 20);
	take(&x, &c.share, 5, 1, 1 << 20);
	take(&x, &c.chip, 9, t->chip && w >= 44, w);
	take(&x, &c.gflops, 9, w >= 54, w);
	take(&x, &c.change, 7, v->have_base, w);
	take(&x, &c.floor, 7, w >= 63, w);
	take(&x, &c.p50, 8, w >= 78, w);
	take(&x, &c.p95, 8, w >= 78, w);
	take(&x, &c.mj, 7, watts && w >= 70, w);
	take(&x, &c.overlap, 9, t->overlap && w >= 60, w);
	c.bar = x + 2;
	c.bar_w = MIN(w - c.bar, 40);
	return c;
}

static void right(struct grid *g, struct rect r, int end, int y, enum attr a, const char *s)
{
	if (end)
		grid_text(g, r, end - text_width(s), y, a, s);
}

static void percent(struct grid *g, struct rect r, int end, int y, enum attr a, int with_sign, double v)
{
	char b[FMT];
	if (!isfinite(v) || fabs(v) > 99)
		return;
	snprintf(b, sizeof b, with_sign ? "%+.0f%%" : "%.0f%%", 100 * v);
	right(g, r, end, y, a, b);
}

static void draw_line(struct grid *g, const struct view *v, struct rect r, int y, const struct columns *c, const struct kernel_line *l)
{
	char a[FMT], b[FMT + 2];
	enum attr name = l->kind == KERNEL_ROW ? ATTR_TEXT : l->kind == KERNEL_REST && l->share > 0.02 ? ATTR_WARN : ATTR_DIM;
	grid_text(g, (struct rect){r.x, r.y, MIN(c->name, r.w), r.h}, 0, y, name, l->name);
	if (l->kind == KERNEL_HEAD)
		return;
	if (l->calls > 0)
		right(g, r, c->calls, y, ATTR_DIM, l->calls >= 1 || l->kind != KERNEL_STEP ? fmt_fixed(a, l->calls, 0) : fmt_short(a, l->calls));
	fmt_short(a, l->ms);
	if (l->kind == KERNEL_OVERLAP) {
		/* Where there is no column of its own, parentheses say that it is no part of the sum. */
		snprintf(b, sizeof b, "(%s)", a);
		right(g, r, c->overlap ? c->overlap : c->ms, y, ATTR_DIM, c->overlap ? a : b);
	} else {
		right(g, r, c->ms, y, ATTR_VALUE, a);
	}
	if (l->kind == KERNEL_ROW || l->kind == KERNEL_REST) {
		percent(g, r, c->share, y, ATTR_DIM, 0, l->share);
		draw_bar(g, r, c->bar, y, c->bar_w, l->share, l->kind == KERNEL_ROW ? ATTR_BAR : ATTR_WARN, v->glyphs);
	}
	if (l->kind == KERNEL_ROW || l->kind == KERNEL_OVERLAP)
		right(g, r, c->chip, y, l->chip > 0 ? ATTR_VALUE : ATTR_DIM, l->chip == 0 ? "host" : fmt_short(a, l->chip));
	if (l->gflops > 0)
		right(g, r, c->gflops, y, ATTR_TEXT, fmt_short(a, l->gflops));
	percent(g, r, c->floor, y, ATTR_DIM, 0, l->of_floor);
	if (isfinite(l->p50) && l->kind == KERNEL_ROW) {
		right(g, r, c->p50, y, ATTR_DIM, fmt_short(a, l->p50));
		right(g, r, c->p95, y, l->p95 > 2 * l->p50 && l->share > 0.02 ? ATTR_WARN : ATTR_DIM, fmt_short(a, l->p95));
	}
	if (isfinite(l->mj))
		right(g, r, c->mj, y, ATTR_DIM, fmt_short(a, l->mj));
	percent(g, r, c->change, y, l->change > 0.05 ? ATTR_WARN : l->change < -0.05 ? ATTR_GOOD : ATTR_DIM, 1, l->change);
}

/* The column that it is sorted by stands out. */
static void head(struct grid *g, struct rect r, const struct columns *c, const struct view *v, const char *chip)
{
	char name[FMT];
	enum kernel_sort s = v->kernel_sort;
	grid_text(g, r, 0, 0, s == SORT_NAME ? ATTR_KEY : ATTR_DIM, "kernel");
	right(g, r, c->calls, 0, s == SORT_CALLS ? ATTR_KEY : ATTR_DIM, "calls");
	right(g, r, c->ms, 0, s == SORT_MS ? ATTR_KEY : ATTR_DIM, c->calls ? "ms/micro" : "ms");
	right(g, r, c->share, 0, ATTR_DIM, "%");
	snprintf(name, sizeof name, "%s", chip ? chip : "");
	right(g, r, c->chip, 0, ATTR_DIM, name);
	right(g, r, c->gflops, 0, s == SORT_GFLOPS ? ATTR_KEY : ATTR_DIM, "GFLOP/s");
	right(g, r, c->floor, 0, ATTR_DIM, "floor");
	right(g, r, c->p50, 0, ATTR_DIM, "p50");
	right(g, r, c->p95, 0, s == SORT_P95 ? ATTR_KEY : ATTR_DIM, "p95");
	right(g, r, c->mj, 0, ATTR_DIM, "~mJ");
	right(g, r, c->change, 0, s == SORT_CHANGE ? ATTR_KEY : ATTR_DIM, "since");
	right(g, r, c->overlap, 0, ATTR_DIM, "beside");
}

static void sum_line(struct grid *g, const struct view *v, struct rect r, const struct kernel_table *tab, int more)
{
	const struct data *d = view_data(v);
	char a[FMT];
	int y = r.h - 1, end = grid_printf(g, r, 0, y, ATTR_TITLE, "sum %s ms", fmt_short(a, tab->total)), room = more > 0 ? r.w - 10 : r.w;
	double told = tab->total > 0 ? 100 * (1 - tab->rest / tab->total) : 100;
	if (tab->chip && isfinite(d->snap.chip.ms) && r.w >= 28)
		end = grid_printf(g, r, end + 2, y, ATTR_TITLE, "%s %s%s", tab->chip, fmt_short(a, d->snap.chip.ms), r.w >= 40 ? " ms" : "");
	if (r.w >= 44)
		end = grid_printf(g, r, end + 2, y, ATTR_NOTE, "accounted %.1f %%", told);
	if (d->snap.micro_ms > 0 && !tab->at && end + 16 <= room)
		end = grid_printf(g, r, end + 2, y, ATTR_NOTE, "%s GFLOP/s", fmt_short(a, d->snap.flops_per_micro / d->snap.micro_ms / 1e6));
	if (d->snap.blas_gflops > 0 && end + 22 <= room)
		grid_printf(g, r, end + 2, y, ATTR_NOTE, "floor %.0f GFLOP/s", d->snap.blas_gflops);
	/* Not up against the pane beside it, where there is no line between them, if there is room. */
	if (more > 0)
		grid_printf(g, r, r.w - 8 - (r.w < 32 && end < r.w - 10 ? 2 : 0), y, ATTR_NOTE, "%3d more", more);
}

void pane_kernels_note(const struct view *v, int room, char note[NOTE])
{
	const struct data *d = view_data(v);
	const struct split *at = v->cursor_on ? splits_at(&d->splits, v->cursor) : NULL;
	char a[FMT];
	int n = 0;
	note[0] = 0;
	if (at)
		n = snprintf(note, NOTE, "near step %s", fmt_group(a, at->step));
	else if (room >= 17)
		n = snprintf(note, NOTE, "ms per micro-step");
	if (v->kernel_filter[0])
		n += snprintf(note + n, NOTE - (size_t)n, "%s/%.24s", n ? "  " : "", v->kernel_filter);
	if (v->have_base && n + 20 <= room)
		n += snprintf(note + n, NOTE - (size_t)n, "  since step %s", fmt_group(a, v->base.step));
	if (n + 16 <= room && (v->kernel_sort != SORT_MS || room >= 50))
		snprintf(note + n, NOTE - (size_t)n, "  by %s", kernel_sort_name(v->kernel_sort));
}

void pane_kernels(struct grid *g, struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	struct kernel_table tab;
	if (!d->have_snap || r.h < 1)
		return;
	if (!d->snap.timing.micro) {
		int record = d->snap.view.kind == VIEW_REPLAY;
		grid_text(g, r, 0, 0, ATTR_NOTE, record ? "no kernels in a record" : r.w >= 34 ? "fills with the first micro-step" : "no micro-step yet");
		return;
	}
	kernels_make(&tab, v);
	struct columns c = columns(r.w, &tab, v);
	int top = r.h >= 6, sum = r.h >= 3, rows = r.h - top - sum;
	/* With the focus one row is chosen, and stays in sight. */
	int chosen = v->focus == PANE_KERNELS || v->zoom == PANE_KERNELS;
	v->kernel_at = MAX(MIN(v->kernel_at, tab.n - 1), 0);
	v->kernel_rows = tab.n;
	if (top)
		head(g, r, &c, v, tab.chip);
	v->page[PANE_KERNELS] = rows;
	v->most[PANE_KERNELS] = MAX(tab.n - rows, 0);
	int *from = &v->scroll[PANE_KERNELS];
	*from = MAX(MIN(*from, v->most[PANE_KERNELS]), 0);
	if (chosen && rows > 0)
		*from = MAX(MIN(*from, v->kernel_at), v->kernel_at - rows + 1);
	for (int i = 0; i < rows && *from + i < tab.n; i++) {
		draw_line(g, v, r, top + i, &c, &tab.line[*from + i]);
		if (chosen && *from + i == v->kernel_at)
			grid_look(g, (struct rect){r.x, r.y + top + i, MIN(c.bar - 2, r.w), 1}, ATTR_CHOSEN);
	}
	v->kernel_top = (struct rect){r.x, r.y + top, r.w, rows};
	if (sum)
		sum_line(g, v, r, &tab, v->most[PANE_KERNELS] - *from);
}
